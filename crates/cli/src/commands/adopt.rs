//! `adopt`: the plug-ins of an existing installation, and what takes their place.

mod applied;
mod report;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use resource::upstream::{Evidence, Named, counterpart, is_in_catalogue};
use resource::yaml::{self, Fault, Node};
use resource::{Content, Found, WasmPlugin};
use serde_json::Value;

use super::config::read;
use crate::Usage;
use crate::catalogue::Choice;
use applied::Images;
use marketplace::{Checker, Verdict};
use report::{Adoption, Outcome};

/// Migrate the plug-ins of a Higress, MSE or Istio installation
///
/// Reads the resources of an installation and reports for each plug-in whether this project has a counterpart, whether
/// its configuration is accepted as it is, and which behaviour differs. Each difference names the test case that shows it.
/// With `--images`, the resources to apply are printed: the same resources with images of this project. A resource that
/// deploys a plug-in without a counterpart is not changed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kubectl get wasmplugin -A -o yaml | cargo xtask adopt -
                                              report only
  cargo xtask adopt resources/ --images registry.example.com/plugins >adopted.yaml
                                              resources to apply, the report on stderr
  cargo xtask adopt resources/ --images registry.example.com/plugins --output adopted/
                                              one file per resource
  cargo xtask adopt resources/ --json         for scripts

Exit codes: 0 every configuration with a counterpart is accepted, 1 one is rejected, 2 usage error.")]
pub(crate) struct Args {
    /// Files and folders of resources, in YAML or JSON; `-` is the standard input.
    #[arg(required = true, value_name = "FILE|FOLDER")]
    sources: Vec<PathBuf>,
    /// The registry and repository with this project's images: print the resources to apply.
    #[arg(long, value_name = "REGISTRY/REPOSITORY")]
    images: Option<Images>,
    /// Write the resources into this folder, one file per resource, instead of printing them.
    #[arg(long, value_name = "FOLDER", requires = "images")]
    output: Option<PathBuf>,
    #[command(flatten)]
    catalogue: Choice,
    /// Print the report, with the resources, as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let sources = args.catalogue.sources()?;
    let known = sources.known();
    let files = args.sources.iter().map(|source| files(source)).collect::<Result<Vec<_>>>()?.concat();
    let mut adopter = Adopter {
        checker: Checker::new(&known, None),
        images: args.images.as_ref(),
        adoptions: Vec::new(),
        resources: Vec::new(),
    };
    for file in files {
        adopter.file(&file, &read(&file)?)?;
    }
    let Adopter { adoptions, resources, .. } = adopter;
    if adoptions.is_empty() {
        bail!(Usage(format!(
            "no resource deploys a plug-in in {}: name files with WasmPlugin or EnvoyExtensionPolicy resources",
            args.sources.iter().map(|source| source.display().to_string()).collect::<Vec<_>>().join(", ")
        )));
    }
    if args.json {
        anstream::println!("{:#}", report::json(&adoptions, &resources));
    } else {
        // Where the resources are printed, they alone are on stdout.
        let printed = args.images.is_some() && args.output.is_none();
        let text = report::text(&adoptions, args.images.is_none());
        if printed {
            anstream::eprint!("{text}")
        } else {
            anstream::print!("{text}")
        }
        if printed {
            for (number, resource) in resources.iter().enumerate() {
                anstream::print!(
                    "{}{}",
                    if number > 0 { "---\n" } else { "" },
                    yaml::write(&resource.value)?
                );
            }
        }
    }
    if let Some(folder) = &args.output {
        for file in applied::write(folder, &resources)? {
            anstream::eprintln!("wrote {}", file.display());
        }
    }
    Ok(adoptions.iter().all(|adoption| !adoption.is_rejected()))
}

/// The files of a source, in order of their names.
fn files(source: &Path) -> Result<Vec<PathBuf>> {
    if !source.is_dir() {
        return Ok(vec![source.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![source.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_text = [".yaml", ".yml", ".json"].iter().any(|extension| name.ends_with(extension));
            // A link may lead back up.
            match path.symlink_metadata() {
                Ok(data) if data.is_dir() && !name.starts_with('.') => folders.push(path),
                Ok(data) if !data.is_dir() && is_text => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    if found.is_empty() {
        bail!(Usage(format!(
            "{} has no .yaml, .yml or .json file: name the folder of the resources",
            source.display()
        )));
    }
    Ok(found)
}

/// Collects what the files hold.
struct Adopter<'a> {
    checker: Checker<'a>,
    images: Option<&'a Images>,
    adoptions: Vec<Adoption>,
    resources: Vec<applied::Resource>,
}

impl Adopter<'_> {
    fn file(&mut self, file: &Path, text: &str) -> Result<()> {
        let name = file.display().to_string();
        let documents = match yaml::read(text) {
            Ok(documents) => documents,
            Err(error) => {
                let error = Fault::no_yaml(text, error);
                self.adoptions.push(Adoption::unreadable(&name, error.line, vec![error]));
                return Ok(());
            }
        };
        for document in &documents {
            for found in resource::read(document) {
                self.found(&name, text, document, &found)?;
            }
        }
        Ok(())
    }

    fn found(&mut self, file: &str, text: &str, document: &Node, found: &Found<'_>) -> Result<()> {
        let line = found.node.span().start.line;
        let Content::Plugins(plugins) = &found.content else {
            // Other kinds of resources configure no plug-in.
            return Ok(());
        };
        if plugins.is_empty() && !found.errors.is_empty() {
            let at = |error: &config::ConfigError| {
                Fault::at(text, document, found.path(error.path()), error.message())
            };
            let errors = found.errors.iter().map(at).collect();
            self.adoptions.push(Adoption::unreadable(file, line, errors));
            return Ok(());
        }
        let mut replaced = None;
        for (number, plugin) in plugins.iter().enumerate() {
            let mut adoption = Adoption::new(file, line, plugin);
            let known = self.checker.known;
            let ours =
                |name: &str| known.plugins.iter().find(|ours| ours.name() == counterpart(name)).copied();
            let named = plugin.named(|name| is_in_catalogue(name) || ours(name).is_some());
            let named = named.filter(|named| is_credible(named, plugin));
            adoption.outcome = match &named {
                None => Outcome::UnknownImage,
                Some(named) => match ours(&named.name) {
                    None => Outcome::NoCounterpart,
                    Some(ours) => {
                        let manifest = ours.manifest()?;
                        let errors = if number == 0 { found.errors.as_slice() } else { &[] };
                        let source = (file, text);
                        let report = {
                            self.checker.plugin = Some(ours);
                            self.checker.resource_of(source, document, found, plugin, errors)?
                        };
                        adoption.remarks = report.remarks;
                        let is_deployed = !matches!(report.verdict, Verdict::Refused { .. });
                        if let (Some(images), true) = (self.images, is_deployed) {
                            let value = replaced
                                .get_or_insert_with(|| applied::copy(found.node, plugin.control_plane));
                            images.put(value, plugin, &manifest);
                        }
                        adoption.differences =
                            report::differences(&manifest, plugin.deployment().ok().as_ref());
                        Outcome::of(report.verdict, &manifest)
                    }
                },
            };
            adoption.upstream = named;
            self.adoptions.push(adoption);
        }
        self.resources.extend(replaced.map(|value: Value| applied::Resource::new(value)));
        Ok(())
    }
}

/// A resource's own name says little where its `url` names something else.
fn is_credible(named: &Named, plugin: &WasmPlugin) -> bool {
    plugin.spec.url.is_empty() || !matches!(named.evidence, Evidence::Label | Evidence::ResourceName)
}
