//! Something to say about a place in a file, with the line that it stands in.

use std::fmt;

use config::ConfigError;
use serde::{Deserialize, Serialize};

use super::excerpt::excerpt;
use super::{Node, Position, Span, YamlError};

/// Something about a place in a file, mostly what is wrong there.
///
/// Written out it reads `7:3: spec.priority: must be …`, and belongs behind the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The field, counted from the top of the document: `spec.matchRules[1].config.block_urls[0]`.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The line with the field underlined: a margin, the line, carets.
    #[serde(skip)]
    pub excerpt: Option<[String; 3]>,
}

impl Fault {
    /// At a place of a text.
    pub fn new(text: &str, span: Span, path: impl Into<String>, message: impl Into<String>) -> Self {
        let Position { line, column } = span.start;
        Self { path: path.into(), line, column, message: message.into(), excerpt: excerpt(text, span) }
    }

    /// At a field of a document of a text.
    pub fn at(text: &str, document: &Node, path: impl Into<String>, message: impl Into<String>) -> Self {
        let path = path.into();
        Self::new(text, document.find(&path), path, message)
    }

    /// What a type says of a document of a text.
    #[must_use]
    pub fn refused(text: &str, document: &Node, error: &ConfigError) -> Self {
        Self::at(text, document, error.path(), error.message())
    }

    /// Invalid YAML.
    #[must_use]
    pub fn no_yaml(text: &str, error: YamlError) -> Self {
        Self::new(text, Span { start: error.position, end: error.position }, "", error.message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
