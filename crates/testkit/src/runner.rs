//! Replays a plug-in's cases: every case on every engine is a test of its own.

mod counts;
mod faults;
mod fuzzing;
mod module;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use libtest_mimic::{Arguments, Failed, Trial};

use self::counts::{Cost, Ledger};
use self::faults::Breadth;
use crate::case::{Case, Expect, Order, Request, Stage, Then, Upstream};
use crate::envoy::EnvoyEngine;
use crate::wasm::{WasmEngine, validate};
use crate::{Declare, Engine, EngineName, Load, Loaded, case, check, check_refused, cuts, exchange};
use engine::Shown;
use engine::exchange::Setup;
use engine::outcome::Outcome;

/// The engines to run, separated by commas; by default, the two that need no gateway.
pub(crate) const ENGINES: &str = "PORTCULLIS_ENGINES";

/// The absolute path of the plug-in's module; without it, the wasm engine builds one.
pub(crate) const MODULE: &str = "PORTCULLIS_WASM";

/// Larger bodies are not cut in the interpreter, which would take seconds for each repetition.
const LARGEST_INTERPRETED: usize = 1024 * 1024;

/// Replays `tests/cases.yaml` in `directory`, with output as by libtest: filters, `--list` and the other
/// flags of `cargo test` work. [`cases!`](crate::cases) calls this.
///
/// `PORTCULLIS_ENGINES` names the engines (`native,wasm,envoy`; by default the first two), and `PORTCULLIS_WASM` the
/// module that `wasm` and `envoy` run; `cargo xtask test` sets both. Without a module, `wasm` builds one quickly.
/// Bodies are cut differently in every run, or as determined by the seed in `PORTCULLIS_SEED`. A case that skips an engine is listed as ignored,
/// with its reason; `--ignored` runs it all the same.
#[must_use]
pub fn run(directory: &str, plugin: &str, native: impl Engine + 'static, changes: Declare) -> ExitCode {
    let native = Arc::new(native);
    let wasm = Arc::new(wasm(directory, plugin));
    let fuzzed = fuzzing::run(Path::new(directory), plugin, changes, Arc::clone(&native), Arc::clone(&wasm));
    if let Some(done) = fuzzed {
        return done.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            // Not the code of a finding.
            ExitCode::from(2)
        });
    }
    let arguments = Arguments::from_args();
    match trials(directory, plugin, native, wasm, changes) {
        // Not `Conclusion::exit`, which would leave Envoys running.
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The interpreter with the module that `PORTCULLIS_WASM` names, or else one that is built quickly when it is first
/// needed: of the plug-in in `directory`.
#[must_use]
pub fn wasm(directory: &str, plugin: &str) -> WasmEngine {
    let (directory, package) = (directory.to_owned(), plugin.to_owned());
    WasmEngine::new(move || match std::env::var_os(MODULE) {
        Some(module) => Ok(module.into()),
        None => module::build(Path::new(&directory), &package),
    })
}

fn trials(
    directory: &str,
    plugin: &str,
    native: Arc<impl Engine + 'static>,
    wasm: Arc<WasmEngine>,
    changes: Declare,
) -> anyhow::Result<Vec<Trial>> {
    let cases = case::load(&Path::new(directory).join("tests/cases.yaml"))?;
    let cases: Vec<_> = cases.into_iter().map(Arc::new).collect();
    let seed = cuts::seed()?;
    let mut trials = Vec::new();
    for name in engines(std::env::var(ENGINES).ok().as_deref())? {
        match name {
            EngineName::Native => {
                trials.extend(trials_on(Arc::clone(&native), &cases, seed)?);
                let (engine, cases, directory) = (Arc::clone(&native), cases.clone(), directory.to_owned());
                trials.push(Trial::test("native: faults of the gateway", move || {
                    if faults::is_classic(&*engine, &cases)? {
                        return Ok(());
                    }
                    faults::run(&*engine, Path::new(&directory), &cases, changes, Breadth::All, seed)
                        .map_err(|error| Failed::from(format!("{error:#}")))
                }));
            }
            EngineName::Wasm => {
                trials.extend(trials_on(Arc::clone(&wasm), &cases, seed)?);
                let (engine, all) = (Arc::clone(&wasm), cases.clone());
                trials.push(Trial::test("wasm: configurations are validated without a gateway", move || {
                    validated(&engine, &all).map_err(|error| Failed::from(format!("{error:#}")))
                }));
                let (engine, cases, directory) = (Arc::clone(&wasm), cases.clone(), directory.to_owned());
                let native = Arc::clone(&native);
                trials.push(Trial::test("wasm: host calls that fail", move || {
                    if faults::is_classic(&*native, &cases)? {
                        return Ok(());
                    }
                    faults::run(&*engine, Path::new(&directory), &cases, changes, Breadth::EveryCall, seed)
                        .map_err(|error| Failed::from(format!("{error:#}")))
                }));
            }
            EngineName::Envoy => match std::env::var_os(MODULE) {
                Some(module) => {
                    let engine = EnvoyEngine::new(plugin, module.into()).with_access_log(logged(&cases));
                    trials.extend(trials_on(Arc::new(engine), &by_setup(&cases), seed)?);
                }
                None => trials.push(Trial::test(format!("{name}: the module"), || {
                    Err(format!("{MODULE} does not name a module: run `cargo xtask test`, which builds it")
                        .into())
                })),
            },
        }
    }
    Ok(trials)
}

/// The engines that are named.
fn engines(names: Option<&str>) -> anyhow::Result<Vec<EngineName>> {
    let mut engines = Vec::new();
    for name in names.unwrap_or("native,wasm").split(',').map(str::trim) {
        let engine = EngineName::ALL.into_iter().find(|engine| engine.to_string() == name);
        let engine = engine
            .ok_or_else(|| anyhow!("{ENGINES}: unknown engine `{name}`: write native, wasm or envoy"))?;
        if engines.contains(&engine) {
            bail!("{ENGINES}: duplicate engine `{name}`");
        }
        engines.push(engine);
    }
    Ok(engines)
}

/// The properties that the cases expect in the access log.
fn logged(cases: &[Arc<Case>]) -> Vec<String> {
    let requests = cases.iter().filter_map(|case| match &case.then {
        Then::Requests(requests) => Some(requests),
        Then::Refused(_) => None,
    });
    let names = requests.flatten().flat_map(|request| request.expect.access_log.keys().cloned());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The cases, those with equal setups one after the other, so that they find their Envoy still running. Setups that differ
/// in their configurations stay together, those that are refused after one that is not.
fn by_setup(cases: &[Arc<Case>]) -> Vec<Arc<Case>> {
    let mut cases = cases.to_vec();
    let order: Vec<_> = cases.iter().map(|case| case.setup.clone()).collect();
    let same_gateway = |a: &Setup, b: &Setup| a.gateway == b.gateway && a.services == b.services;
    cases.sort_by_cached_key(|case| {
        (
            order.iter().position(|setup| same_gateway(setup, &case.setup)),
            matches!(case.then, Then::Refused(_)),
            order.iter().position(|setup| *setup == case.setup),
        )
    });
    cases
}

fn trials_on<E: Engine + 'static>(
    engine: Arc<E>,
    cases: &[Arc<Case>],
    seed: u64,
) -> anyhow::Result<Vec<Trial>> {
    let name = engine.name();
    let ledger = Arc::new(Ledger::open()?);
    let trial = |case: &Arc<Case>| {
        let (engine, ledger) = (Arc::clone(&engine), Arc::clone(&ledger));
        let skipped = case.skip.get(&name).map(|reason| format!(" (skipped: {reason})"));
        let title = format!("{name}: {}{}", case.name, skipped.as_deref().unwrap_or_default());
        let name_of_case = case.name.clone();
        let case = Arc::clone(case);
        let test = move || {
            let cost = run_case(&*engine, &case)?;
            if case.equal_cost && name == EngineName::Wasm {
                check_costs(&*engine, &case)?;
            }
            // In Envoy, a case runs only as written: a thousand pieces would take seconds.
            match name {
                EngineName::Native => run_variants(&*engine, &case, seed, usize::MAX)?,
                EngineName::Wasm => run_variants(&*engine, &case, seed, LARGEST_INTERPRETED)?,
                EngineName::Envoy => {}
            }
            if name == EngineName::Wasm { ledger.note(&case.name, cost) } else { Ok(()) }
        };
        Trial::test(title, move || {
            test().map_err(|error: anyhow::Error| Failed::from(format!("case `{name_of_case}`: {error:#}")))
        })
        .with_ignored_flag(skipped.is_some())
    };
    Ok(cases.iter().map(trial).collect())
}

/// Compares the module's result for each configuration with the expectation of its case.
fn validated(engine: &WasmEngine, cases: &[Arc<Case>]) -> anyhow::Result<()> {
    let module = engine.compiled()?;
    let counts =
        |case: &&Arc<Case>| case.setup.gateway.fails.is_empty() && !case.skip.contains_key(&EngineName::Wasm);
    for case in cases.iter().filter(counts) {
        let validated = validate(&module, case.setup.configuration.as_deref());
        match (&case.then, validated) {
            (Then::Refused(texts), Err(rejected)) => check_refused(texts, rejected.log()).map_err(Into::into),
            (Then::Refused(_), Ok(())) => Err(anyhow!("the configuration is accepted")),
            (Then::Requests(_), Ok(())) => Ok(()),
            (Then::Requests(_), Err(rejected)) => Err(anyhow!("the configuration is rejected: {rejected}")),
        }
        .with_context(|| format!("case `{}`", case.name))?;
    }
    Ok(())
}

/// Runs a case as written.
fn run_case(engine: &dyn Engine, case: &Case) -> anyhow::Result<Cost> {
    match (engine.load(&case.setup)?, &case.then) {
        (Load::Refused { log }, Then::Refused(wanted)) => {
            check_refused(wanted, &log)?;
            Ok(Cost::default())
        }
        (Load::Refused { log }, Then::Requests(_)) => {
            let log: Vec<_> = log.iter().map(|line| format!("\n  {line}")).collect();
            bail!("the configuration was rejected{}", log.concat())
        }
        (Load::Loaded(_), Then::Refused(wanted)) => {
            bail!("the configuration was accepted, but must be rejected with {wanted:?}")
        }
        (Load::Loaded(loaded), Then::Requests(requests)) => run_requests(engine, loaded, requests, case),
    }
}

/// Repeats the case from the start with its bodies in other pieces, because state of other requests may differ.
fn run_variants(engine: &dyn Engine, case: &Case, seed: u64, largest: usize) -> anyhow::Result<()> {
    for (how, requests) in cuts::variants(case, seed, largest) {
        match engine.load(&case.setup)? {
            Load::Loaded(loaded) => run_requests(engine, loaded, &requests, case).context(how).map(drop)?,
            Load::Refused { .. } => bail!("the configuration was rejected the second time"),
        }
    }
    Ok(())
}

fn run_requests(
    engine: &dyn Engine,
    mut loaded: Box<dyn Loaded>,
    requests: &[Request],
    case: &Case,
) -> anyhow::Result<Cost> {
    let mut cost = Cost::default();
    let mut plain = Plain { engine, case, loaded: None };
    for stage in &case.stages {
        match stage {
            Stage::Request(place) => {
                let request = requests.get(*place).context("no such request")?;
                run_request(&mut *loaded, request, case, &mut cost, &mut plain)
                    .with_context(|| format!("requests[{place}], {}", line(request)))?;
            }
            Stage::Interleave { requests: places, events } => {
                let open: Vec<_> = places.iter().filter_map(|place| requests.get(*place)).collect();
                let outcomes =
                    loaded.interleave(&with_upstreams(&open, case), &Order::Events(events.clone()));
                for ((place, request), outcome) in places.iter().zip(open).zip(outcomes?) {
                    cost.add(&outcome);
                    let name = request.name.as_deref().unwrap_or_default();
                    let checked = check(&request.expect, &outcome).map_err(anyhow::Error::from);
                    checked.and_then(|()| plain.check(request, &outcome)).map_err(|mismatch| {
                        let line = line(request);
                        anyhow!("requests[{place}], {name}, {line}: mismatch:\n{mismatch:#}")
                    })?;
                }
            }
        }
    }
    Ok(cost)
}

/// Sends each request to a VM of its own, because earlier requests leave traces in the allocator, and compares the
/// instructions.
fn check_costs(engine: &dyn Engine, case: &Case) -> anyhow::Result<()> {
    let Then::Requests(requests) = &case.then else { return Ok(()) };
    let mut first = None;
    for (place, request) in requests.iter().enumerate() {
        let Load::Loaded(mut loaded) = engine.load(&case.setup)? else {
            bail!("the configuration was rejected")
        };
        let outcome = loaded.exchange(request, request.upstream.as_ref().unwrap_or(&case.upstream))?;
        check_equal(&mut first, outcome.instructions.unwrap_or_default())
            .with_context(|| format!("requests[{place}], {}", line(request)))?;
    }
    Ok(())
}

/// Compares the instructions of a request with those of the first.
fn check_equal(first: &mut Option<u64>, instructions: u64) -> anyhow::Result<()> {
    match *first.get_or_insert(instructions) {
        first if first == instructions => Ok(()),
        first => bail!("equal_cost: {instructions} instructions, but {first} for the first request"),
    }
}

/// Requests with the upstream's response to each.
fn with_upstreams(requests: &[&Request], case: &Case) -> Vec<(exchange::Request, Upstream)> {
    let upstream = |request: &Request| request.upstream.clone().unwrap_or_else(|| case.upstream.clone());
    requests.iter().map(|request| (request.sent.clone(), upstream(request))).collect()
}

fn run_request(
    loaded: &mut dyn Loaded,
    request: &Request,
    case: &Case,
    cost: &mut Cost,
    plain: &mut Plain<'_>,
) -> anyhow::Result<()> {
    let upstream = request.upstream.as_ref().unwrap_or(&case.upstream);
    if !request.answers.is_empty() {
        let answers = loaded.exchange_at_once(request, upstream, request.repeat, request.connections)?;
        if answers != request.answers {
            bail!("answers\n  expected {:?}\n  actual   {answers:?}", request.answers);
        }
        return Ok(());
    }
    let not_yet_counted = Expect { counters: Default::default(), ..request.expect.clone() };
    for time in 1..=request.repeat {
        let last = time == request.repeat;
        let outcome = loaded.exchange(request, upstream)?;
        cost.add(&outcome);
        let checked = check(if last { &request.expect } else { &not_yet_counted }, &outcome);
        checked.map_err(anyhow::Error::from).and_then(|()| plain.check(request, &outcome)).map_err(
            |mismatch| {
                let which = if request.repeat > 1 { format!(" on attempt {time}") } else { String::new() };
                anyhow!("mismatch{which}:\n{mismatch:#}")
            },
        )?;
    }
    Ok(())
}

/// The gateway of a case without any plug-in, from the first request on that needs it.
struct Plain<'c> {
    engine: &'c dyn Engine,
    case: &'c Case,
    loaded: Option<Box<dyn Loaded>>,
}

impl Plain<'_> {
    /// Compares all headers, if the request expects that.
    fn check(&mut self, request: &Request, outcome: &Outcome) -> anyhow::Result<()> {
        if !request.expect.is_exact() {
            return Ok(());
        }
        let upstream = request.upstream.as_ref().unwrap_or(&self.case.upstream);
        let loaded = match &mut self.loaded {
            Some(loaded) => loaded,
            None => self.loaded.insert(self.engine.without_plugin(&self.case.setup)?),
        };
        // After a disconnection there would be nothing to compare.
        let sent = request.sent.clone();
        let whole = exchange::Request { reset_after: None, reset_when_called: None, time: None, ..sent };
        let plain = loaded.exchange(&whole, upstream).context("without the plug-in")?;
        Ok(check::check_exact(&request.expect, outcome, &plain, request, upstream)?)
    }
}

/// `GET "/path"`, so that the request can be found in the file.
fn line(request: &Request) -> String {
    format!("{} {}", String::from_utf8_lossy(&request.method), Shown(&request.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_costs_are_reported() {
        let mut first = None;
        assert!(check_equal(&mut first, 7).is_ok());
        assert!(check_equal(&mut first, 7).is_ok());
        let error = check_equal(&mut first, 8).unwrap_err().to_string();
        assert_eq!(error, "equal_cost: 8 instructions, but 7 for the first request");
    }

    #[test]
    fn engines_are_named_once_and_known() {
        assert_eq!(engines(None).unwrap(), [EngineName::Native, EngineName::Wasm]);
        assert_eq!(engines(Some("envoy, native")).unwrap(), [EngineName::Envoy, EngineName::Native]);
        for (names, message) in [("", "unknown engine ``"), ("v8", "unknown"), ("envoy,envoy", "duplicate")] {
            let error = engines(Some(names)).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
