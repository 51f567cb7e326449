//! A plug-in or a folder against the floor, and another module if there is one: from scenarios to arms, cells and back.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::crs;
use testkit::crs::corpus::Sent;

use crate::envoy::{Arm, Envoy, Filter, Wasm};
use crate::module;
use crate::options::Options;
use crate::report::{Cpu, PluginReport, Row};
use crate::rounds::{self, Cell, Plan, Times};
use crate::scenario::{Beside, Of, Request, Scenario};
use crate::stats::Spread;
use crate::{InvalidInput, Module, Subject};
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
///
/// # Errors
///
/// The memory of the VM grows, or a request has another result than its scenario describes.
pub fn soak(subject: &Subject, options: &Options, requests: u64) -> Result<()> {
    let Some(module) = subject.plugin() else {
        bail!(InvalidInput(format!("{} is a folder, and --soak is for plug-ins", subject.name)));
    };
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
        interpreter::soak(&module.file, config, module.hold_headers, group, requests)?;
    }
    Ok(())
}

/// The files of a module that is measured.
struct Files {
    own: PathBuf,
    /// The floor.
    empty: PathBuf,
    /// The module with a counter of allocations.
    counting: Option<PathBuf>,
    bytes: usize,
}

/// Refuses options that do not make sense for a folder.
fn check_folder(subject: &Subject, options: &Options) -> Result<()> {
    let name = &subject.name;
    if options.against.is_some() || options.config.is_some() {
        bail!(InvalidInput(format!("{name} is a folder: --against and --config are for plug-ins")));
    }
    if options.envoy.is_none() {
        bail!(InvalidInput(format!(
            "{name} is a folder, which is measured in Envoy only: add --engine envoy"
        )));
    }
    Ok(())
}

/// Measures a plug-in, or a folder.
///
/// # Errors
///
/// A module does not load, a request has another result than its scenario describes, or options do not make sense.
pub fn compare(subject: &Subject, options: &Options) -> Result<PluginReport> {
    if subject.of == Of::Folder {
        check_folder(subject, options)?;
    }
    let folder = tempfile::Builder::new().prefix("portcullis-bench-").tempdir()?;
    let put = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let file = folder.path().join(name);
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    };
    let mut files = Vec::new();
    for (number, module) in subject.modules.iter().enumerate() {
        let own = module::read(&module.file)?;
        let counting = allocations::counting(&own.bytes)?;
        files.push(Files {
            own: put(&format!("plugin-{number}.wasm"), &own.bytes)?,
            empty: put(&format!("empty-{number}.wasm"), &module::empty_like(&own.bytes)?)?,
            counting: counting.map(|bytes| put(&format!("counting-{number}.wasm"), &bytes)).transpose()?,
            bytes: own.bytes.len(),
        });
    }
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
        let is_known = |name: &String| subject.modules.iter().any(|module| module.name == *name);
        if let Some(name) = scenario.configs.keys().find(|name| !is_known(name)) {
            let names: Vec<&str> = subject.modules.iter().map(|module| module.name.as_str()).collect();
            bail!(InvalidInput(format!(
                "{}/bench.yaml: scenario `{title}`: configs: there is no plug-in `{name}`: write one of {}",
                subject.name,
                names.join(", ")
            )));
        }
        let response = scenario.response;
        let wasm = |module: &Path, config: Option<&String>, hold_headers| {
            Filter::Wasm(Wasm { module: module.to_path_buf(), config: config.cloned(), hold_headers })
        };
        let config = options.config.as_ref().unwrap_or(&scenario.config);
        let empty = files.iter().map(|files| wasm(&files.empty, None, false)).collect();
        let own = subject.modules.iter().zip(&files).map(|(module, files)| {
            let config = match subject.of {
                Of::Plugin => Some(config),
                Of::Folder => scenario.configs.get(&module.name).or(module.config.as_ref()),
            };
            wasm(&files.own, config, module.hold_headers)
        });
        let own = own.collect();
        let request = layout.request(&scenario.request);
        let no_filter = layout.arm(Arm { filters: Vec::new(), response });
        let floor = layout.arm(Arm { filters: empty, response });
        let plugin = layout.arm(Arm { filters: own, response });
        let against = other.as_ref().map(|(module, holds)| {
            let filters = vec![wasm(module, Some(options.against_config.as_ref().unwrap_or(config)), *holds)];
            layout.arm(Arm { filters, response })
        });
        let native = scenario
            .envoy_filter
            .as_ref()
            .map(|filter| layout.arm(Arm { filters: vec![Filter::Native(filter.clone())], response }));
        let refuses = scenario.refuses.as_ref().map(|refuses| layout.request(refuses));
        let own = layout.cell(format!("{title}: {}", subject.name), plugin, request, scenario.passes);
        if let Some(cell) = layout.cells.get_mut(own) {
            cell.refuses = refuses;
        }
        columns.push(Columns {
            no_filter: layout.cell(format!("{title}: no filter"), no_filter, request, true),
            empty: layout.cell(format!("{title}: empty"), floor, request, true),
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
        let count = |(module, files): (&Module, &Files)| {
            progress::tick(format_args!("counting: {}", scenario.title()));
            let counting = files.counting.as_deref();
            interpreter::count(&files.own, counting, config, module.hold_headers, scenario)
        };
        let counted = subject.plugin().zip(files.first()).filter(|_| options.interpreter);
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
            wasm: counted.map(count).transpose()?,
        });
    }
    progress::done();
    let module_bytes = files.iter().map(|files| files.bytes).sum();
    Ok(PluginReport { name: subject.name.clone(), module_bytes, rows })
}

/// Milliseconds that the plug-ins of each arm take over their configurations, together.
fn loads(envoy: &Path, plan: &Plan, arms: &[Arm]) -> Result<Vec<Option<Spread>>> {
    let load = |(number, arm): (usize, &Arm)| {
        progress::tick(format_args!("loading {} of {}", number + 1, arms.len()));
        let mut sums: Vec<f64> = Vec::new();
        for filter in &arm.filters {
            let Filter::Wasm(wasm) = filter else { continue };
            let times = Envoy::load_times(envoy, plan.envoy_core, wasm)?;
            sums.resize(sums.len().max(times.len()), 0.0);
            for (sum, time) in sums.iter_mut().zip(times) {
                *sum += time.as_secs_f64() * 1e3;
            }
        }
        Ok(Spread::of(sums))
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
