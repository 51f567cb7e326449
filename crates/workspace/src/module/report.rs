//! What has been found out about a module.

use std::path::PathBuf;

use serde::Serialize;

use super::gateways::{Gateway, Verdict};

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The name of the check.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What is wrong, with the remedy; or, when `ok`, what only some gateways lack.
    pub remarks: Vec<String>,
}

/// What is known about a module.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The module's file.
    pub file: PathBuf,
    /// The module's size in bytes.
    pub size: u64,
    /// The ABI version that the module declares first, if it is one that some gateway knows.
    pub abi: Option<String>,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// Which gateways load it.
    pub gateways: Vec<Verdict>,
}

impl Report {
    /// Whether every check passed.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// The gateways that load the module, for a table's cell.
    #[must_use]
    pub fn loads_in(&self) -> String {
        let titles: Vec<&str> = self
            .gateways
            .iter()
            .filter(|verdict| verdict.loads)
            .map(|verdict| verdict.gateway.title())
            .collect();
        if titles.len() == Gateway::ALL.len() { "all".into() } else { titles.join(", ") }
    }
}

pub(super) fn passed(name: &'static str, detail: impl Into<String>) -> Check {
    Check { name, ok: true, detail: detail.into(), remarks: Vec::new() }
}

pub(super) fn failed(name: &'static str, detail: impl Into<String>, remark: impl Into<String>) -> Check {
    Check { name, ok: false, detail: detail.into(), remarks: vec![remark.into()] }
}
