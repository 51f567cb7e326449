//! The report about a module.

use std::path::PathBuf;

use serde::Serialize;

use super::gateways::{Gateway, Verdict};

/// A check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The name of the check.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// The finding.
    pub detail: String,
    /// The errors, with the remedy; or, if `ok`, features that some gateways do not support.
    pub remarks: Vec<String>,
}

/// The report about a module.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The module's file.
    pub file: PathBuf,
    /// The module's size in bytes.
    pub size: u64,
    /// The ABI version that the module declares first, if some gateway supports it.
    pub abi: Option<String>,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// The gateways that load it.
    pub gateways: Vec<Verdict>,
}

impl Report {
    /// Whether every check passed.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// The gateways that load the module, for a table cell.
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
