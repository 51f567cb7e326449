//! Errors with the path of the field and what to write instead.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use crate::path::{self, Path};
use crate::suggest;

/// The error for an invalid document: the path of the field, and what to write instead.
///
/// Displayed as `_rules_[3].block_urls[0]: must not be empty: …`, or without a path if the error concerns the whole
/// document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    message: String,
    /// True if `path` begins at the root.
    located: bool,
    /// The global field from which it may follow; empty if none.
    cause: &'static str,
}

impl ConfigError {
    /// Creates an error at a `path` from the root of the document; empty for the whole document.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        ConfigError { path: path.into(), message: message.into(), located: true, cause: "" }
    }

    /// Returns the path of the field from the root: `_rules_[3].block_urls[0]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the message: what is wrong, and what to write instead.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the global field from which the error follows if that field is invalid; empty if none.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn cause(&self) -> &'static str {
        self.cause
    }

    /// Adds the path of the reader, unless a nested reader has done so already.
    pub(crate) fn locate(mut self, place: &Path<'_>) -> Self {
        if !self.located {
            self.path = path::join(place, &self.path);
            self.located = true;
        }
        self
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<FieldError> for ConfigError {
    fn from(error: FieldError) -> Self {
        ConfigError { path: error.field, message: error.message, located: false, cause: error.cause }
    }
}

impl de::Error for ConfigError {
    fn custom<T: Display>(message: T) -> Self {
        ConfigError { path: String::new(), message: message.to_string(), located: false, cause: "" }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let wanted = in_words(&expected);
        let remedy = remedy(&found, wanted);
        Self::custom(format_args!("must be {wanted}, found {}{remedy}", kind(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        Self::custom(format_args!("must be {}, found another {}", in_words(&expected), kind(&found)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("must be {expected}, found {length} entries"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("must be one of {}", suggest::list(expected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(suggest::unknown_key(field, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        FieldError::missing(field).into()
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!("duplicate field `{field}`: remove one"))
    }
}

/// Translates the name of a Rust type for the author of a YAML document.
fn in_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a map" => "an object",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "a nonzero u16" => "a whole number from 1 to 65535",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number that fits",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "an object",
        other if other.starts_with("enum ") => "one of its names",
        other => other,
    }
}

/// Returns the kind of a value. The value itself may be a credential.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "whole number",
        Unexpected::Float(_) => "number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "string",
        Unexpected::Unit | Unexpected::Option => "nothing (null)",
        Unexpected::Seq => "list",
        Unexpected::Map => "object",
        _ => "value",
    }
}

/// Returns what to write instead, if it follows from the kinds.
fn remedy(found: &Unexpected<'_>, wanted: &str) -> &'static str {
    let scalar = !matches!(found, Unexpected::Seq | Unexpected::Map | Unexpected::Unit | Unexpected::Option);
    match (wanted, found) {
        ("a list", _) if scalar => ": put it in brackets, [like this]",
        ("a string", Unexpected::Str(_)) => "",
        ("a string", _) if scalar => ": put it in quotes",
        ("true or false", Unexpected::Str(_)) => ": write it without quotes",
        (wanted, Unexpected::Str(_)) if is_number(wanted) => ": write it without quotes",
        (_, Unexpected::Unit | Unexpected::Option) => ": write a value, or remove the field",
        _ => "",
    }
}

fn is_number(wanted: &str) -> bool {
    wanted.starts_with("a whole number") || wanted == "a number"
}

/// An error of [`Configuration::check`](crate::Configuration::check) about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    field: String,
    message: String,
    cause: &'static str,
}

impl FieldError {
    /// Creates an error about a `field`, with its path in the configuration that is being checked: `block_urls[0]`, or empty
    /// for the whole configuration. The message continues after the path: `must not be empty: write …`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        FieldError { field: field.into(), message: message.into(), cause: "" }
    }

    /// Creates an error about an entry of a list.
    pub fn in_list(field: &str, index: usize, message: impl Into<String>) -> Self {
        FieldError::new(format!("{field}[{index}]"), message)
    }

    /// Creates an error about a required field that may be absent in other places.
    pub fn missing(field: &str) -> Self {
        FieldError::new("", format!("`{field}` is missing: add it"))
    }

    /// Marks an error in a rule that may be caused by an invalid global field `cause`, such as the name of a consumer whose
    /// definition is invalid. Tools that collect all errors then show the error only if the field is valid.
    pub fn caused_by(mut self, cause: &'static str) -> Self {
        self.cause = cause;
        self
    }
}

impl Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

impl std::error::Error for FieldError {}
