//! From the `url` of a resource to a module in a file that Envoy loads: built, read, downloaded or pulled; compared with
//! its `sha256`; and adapted from Higress's ABI to the one that stock Envoy has.

mod fetched;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use abi::Abi;
use anyhow::{Context, Result, anyhow, bail};
use oci::Catalogue;
use resource::annotation::WORKSPACE;
use resource::{CONSOLE_LIMIT, Spec};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use text::hex;
use wasmparser::{Parser, Payload};
use workspace::Plugin;

use crate::Cache;
use crate::folder::Entry;
use crate::plugins::Plugins;

/// A module that Envoy can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its file. The name is made of the content's digest, so the file never changes.
    pub file: PathBuf,
    /// Its version: that of its source, its tag, or the beginning of its digest.
    pub version: String,
    /// Whether headers have to be held while body callbacks run.
    pub holds_headers: bool,
    /// How it was adapted, for people.
    pub adapted: Option<&'static str>,
    /// The plug-in of the workspace that it was built from.
    pub plugin: Option<Plugin>,
    /// The schema of its configuration (OpenAPI v3), from its image.
    pub schema: Option<Value>,
    /// Files and folders whose changes make another module.
    pub sources: Vec<PathBuf>,
}

/// A field of the `spec` does not lead to a module.
#[derive(Debug)]
pub struct ModuleError {
    /// The field, such as `url`.
    pub field: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for ModuleError {}

/// The remark about an adapted module.
pub const ADAPTED: &str = "made for Higress (ABI 0_2_100): adapted to 0_2_1, headers held";

/// Where modules come from, beside files, web servers and registries.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The plug-ins that `workspace:<name>` builds, or why there are none.
    pub plugins: Result<Plugins, String>,
    /// Whether images of plug-ins of the workspace are built from source instead of pulled.
    pub from_source: bool,
    /// Images that are here already, so that no registry is needed.
    pub catalogue: Option<Catalogue>,
}

/// Finds modules, and keeps them in a cache.
#[derive(Debug)]
pub struct Modules {
    sources: Sources,
    cache: PathBuf,
    /// The modules of plug-ins whose source has not changed since they were built.
    built: HashMap<String, PathBuf>,
    /// The images with `imagePullPolicy: Always` that were pulled by this process.
    pulled: HashSet<String>,
}

impl Modules {
    /// Keeps modules in this cache.
    #[must_use]
    pub fn new(cache: &Cache, sources: Sources) -> Self {
        Self { sources, cache: cache.folder(), built: HashMap::new(), pulled: HashSet::new() }
    }

    /// The plug-ins of the workspace, if there is one.
    #[must_use]
    pub fn plugins(&self) -> Option<&Plugins> {
        self.sources.plugins.as_ref().ok()
    }

    /// Whether images of plug-ins of the workspace are built from source instead of pulled.
    #[must_use]
    pub fn from_source(&self) -> bool {
        self.sources.from_source
    }

    /// Forgets the modules that were built from files that have changed.
    pub fn changed(&mut self, files: &[PathBuf]) {
        let Ok(plugins) = &self.sources.plugins else { return };
        self.built.retain(|name, _| {
            plugins.get(name).is_some_and(|plugin| {
                let sources = plugins.sources(plugin);
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
        if let Some(plugin) = self.source_of(entry).map_err(at_url)? {
            return self.build(&plugin).map_err(at_url);
        }
        let found = if let Some(path) = url.strip_prefix("file://") {
            read(path, &entry.file)
        } else if url.starts_with("oci://") {
            return self.pull(spec);
        } else if url.starts_with("http://") || url.starts_with("https://") {
            self.download(spec)
        } else {
            Err(unknown_scheme(&url))
        };
        let (bytes, sources) = found.map_err(at_url)?;
        let digest = hex::encode(Sha256::digest(&bytes));
        if let Some(expected) = pinned(spec).filter(|expected| *expected != digest) {
            return Err(wrong_digest(&expected, "module", &digest));
        }
        let version = short(&digest);
        self.keep(&bytes, version, sources).map_err(at_url)
    }

    /// The plug-in of the workspace that a resource is built from.
    fn source_of(&mut self, entry: &Entry) -> Result<Option<Plugin>> {
        let url = entry.resource.spec.location();
        if let Some(name) = url.strip_prefix(WORKSPACE) {
            let plugins = self.sources.plugins.as_mut().map_err(|reason| {
                anyhow!(
                    "is built from source in a cargo workspace, and {reason}: run the command in the workspace, or write \
                     an image as oci://… or a module as file://…"
                )
            })?;
            return Ok(Some(plugins.find(name)?));
        }
        let is_remote = ["oci://", "http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        if !(self.sources.from_source && is_remote) {
            return Ok(None);
        }
        let name = entry.source.as_deref().unwrap_or_else(|| image_name(&url));
        Ok(self.plugins().and_then(|plugins| plugins.get(name)).cloned())
    }

    fn build(&mut self, plugin: &Plugin) -> Result<Module> {
        let plugins = self.plugins().context("plug-ins are built in a workspace only")?;
        let sources = plugins.sources(plugin);
        let file = match self.built.get(&plugin.name) {
            Some(file) => file.clone(),
            None => plugins.build(plugin)?,
        };
        let manifest = plugin.manifest()?;
        let bytes = workspace::build::read(&file).with_context(|| format!("reading {}", file.display()))?;
        let module = self.keep(&bytes, plugin.version.clone(), sources)?;
        self.built.insert(plugin.name.clone(), file);
        // A plug-in that only may hold headers works in this mode too.
        let holds_headers = module.holds_headers || manifest.holds_headers || manifest.may_hold_headers;
        Ok(Module { holds_headers, plugin: Some(plugin.clone()), ..module })
    }

    /// Puts a module into the cache, adapted if necessary.
    fn keep(&self, bytes: &[u8], version: String, sources: Vec<PathBuf>) -> Result<Module> {
        if bytes.len() as u64 > CONSOLE_LIMIT {
            bail!("the module has {} bytes, and consoles accept at most {CONSOLE_LIMIT}", bytes.len());
        }
        if !bytes.starts_with(b"\0asm") {
            bail!("is not a WebAssembly module: name a .wasm file, or an image that contains one");
        }
        if let Some(import) = redis_import(bytes)? {
            bail!(
                "the module calls `{import}`, and only Higress has host calls for Redis: it cannot run in stock Envoy"
            );
        }
        let adapted = abi::declare(bytes, Abi::Standard).context("the module cannot be read")?;
        let bytes = adapted.as_deref().unwrap_or(bytes);
        let folder = self.cache.join("modules");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let file = folder.join(format!("{}.wasm", hex::encode(Sha256::digest(bytes))));
        if !file.is_file() {
            write(&file, bytes)?;
        }
        Ok(Module {
            file,
            version,
            holds_headers: adapted.is_some(),
            adapted: adapted.is_some().then_some(ADAPTED),
            plugin: None,
            schema: None,
            sources,
        })
    }
}

/// Replaces a file atomically, also if others write it at the same time.
fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let write = || -> io::Result<()> {
        let mut unfinished = NamedTempFile::new_in(folder)?;
        unfinished.write_all(bytes)?;
        unfinished.persist(file)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", file.display()))
}

fn at_url(error: anyhow::Error) -> ModuleError {
    ModuleError { field: "url", message: format!("{error:#}") }
}

fn read(path: &str, resource_file: &Path) -> Result<(Vec<u8>, Vec<PathBuf>)> {
    let folder = resource_file.parent().unwrap_or(Path::new(""));
    let file = folder.join(path);
    let bytes = fs::read(&file).with_context(|| {
        format!(
            "cannot read {}: name a .wasm file, relative to the resource's file or absolute",
            file.display()
        )
    })?;
    Ok((bytes, vec![file]))
}

fn unknown_scheme(url: &str) -> anyhow::Error {
    if !url.contains("://") {
        return anyhow!("is a path: write file:// before it");
    }
    anyhow!(
        "has an unknown scheme: write oci://, https://, http://, file://, or {WORKSPACE} and the name of a plug-in of the \
         workspace; without a scheme it is an image"
    )
}

/// The digest that a resource pins, in lowercase hexadecimal digits.
fn pinned(spec: &Spec) -> Option<String> {
    let digest = spec.sha256.trim_start_matches("sha256:").to_lowercase();
    (!digest.is_empty()).then_some(digest)
}

fn wrong_digest(expected: &str, what: &str, actual: &str) -> ModuleError {
    ModuleError {
        field: "sha256",
        message: format!(
            "is {expected}, and the {what} has {actual}: do not use it, or write the new digest"
        ),
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
    fn the_name_of_an_image_is_that_of_its_plug_in() {
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
    fn calls_to_redis_are_found_by_name() {
        let module = wat::parse_str(
            r#"(module (import "env" "proxy_log" (func)) (import "env" "proxy_redis_call" (func)))"#,
        )
        .unwrap();
        assert_eq!(redis_import(&module).unwrap().as_deref(), Some("proxy_redis_call"));
        assert_eq!(redis_import(&wat::parse_str("(module)").unwrap()).unwrap(), None);
        assert!(redis_import(b"\0asm nonsense").is_err());
    }
}
