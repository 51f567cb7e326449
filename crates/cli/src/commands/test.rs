//! `test`: the tests of crates and the cases of plug-ins on every engine, with a summary.

mod budget;
mod console;
mod mutants;
pub(super) mod suite;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};
use resource::Cost;
use suite::{Counts, Suite};
use workspace::build::{Builder, Profile};
use workspace::rules::{Rules, VARIABLE};
use workspace::{Plugin, Workspace};

use crate::Usage;
use crate::jobs::{self, Job, Log};
use crate::output::{self, BAD, styled};

/// Run the tests of crates, and the cases of plug-ins natively, in an interpreter and in a real Envoy
///
/// Without a name, runs all tests. The cases in `plugins/<plugin>/tests/cases.yaml` run against a mock gateway, natively and as
/// the release module in an interpreter, and in Envoy, which is downloaded once.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask test                                  everything
  cargo xtask test request-block                    one plug-in on all engines
  cargo xtask test request-block --engine native    in milliseconds, without building a module
  cargo xtask test request-block -- trailers        cases with `trailers` in their names
  cargo xtask test request-block --engine wasm --bless
                                                    record current instructions and host calls as budgets
  cargo xtask test request-block --module pulled.wasm --engine envoy
                                                    an existing module
  cargo xtask test request-block --mutants          whether the cases notice changes of the code
  ENVOY=/path/to/envoy cargo xtask test             use this Envoy
  cargo xtask test console                          the console: its API, its page, and the page in Chromium

Bodies are cut into different chunks in every run. A failure prints the seed; PORTCULLIS_SEED=<seed> repeats it.

The last line contains the totals: `<n> passed, <n> failed`, and `, <n> skipped` if any.")]
pub(crate) struct Args {
    /// The plug-in to test; case and `-`/`_` do not matter. `console` tests the console in a browser.
    plugin: Option<String>,
    /// Leave out the tests of the console's page, which need Chromium.
    #[arg(long)]
    without_browser: bool,
    /// The engines to use; may be repeated.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["native", "wasm", "envoy"])]
    engine: Vec<Engine>,
    /// Record the costs of budgeted cases in the engine `wasm` in plugin.yaml instead of comparing them.
    #[arg(long)]
    bless: bool,
    /// Instead of the cases: change the plug-in's code in many ways, and report each change that no case notices. Needs
    /// cargo-mutants. `tests/mutants.toml` of the plug-in may name more files to change, and changes without an effect.
    #[arg(long, requires = "plugin", conflicts_with_all = ["bless", "module", "jobs"])]
    mutants: bool,
    /// How many test programs run at once. What each prints comes together when it has ended, and with one, line by line.
    /// [default: 1 for a plug-in, and otherwise 2: each program uses all processors, but many wait for a gateway]
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Test this module of the plug-in instead of building it.
    #[arg(long, value_name = "FILE.wasm", requires = "plugin")]
    module: Option<PathBuf>,
    /// Arguments for the test programs: part of the name of a case, --nocapture, …
    #[arg(last = true, value_name = "LIBTEST ARGS")]
    libtest: Vec<String>,
}

/// The engine of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// In the test program, against a mock gateway.
    Native,
    /// The release module in an interpreter, against the same mock gateway.
    Wasm,
    /// The release module, in a real Envoy.
    Envoy,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Envoy => "envoy",
        }
    }
}

/// The variable with the engines of cases.
const ENGINES: &str = "PORTCULLIS_ENGINES";
/// The variable with the path of the module.
const MODULE: &str = "PORTCULLIS_WASM";
/// The variable with the file for costs.
const COUNTS: &str = "PORTCULLIS_COUNTS";
/// The test target that replays `cases.yaml`: one per plug-in, run once per engine.
const CASES: &str = "cases";
/// The test target of plug-ins that measures their module in the interpreter.
const LINEAR: &str = "linear";
/// The test target of other crates with tests in Envoy, which `cargo test` ignores.
const IN_ENVOY: &str = "envoy";

/// The test target that runs the commands of documents.
const SNIPPETS: &str = "snippets";

/// The test target that builds workspaces of authors in the target folder.
const OWN_WORKSPACE: &str = "own_workspace";

/// The test target with a test of registries in Envoy, which `cargo test` ignores.
const REGISTRY: &str = "registry";

/// The test target with tests of modules in the embedded engine that need Redis, which `cargo test` ignores.
const REDIS: &str = "redis";

/// The test target with a published suite of tests, which is fetched from a registry of packages, and which `cargo test` ignores.
const SUITE: &str = "suite";

/// A line of the summary.
struct Row {
    what: String,
    engine: &'static str,
    counts: Counts,
    seconds: f64,
}

/// State of the command.
struct Run<'a> {
    workspace: &'a Workspace,
    args: &'a Args,
    libraries: PathBuf,
    /// The module to test instead of building it.
    module: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    // The test programs run in different folders.
    let module = args.module.as_ref().map(|module| {
        module.canonicalize().map_err(|error| Usage(format!("{}: {error}: name a module", module.display())))
    });
    let module = module.transpose()?;
    let of_console = args.plugin.as_deref() == Some(console::NAME);
    let plugins: Vec<&Plugin> = match &args.plugin {
        Some(_) if of_console => Vec::new(),
        Some(name) => vec![workspace.plugin(name)?],
        None => workspace.plugins.iter().chain(&workspace.fixtures).collect(),
    };
    let packages = match (&args.plugin, plugins.as_slice()) {
        (Some(_), [plugin]) => vec!["--package".to_owned(), plugin.name.clone()],
        (Some(_), _) => vec!["--package".to_owned(), console::PACKAGE.to_owned()],
        _ => vec!["--workspace".to_owned()],
    };
    let run =
        Run { workspace: &workspace, args, libraries: workspace::build::host_libraries(&workspace)?, module };
    if let (true, [plugin]) = (args.mutants, plugins.as_slice()) {
        return Ok(summary(&[run.mutants(plugin)?], false));
    }
    let suites = suite::build(&workspace, &packages)?;
    let has_page = of_console || args.plugin.is_none();
    let jobs = run.jobs(&suites, &plugins, packages, has_page)?;
    let at_once = args.jobs.map_or(if args.plugin.is_some() { 1 } else { jobs::AT_ONCE }, NonZeroUsize::get);
    let rows: Vec<Row> = jobs::run(jobs, at_once)?.into_iter().flatten().collect();
    Ok(summary(&rows, has_page && args.without_browser))
}

impl Run<'_> {
    /// What there is to run. What is begun first is what takes milliseconds.
    fn jobs<'a>(
        &'a self,
        suites: &'a [Suite],
        plugins: &[&'a Plugin],
        packages: Vec<String>,
        has_page: bool,
    ) -> Result<Vec<Job<'a, Vec<Row>>>> {
        let engines = &self.args.engine;
        let of = |engine| engines.contains(&engine);
        // Each test counts once: those in Envoy if they run, and as skipped otherwise.
        let in_envoy = |suite: &&Suite| {
            [IN_ENVOY, SNIPPETS, console::API].contains(&suite.target.as_str()) && of(Engine::Envoy)
        };
        let mut jobs = Vec::new();
        let mut add = |suite: &'a Suite, engine: &'static str, args: &'static [&'static str]| {
            jobs.push(Job::new(move |log| Ok(vec![self.suite(suite, engine, args, &[], log)?])));
        };
        let has_cases =
            |package: &str| suites.iter().any(|suite| suite.package == package && suite.target == CASES);
        let of_plugin = |suite: &&Suite| plugins.iter().any(|plugin| plugin.name == suite.package);
        if of(Engine::Native) {
            let now = |suite: &&Suite| !of_plugin(suite) && !in_envoy(suite) && suite.target != OWN_WORKSPACE;
            for suite in suites.iter().filter(now) {
                let also = match suite.target.as_str() {
                    REGISTRY => of(Engine::Envoy),
                    REDIS => of(Engine::Wasm),
                    SUITE => true,
                    _ => false,
                };
                add(suite, "", if also { &["--include-ignored"] } else { &[] });
            }
        }
        for suite in suites.iter().filter(in_envoy) {
            add(suite, Engine::Envoy.name(), &["--include-ignored"]);
        }
        if has_page && self.args.libtest.is_empty() {
            jobs.push(Job::new(|log| self.page(log)));
        }
        if of(Engine::Native) {
            if self.args.libtest.is_empty() {
                jobs.push(Job::new(move |log| Ok(vec![self.doc_tests(&packages, log)?])));
            }
            // The module is not built a second time if it is tested anyway.
            let now = |suite: &&Suite| suite.target != LINEAR || !of(Engine::Wasm);
            for suite in suites.iter().filter(of_plugin).filter(now) {
                let native = Engine::Native.name();
                jobs.push(Job::new(move |log| {
                    Ok(vec![self.suite(suite, native, &[], &[(ENGINES, native.into())], log)?])
                }));
            }
        }
        let on_module = [Engine::Wasm, Engine::Envoy].into_iter().filter(|engine| of(*engine));
        let on_module: Vec<_> = on_module.collect();
        if !on_module.is_empty() {
            let builder = Builder::new(self.workspace)?;
            for plugin in plugins {
                if has_cases(&plugin.name) {
                    let of_plugin: Vec<&Suite> =
                        suites.iter().filter(|suite| suite.package == plugin.name).collect();
                    let (on_module, builder, plugin) = (on_module.clone(), builder.clone(), *plugin);
                    jobs.push(Job::new(move |log| {
                        self.as_module(&on_module, &builder, plugin, &of_plugin, log)
                    }));
                }
            }
        }
        // It builds crates of this workspace for another one in the same target folder, which cargo does not distinguish: what is
        // built after it is compiled again.
        if of(Engine::Native) {
            for suite in suites.iter().filter(|suite| suite.target == OWN_WORKSPACE) {
                jobs.push(Job::new(move |log| Ok(vec![self.suite(suite, "", &[], &[], log)?])));
            }
        }
        Ok(jobs)
    }

    /// Runs a test program.
    fn suite(
        &self,
        suite: &Suite,
        engine: &'static str,
        args: &[&str],
        env: &[(&str, PathBuf)],
        log: &mut Log,
    ) -> Result<Row> {
        let start = Instant::now();
        let mut command = suite.command(self.workspace, &self.libraries);
        command.args(args).args(&self.args.libtest).envs(env.iter().map(|(name, value)| (name, value)));
        log.step(format_args!("{} {engine}", suite.title()));
        Ok(row(suite.title(), engine, suite::run(command, log)?, start))
    }

    /// Builds the release module of a plug-in, unless one is given, and replays its cases on each of `engines`. Its other tests run
    /// with the module as well: what measures it, and in Envoy what `cargo test` ignores.
    fn as_module(
        &self,
        engines: &[Engine],
        builder: &Builder,
        plugin: &Plugin,
        suites: &[&Suite],
        log: &mut Log,
    ) -> Result<Vec<Row>> {
        let start = Instant::now();
        let module = match &self.module {
            Some(module) => Ok(module.clone()),
            None => builder.build(plugin, Profile::Release),
        };
        let module = match module {
            Ok(module) => module,
            Err(error) => {
                // The others still run.
                output::error(&error.into());
                let failed = Counts { failed: 1, ..Counts::default() };
                return Ok(vec![row(plugin.name.clone(), "", failed, start)]);
            }
        };
        let mut rows = Vec::new();
        for engine in engines {
            for suite in suites.iter().filter(|suite| !suite.unit) {
                let only: &[&str] = match (suite.target.as_str(), engine) {
                    (CASES, _) | (LINEAR, Engine::Wasm) => &[],
                    (_, Engine::Envoy) => &["--ignored"],
                    _ => continue,
                };
                let mut env = vec![(ENGINES, engine.name().into()), (MODULE, module.clone())];
                let costs = self.workspace.target.join(format!("costs-{}.jsonl", plugin.name));
                if *engine == Engine::Wasm && suite.target == CASES {
                    fs::write(&costs, "").with_context(|| format!("writing {}", costs.display()))?;
                    env.push((COUNTS, costs.clone()));
                }
                rows.push(self.suite(suite, engine.name(), only, &env, log)?);
                if *engine == Engine::Wasm && suite.target == CASES {
                    rows.extend(self.budgets(plugin, &budget::measured(&costs)?)?);
                }
            }
        }
        Ok(rows)
    }

    /// Compares the costs of cases with the budgets of a plug-in, or records them.
    fn budgets(&self, plugin: &Plugin, measured: &BTreeMap<String, Cost>) -> Result<Option<Row>> {
        if Rules::are_in(plugin) && env::var_os(VARIABLE).is_some_and(|folder| !folder.is_empty()) {
            let name = &plugin.name;
            output::step(format_args!(
                "{name}: not compared with its budgets, which are not for the rules in {VARIABLE}"
            ));
            return Ok(None);
        }
        let start = Instant::now();
        if self.args.bless {
            let changed = budget::bless(plugin, measured)?;
            output::step(format_args!("{}: {changed} new budgets in plugin.yaml", plugin.name));
        }
        let counts = budget::compare(plugin, measured, self.args.libtest.is_empty())?;
        Ok(Some(row(format!("{} budgets", plugin.name), Engine::Wasm.name(), counts, start)))
    }

    /// Runs the examples in the documentation with rustdoc.
    fn doc_tests(&self, packages: &[String], log: &mut Log) -> Result<Row> {
        let start = Instant::now();
        let mut command = workspace::build::cargo();
        command.current_dir(&self.workspace.root).args(["test", "--locked", "--doc", "--no-fail-fast"]);
        command.args(packages).stdin(Stdio::null());
        log.step("examples in the documentation");
        Ok(row("documentation".into(), "", suite::run(command, log)?, start))
    }
}

fn row(what: String, engine: &'static str, counts: Counts, start: Instant) -> Row {
    Row { what, engine, counts, seconds: start.elapsed().as_secs_f64() }
}

/// Prints the table and the totals. Returns true if nothing failed.
fn summary(rows: &[Row], without_browser: bool) -> bool {
    let mut total = Counts::default();
    let mut cells = Vec::new();
    for row in rows.iter().filter(|row| !row.counts.is_empty()) {
        total.add(row.counts);
        cells.push(vec![
            row.what.clone(),
            row.engine.to_owned(),
            row.counts.passed.to_string(),
            row.counts.failed.to_string(),
            row.counts.skipped.to_string(),
            format!("{:.1} s", row.seconds),
        ]);
    }
    anstream::println!();
    output::table(&["tests", "engine", "passed", "failed", "skipped", "time"], &[2, 3, 4, 5], &cells);
    for row in rows.iter().filter(|row| row.counts.failed > 0) {
        anstream::eprintln!("{} {} {}", styled(BAD, "failed:"), row.what, row.engine);
    }
    let left_out = if without_browser { " (without the tests in a browser)" } else { "" };
    anstream::println!("{total}{left_out}");
    total.failed == 0
}
