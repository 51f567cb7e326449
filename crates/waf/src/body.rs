//! Bodies of requests: parsed into arguments, files and texts.

mod form;
mod json;
mod multipart;
mod xml;

pub(crate) use form::{cookies, pairs};
pub(crate) use json::flatten;
pub(crate) use multipart::{Multipart, parse as parse_multipart};
pub(crate) use xml::parse as parse_xml;
