//! The costs of cases, written to a file that `cargo xtask test` compares with the plug-in's budgets.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Context;
use serde::Serialize;

use engine::outcome::Outcome;

/// The file for the costs of cases, if any.
const COUNTS: &str = "PORTCULLIS_COUNTS";

/// The total costs of a case's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Cost {
    /// The module's instructions.
    pub(crate) instructions: u64,
    /// Its host calls.
    pub(crate) host_calls: u64,
}

impl Cost {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.instructions += outcome.instructions.unwrap_or_default();
        self.host_calls += outcome.host_calls.unwrap_or_default();
    }
}

/// The file for costs.
pub(super) struct Ledger(Option<Mutex<File>>);

impl Ledger {
    /// Opens the requested file.
    pub(super) fn open() -> anyhow::Result<Self> {
        let Some(path) = std::env::var_os(COUNTS).map(PathBuf::from) else { return Ok(Self(None)) };
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("{COUNTS}: {} cannot be written", path.display()))?;
        Ok(Self(Some(Mutex::new(file))))
    }

    /// Notes a case: one line of JSON.
    pub(super) fn note(&self, case: &str, cost: Cost) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            case: &'a str,
            #[serde(flatten)]
            cost: Cost,
        }
        let Some(file) = &self.0 else { return Ok(()) };
        let line = format!("{}\n", serde_json::to_string(&Line { case, cost })?);
        let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(line.as_bytes()).with_context(|| format!("{COUNTS}: a line cannot be written"))
    }
}
