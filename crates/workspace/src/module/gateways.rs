//! Gateways that run plug-ins, and their requirements for modules.

use serde::Serialize;

use super::host::Host;

/// A product that loads proxy-wasm modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// Plain Envoy, 1.40.
    Envoy,
    /// Istio's WasmPlugin resource.
    Istio,
    /// Envoy Gateway's EnvoyExtensionPolicy resource.
    EnvoyGateway,
    /// Higress.
    Higress,
    /// Alibaba Cloud's Microservices Engine.
    Mse,
}

impl Gateway {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] = [Self::Envoy, Self::Istio, Self::EnvoyGateway, Self::Higress, Self::Mse];

    /// The name for messages.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy",
            Self::Istio => "Istio",
            Self::EnvoyGateway => "Envoy Gateway",
            Self::Higress => "Higress",
            Self::Mse => "MSE",
        }
    }

    /// The WebAssembly host inside.
    pub(super) fn host(self) -> Host {
        match self {
            Self::Envoy | Self::Istio | Self::EnvoyGateway => Host::Envoy,
            Self::Higress | Self::Mse => Host::Higress,
        }
    }
}

/// Whether a gateway loads a module.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The gateway.
    pub gateway: Gateway,
    /// Whether it loads the module.
    pub loads: bool,
    /// The reasons why it does not.
    pub reasons: Vec<String>,
    /// Settings that the module requires there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
}
