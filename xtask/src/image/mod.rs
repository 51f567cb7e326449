//! An image, held against the rules of everything that takes images or the modules in them.

mod rules;
#[cfg(test)]
mod tests;

use anyhow::Result;
use oci::{Descriptor, Layout, Manifest, media};
use serde::Serialize;
use serde_yaml::Value;

use crate::module::{Gateway, Report, Subject, check};
use crate::package::HOLDS_HEADERS;

/// Something that takes an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Consumer {
    /// Istio's WasmPlugin resource.
    Istio,
    /// Envoy Gateway's EnvoyExtensionPolicy resource.
    EnvoyGateway,
    /// Higress's WasmPlugin resource, and MSE's.
    Higress,
    /// Higress's plug-in server, which hands modules on over HTTP.
    PluginServer,
    /// MSE's console, into which the module is uploaded.
    Console,
    /// `docker load`.
    Docker,
}

impl Consumer {
    const ALL: [Self; 6] =
        [Self::Istio, Self::EnvoyGateway, Self::Higress, Self::PluginServer, Self::Console, Self::Docker];

    /// The name that people know.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Istio => "Istio",
            Self::EnvoyGateway => "Envoy Gateway",
            Self::Higress => "Higress",
            Self::PluginServer => "plug-in server",
            Self::Console => "console upload",
            Self::Docker => "docker load",
        }
    }

    /// The gateway that runs what it takes, if it is one.
    fn gateway(self) -> Option<Gateway> {
        match self {
            Self::Istio => Some(Gateway::Istio),
            Self::EnvoyGateway => Some(Gateway::EnvoyGateway),
            Self::Higress | Self::PluginServer => Some(Gateway::Higress),
            Self::Console => Some(Gateway::Mse),
            Self::Docker => None,
        }
    }

    /// Whether it fetches an image by itself, with the fetcher that Istio wrote and the others took over.
    fn fetches(self) -> bool {
        matches!(self, Self::Istio | Self::EnvoyGateway | Self::Higress)
    }
}

/// What one consumer says to one of its rules.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ruling {
    pub(crate) rule: &'static str,
    pub(crate) ok: bool,
    /// What was found, or why that is refused.
    pub(crate) detail: String,
}

/// What one consumer says to an image.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) consumer: Consumer,
    pub(crate) takes: bool,
    pub(crate) rules: Vec<Ruling>,
}

/// What is looked at.
struct Image<'a> {
    descriptor: &'a Descriptor,
    /// Nothing where the descriptor names no image's manifest.
    manifest: Option<Manifest>,
    /// The module, or why there is none.
    module: Result<Vec<u8>, String>,
    /// What is known of the module without running it.
    report: Option<Report>,
    spec: Option<Value>,
}

impl<'a> Image<'a> {
    fn new(layout: &'a Layout, descriptor: &'a Descriptor) -> Self {
        let manifest = layout.manifest(descriptor).ok();
        let module = match &manifest {
            Some(manifest) => oci::module_of(layout, manifest).map_err(|error| format!("{error:#}")),
            None => Err("there is no image's manifest".into()),
        };
        let spec = manifest.as_ref().and_then(|manifest| {
            let layer = manifest.layers.iter().find(|layer| layer.media_type == media::SPEC)?;
            serde_yaml::from_slice(layout.blob(layer).ok()?).ok()
        });
        let holds_headers = manifest.as_ref().is_some_and(|manifest| {
            manifest.annotations.get(HOLDS_HEADERS).is_some_and(|value| value == "true")
        });
        let report = module.as_ref().ok().map(|module| {
            check(&Subject {
                file: "plugin.wasm".into(),
                size: module.len() as u64,
                bytes: module,
                manifest: None,
                holds_headers,
            })
        });
        Self { descriptor, manifest, module, report, spec }
    }
}

/// What everything says to an image in a layout.
pub(crate) fn verdicts(layout: &Layout, descriptor: &Descriptor) -> Vec<Verdict> {
    let image = Image::new(layout, descriptor);
    let verdict = |consumer: Consumer| {
        let rules = rules::of(consumer, &image);
        Verdict { consumer, takes: rules.iter().all(|rule| rule.ok), rules }
    };
    Consumer::ALL.into_iter().map(verdict).collect()
}
