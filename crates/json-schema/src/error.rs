//! Errors of schemas and of documents.

use std::fmt;

/// The error for an invalid schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// The place in the schema, as a JSON pointer: `/properties/name/pattern`.
    pub place: String,
    /// What is wrong there and what to write instead.
    pub message: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

impl std::error::Error for SchemaError {}

/// The error for a document that a schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// A value violates a rule.
    Rule {
        /// The value, as a JSON pointer into the document: `/items/3/name`.
        value: String,
        /// The rule, as a JSON pointer into the schema: `/properties/items/items/required`.
        rule: String,
        /// What is wrong, without any of the document.
        message: &'static str,
    },
    /// The validation would take more steps, or deeper recursion, than permitted.
    Exhausted,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Rule { value, rule, message } => {
                let value = if value.is_empty() { "the document" } else { value };
                write!(f, "{value}: {message} ({rule})")
            }
            Invalid::Exhausted => f.write_str("the document: is too complex for the schema"),
        }
    }
}

impl std::error::Error for Invalid {}
