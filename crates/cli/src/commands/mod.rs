//! The commands, one file each. `run` returns true on success, false if the result is negative, and an error if the
//! command could not be executed.

pub(crate) mod adopt;
pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod catalogue;
pub(crate) mod changed;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod console;
pub(crate) mod docs;
pub(crate) mod explain;
pub(crate) mod fuzz;
pub(crate) mod licenses;
pub(crate) mod lint;
pub(crate) mod man;
pub(crate) mod manifest;
pub(crate) mod new;
pub(crate) mod package;
pub(crate) mod plugin;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod release;
pub(crate) mod request;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod test;
pub(crate) mod verify;
pub(crate) mod waf;
pub(crate) mod wheel;
