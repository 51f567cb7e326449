//! Reports: a table for people, JSON for pipelines, a page for the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::interpreter::Counts;
use crate::options::Options;
use crate::stats::Spread;
use text::thousands;

/// A larger interquartile range indicates other load on the machine.
const WIDE: f64 = 0.05;

/// All measurements, and the machine.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    processor: String,
    cores: usize,
    kernel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    envoy: Option<String>,
    rustc: String,
    rounds: usize,
    /// The other module.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<String>,
    /// The plug-ins, in the order in which they were measured.
    pub plugins: Vec<PluginReport>,
}

/// The measurements of a plug-in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReport {
    pub(crate) name: String,
    pub(crate) module_bytes: usize,
    pub(crate) rows: Vec<Row>,
}

/// A scenario.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) scenario: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target_over_empty: Option<f64>,
    /// Microseconds of another implementation, outside of Envoy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) beside: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) envoy: Option<Cpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wasm: Option<Counts>,
}

/// Microseconds of the worker's CPU per request.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cpu {
    pub(crate) no_filter: Spread,
    pub(crate) empty: Spread,
    pub(crate) plugin: Spread,
    /// Milliseconds to load the configuration, in each VM of Envoy.
    pub(crate) load: Spread,
    /// Ratio of the plug-in to the empty module.
    pub(crate) over_empty: Spread,
    /// The plug-in without the empty module.
    pub(crate) more_than_empty: Spread,
    /// Ratio of the plug-in to itself at the scenario's first size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_smallest: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Spread>,
    /// Ratio of the other module to the plug-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) against_over_plugin: Option<Spread>,
    /// A filter of Envoy for the same purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<Spread>,
    /// Ratio of the plug-in to Envoy's filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_native: Option<Spread>,
}

impl Report {
    /// A report without measurements.
    pub fn new(root: &Path, envoy: Option<&str>, options: &Options) -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("measuring needs Linux")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let rustc = Command::new("rustc").arg("--version").current_dir(root).output();
        let rustc = rustc.context("rustc cannot be started: install Rust from https://rustup.rs")?;
        Ok(Self {
            processor: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            envoy: envoy.map(ToOwned::to_owned),
            rustc: String::from_utf8_lossy(&rustc.stdout).trim().to_owned(),
            rounds: options.rounds,
            against: options.against.as_ref().map(|file| file.display().to_string()),
            plugins: Vec::new(),
        })
    }

    /// Prints the tables.
    pub fn print(&self) {
        let bold = anstyle::Style::new().bold();
        for plugin in &self.plugins {
            anstream::println!(
                "{bold}{}{bold:#}, {} bytes",
                plugin.name,
                thousands(plugin.module_bytes as u64)
            );
            let table = self.table(plugin);
            let widths: Vec<usize> = (0..table.first().map_or(0, Vec::len))
                .map(|column| {
                    let cells = table.iter().filter_map(|row| row.get(column));
                    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
                })
                .collect();
            for (number, row) in table.iter().enumerate() {
                let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                });
                let line = cells.collect::<Vec<_>>().join("  ");
                match number {
                    0 => anstream::println!("{bold}{line}{bold:#}"),
                    _ => anstream::println!("{line}"),
                }
            }
            anstream::println!();
        }
        anstream::println!("{}", self.how());
        if let Some(warning) = self.warning() {
            crate::progress::warning(warning);
        }
    }

    /// Returns a page with everything.
    pub fn markdown(&self) -> String {
        let mut page = String::from(
            "# Cost of the plug-ins\n\n\
             Generated by `cargo xtask bench --markdown docs/benchmarks.md`; do not edit.\n\n\
             *Empty* is a hand-written module that exports the same callbacks and does nothing. Ratios compare times of \
             the same round; the brackets show their interquartile range. *× smallest* is relative to the same plug-in at \
             the scenario's smallest size, and *Envoy's* a filter of Envoy for the same purpose. Requests without a body are answered by Envoy itself, the cheapest possible \
             response; those with a body go to an upstream. *Load* is the time, and *to load* the number of instructions, \
             that a VM needs to load its configuration.\n\n",
        );
        let _ = writeln!(page, "{}, {} cores, Linux {}.\n", self.processor, self.cores, self.kernel);
        let _ = writeln!(page, "{}\n", self.how());
        if let Some(warning) = self.warning() {
            let _ = writeln!(page, "{warning}\n");
        }
        for plugin in &self.plugins {
            let _ =
                writeln!(page, "## {}\n\n{} bytes.\n", plugin.name, thousands(plugin.module_bytes as u64));
            for (number, row) in self.table(plugin).iter().enumerate() {
                let _ = writeln!(page, "| {} |", row.join(" | "));
                if number == 0 {
                    let _ = writeln!(page, "|---|{}", "---:|".repeat(row.len() - 1));
                }
            }
            page.push('\n');
        }
        page.truncate(page.trim_end().len());
        page.push('\n');
        page
    }

    fn how(&self) -> String {
        let mut parts = Vec::new();
        if let Some(envoy) = &self.envoy {
            parts.push(format!(
                "Times: µs of CPU time of one worker per request, medians of {} interleaved rounds, in Envoy {envoy}.",
                self.rounds
            ));
        }
        parts.push(
            "Instructions: counted by an interpreter, identical in every run. Pages: memory of the VM, 64 KiB each."
                .into(),
        );
        parts.push(format!("Modules: release builds, {}, without wasm-opt.", self.rustc));
        if self.plugins.iter().flat_map(|plugin| &plugin.rows).any(|row| row.beside.is_some()) {
            parts.push(
                "libmodsecurity: µs of CPU time of phases 1 and 2 in its own process, without a gateway, with the rules in CRS."
                    .into(),
            );
        }
        parts.extend(self.against.as_ref().map(|file| format!("The other module is {file}.")));
        parts.join(" ")
    }

    /// A warning about widely scattered figures.
    fn warning(&self) -> Option<String> {
        let rows = || self.plugins.iter().flat_map(|plugin| &plugin.rows).filter_map(|row| row.envoy);
        let wide = rows().filter(|cpu| cpu.over_empty.width() > WIDE).count();
        (wide > 0).then(|| {
            format!(
                "In {wide} of {} rows the interquartile range of the ratios is wider than {:.0} %: the machine had other load.",
                rows().count(),
                WIDE * 100.0
            )
        })
    }

    /// Returns the headings and cells, without empty columns.
    fn table(&self, plugin: &PluginReport) -> Vec<Vec<String>> {
        let columns: [(&str, Cell); 22] = [
            ("scenario", |row| Some(row.scenario.clone())),
            ("size", |row| row.size.map(|size| thousands(size as u64))),
            ("no filter", |row| Some(time(row.envoy?.no_filter))),
            ("empty", |row| Some(time(row.envoy?.empty))),
            ("plug-in", |row| Some(time(row.envoy?.plugin))),
            ("× empty", |row| Some(times(row.envoy?.over_empty))),
            ("goal", |row| Some(format!("{:.2}", row.envoy.and(row.target)?))),
            ("over empty", |row| row.target_over_empty.and(row.envoy).map(|cpu| time(cpu.more_than_empty))),
            ("goal, µs", |row| row.envoy.and(row.target_over_empty).map(|goal| format!("{goal:.0}"))),
            ("libmodsecurity", |row| row.beside.map(time)),
            ("× smallest", |row| row.envoy?.over_smallest.map(times)),
            ("other", |row| row.envoy?.against.map(time)),
            ("other ÷ plug-in", |row| row.envoy?.against_over_plugin.map(times)),
            ("Envoy's", |row| row.envoy?.native.map(time)),
            ("× Envoy's", |row| row.envoy?.over_native.map(times)),
            ("load, ms", |row| Some(time(row.envoy?.load))),
            ("instructions", |row| Some(thousands(row.wasm?.request))),
            ("host calls", |row| Some(thousands(row.wasm?.host_calls))),
            ("allocations", |row| row.wasm?.allocations.map(thousands)),
            ("instructions to load", |row| Some(thousands(row.wasm?.load))),
            ("allocations to load", |row| row.wasm?.load_allocations.map(thousands)),
            ("pages", |row| Some(thousands(row.wasm?.memory_pages))),
        ];
        let has = |cell: &Cell| plugin.rows.iter().any(|row| cell(row).is_some());
        let columns: Vec<_> = columns.into_iter().filter(|(_, cell)| has(cell)).collect();
        let headings = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let cells = |row| columns.iter().map(|(_, cell)| cell(row).unwrap_or_default()).collect();
        std::iter::once(headings).chain(plugin.rows.iter().map(cells)).collect()
    }
}

/// Returns the cell of a column.
type Cell = fn(&Row) -> Option<String>;

fn time(spread: Spread) -> String {
    format!("{:.1}", spread.median)
}

fn times(spread: Spread) -> String {
    format!("{:.3} ({:.3}–{:.3})", spread.median, spread.lower, spread.upper)
}
