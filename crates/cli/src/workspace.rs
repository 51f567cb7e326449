//! What is in the workspace: its plug-ins and fixtures, from `cargo metadata`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use resource::names::{canonical, nearest};
use resource::{MANIFEST, Manifest};

use crate::Usage;

/// The folder, in that of its plug-in in `dist`, of a module for Higress and MSE alone.
pub(crate) const HIGRESS: &str = "higress";

/// The workspace that the command was given in.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever `CARGO_TARGET_DIR` puts it.
    pub(crate) target: PathBuf,
    /// Every plug-in under `plugins/`, by name.
    pub(crate) plugins: Vec<Plugin>,
    /// Plug-ins that exist to test the test kit; never part of "all" but in tests.
    pub(crate) fixtures: Vec<Plugin>,
    /// The names of all packages.
    pub(crate) packages: Vec<String>,
    /// The names that `use` and `cargo -p` know crates by here: of packages and their libraries, of what they depend on,
    /// under the names that they give it, and of everything in the lock file.
    pub(crate) crates: BTreeSet<String>,
    /// Packages under `plugins/` that have no manifest.
    unfinished: Vec<Plugin>,
}

/// A package that becomes a module.
#[derive(Debug, Clone)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
    /// The folder from the workspace's root, for messages.
    pub(crate) shown: PathBuf,
    /// True if it is written with `RootContext` and `HttpContext`: only its own code knows its configuration.
    pub(crate) classic: bool,
    /// The dependency that defines a second set of `proxy_on_…` callbacks beside the SDK's.
    second_style: Option<&'static str>,
}

impl Workspace {
    /// Asks cargo about the workspace that the command is run in.
    pub(crate) fn load() -> Result<Self> {
        Self::at(Path::new("."))
    }

    /// Asks cargo about the workspace that a folder is in.
    pub(crate) fn at(folder: &Path) -> Result<Self> {
        // Without dependencies: with them, cargo would first fetch those of every platform.
        let metadata = MetadataCommand::new().current_dir(folder).no_deps().exec().context(
            "cargo cannot read this workspace: run the command inside it, and repair what cargo names",
        )?;
        let root = metadata.workspace_root.as_std_path().to_path_buf();
        let mut workspace = Self {
            target: metadata.target_directory.as_std_path().to_path_buf(),
            plugins: Vec::new(),
            fixtures: Vec::new(),
            packages: metadata.packages.iter().map(|package| package.name.to_string()).collect(),
            crates: crates(&metadata),
            unfinished: Vec::new(),
            root,
        };
        let (plugins, fixtures) =
            (workspace.root.join("plugins"), workspace.root.join("crates/testkit/fixtures"));
        for package in &metadata.packages {
            let plugin = Plugin::of(package, &workspace.root);
            let has_manifest = plugin.manifest_file().is_file();
            match plugin.folder.parent() {
                Some(parent) if parent == plugins && has_manifest => workspace.plugins.push(plugin),
                Some(parent) if parent == plugins => workspace.unfinished.push(plugin),
                Some(parent) if parent == fixtures && has_manifest => workspace.fixtures.push(plugin),
                _ => {}
            }
        }
        workspace.plugins.sort_by(|a, b| a.name.cmp(&b.name));
        workspace.fixtures.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(workspace)
    }

    /// The plug-in or fixture of that name, in any spelling.
    pub(crate) fn plugin(&self, name: &str) -> Result<&Plugin> {
        let wanted = canonical(name);
        let mut all = self.plugins.iter().chain(&self.fixtures);
        if let Some(plugin) = all.find(|plugin| plugin.name == wanted) {
            return Ok(plugin);
        }
        if let Some(plugin) = self.unfinished.iter().find(|plugin| plugin.name == wanted) {
            bail!(Usage(format!(
                "`{wanted}` is not a plug-in yet: write {} as in plugins/add-header/{MANIFEST}",
                plugin.shown.join(MANIFEST).display()
            )));
        }
        let known = || self.plugins.iter().map(|plugin| plugin.name.as_str());
        let hint = nearest(name, known()).map_or_else(
            || "`cargo xtask new` starts one".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let list = known().collect::<Vec<_>>().join(", ");
        let list = if list.is_empty() { "none yet".into() } else { list };
        bail!(Usage(format!("there is no plug-in `{name}`: {hint} (plug-ins here: {list})")))
    }

    /// A path for people: relative to the workspace where it is inside.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// The names that crates are known by.
fn crates(metadata: &Metadata) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for package in &metadata.packages {
        names.insert(canonical(&package.name));
        let libraries = package.targets.iter().filter(|target| target.is_lib() || target.is_proc_macro());
        names.extend(libraries.map(|target| canonical(&target.name)));
        let dependencies = package.dependencies.iter();
        names.extend(
            dependencies.map(|dependency| canonical(dependency.rename.as_ref().unwrap_or(&dependency.name))),
        );
    }
    // `cargo -p` takes these as well. The lock file alone names them without fetching anything.
    let lock = std::fs::read_to_string(metadata.workspace_root.join("Cargo.lock")).unwrap_or_default();
    let locked = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.extend(locked.map(canonical));
    names
}

impl Plugin {
    fn of(package: &Package, root: &Path) -> Self {
        let manifest = package.manifest_path.as_std_path();
        let folder = manifest.parent().unwrap_or(manifest).to_path_buf();
        let normal = |name: &str| {
            package
                .dependencies
                .iter()
                .any(|dependency| dependency.kind == DependencyKind::Normal && dependency.name == name)
        };
        let sdk = normal("portcullis-sdk");
        let dispatcher = ["higress-wasm-rust", "proxy-wasm"].into_iter().find(|name| normal(name));
        Self {
            name: package.name.to_string(),
            version: package.version.to_string(),
            shown: folder.strip_prefix(root).unwrap_or(&folder).to_path_buf(),
            folder,
            classic: dispatcher.is_some() && !sdk,
            second_style: dispatcher.filter(|_| sdk),
        }
    }

    /// The same plug-in in a copy of the workspace.
    pub(crate) fn in_copy(&self, root: &Path) -> Self {
        Self { folder: root.join(&self.shown), ..self.clone() }
    }

    /// Where its manifest is.
    pub(crate) fn manifest_file(&self) -> PathBuf {
        self.folder.join(MANIFEST)
    }

    /// Its manifest, which agrees with `Cargo.toml`.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        let shown = self.shown.join(MANIFEST);
        let manifest = Manifest::read(&self.manifest_file(), &shown)?;
        manifest.agrees_with(&shown, &self.name, &self.version)?;
        Ok(manifest)
    }

    /// Refuses what the linker would refuse as "symbol multiply defined".
    pub(crate) fn has_one_style(&self) -> Result<()> {
        if let Some(dispatcher) = self.second_style {
            bail!(
                "{}: depends on {dispatcher} beside the SDK, and a module has one set of callbacks: remove \
                 {dispatcher} and use `#[plugin]`, or remove the SDK, depend on higress-wasm-rust and implement \
                 RootContext and HttpContext",
                self.shown.join("Cargo.toml").display()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn workspace_with(dependencies: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: String| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\nmembers = [\"plugins/*\"]\nresolver = \"3\"\n".to_owned());
        for (name, lines) in dependencies {
            let head = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n[lib]\n[dependencies]\n");
            write(&format!("plugins/{name}/Cargo.toml"), head + lines);
            write(&format!("plugins/{name}/src/lib.rs"), String::new());
            write(&format!("plugins/{name}/plugin.yaml"), String::new());
        }
        let workspace = Workspace::at(folder.path()).unwrap();
        (folder, workspace)
    }

    #[test]
    fn the_style_of_a_plug_in_follows_from_its_dependencies() {
        const SDK: &str = "sdk = { package = \"portcullis-sdk\", version = \"0.1\" }\n";
        const CLASSIC: &str = "higress-wasm-rust = \"0.1.0\"\nproxy-wasm = \"0.2\"\n";
        let both = format!("{SDK}{CLASSIC}");
        let (_folder, workspace) = workspace_with(&[
            ("ours", SDK),
            ("classic", CLASSIC),
            ("bare", "proxy-wasm = \"0.2\"\n"),
            ("both", &both),
            ("beside", &format!("{SDK}proxy-wasm = \"0.2\"\n")),
            ("in-tests", &format!("{SDK}[dev-dependencies]\nproxy-wasm = \"0.2\"\n")),
        ]);
        let classic = |name| workspace.plugin(name).unwrap().classic;
        assert!(classic("classic") && classic("bare"));
        assert!(!classic("ours") && !classic("in-tests"));
        for name in ["ours", "classic", "bare", "in-tests"] {
            workspace.plugin(name).unwrap().has_one_style().unwrap();
        }
        for (name, dependency) in [("both", "higress-wasm-rust"), ("beside", "proxy-wasm")] {
            let error = workspace.plugin(name).unwrap().has_one_style().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("plugins/{name}/Cargo.toml: depends on {dependency}")),
                "{error}"
            );
        }
    }
}
