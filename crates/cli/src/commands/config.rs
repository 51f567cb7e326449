//! `config`: what a plug-in or a cluster would say to a configuration, without either.

mod subject;
mod texts;
mod verdict;

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use verdict::{Report, Verdict};
use workspace::describe::Describer;
use workspace::{Plugin, Workspace};

use crate::Usage;

pub(crate) use verdict::print;

/// Check configurations before they are deployed
///
/// Takes what an operator writes: a plug-in's configuration, or resources that deploy plug-ins (Higress's and Istio's
/// WasmPlugin, Envoy Gateway's EnvoyExtensionPolicy), several in one file and in lists if need be. Each is turned into
/// the JSON that the plug-in would get, as the control plane does it, and validated by the plug-in's own code. All that
/// is wrong is shown with its line, its field and what to write instead; what is good is printed as that JSON. Resources
/// of other kinds and of other plug-ins are left out with a note.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask config wasmplugin.yaml              the plug-in is the one that the resource names
  cargo xtask config my.yaml --plugin request-block
                                                  fields as they are pasted into a console
  kubectl get wasmplugin -A -o yaml | cargo xtask config -
  cargo xtask config *.yaml --json                for scripts

Exit codes: 0 all are good, 1 one is refused, 2 the command was wrong.")]
pub(crate) struct Args {
    /// Files in YAML or JSON; `-` is the standard input.
    #[arg(required = true, value_name = "FILE.yaml")]
    files: Vec<PathBuf>,
    /// The plug-in, in any spelling; a resource that names one of this workspace needs none.
    #[arg(long)]
    plugin: Option<String>,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let plugin = args.plugin.as_deref().map(|name| workspace.plugin(name)).transpose()?;
    let texts = args.files.iter().map(|file| Ok((file, read(file)?))).collect::<Result<Vec<_>>>()?;
    let mut checker = Checker { workspace: &workspace, plugin, describers: HashMap::new() };
    let mut reports = Vec::new();
    for (file, text) in texts {
        reports.extend(checker.file(file, &text)?);
    }
    something_checked(&mut reports);
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        reports.iter().for_each(Report::print);
    }
    Ok(reports.iter().all(Report::is_good))
}

/// Refuses what was left out where nothing else is there: a check of nothing finds no fault either.
fn something_checked(reports: &mut [Report]) {
    if reports.iter().any(Report::is_checked) {
        return;
    }
    for report in reports {
        if let Verdict::LeftOut { note, remedy } = &report.verdict {
            let mut error = note.clone();
            error.message = format!("{}: {remedy}", note.message);
            report.verdict = Verdict::refused(vec![error]);
        }
    }
}

pub(crate) fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading the standard input")?;
        return Ok(text);
    }
    let bytes = fs::read(file).map_err(|error| {
        Usage(format!("{} cannot be read: {error}; name a YAML or JSON file", file.display()))
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count();
        Usage(format!("{}:{}: is not UTF-8: save it as UTF-8", file.display(), line + 1)).into()
    })
}

/// The configuration in a file that is for one plug-in; nothing when it is refused, which has then been printed.
pub(crate) fn document(
    workspace: &Workspace,
    plugin: &Plugin,
    file: &Path,
) -> Result<Option<serde_json::Map<String, serde_json::Value>>> {
    let text = read(file)?;
    let mut checker = Checker { workspace, plugin: Some(plugin), describers: HashMap::new() };
    let mut reports = checker.file(file, &text)?;
    something_checked(&mut reports);
    reports.iter().filter(|report| !report.is_checked()).for_each(Report::print);
    reports.retain(Report::is_checked);
    let [report] = reports.as_slice() else {
        bail!(Usage(format!(
            "{} holds several configurations of {}: write one",
            file.display(),
            plugin.name
        )));
    };
    match &report.verdict {
        Verdict::Accepted { configuration: serde_json::Value::Object(document), .. } => {
            report.print_remarks();
            Ok(Some(document.clone()))
        }
        // Its own code takes nothing else.
        Verdict::Accepted { .. } => bail!(Usage(format!("{} holds no fields: write some", file.display()))),
        Verdict::NotDeployed { reason } => {
            bail!("{}: nothing would be deployed: {reason}", file.display())
        }
        Verdict::Refused { .. } | Verdict::LeftOut { .. } => {
            report.print();
            Ok(None)
        }
    }
}

/// Goes through files, and builds what answers for a plug-in when the first document for it comes.
pub(crate) struct Checker<'w> {
    pub(crate) workspace: &'w Workspace,
    /// The plug-in that was named in the command.
    pub(crate) plugin: Option<&'w Plugin>,
    pub(crate) describers: HashMap<String, Describer>,
}

impl<'w> Checker<'w> {
    fn describer(&mut self, plugin: &Plugin) -> Result<&Describer> {
        if !self.describers.contains_key(&plugin.name) {
            let describer = crate::open::describer(self.workspace, plugin)?;
            self.describers.insert(plugin.name.clone(), describer);
        }
        self.describers.get(&plugin.name).context("has just been put there")
    }
}

#[cfg(test)]
mod tests;
