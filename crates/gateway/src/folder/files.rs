//! From files to plug-ins, and what is wrong with them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use config::resource::{Deployment, WasmPlugin};
use config::yaml::{self, Node, Position, Span};
use config::{ConfigError, yaml::Fault as Place};

use super::annotation::{self, DISABLED};
use super::{Entry, Fault, Folder, Other, ROUTES, StageOrder};

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

/// The files that may hold resources, by name.
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
        // Somebody has just removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            return found.faults.push(whole_file(&file, format!("cannot be read: {error}")));
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
        let document = self.document;
        // `---` with nothing behind it is no document to a cluster.
        if document.to_json().is_null() {
            return;
        }
        match kind(document).as_deref() {
            // What `kubectl get -o yaml` prints.
            Some("List" | "WasmPluginList") => {
                let items = document.get("items").map(Node::entries).unwrap_or_default();
                for (index, item) in items.iter().enumerate() {
                    self.resource(item, Some(index));
                }
            }
            _ => self.resource(document, None),
        }
    }

    fn resource(&mut self, node: &Node, item: Option<usize>) {
        if let Some(kind) = kind(node).filter(|kind| kind != "WasmPlugin" && is_foreign(node)) {
            let line = node.span().start.line;
            return self.found.others.push(Other { file: self.file.into(), line, kind });
        }
        let resource = match WasmPlugin::from_json(&node.to_json()) {
            Ok(resource) => resource,
            Err(error) => return self.refuse(item, &error),
        };
        match self.entry(node, item, resource) {
            Ok(entry) => self.found.plugins.push(entry),
            Err(error) => self.refuse(item, &error),
        }
    }

    fn entry(
        &mut self,
        node: &Node,
        item: Option<usize>,
        resource: WasmPlugin,
    ) -> Result<Entry, ConfigError> {
        let own = |key| annotation::get(&resource, key).map(str::to_owned);
        let metadata = |key| annotation::metadata(&resource, key).to_owned();
        let (name, namespace) = (metadata("name"), metadata("namespace"));
        if resource.metadata.get("name").is_some_and(|name| !name.is_string()) {
            return Err(ConfigError::new("metadata.name", "is no text to YAML: put it in quotes"));
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
            let message = "says that the plug-in is disabled, and a cluster would run it: set \
                           `defaultConfigDisable: true` and `configDisable: true` in every match rule, or remove \
                           this annotation";
            return Err(ConfigError::new(format!("metadata.annotations.{DISABLED}"), message));
        }
        Ok(Entry {
            file: self.file.into(),
            index: self.index,
            item,
            line: node.span().start.line,
            name,
            namespace,
            enabled,
            stage: resource.spec.phase,
            priority: resource.spec.priority,
            title: own(annotation::TITLE),
            description: own(annotation::DESCRIPTION),
            language: own(annotation::LANGUAGE),
            source: annotation::source(&resource).map(str::to_owned),
            resource,
        })
    }

    fn refuse(&mut self, item: Option<usize>, error: &ConfigError) {
        let path = match (item, error.path()) {
            (None, path) => path.to_owned(),
            (Some(item), "") => format!("items[{item}]"),
            (Some(item), path) => format!("items[{item}].{path}"),
        };
        let fault = Place::at(self.text, self.document, path, error.message());
        self.found.faults.push(Fault { file: self.file.into(), fault });
    }
}

fn kind(node: &Node) -> Option<String> {
    node.get("kind")?.to_json().as_str().map(str::to_owned)
}

/// Whether it is a resource of another API, and no misspelt plug-in.
fn is_foreign(node: &Node) -> bool {
    let version = node.get("apiVersion").map(Node::to_json).unwrap_or_default();
    version.as_str().is_some_and(|version| !version.starts_with("extensions.higress.io/"))
}
