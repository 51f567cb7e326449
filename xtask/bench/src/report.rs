//! What came of it: a table for people, JSON for pipelines, a page for the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::compare::Options;
use crate::stats::Spread;

/// Above this, quartiles that lie apart say that the machine had other work.
const WIDE: f64 = 0.05;

/// Everything that was measured, and on what.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    processor: String,
    cores: usize,
    kernel: String,
    envoy: String,
    rustc: String,
    rounds: usize,
    /// The other module.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<String>,
    pub(crate) plugins: Vec<PluginReport>,
}

/// What was measured of one plug-in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PluginReport {
    pub(crate) name: String,
    pub(crate) module_bytes: usize,
    pub(crate) rows: Vec<Row>,
}

/// One scenario. Times are microseconds of the worker's CPU per request.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) scenario: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<f64>,
    pub(crate) no_filter: Spread,
    pub(crate) empty: Spread,
    pub(crate) plugin: Spread,
    /// The plug-in in times of the empty module.
    pub(crate) over_empty: Spread,
    /// The plug-in in times of itself at the scenario's first size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_smallest: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<Spread>,
    /// The other module in times of the plug-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) against_over_plugin: Option<Spread>,
}

impl Report {
    /// A report without measurements.
    pub(crate) fn new(root: &Path, envoy: &str, options: &Options) -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("measuring needs Linux")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let rustc = Command::new("rustc").arg("--version").current_dir(root).output();
        let rustc = rustc.context("rustc cannot be started: install Rust from https://rustup.rs")?;
        Ok(Self {
            processor: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            envoy: envoy.to_owned(),
            rustc: String::from_utf8_lossy(&rustc.stdout).trim().to_owned(),
            rounds: options.rounds,
            against: options.against.as_ref().map(|file| file.display().to_string()),
            plugins: Vec::new(),
        })
    }

    /// The tables, for people.
    pub(crate) fn print(&self) {
        let bold = anstyle::Style::new().bold();
        for plugin in &self.plugins {
            anstream::println!("{bold}{}{bold:#}, {} bytes", plugin.name, thousands(plugin.module_bytes));
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
        anstream::println!("µs of one worker's CPU per request: {}", self.how());
        if let Some(warning) = self.warning() {
            crate::progress::warning(warning);
        }
    }

    /// A page with everything.
    pub(crate) fn markdown(&self) -> String {
        let mut page = String::from(
            "# What the plug-ins cost\n\n\
             Written by `cargo xtask bench --markdown docs/benchmarks.md`; do not edit.\n\n\
             Microseconds of one Envoy worker's CPU per request. *Empty* is a hand-written module that Envoy enters for \
             the same callbacks and that does nothing. Ratios are between times of the same round; between the figures in \
             brackets is the middle half of them. *× smallest* is the plug-in in times of itself at the scenario's first size. \
             Requests without a body are answered by Envoy itself, the cheapest thing that it can do; those with one go \
             to an upstream.\n\n",
        );
        let _ = writeln!(page, "{}, {} cores, Linux {}.\n", self.processor, self.cores, self.kernel);
        let _ = writeln!(page, "{}\n", self.how());
        if let Some(warning) = self.warning() {
            let _ = writeln!(page, "{warning}\n");
        }
        for plugin in &self.plugins {
            let _ = writeln!(page, "## {}\n\n{} bytes.\n", plugin.name, thousands(plugin.module_bytes));
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
        let against = self.against.as_ref().map(|file| format!(" The other module is {file}."));
        format!(
            "{} rounds in turns. Envoy {}, {}, modules of `cargo xtask build` without wasm-opt.{}",
            self.rounds,
            self.envoy,
            self.rustc,
            against.unwrap_or_default()
        )
    }

    /// What to think of figures that lie far apart.
    fn warning(&self) -> Option<String> {
        let rows = || self.plugins.iter().flat_map(|plugin| &plugin.rows);
        let wide = rows().filter(|row| row.over_empty.width() > WIDE).count();
        (wide > 0).then(|| {
            format!(
                "In {wide} of {} rows the middle half of the ratios is wider than {:.0} %: the machine had other work.",
                rows().count(),
                WIDE * 100.0
            )
        })
    }

    /// The headings and the cells.
    fn table(&self, plugin: &PluginReport) -> Vec<Vec<String>> {
        let has = |column: fn(&Row) -> bool| plugin.rows.iter().any(column);
        let (sizes, growth) = (has(|row| row.size.is_some()), has(|row| row.over_smallest.is_some()));
        let (targets, against) = (has(|row| row.target.is_some()), has(|row| row.against.is_some()));
        let columns: Vec<(bool, &str, fn(&Row) -> String)> = vec![
            (true, "scenario", |row| row.scenario.clone()),
            (sizes, "size", |row| row.size.map(thousands).unwrap_or_default()),
            (true, "no filter", |row| time(row.no_filter)),
            (true, "empty", |row| time(row.empty)),
            (true, "plug-in", |row| time(row.plugin)),
            (true, "× empty", |row| times(row.over_empty)),
            (targets, "goal", |row| row.target.map(|target| format!("{target:.2}")).unwrap_or_default()),
            (growth, "× smallest", |row| row.over_smallest.map(times).unwrap_or_default()),
            (against, "other", |row| row.against.map(time).unwrap_or_default()),
            (against, "other ÷ plug-in", |row| row.against_over_plugin.map(times).unwrap_or_default()),
        ];
        let columns: Vec<_> = columns.into_iter().filter(|(shown, ..)| *shown).collect();
        let headings = columns.iter().map(|(_, heading, _)| (*heading).to_owned()).collect();
        let rows = plugin.rows.iter().map(|row| columns.iter().map(|(_, _, cell)| cell(row)).collect());
        std::iter::once(headings).chain(rows).collect()
    }
}

fn time(spread: Spread) -> String {
    format!("{:.1}", spread.median)
}

fn times(spread: Spread) -> String {
    format!("{:.3} ({:.3}–{:.3})", spread.median, spread.lower, spread.upper)
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
