//! What has been found out about a module.

use std::path::PathBuf;

use serde::Serialize;

use super::gateways::{Gateway, Verdict};

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) ok: bool,
    /// What was found.
    pub(crate) detail: String,
    /// What is wrong, with the remedy; or, when `ok`, what only some gateways lack.
    pub(crate) remarks: Vec<String>,
}

/// What is known about a module.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) file: PathBuf,
    pub(crate) size: u64,
    /// The ABI version that the module declares first, if it is one that some gateway knows.
    pub(crate) abi: Option<String>,
    pub(crate) checks: Vec<Check>,
    pub(crate) gateways: Vec<Verdict>,
}

impl Report {
    /// Whether every check passed.
    pub(crate) fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// The gateways that load the module, for a table's cell.
    pub(crate) fn loads_in(&self) -> String {
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
