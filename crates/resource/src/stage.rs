//! The stages of request processing, under the names of consoles and of resources.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A stage of request processing.
///
/// `plugin.yaml` and consoles use its [`name`](Self::name), the `WasmPlugin` resource its [`phase`](Self::phase), which is
/// also its form in serde.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Stage {
    /// Authentication.
    #[serde(rename = "AUTHN")]
    Authn,
    /// Authorization.
    #[serde(rename = "AUTHZ")]
    Authz,
    /// Statistics.
    #[serde(rename = "STATS")]
    Stats,
    /// After the others; the resource's `UNSPECIFIED_PHASE`.
    #[default]
    #[serde(rename = "UNSPECIFIED_PHASE")]
    Default,
}

impl Stage {
    /// All stages, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Authn, Self::Authz, Self::Stats, Self::Default];

    /// The name in `plugin.yaml` and in consoles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Authn => "authn",
            Self::Authz => "authz",
            Self::Stats => "stats",
            Self::Default => "default",
        }
    }

    /// The value of `phase` in a resource and in `spec.yaml`.
    #[must_use]
    pub fn phase(self) -> &'static str {
        match self {
            Self::Authn => "AUTHN",
            Self::Authz => "AUTHZ",
            Self::Stats => "STATS",
            Self::Default => "UNSPECIFIED_PHASE",
        }
    }
}

/// For `#[serde(with = "…")]`: a stage under its [name](Stage::name).
pub(crate) mod by_name {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(stage: &Stage, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(stage.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stage, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Stage;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a stage")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Stage, E> {
                let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
                stage.ok_or_else(|| E::unknown_variant(name, &["authn", "authz", "stats", "default"]))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stage_is_written_as_the_phase_of_a_resource() {
        for stage in Stage::ALL {
            assert_eq!(serde_json::to_value(stage).unwrap(), json!(stage.phase()));
            assert_eq!(serde_json::from_value::<Stage>(json!(stage.phase())).unwrap(), stage);
        }
    }
}
