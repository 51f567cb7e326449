//! From the `url` of a resource to a module in a file that Envoy loads: built, read, fetched or pulled; compared with
//! its `sha256`; and changed from Higress's ABI to the one that stock Envoy has.

mod fetched;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::folder::Entry;
use abi::Abi;
use anyhow::{Context, Result, anyhow, bail};
use resource::annotation::WORKSPACE;
use resource::{CONSOLE_LIMIT, Spec};
use sha2::{Digest, Sha256};
use text::hex;
use wasmparser::{Parser, Payload};

use crate::workspace::{Plugin, Workspace};

/// A module that Envoy can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Where it is. The name says what is in it, so that the file never changes.
    pub file: PathBuf,
    /// The version that is known of it: that of its source, its tag, or the beginning of its digest.
    pub version: String,
    /// Whether headers have to be held while body callbacks come.
    pub holds_headers: bool,
    /// What was done to it, for people.
    pub adapted: Option<&'static str>,
    /// The plug-in of this workspace that it was built of.
    pub plugin: Option<Plugin>,
    /// Files and folders of which a change makes another module.
    pub sources: Vec<PathBuf>,
}

/// A fault of a field of the `spec`.
#[derive(Debug)]
pub struct ModuleError {
    /// The field, as `url`.
    pub field: &'static str,
    /// What is wrong, and what to do.
    pub cause: anyhow::Error,
}

/// What is said of a module that was adapted.
pub const ADAPTED: &str = "made for Higress (ABI 0_2_100): adapted to 0_2_1, headers held";

/// Finds modules, and keeps them.
#[derive(Debug)]
pub struct Modules {
    workspace: Workspace,
    /// Whether what a registry or server has is built from source, where the source is here.
    from_source: bool,
    /// Plug-ins whose source has not changed since they were built, with the module.
    built: HashMap<String, PathBuf>,
    /// What `Always` has had pulled already.
    pulled: HashSet<String>,
}

impl Modules {
    /// Keeps modules in the target folder of this workspace.
    #[must_use]
    pub fn new(workspace: Workspace, from_source: bool) -> Self {
        Self { workspace, from_source, built: HashMap::new(), pulled: HashSet::new() }
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Takes note of files that have changed: what is made of them is made again.
    pub fn changed(&mut self, files: &[PathBuf]) {
        let workspace = &self.workspace;
        self.built.retain(|name, _| {
            workspace.plugin(name).is_some_and(|plugin| {
                let sources = workspace.sources(&plugin);
                !files.iter().any(|file| sources.iter().any(|source| file.starts_with(source)))
            })
        });
    }

    /// The module of a resource.
    ///
    /// # Errors
    ///
    /// The field that is wrong, and why.
    pub fn resolve(&mut self, entry: &Entry) -> Result<Module, ModuleError> {
        let spec = &entry.resource.spec;
        let url = spec.location();
        let at_url = |cause| ModuleError { field: "url", cause };
        if let Some(plugin) = self.source_of(entry).map_err(at_url)? {
            return self.build(plugin).map_err(at_url);
        }
        let found = if let Some(path) = url.strip_prefix("file://") {
            self.read(path, &entry.file)
        } else if url.starts_with("oci://") {
            return self.pull(spec);
        } else if url.starts_with("http://") || url.starts_with("https://") {
            self.download(spec)
        } else {
            Err(unknown_scheme(&url))
        };
        let (bytes, sources) = found.map_err(at_url)?;
        let digest = hex::encode(Sha256::digest(&bytes));
        if let Some(wanted) = wanted(spec).filter(|wanted| *wanted != digest) {
            return Err(wrong_digest(&wanted, "module", &digest));
        }
        let version = short(&digest);
        self.keep(&bytes, version, sources).map_err(at_url)
    }

    /// The plug-in of this workspace that a resource is built of.
    fn source_of(&self, entry: &Entry) -> Result<Option<Plugin>> {
        let url = entry.resource.spec.location();
        if let Some(name) = url.strip_prefix(WORKSPACE) {
            let plugin = self.workspace.plugin(name);
            return plugin.map(Some).with_context(|| {
                format!(
                    "there is no plug-in `{name}` in this workspace: write one of {}",
                    self.workspace.plugins().join(", ")
                )
            });
        }
        let remote = ["oci://", "http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        if !(self.from_source && remote) {
            return Ok(None);
        }
        Ok(self.workspace.plugin(entry.source.as_deref().unwrap_or_else(|| image_name(&url))))
    }

    fn build(&mut self, plugin: Plugin) -> Result<Module> {
        let sources = self.workspace.sources(&plugin);
        let file = match self.built.get(&plugin.name) {
            Some(file) => file.clone(),
            None => self.workspace.build(&plugin)?,
        };
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let module = self.keep(&bytes, plugin.version.clone(), sources)?;
        self.built.insert(plugin.name.clone(), file);
        Ok(Module {
            holds_headers: module.holds_headers || plugin.holds_headers,
            plugin: Some(plugin),
            ..module
        })
    }

    fn read(&self, path: &str, resource_file: &Path) -> Result<(Vec<u8>, Vec<PathBuf>)> {
        let folder = resource_file.parent().unwrap_or(Path::new(""));
        let file = folder.join(path);
        let bytes = fs::read(&file).with_context(|| {
            format!("{} cannot be read: name a .wasm file, from here or from the root", file.display())
        })?;
        Ok((bytes, vec![file]))
    }

    /// Puts a module where Envoy finds it, adapted if need be.
    fn keep(&self, bytes: &[u8], version: String, sources: Vec<PathBuf>) -> Result<Module> {
        if bytes.len() as u64 > CONSOLE_LIMIT {
            bail!("the module has {} bytes, and consoles take {CONSOLE_LIMIT} at most", bytes.len());
        }
        if !bytes.starts_with(b"\0asm") {
            bail!("is no WebAssembly module: name a .wasm file, or an image that holds one");
        }
        if let Some(import) = redis_import(bytes)? {
            bail!(
                "the module calls `{import}`, and only Higress has host calls for Redis: it cannot run in stock Envoy"
            );
        }
        let adapted = abi::declare(bytes, Abi::Standard).context("the module cannot be read")?;
        let bytes = adapted.as_deref().unwrap_or(bytes);
        let folder = self.workspace.target.join("serve/modules");
        fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
        let file = folder.join(format!("{}.wasm", hex::encode(Sha256::digest(bytes))));
        if !file.is_file() {
            let unfinished = file.with_extension(format!("{}.new", std::process::id()));
            fs::write(&unfinished, bytes)
                .and_then(|()| fs::rename(&unfinished, &file))
                .with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(Module {
            file,
            version,
            holds_headers: adapted.is_some(),
            adapted: adapted.is_some().then_some(ADAPTED),
            plugin: None,
            sources,
        })
    }
}

fn unknown_scheme(url: &str) -> anyhow::Error {
    if !url.contains("://") {
        return anyhow!("is a path: write file:// before it");
    }
    anyhow!(
        "has a scheme that is not known here: write oci://, https://, http://, file://, or {WORKSPACE} and the name of a \
         plug-in of this workspace; without a scheme it is an image"
    )
}

/// The digest that a resource pins, in small hex digits.
fn wanted(spec: &Spec) -> Option<String> {
    let wanted = spec.sha256.trim_start_matches("sha256:").to_lowercase();
    (!wanted.is_empty()).then_some(wanted)
}

fn wrong_digest(wanted: &str, what: &str, found: &str) -> ModuleError {
    ModuleError {
        field: "sha256",
        cause: anyhow!("is {wanted}, and that of the {what} is {found}: do not use it, or write the new one"),
    }
}

/// The last part of a URL's path, without tag, digest and `.wasm`; of `…/request-block/plugin.wasm` the part before.
fn image_name(url: &str) -> &str {
    let mut parts = url.split('@').next().unwrap_or(url).rsplit('/');
    let last = parts.next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default().trim_end_matches(".wasm");
    if name == "plugin" { parts.next().unwrap_or(name) } else { name }
}

/// The first host call for Redis that a module imports.
fn redis_import(module: &[u8]) -> Result<Option<String>> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload.context("the module cannot be read")? {
            for import in section.into_imports() {
                let name = import.context("the module cannot be read")?.name;
                if name.starts_with("proxy_redis") {
                    return Ok(Some(name.to_owned()));
                }
            }
        }
    }
    Ok(None)
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_as_its_plug_in() {
        for (url, name) in [
            ("oci://r.example.com/plugins/request-block:1.0.0", "request-block"),
            ("oci://r.example.com:5000/request-block@sha256:00", "request-block"),
            ("https://example.com/request-block.wasm", "request-block"),
            ("https://example.com/request-block/plugin.wasm", "request-block"),
        ] {
            assert_eq!(image_name(url), name, "{url}");
        }
    }

    #[test]
    fn redis_is_refused_with_its_name() {
        let module = wat::parse_str(
            r#"(module (import "env" "proxy_log" (func)) (import "env" "proxy_redis_call" (func)))"#,
        )
        .unwrap();
        assert_eq!(redis_import(&module).unwrap().as_deref(), Some("proxy_redis_call"));
        assert_eq!(redis_import(&wat::parse_str("(module)").unwrap()).unwrap(), None);
        assert!(redis_import(b"\0asm nonsense").is_err());
    }
}
