//! The files that a running Envoy watches, each replaced atomically by renaming.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::process::Files;
use crate::{Bootstrap, Cluster, Wasm, route};

/// The files that Envoy watches.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) listeners: PathBuf,
    pub(super) clusters: PathBuf,
    routes: PathBuf,
    access_log: PathBuf,
    folder: PathBuf,
    /// A file for each plug-in so far, by the plug-in's name, which may be unsuitable as a file name.
    plugins: BTreeMap<String, PathBuf>,
    /// The version written last.
    version: u64,
}

impl Watched {
    pub(super) fn new(files: &Files) -> Self {
        Self {
            listeners: files.watched("listeners.json"),
            clusters: files.watched("clusters.json"),
            routes: files.watched("routes.json"),
            access_log: files.access().0,
            folder: files.watched(""),
            plugins: BTreeMap::new(),
            version: 0,
        }
    }

    pub(super) fn put_plugin(&mut self, plugin: &Wasm) -> io::Result<()> {
        let number = self.plugins.len();
        let folder = &self.folder;
        let file = self.plugins.entry(plugin.name.clone());
        let file = file.or_insert_with(|| folder.join(format!("plugin-{number}.json"))).clone();
        self.put(
            &file,
            vec![json!({
                "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                "name": plugin.name,
                "typed_config": plugin.typed_config(),
            })],
        )
    }

    pub(super) fn put_clusters(&mut self, clusters: &[Cluster]) -> io::Result<()> {
        let kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
        let resources = clusters.iter().map(|cluster| typed(kind, cluster.to_json())).collect();
        self.put(&self.clusters.clone(), resources)
    }

    pub(super) fn put_routes(&mut self, bootstrap: &Bootstrap) -> io::Result<()> {
        let kind = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
        self.put(&self.routes.clone(), vec![typed(kind, route::table(&bootstrap.routes))])
    }

    pub(super) fn put_listener(&mut self, bootstrap: &Bootstrap) -> io::Result<()> {
        let kind = "type.googleapis.com/envoy.config.listener.v3.Listener";
        let plugins: Vec<(String, PathBuf)> = bootstrap
            .plugins
            .iter()
            .filter_map(|plugin| Some((plugin.name.clone(), self.plugins.get(&plugin.name)?.clone())))
            .collect();
        let listener = bootstrap.watching_listener(&plugins, &self.routes, &self.access_log);
        self.put(&self.listeners.clone(), vec![typed(kind, listener)])
    }

    fn put(&mut self, file: &Path, resources: Vec<Value>) -> io::Result<()> {
        self.version += 1;
        let response = json!({ "version_info": self.version.to_string(), "resources": resources });
        let unfinished = file.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(&response)?)?;
        fs::rename(&unfinished, file)
    }
}

/// A resource and its type.
fn typed(kind: &str, mut resource: Value) -> Value {
    if let Some(resource) = resource.as_object_mut() {
        resource.insert("@type".into(), kind.into());
    }
    resource
}
