//! One plug-in against the floor, and another module if there is one: from scenarios to arms, cells and back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::crs;
use testkit::crs::corpus::Sent;

use crate::envoy::{Arm, Envoy, Wasm};
use crate::module;
use crate::options::Options;
use crate::report::{Cpu, PluginReport, Row};
use crate::rounds::{self, Cell, Plan, Times};
use crate::scenario::{Beside, Request, Scenario};
use crate::stats::Spread;
use crate::{InvalidInput, Subject};
use crate::{allocations, interpreter, progress};

/// A configuration file, as a plug-in gets it.
pub fn read_config(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file)
        .map_err(|error| InvalidInput(format!("{} cannot be read: {error}", file.display())))?;
    let value: Value =
        serde_yaml::from_str(&text).map_err(|error| InvalidInput(format!("{}: {error}", file.display())))?;
    Ok(value.to_string())
}

/// The cells of one scenario.
struct Columns {
    no_filter: usize,
    empty: usize,
    plugin: usize,
    against: Option<usize>,
    native: Option<usize>,
}

/// What is measured, while it is put together.
#[derive(Default)]
struct Layout {
    arms: Vec<Arm>,
    requests: Vec<Request>,
    cells: Vec<Cell>,
}

impl Layout {
    /// The number of an arm, the same for the same module and configuration.
    fn arm(&mut self, new: Arm) -> usize {
        let found = self.arms.iter().position(|arm| *arm == new);
        found.unwrap_or_else(|| {
            self.arms.push(new);
            self.arms.len() - 1
        })
    }

    fn request(&mut self, request: &Request) -> usize {
        let found = self.requests.iter().position(|other| other == request);
        found.unwrap_or_else(|| {
            self.requests.push(request.clone());
            self.requests.len() - 1
        })
    }

    /// The number of a cell, the same for the same arm and request.
    fn cell(&mut self, name: String, arm: usize, request: usize, passes: bool) -> usize {
        let found = self.cells.iter().position(|cell| cell.arm == arm && cell.request == request);
        found.unwrap_or_else(|| {
            self.cells.push(Cell { name, arm, request, passes, refuses: None });
            self.cells.len() - 1
        })
    }
}

/// The scenarios of a plug-in that were asked for.
fn wanted<'a>(subject: &'a Subject, options: &Options) -> Result<Vec<&'a Scenario>> {
    let wanted = |scenario: &&Scenario| options.only.as_ref().is_none_or(|text| scenario.name.contains(text));
    let scenarios: Vec<&Scenario> = subject.scenarios.iter().filter(wanted).collect();
    if scenarios.is_empty() {
        let mut names: Vec<&str> = subject.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        names.dedup();
        bail!(InvalidInput(format!(
            "no scenario of {} matches --only; available: {}",
            subject.name,
            names.join(", ")
        )));
    }
    Ok(scenarios)
}

/// Sends so many requests of the scenarios of each configuration through one VM.
pub fn soak(subject: &Subject, options: &Options, requests: u64) -> Result<()> {
    // Scenarios with the same configuration take turns.
    let mut groups: Vec<(&str, Vec<&Scenario>)> = Vec::new();
    for scenario in wanted(subject, options)? {
        let config = options.config.as_ref().unwrap_or(&scenario.config);
        match groups.iter_mut().find(|(other, _)| other == config) {
            Some((_, group)) => group.push(scenario),
            None => groups.push((config, vec![scenario])),
        }
    }
    for (config, group) in &groups {
        interpreter::soak(&subject.module, config, subject.hold_headers, group, requests)?;
    }
    Ok(())
}

/// Measures one plug-in.
pub fn compare(subject: &Subject, options: &Options) -> Result<PluginReport> {
    let folder = tempfile::Builder::new().prefix("portcullis-bench-").tempdir()?;
    let put = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let file = folder.path().join(name);
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    };
    let own = module::read(&subject.module)?;
    let own_file = put("plugin.wasm", &own.bytes)?;
    let counting =
        allocations::counting(&own.bytes)?.map(|bytes| put("counting.wasm", &bytes)).transpose()?;
    let empty = put("empty.wasm", &module::empty_like(&own.bytes)?)?;
    let other = match &options.against {
        None => None,
        Some(file) => {
            let other = module::read(file).map_err(|error| InvalidInput(format!("--against: {error:#}")))?;
            Some((put("against.wasm", &other.bytes)?, other.holds_headers))
        }
    };

    let scenarios = wanted(subject, options)?;
    let mut layout = Layout::default();
    let mut columns = Vec::new();
    for scenario in &scenarios {
        let title = scenario.title();
        let wasm = |module: &Path, config: Option<String>, hold_headers| {
            Arm::Wasm(Wasm { module: module.to_path_buf(), config, hold_headers })
        };
        let config = options.config.as_ref().unwrap_or(&scenario.config);
        let request = layout.request(&scenario.request);
        let no_filter = layout.arm(Arm::Bare);
        let floor = layout.arm(wasm(&empty, None, false));
        let plugin = layout.arm(wasm(&own_file, Some(config.clone()), subject.hold_headers));
        let against = other.as_ref().map(|(module, holds)| {
            layout.arm(wasm(module, Some(options.against_config.as_ref().unwrap_or(config).clone()), *holds))
        });
        let native = scenario.envoy_filter.as_ref().map(|filter| layout.arm(Arm::Native(filter.clone())));
        let refuses = scenario.refuses.as_ref().map(|refuses| layout.request(refuses));
        let own = layout.cell(format!("{title}: {}", subject.name), plugin, request, scenario.passes);
        if let Some(cell) = layout.cells.get_mut(own) {
            cell.refuses = refuses;
        }
        columns.push(Columns {
            no_filter: layout.cell(format!("{title}: no filter"), no_filter, request, true),
            empty: layout.cell(format!("{title}: empty module"), floor, request, true),
            plugin: own,
            against: against
                .map(|arm| layout.cell(format!("{title}: the other module"), arm, request, scenario.passes)),
            native: native
                .map(|arm| layout.cell(format!("{title}: Envoy's filter"), arm, request, scenario.passes)),
        });
    }

    let times = match &options.envoy {
        None => None,
        Some(envoy) => {
            let Layout { arms, requests, cells } = &layout;
            let plan = plan(options)?;
            let times = rounds::measure(envoy, &plan, arms, requests, cells);
            let times = times.with_context(|| format!("measuring {}", subject.name))?;
            Some((times, loads(envoy, &plan, arms)?))
        }
    };

    let mut rows: Vec<Row> = Vec::new();
    for (scenario, cells) in scenarios.iter().zip(&columns) {
        // Sizes of one scenario are compared with its first.
        let first = scenarios.iter().position(|other| other.name == scenario.name);
        let first = first.and_then(|at| columns.get(at)).filter(|first| first.plugin != cells.plugin);
        let config = options.config.as_ref().unwrap_or(&scenario.config);
        let count = || {
            progress::tick(format_args!("counting: {}", scenario.title()));
            interpreter::count(&own_file, counting.as_deref(), config, subject.hold_headers, scenario)
        };
        rows.push(Row {
            scenario: scenario.name.clone(),
            size: scenario.size,
            target: scenario.target,
            target_over_empty: scenario.target_over_empty,
            beside: beside(scenario, options.rounds)?,
            envoy: times
                .as_ref()
                .map(|(times, loads)| cpu(times, loads, &layout, cells, first))
                .transpose()?,
            wasm: options.interpreter.then(count).transpose()?,
        });
    }
    progress::done();
    Ok(PluginReport { name: subject.name.clone(), module_bytes: own.bytes.len(), rows })
}

/// Milliseconds that each arm takes over its configuration.
fn loads(envoy: &Path, plan: &Plan, arms: &[Arm]) -> Result<Vec<Option<Spread>>> {
    let load = |(number, arm): (usize, &Arm)| {
        let Arm::Wasm(wasm) = arm else { return Ok(None) };
        progress::tick(format_args!("loading {} of {}", number + 1, arms.len()));
        let times = Envoy::load_times(envoy, plan.envoy_core, wasm)?;
        Ok(Spread::of(times.iter().map(|time| time.as_secs_f64() * 1e3)))
    };
    arms.iter().enumerate().map(load).collect()
}

fn cpu(
    times: &Times,
    loads: &[Option<Spread>],
    layout: &Layout,
    cells: &Columns,
    first: Option<&Columns>,
) -> Result<Cpu> {
    let arm = layout.cells.get(cells.plugin).map(|cell| cell.arm);
    let load = arm.and_then(|arm| *loads.get(arm)?).context("Envoy did not tell of the configuration")?;
    Ok(Cpu {
        load,
        no_filter: spread(times, cells.no_filter)?,
        empty: spread(times, cells.empty)?,
        plugin: spread(times, cells.plugin)?,
        over_empty: ratio(times, cells.plugin, cells.empty)?,
        more_than_empty: compared(times, cells.plugin, cells.empty, |time, base| time - base)?,
        over_smallest: first.map(|first| ratio(times, cells.plugin, first.plugin)).transpose()?,
        against: cells.against.map(|against| spread(times, against)).transpose()?,
        against_over_plugin: cells.against.map(|against| ratio(times, against, cells.plugin)).transpose()?,
        native: cells.native.map(|native| spread(times, native)).transpose()?,
        over_native: cells.native.map(|native| ratio(times, cells.plugin, native)).transpose()?,
    })
}

fn spread(times: &Times, cell: usize) -> Result<Spread> {
    times.get(cell).and_then(|times| Spread::of(times.iter().copied())).context("nothing was measured")
}

/// The times of one cell in those of another, round by round.
fn ratio(times: &Times, cell: usize, base: usize) -> Result<Spread> {
    compared(times, cell, base, |time, base| time / base)
}

/// The times of one cell with those of another, round by round.
fn compared(times: &Times, cell: usize, base: usize, with: fn(f64, f64) -> f64) -> Result<Spread> {
    let both = times.get(cell).zip(times.get(base));
    let compared = both.map(|(cell, base)| cell.iter().zip(base).map(|(time, base)| with(*time, *base)));
    compared.and_then(Spread::of).context("nothing was measured")
}

/// What another implementation needs for the request of a scenario, where its rules are there.
fn beside(scenario: &Scenario, rounds: usize) -> Result<Option<Spread>> {
    let Some(Beside::Libmodsecurity) = scenario.beside else { return Ok(None) };
    let Some(folder) = crs::folder().map_err(InvalidInput)? else { return Ok(None) };
    progress::tick(format_args!("libmodsecurity: {}", scenario.title()));
    let config: Value = serde_json::from_str(&scenario.config)?;
    let level = config.get("paranoia_level").and_then(Value::as_u64).unwrap_or(1);
    let request = sent(&scenario.request);
    let refuses = scenario.refuses.as_ref().map(sent);
    let times = crs::libmodsecurity::times(&folder, level, &request, refuses.as_ref(), rounds)
        .with_context(|| scenario.title())?;
    Ok(Spread::of(times))
}

/// A request as it is sent without Envoy.
fn sent(request: &Request) -> Sent {
    let method = request.method.as_deref().unwrap_or(if request.body.is_some() { "POST" } else { "GET" });
    let mut headers = vec![("host".to_owned(), request.host.clone())];
    headers.extend(request.headers.iter().cloned());
    headers.extend(request.body.iter().map(|body| ("content-length".to_owned(), body.len().to_string())));
    let bytes = |(name, value): (String, String)| (name.into_bytes(), value.into_bytes());
    Sent {
        method: method.as_bytes().to_vec(),
        uri: request.path.as_bytes().to_vec(),
        protocol: b"HTTP/1.1".to_vec(),
        headers: headers.into_iter().map(bytes).collect(),
        body: request.body.clone().unwrap_or_default(),
        wire: Vec::new(),
    }
}

/// Envoy and the load get a core each, of those that this program may use.
fn plan(options: &Options) -> Result<Plan> {
    let status = fs::read_to_string("/proc/self/status").context("measuring needs Linux")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0");
    let cores = cores(list);
    let load_core = cores.first().copied().unwrap_or(0);
    let envoy_core = cores.get(1).copied().unwrap_or(load_core);
    if envoy_core == load_core {
        progress::warning("only one core, shared by the load and Envoy: figures will be inaccurate");
    }
    Ok(Plan { rounds: options.rounds, envoy_core, load_core })
}

/// The numbers in `0-3,8`.
fn cores(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(cores("\t0-1"), [0, 1]);
        assert_eq!(cores("3,5-6\n"), [3, 5, 6]);
        assert_eq!(cores("7"), [7]);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let times = vec![vec![2.0, 30.0], vec![1.0, 10.0]];
        let ratio = ratio(&times, 0, 1).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (2.0, 2.5, 3.0));
    }
}
