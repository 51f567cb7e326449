//! Reads plug-ins and errors from files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use config::ConfigError;
use resource::annotation::{self, DISABLED};
use resource::yaml::{self, Fault as Place, Node, Position, Span};
use resource::{Content, Deployment, WasmPlugin};

use super::{BENCH, Entry, Fault, Folder, Other, ROUTES, StageOrder};

pub(super) fn read(folder: &Path, order: StageOrder) -> Folder {
    let mut found = Folder::default();
    match names(folder) {
        Ok(files) => files.into_iter().for_each(|file| read_file(&mut found, file)),
        Err(error) => {
            let message = format!("cannot be read: {error}; name a folder of WasmPlugin resources");
            found.faults.push(whole_file(folder, message));
        }
    }
    order.sort(&mut found.plugins);
    found
}

/// The maximum number and depth of folders that are searched for plug-ins.
const MAX_FOLDERS: usize = 200;
const MAX_DEPTH: usize = 2;

pub(super) fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![(folder.to_path_buf(), 0)];
    let mut at = 0;
    while let Some((folder, depth)) = todo.get(at).cloned() {
        at += 1;
        if depth > 0 && !read(&folder, StageOrder::Mse).plugins.is_empty() {
            found.push(folder);
            continue;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut inner: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                depth < MAX_DEPTH && path.is_dir() && !name.starts_with('.') && name != "target"
            })
            .collect();
        inner.sort();
        todo.extend(
            inner.into_iter().map(|path| (path, depth + 1)).take(MAX_FOLDERS.saturating_sub(todo.len())),
        );
    }
    found
}

/// The files that may contain resources, by name.
fn names(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let kind = file.extension().unwrap_or_default();
        let is_resource = ["yaml", "yml", "json"].into_iter().any(|known| kind == known);
        if is_resource && name != ROUTES && !name.starts_with('.') && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn whole_file(file: &Path, message: String) -> Fault {
    let start = Position { line: 1, column: 1 };
    Fault { file: file.into(), fault: Place::new("", Span { start, end: start }, "", message) }
}

fn read_file(found: &mut Folder, file: PathBuf) {
    let text = match fs::read(&file) {
        // It has just been removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let message = format!("cannot be read: {error}; make it readable, or move it out of the folder");
            return found.faults.push(whole_file(&file, message));
        }
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => return found.faults.push(whole_file(&file, "is not UTF-8: save it as UTF-8".into())),
        },
    };
    match yaml::read(&text) {
        Err(error) => found.faults.push(Fault { fault: Place::no_yaml(&text, error), file }),
        Ok(documents) => {
            for (index, node) in documents.iter().enumerate() {
                let mut reading = Reading { file: &file, text: &text, index, document: node, found };
                reading.document();
            }
        }
    }
}

/// One document that is being read.
struct Reading<'r> {
    file: &'r Path,
    text: &'r str,
    index: usize,
    document: &'r Node,
    found: &'r mut Folder,
}

impl Reading<'_> {
    fn document(&mut self) {
        for found in resource::read(self.document) {
            self.resource(found);
        }
    }

    fn resource(&mut self, found: resource::Found<'_>) {
        for error in &found.errors {
            self.refuse(&found, error);
        }
        match &found.content {
            Content::Other { kind } => {
                let line = found.node.span().start.line;
                self.found.others.push(Other { file: self.file.into(), line, kind: kind.clone() });
            }
            Content::Fields if self.is_of_bench(found.node) => {}
            Content::Fields => {
                let message = "is not a resource: write `apiVersion`, `kind`, `metadata` and `spec`, with these fields under \
                               `spec.defaultConfig`, or move the file out of the folder";
                self.refuse(&found, &ConfigError::new("", message));
            }
            Content::Plugins(plugins) => {
                for plugin in plugins {
                    match self.entry(&found, plugin, plugins.len()) {
                        // Its errors have been reported.
                        Ok(entry) if found.errors.is_empty() => self.found.plugins.push(entry),
                        Ok(_) => {}
                        Err(error) if found.errors.is_empty() => self.refuse(&found, &error),
                        Err(_) => {}
                    }
                }
            }
        }
    }

    /// Whether this is what `bench` measures. A resource in a file of this name is read like any other.
    fn is_of_bench(&self, node: &Node) -> bool {
        self.file.file_name().is_some_and(|name| name == BENCH) && node.get("scenarios").is_some()
    }

    fn entry(
        &mut self,
        found: &resource::Found<'_>,
        resource: &WasmPlugin,
        siblings: usize,
    ) -> Result<Entry, ConfigError> {
        let node = found.node;
        let own = |key| annotation::get(resource, key).map(str::to_owned);
        let metadata = |key| annotation::metadata(resource, key).to_owned();
        let (name, namespace) = (metadata("name"), metadata("namespace"));
        if resource.metadata.get("name").is_some_and(|name| !name.is_string()) {
            return Err(ConfigError::new("metadata.name", "is not a string in YAML: put it in quotes"));
        }
        if name.is_empty() {
            let at = if node.get("metadata").is_some() { "metadata" } else { "" };
            return Err(ConfigError::new(at, "has no `name`: write `metadata: { name: my-plugin }`"));
        }
        if resource.spec.url.is_empty() {
            let message = "has no `url`: write where the module is, as `file://my-plugin.wasm`, \
                           `oci://registry/plugins/my-plugin:1.0.0` or `workspace:my-plugin`";
            return Err(ConfigError::new("spec", message));
        }
        if let Some(other) =
            self.found.plugins.iter().find(|other| (&other.name, &other.namespace) == (&name, &namespace))
        {
            let message = format!(
                "`{name}` is the name of the plug-in in {}:{} too: rename or remove one of them",
                other.file.file_name().unwrap_or_default().to_string_lossy(),
                other.line
            );
            return Err(ConfigError::new("metadata.name", message));
        }
        let enabled = matches!(resource.deployment()?, Deployment::Document(_));
        if enabled && own(DISABLED).is_some() {
            let message = "is the annotation of a disabled plug-in, but a cluster would run it: set \
                           `defaultConfigDisable: true` and `configDisable: true` in every match rule, or remove \
                           this annotation";
            return Err(ConfigError::new(format!("metadata.annotations.{DISABLED}"), message));
        }
        Ok(Entry {
            file: self.file.into(),
            index: self.index,
            item: found.items.first().copied(),
            place: found.place.clone(),
            alone: found.items.len() <= 1 && siblings == 1,
            line: node.span().start.line,
            name,
            namespace,
            enabled,
            stage: resource.spec.phase,
            priority: resource.spec.priority,
            title: own(annotation::TITLE),
            description: own(annotation::DESCRIPTION),
            language: own(annotation::LANGUAGE),
            source: annotation::source(resource).map(str::to_owned),
            resource: resource.clone(),
        })
    }

    fn refuse(&mut self, found: &resource::Found<'_>, error: &ConfigError) {
        let fault = Place::at(self.text, self.document, found.path(error.path()), error.message());
        self.found.faults.push(Fault { file: self.file.into(), fault });
    }
}
