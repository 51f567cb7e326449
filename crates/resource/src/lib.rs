//! The files that deploy a plug-in, and what the control plane makes of them.
//!
//! An operator writes a resource; the plug-in sees a [document](config::Document). Between them stands a controller: that of
//! Higress turns `defaultConfig` and `matchRules` into the document, which is repeated here step by step so that tools and
//! tests show what a cluster would do; those of Istio and of Envoy Gateway pass on `pluginConfig` and `config` as they
//! are. [`read`] finds the resources of all three in a file, in lists too, and [`deploy`] writes them.
//!
//! ```
//! use resource::{Deployment, WasmPlugin};
//!
//! let resource = WasmPlugin::from_yaml(
//!     "
//! apiVersion: extensions.higress.io/v1alpha1
//! kind: WasmPlugin
//! metadata: { name: request-block }
//! spec:
//!   url: oci://registry.example.com/request-block:1.0.0
//!   defaultConfig: { block_urls: [swagger.html] }
//!   matchRules:
//!   - ingress: [default/foo]
//!     config: { block_bodies: [foo] }
//! ",
//! )?;
//! let Deployment::Document(document) = resource.deployment()? else { panic!("is deployed") };
//! assert_eq!(document["_rules_"][0]["_match_route_"][0], "default/foo");
//! # Ok::<(), config::ConfigError>(())
//! ```
//!
//! # Invariants
//!
//! - YAML is written by [`yaml::write`](yaml::write()) alone, which reads back what it has written.
//! - Errors name the field and its place in the file.
//! - Nothing here panics on any input.

pub mod annotation;
mod category;
mod control_plane;
pub mod deploy;
mod difference;
mod hints;
mod manifest;
pub mod names;
mod origin;
mod read;
mod stage;
pub mod upstream;
mod url;
mod wasm_plugin;
pub mod yaml;

pub use category::Category;
pub use control_plane::ControlPlane;
pub use difference::{Difference, DifferenceTexts};
pub use hints::plugin_field;
pub use manifest::{Budget, CONSOLE_LIMIT, Cost, MANIFEST, Manifest, ManifestError};
pub use origin::Remark;
pub use read::{Content, Found, read};
pub use stage::Stage;
pub use wasm_plugin::{
    Deployment, EnvVar, FailStrategy, MatchRule, Object, PolicyEntry, PullPolicy, Spec, VmConfig, WasmPlugin,
};
