//! SecLang, the language of ModSecurity and of the OWASP Core Rule Set, compiled into tables.
//!
//! Sources become [`Directive`]s, which know their file and line, and these become a [`Program`]: typed rules with all defaults
//! and updates applied, phrases of data files included, and jumps resolved. A program is encoded as bytes at build time, and
//! decoded without copying its texts when a plug-in starts.
//!
//! ```
//! use seclang::{Program, Source, compile, parse};
//!
//! let text = r#"SecRule ARGS "@contains attack" "id:1,phase:2,deny,t:none,t:lowercase,msg:'An attack'""#;
//! let directives = parse(&[Source { name: "own.conf", text }])?;
//! let compiled = compile(&directives, &|name| Err(format!("{name} is not part of this example")));
//! assert!(compiled.errors.is_empty());
//! let bytes = compiled.program.encode()?;
//! let program = Program::decode(&bytes)?;
//! assert_eq!(program.rules.first().map(|rule| rule.id), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//!
//! - No source causes a panic, and parsing is linear.
//! - Every error names the file and the line of the directive, and what to write instead where this is known.
//! - A rule with an error is left out together with its chain, and reported; it never becomes a rule that matches less.

mod actions;
mod compile;
mod directive;
mod filter;
mod folder;
mod operators;
mod program;
mod targets;
mod template;

pub use actions::ALL_TRANSFORMATIONS;
pub use compile::{Compiled, ReadFile, compile, extend};
pub use directive::{Directive, Source, parse};
pub use filter::{ByteSet, Filter};
pub use folder::compile_folder;
pub use program::{
    Action, Collection, Ctl, Disruptive, EngineMode, Macro, Operator, Part, Processor, Program, Rule,
    Selector, SetVar, Settings, Severity, TableError, Target, Template, Transformation, Use,
};

use std::fmt;

/// An error in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The name of the source.
    pub file: String,
    /// The line where the directive begins, from 1.
    pub line: u32,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for Error {}
