//! What is in the workspace: its plug-ins and fixtures, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};
use resource::names::{canonical, nearest};

use crate::{Error, Notify, Result};
use resource::{MANIFEST, Manifest};

/// A cargo workspace with plug-ins: this repository, or one of an author's own.
///
/// A plug-in is a member with a `plugin.yaml` beside its `Cargo.toml`.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// Cargo's target folder, wherever `CARGO_TARGET_DIR` puts it.
    pub target: PathBuf,
    /// Every plug-in, by name.
    pub plugins: Vec<Plugin>,
    /// Plug-ins that exist to test the test kit, which only this repository has; never part of "all" but in tests.
    pub fixtures: Vec<Plugin>,
    /// The names of all packages.
    pub packages: Vec<String>,
    /// The names that `use` and `cargo -p` know crates by here: of packages and their libraries, of what they depend on,
    /// under the names that they give it, and of everything in the lock file.
    pub crates: BTreeSet<String>,
    /// Packages under `plugins/` that have no manifest.
    unfinished: Vec<Plugin>,
    /// The members, by folder, with what they are built from.
    members: BTreeMap<PathBuf, Member>,
    pub(crate) notify: Notify,
}

/// A member of the workspace, as far as what is built from it matters.
#[derive(Debug, Clone, Default)]
struct Member {
    /// The folders of the path dependencies that are linked into it.
    linked: Vec<PathBuf>,
    /// Where its dependencies come from, by package name, as a line of a manifest has it.
    dependencies: BTreeMap<String, String>,
}

/// A package that becomes a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The package's name.
    pub name: String,
    /// The package's version.
    pub version: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The folder from the workspace's root, for messages.
    pub shown: PathBuf,
    /// True if it is written with `RootContext` and `HttpContext`: only its own code knows its configuration.
    pub classic: bool,
    /// True if it has the feature `redis`, with which its module for Higress and MSE is built.
    pub has_redis: bool,
    /// The dependency that defines a second set of `proxy_on_…` callbacks beside the SDK's.
    second_style: Option<&'static str>,
}

impl Workspace {
    /// Reads the workspace that a folder is in, by `cargo metadata`.
    ///
    /// # Errors
    ///
    /// The folder is in no workspace, or cargo cannot read it.
    pub fn at(folder: &Path, notify: Notify) -> Result<Self> {
        let here = std::path::absolute(folder).map_err(Error::reading(folder))?;
        if !here.ancestors().any(|folder| folder.join("Cargo.toml").is_file()) {
            return Err(Error::NoWorkspace(here));
        }
        // Without dependencies: with them, cargo would first fetch those of every platform.
        let metadata =
            MetadataCommand::new().current_dir(folder).no_deps().exec().map_err(Error::Metadata)?;
        let root = metadata.workspace_root.as_std_path().to_path_buf();
        let mut workspace = Self {
            target: metadata.target_directory.as_std_path().to_path_buf(),
            plugins: Vec::new(),
            fixtures: Vec::new(),
            packages: metadata.packages.iter().map(|package| package.name.to_string()).collect(),
            crates: crates(&metadata),
            unfinished: Vec::new(),
            members: metadata.packages.iter().map(member).collect(),
            notify,
            root,
        };
        let (plugins, fixtures) =
            (workspace.root.join("plugins"), workspace.root.join("crates/testkit/fixtures"));
        for package in &metadata.packages {
            let plugin = Plugin::of(package, &workspace.root);
            let has_manifest = plugin.manifest_file().is_file();
            match plugin.folder.parent() {
                Some(parent) if parent == fixtures && has_manifest => workspace.fixtures.push(plugin),
                _ if has_manifest => workspace.plugins.push(plugin),
                Some(parent) if parent == plugins => workspace.unfinished.push(plugin),
                _ => {}
            }
        }
        workspace.plugins.sort_by(|a, b| a.name.cmp(&b.name));
        workspace.fixtures.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(workspace)
    }

    /// Reads the workspace again, with plug-ins that were added or removed meanwhile.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn reload(&self) -> Result<Self> {
        Self::at(&self.root, self.notify)
    }

    /// The plug-in or fixture of that name; case and `-`/`_` do not matter.
    ///
    /// # Errors
    ///
    /// There is none, with the nearest name.
    pub fn plugin(&self, name: &str) -> Result<&Plugin> {
        let wanted = canonical(name);
        let mut all = self.plugins.iter().chain(&self.fixtures);
        if let Some(plugin) = all.find(|plugin| plugin.name == wanted) {
            return Ok(plugin);
        }
        if let Some(plugin) = self.unfinished.iter().find(|plugin| plugin.name == wanted) {
            return Err(Error::Unfinished { name: wanted, manifest: plugin.shown.join(MANIFEST) });
        }
        let known = || self.plugins.iter().map(|plugin| plugin.name.as_str());
        Err(Error::UnknownPlugin {
            name: name.into(),
            near: nearest(name, known()).map(str::to_owned),
            known: known().map(str::to_owned).collect(),
        })
    }

    /// The files and folders whose changes make another module of a plug-in: its own folder, the folders of the path
    /// dependencies that are linked into it, and the workspace's `Cargo.toml` and `Cargo.lock`.
    #[must_use]
    pub fn sources(&self, plugin: &Plugin) -> Vec<PathBuf> {
        let mut folders = vec![plugin.folder.clone()];
        let mut next = 0;
        while let Some(folder) = folders.get(next) {
            next += 1;
            let linked = self.members.get(folder).map(|member| member.linked.clone()).unwrap_or_default();
            for folder in linked {
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
        }
        folders.extend(self.checkouts());
        folders.extend(["Cargo.toml", "Cargo.lock"].map(|file| self.root.join(file)));
        folders
    }

    /// The workspaces of path dependencies outside of this one, as of an SDK in a checkout.
    pub(crate) fn checkouts(&self) -> Vec<PathBuf> {
        let linked = self.members.values().flat_map(|member| &member.linked);
        let mut checkouts: Vec<PathBuf> = linked
            .filter(|folder| !folder.starts_with(&self.root))
            .map(|folder| {
                let is_root = |folder: &&Path| {
                    let manifest = fs::read_to_string(folder.join("Cargo.toml"));
                    manifest.is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
                };
                folder.ancestors().find(is_root).unwrap_or(folder).to_path_buf()
            })
            .collect();
        checkouts.sort();
        checkouts.dedup();
        checkouts
    }

    /// Where a package comes from that a plug-in depends on, also for its tests, in the form of a line of a manifest:
    /// `{ package = "portcullis-testkit", path = "…" }`.
    #[must_use]
    pub fn dependency(&self, plugin: &Plugin, package: &str) -> Option<&str> {
        self.members.get(&plugin.folder)?.dependencies.get(package).map(String::as_str)
    }

    /// A path for messages: relative to the workspace where it is inside.
    #[must_use]
    pub fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// The folder of a package, and what it is built from.
fn member(package: &Package) -> (PathBuf, Member) {
    let mut member = Member::default();
    for dependency in &package.dependencies {
        if let Some(path) =
            dependency.path.as_ref().filter(|_| dependency.kind != DependencyKind::Development)
        {
            member.linked.push(path.as_std_path().to_path_buf());
        }
        if let Some(line) = manifest_line(dependency) {
            member.dependencies.insert(dependency.name.clone(), line);
        }
    }
    (folder(package), member)
}

fn folder(package: &Package) -> PathBuf {
    let manifest = package.manifest_path.as_std_path();
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// A dependency as a line of another manifest has it; nothing for a registry other than crates.io.
fn manifest_line(dependency: &Dependency) -> Option<String> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let package = text(&dependency.name);
    if let Some(path) = &dependency.path {
        return Some(format!("{{ package = {package}, path = {} }}", text(path.as_str())));
    }
    let source = dependency.source.as_ref()?.repr.as_str();
    // `git+https://host/path?tag=sdk/v1.0.0`
    if let Some(url) = source.strip_prefix("git+") {
        let (url, reference) = url.split_once('?').unwrap_or((url, ""));
        let reference = match reference.split_once('=') {
            Some((kind @ ("tag" | "branch" | "rev"), name)) => {
                format!(", {kind} = {}", text(&name.replace("%2F", "/")))
            }
            _ => String::new(),
        };
        return Some(format!("{{ package = {package}, git = {}{reference} }}", text(url)));
    }
    source
        .contains("crates.io")
        .then(|| format!("{{ package = {package}, version = {} }}", text(&dependency.req.to_string())))
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
    let lock = fs::read_to_string(metadata.workspace_root.join("Cargo.lock")).unwrap_or_default();
    let locked = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.extend(locked.map(canonical));
    names
}

/// The feature of plug-ins that can use Higress's calls to Redis.
pub(crate) const REDIS: &str = "redis";

impl Plugin {
    fn of(package: &Package, root: &Path) -> Self {
        let folder = folder(package);
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
            has_redis: package.features.contains_key(REDIS),
            second_style: dispatcher.filter(|_| sdk),
        }
    }

    /// The same plug-in in a copy of the workspace.
    pub(crate) fn in_copy(&self, root: &Path) -> Self {
        Self { folder: root.join(&self.shown), ..self.clone() }
    }

    /// Where its manifest is.
    #[must_use]
    pub fn manifest_file(&self) -> PathBuf {
        self.folder.join(MANIFEST)
    }

    /// Its manifest, which agrees with `Cargo.toml`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn manifest(&self) -> Result<Manifest> {
        let shown = self.shown.join(MANIFEST);
        let manifest = Manifest::read(&self.manifest_file(), &shown)?;
        manifest.agrees_with(&shown, &self.name, &self.version)?;
        Ok(manifest)
    }

    /// Refuses what the linker would refuse as "symbol multiply defined".
    pub(crate) fn has_one_style(&self) -> Result<()> {
        if let Some(dependency) = self.second_style {
            return Err(Error::TwoStyles { cargo_toml: self.shown.join("Cargo.toml"), dependency });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        let workspace = Workspace::at(folder.path(), |_| {}).unwrap();
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

    #[test]
    fn a_dependency_is_written_into_another_manifest_as_it_is_here() {
        let outside = tempfile::tempdir().unwrap();
        let sdk = outside.path().canonicalize().unwrap().join("crates/sdk");
        fs::create_dir_all(sdk.join("src")).unwrap();
        fs::write(outside.path().join("Cargo.toml"), "[workspace]\nmembers = [\"crates/*\"]\n").unwrap();
        fs::write(sdk.join("Cargo.toml"), "[package]\nname = \"portcullis-sdk\"\nversion = \"0.1.0\"\n")
            .unwrap();
        fs::write(sdk.join("src/lib.rs"), "").unwrap();
        let path = format!("sdk = {{ package = \"portcullis-sdk\", path = \"{}\" }}\n", sdk.display());
        let git =
            "testkit = { package = \"portcullis-testkit\", git = \"file:///srv/a\", tag = \"sdk/v0.1.0\" }\n";
        let (_folder, workspace) = workspace_with(&[
            ("a", &format!("{path}b = {{ path = \"../b\" }}\nserde = \"1\"\n[dev-dependencies]\n{git}")),
            ("b", ""),
        ]);
        let a = workspace.plugin("a").unwrap();
        for (package, line) in [
            ("portcullis-sdk", format!("{{ package = \"portcullis-sdk\", path = \"{}\" }}", sdk.display())),
            (
                "portcullis-testkit",
                "{ package = \"portcullis-testkit\", git = \"file:///srv/a\", tag = \"sdk/v0.1.0\" }".into(),
            ),
            ("serde", "{ package = \"serde\", version = \"^1\" }".into()),
        ] {
            assert_eq!(workspace.dependency(a, package), Some(line.as_str()));
        }
        assert_eq!(workspace.dependency(a, "tokio"), None);
        // The files that a change of makes another module.
        let sources = workspace.sources(a);
        let is_source = |file: PathBuf| sources.iter().any(|source| file.starts_with(source));
        assert!(is_source(a.folder.join("src/lib.rs")) && is_source(sdk.join("src/lib.rs")));
        assert!(is_source(workspace.plugin("b").unwrap().folder.join("words.txt")));
        assert!(is_source(workspace.root.join("Cargo.lock")));
        let b = workspace.sources(workspace.plugin("b").unwrap());
        assert!(!b.iter().any(|source| a.folder.starts_with(source)), "{b:?}");
        assert_eq!(workspace.checkouts(), [outside.path().canonicalize().unwrap()]);
    }
}
