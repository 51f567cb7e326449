//! Makes the resource that deploys a plug-in, for each control plane.
//!
//! ```
//! use resource::deploy::{Order, Pinned};
//! use resource::{ControlPlane, Manifest, Object, yaml};
//!
//! let text = "
//! name: request-block
//! title: Request Block
//! description: Blocks requests
//! category: security
//! version: 1.0.0
//! stage: authn
//! priority: 320
//! failStrategy: FAIL_CLOSE
//! budget: { size: 1000000 }
//! example: { block_urls: [swagger.html] }
//! ";
//! let plugin = Manifest::parse("plugin.yaml".as_ref(), text)?;
//! let digest = "a".repeat(64);
//! let image = Pinned::parse(&format!("oci://registry.example.com/plugins/request-block@sha256:{digest}"))?;
//! let order = Order::new(&plugin, &image, &plugin.example);
//! let resource = order.resource(ControlPlane::Higress)?;
//! assert_eq!(resource.spec.priority, 320);
//! let text = yaml::write(&serde_json::to_value(&resource)?)?;
//! assert!(text.starts_with("apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod image;
mod rules;
mod target;

use std::fmt;

use serde_json::json;

use crate::{ControlPlane, Manifest, Object, PolicyEntry, Spec, WasmPlugin};

pub use image::{Pinned, PinnedError, SCHEME};
pub use rules::split;
pub use target::{Selector, Target, check_name, check_namespace};

/// The contents of a resource.
pub struct Order<'a> {
    /// The plug-in's name, stage, priority and fail strategy.
    pub plugin: &'a Manifest,
    /// The image, by its digest.
    pub image: &'a Pinned,
    /// The plug-in's document, its `_rules_` included.
    pub configuration: &'a Object,
    /// The resource's name.
    pub name: &'a str,
    /// The resource's namespace.
    pub namespace: Option<&'a str>,
    /// The secret with the registry's credentials.
    pub pull_secret: Option<&'a str>,
    /// The Gateways, routes and services that it is attached to.
    pub targets: &'a [Target],
    /// Labels of the gateways' pods.
    pub selector: &'a [Selector],
}

/// A plug-in that holds headers back, on a control plane that cannot set what that needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotHoldHeaders {
    plugin: String,
    control_plane: ControlPlane,
}

impl fmt::Display for CannotHoldHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} holds headers back while bodies come (`holdsHeaders` in its plugin.yaml), and {}'s resource cannot set \
             allow_on_headers_stop_iteration, which that needs: deploy it with Higress, or with Envoy's own \
             configuration",
            self.plugin,
            self.control_plane.title()
        )
    }
}

impl std::error::Error for CannotHoldHeaders {}

impl<'a> Order<'a> {
    /// A resource with the plug-in's name, and with nothing but what every resource needs.
    #[must_use]
    pub fn new(plugin: &'a Manifest, image: &'a Pinned, configuration: &'a Object) -> Self {
        Self {
            plugin,
            image,
            configuration,
            name: &plugin.name,
            namespace: None,
            pull_secret: None,
            targets: &[],
            selector: &[],
        }
    }

    /// The resource for a control plane.
    ///
    /// # Errors
    ///
    /// The control plane cannot run this plug-in.
    pub fn resource(&self, control_plane: ControlPlane) -> Result<WasmPlugin, CannotHoldHeaders> {
        if self.plugin.holds_headers && control_plane != ControlPlane::Higress {
            return Err(CannotHoldHeaders { plugin: self.plugin.name.clone(), control_plane });
        }
        let mut metadata = Object::from_iter([("name".into(), self.name.into())]);
        if let Some(namespace) = self.namespace {
            metadata.insert("namespace".into(), namespace.into());
        }
        let mut selector = Object::new();
        if !self.selector.is_empty() {
            let labels = self.selector.iter().map(|label| (label.key.clone(), label.value.as_str().into()));
            selector.insert("matchLabels".into(), labels.collect::<Object>().into());
        }
        let spec = Spec {
            selector,
            url: self.image.url(),
            // Of an image, this is the manifest's digest, for every control plane.
            sha256: self.image.sha256.clone(),
            image_pull_secret: self.pull_secret.unwrap_or_default().into(),
            plugin_name: self.plugin.name.clone(),
            phase: self.plugin.stage,
            priority: self.plugin.priority,
            fail_strategy: self.plugin.fail_strategy,
            ..Spec::default()
        };
        let mut resource = WasmPlugin {
            control_plane,
            metadata,
            spec,
            targets: self.targets.iter().map(Target::reference).collect(),
            extension: PolicyEntry { index: 0, name: self.plugin.name.clone() },
        };
        resource.configure(self.configuration);
        Ok(resource)
    }
}

impl WasmPlugin {
    /// Replaces the configuration by a document; for Higress, its `_rules_` become match rules where those have fields for
    /// their conditions.
    pub fn configure(&mut self, document: &Object) {
        let spec = &mut self.spec;
        let some = |config: Object| (!config.is_empty()).then_some(config);
        if self.control_plane == ControlPlane::Higress {
            let (base, rules) = split(document);
            (spec.plugin_config, spec.default_config, spec.match_rules) = (None, some(base), rules);
        } else {
            spec.plugin_config = some(document.clone());
        }
    }
}

impl Target {
    /// An entry of `targetRefs`.
    fn reference(&self) -> Object {
        Object::from_iter([
            ("group".into(), self.group().into()),
            ("kind".into(), self.kind.into()),
            ("name".into(), json!(self.name)),
        ])
    }
}
