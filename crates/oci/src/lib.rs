//! Images of plug-ins, as the Open Container Initiative's image specification 1.1 and the gateways' fetchers have them.
//!
//! Everything is made in memory from bytes and a few words, so that the same plug-in gives the same digest everywhere.

pub mod catalogue;
mod fetch;
mod image;
mod layout;
pub mod limits;
mod loopback;
pub mod media;
mod reference;
#[cfg(feature = "registry")]
pub mod registry;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use catalogue::{Catalogue, CatalogueError};
pub use fetch::{Candidate, Fetched, Form, Reader};
pub use image::{Document, Image, Shape};
pub use layout::Layout;
pub use loopback::is_loopback;
pub use reference::{Reference, ReferenceError, check_tag};
pub use resource::deploy::SCHEME;

/// Annotations of a manifest or a descriptor.
pub type Annotations = BTreeMap<String, String>;

/// The annotation with a manifest's tag in a layout's index.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Where some content is (image specification, "OCI Content Descriptors").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// What kind of artifact a manifest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
    /// The platform that an entry of an index is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Returns true for an index and for Docker's manifest list.
    #[must_use]
    pub fn is_index(&self) -> bool {
        [media::INDEX, media::DOCKER_INDEX].contains(&self.media_type.as_str())
    }
}

/// The platform of an entry of an index (image specification, "OCI Image Index").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, …
    #[serde(default)]
    pub architecture: String,
    /// `linux`, `wasip1`, …
    #[serde(default)]
    pub os: String,
    /// The version of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A list of images (image specification, "OCI Image Index"), or Docker's manifest list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`media::INDEX`], or Docker's.
    #[serde(default)]
    pub media_type: String,
    /// The images, and artifacts about them such as attestations.
    pub manifests: Vec<Descriptor>,
}

/// An image's parts (image specification, "OCI Image Manifest").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`media::MANIFEST`], or Docker's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The type of an artifact other than an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the plug-in's last.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

impl Manifest {
    /// The media type under which a consumer that looks blobs up by digest finds one: that of the first descriptor with
    /// the digest, the configuration's before those of layers.
    #[must_use]
    pub fn media_type_of(&self, digest: &str) -> &str {
        let mut blobs = std::iter::once(&self.config).chain(&self.layers);
        blobs.find(|blob| blob.digest == digest).map_or("", |blob| blob.media_type.as_str())
    }
}

/// The digest of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", text::hex::encode(Sha256::digest(bytes)))
}
