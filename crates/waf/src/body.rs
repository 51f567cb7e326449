//! Bodies of requests: parsed into arguments, files and texts.

mod form;
mod json;
mod multipart;
mod xml;

/// The error for more arguments than are read.
pub(crate) const TOO_MANY: &str = "there are more arguments than `SecArgumentsLimit` allows";

pub(crate) use form::cookies;
pub(crate) use json::flatten;
pub(crate) use multipart::{Multipart, parse as parse_multipart};
pub(crate) use xml::parse as parse_xml;
