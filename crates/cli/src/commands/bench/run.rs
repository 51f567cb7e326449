//! Measures plug-ins, and reports the results.

mod subject;

use anyhow::{Context, Result, bail};
use bench::{InvalidInput, Options, Report, progress};
use workspace::Plugin;
use workspace::build::Builder;

use super::{Args, Engine};
use crate::{Usage, output};

pub(crate) fn run(args: &Args) -> Result<bool> {
    let result = measure(args);
    progress::done();
    result.map_err(|error| match error.downcast::<InvalidInput>() {
        Ok(invalid) => Usage(invalid.to_string()).into(),
        Err(error) => error,
    })
}

fn measure(args: &Args) -> Result<bool> {
    let in_envoy = args.engine.contains(&Engine::Envoy) && args.soak.is_none();
    if in_envoy {
        bench::require_h2load()?;
    }
    let workspace = crate::open::workspace()?;
    let plugins: Vec<&Plugin> = match args.plugins.is_empty() {
        true => subject::with_scenarios(&workspace),
        false => args.plugins.iter().map(|name| workspace.plugin(name)).collect::<Result<_, _>>()?,
    };
    if plugins.is_empty() {
        bail!(Usage(
            "no plug-in has a bench.yaml: name one to measure it with the example of its manifest".into()
        ));
    }
    let envoy =
        in_envoy.then(|| gateway::Envoy::find(&workspace.target).context("no Envoy found")).transpose()?;
    let options = Options {
        envoy: envoy.as_ref().map(|envoy| envoy.path().to_path_buf()),
        interpreter: args.engine.contains(&Engine::Wasm),
        rounds: usize::from(args.rounds),
        only: args.only.clone(),
        against: args.against.clone(),
        config: args.config.as_deref().map(bench::read_config).transpose()?,
        against_config: args.against_config.as_deref().map(bench::read_config).transpose()?,
    };
    let builder = Builder::new(&workspace)?;
    let mut subjects = Vec::new();
    for plugin in plugins {
        let Some(subject) = subject::build(&workspace, &builder, plugin)? else { return Ok(false) };
        subjects.push(subject);
    }
    if let Some(requests) = args.soak {
        subjects.iter().try_for_each(|subject| bench::soak(subject, &options, requests))?;
        return Ok(true);
    }
    let mut report = Report::new(&workspace.root, envoy.as_ref().map(gateway::Envoy::version), &options)?;
    for subject in &subjects {
        report.plugins.push(bench::compare(subject, &options)?);
    }
    if let Some(file) = &args.markdown {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(file, report.markdown()).with_context(|| format!("writing {}", file.display()))?;
        output::step(format_args!("wrote {}", file.display()));
    }
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(true)
}
