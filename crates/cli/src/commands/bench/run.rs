//! Measures plug-ins, and reports the results.

mod subject;

use std::path::Path;

use anyhow::{Context, Result, bail};
use bench::{InvalidInput, Options, Report, progress};
use workspace::build::Builder;
use workspace::{Plugin, Workspace};

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

/// What an argument names.
enum Wanted<'a> {
    Plugin(&'a Plugin),
    /// A folder of resources.
    Folder(&'a Path),
}

impl<'a> Wanted<'a> {
    fn find(workspace: &'a Workspace, name: &'a str) -> Result<Self> {
        match workspace.plugin(name) {
            Ok(plugin) => Ok(Self::Plugin(plugin)),
            Err(_) if Path::new(name).is_dir() => Ok(Self::Folder(Path::new(name))),
            Err(_) if name.contains('/') => {
                bail!(Usage(format!(
                    "there is no folder {name}: name a plug-in, or a folder with a bench.yaml"
                )))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn measure(args: &Args) -> Result<bool> {
    let in_envoy = args.engine.contains(&Engine::Envoy) && args.soak.is_none();
    if in_envoy {
        bench::require_h2load()?;
    }
    let workspace = crate::open::workspace()?;
    let wanted: Vec<Wanted> = match args.plugins.is_empty() {
        true => subject::with_scenarios(&workspace).into_iter().map(Wanted::Plugin).collect(),
        false => args.plugins.iter().map(|name| Wanted::find(&workspace, name)).collect::<Result<_, _>>()?,
    };
    if wanted.is_empty() {
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
    for wanted in wanted {
        let subject = match wanted {
            Wanted::Plugin(plugin) => subject::build(&workspace, &builder, plugin)?,
            Wanted::Folder(folder) => subject::build_folder(&workspace, &builder, folder)?,
        };
        let Some(subject) = subject else { return Ok(false) };
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
