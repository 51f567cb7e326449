//! An image, checked against the rules of every consumer of images or of the modules in them.

mod rules;
#[cfg(test)]
mod tests;

use anyhow::Result;
use oci::{Descriptor, Fetched, Layout, Reader, media};
use serde::Serialize;
use serde_yaml::Value;
use workspace::module::{Gateway, Report, Subject, check};
use workspace::package::HOLDS_HEADERS;

/// A consumer of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Consumer {
    /// Istio's WasmPlugin resource.
    Istio,
    /// Envoy Gateway's EnvoyExtensionPolicy resource.
    EnvoyGateway,
    /// Higress's WasmPlugin resource, and MSE's.
    Higress,
    /// Higress's plug-in server, which serves modules over HTTP.
    PluginServer,
    /// MSE's console, to which the module is uploaded.
    Console,
    /// `docker load`.
    Docker,
}

impl Consumer {
    const ALL: [Self; 6] =
        [Self::Istio, Self::EnvoyGateway, Self::Higress, Self::PluginServer, Self::Console, Self::Docker];

    /// Returns the display name.
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

    /// Returns the gateway that runs accepted modules, if it is one.
    fn gateway(self) -> Option<Gateway> {
        match self {
            Self::Istio => Some(Gateway::Istio),
            Self::EnvoyGateway => Some(Gateway::EnvoyGateway),
            Self::Higress | Self::PluginServer => Some(Gateway::Higress),
            Self::Console => Some(Gateway::Mse),
            Self::Docker => None,
        }
    }

    /// Returns how the consumer finds the module in an image.
    fn reader(self) -> Reader {
        match self {
            Self::Istio | Self::EnvoyGateway | Self::Higress => Reader::Fetcher,
            Self::PluginServer => Reader::PluginServer,
            Self::Console | Self::Docker => Reader::Any,
        }
    }
}

/// The result of a rule of a consumer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ruling {
    pub(crate) rule: &'static str,
    pub(crate) ok: bool,
    /// What was found, or the reason for the rejection.
    pub(crate) detail: String,
}

/// The result of a consumer for an image.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) consumer: Consumer,
    pub(crate) takes: bool,
    pub(crate) rules: Vec<Ruling>,
}

/// An image as read by a consumer.
struct Image<'a> {
    /// What the reference resolves to: a manifest or an index.
    descriptor: &'a Descriptor,
    /// True if the reference contains its digest.
    pinned: bool,
    /// The manifest, or the reason that there is none.
    fetched: Result<Fetched, String>,
    /// The module, or the reason that there is none.
    module: Result<Vec<u8>, String>,
    /// Static checks of the module.
    report: Option<Report>,
    spec: Option<Value>,
}

impl<'a> Image<'a> {
    fn new(layout: &'a Layout, descriptor: &'a Descriptor, pinned: bool, reader: Reader) -> Self {
        let fetched = reader.image(layout, descriptor).map_err(|error| format!("{error:#}"));
        let manifest = fetched.as_ref().ok().map(|fetched| &fetched.manifest);
        let module = match manifest {
            Some(manifest) => reader.module(layout, manifest).map_err(|error| format!("{error:#}")),
            None => Err("there is no image's manifest".into()),
        };
        let spec = manifest.and_then(|manifest| {
            let layer = manifest.layers.iter().find(|layer| layer.media_type == media::SPEC)?;
            serde_yaml::from_slice(layout.blob(layer).ok()?).ok()
        });
        let holds_headers = manifest.is_some_and(|manifest| {
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
        Self { descriptor, pinned, fetched, module, report, spec }
    }
}

/// Returns the results of all consumers for an image in a layout. `pinned` is true if the reference contains its digest.
pub(crate) fn verdicts(layout: &Layout, descriptor: &Descriptor, pinned: bool) -> Vec<Verdict> {
    let images = [Reader::Fetcher, Reader::PluginServer, Reader::Any]
        .map(|reader| (reader, Image::new(layout, descriptor, pinned, reader)));
    let verdict = |consumer: Consumer| {
        let image = images.iter().find(|(reader, _)| *reader == consumer.reader());
        let rules = image.map(|(_, image)| rules::of(consumer, image)).unwrap_or_default();
        Verdict { consumer, takes: !rules.is_empty() && rules.iter().all(|rule| rule.ok), rules }
    };
    Consumer::ALL.into_iter().map(verdict).collect()
}
