//! Media types: the specification's, and those that gateways look for.

/// An image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Docker's manifest, version 2, schema 2, which fetchers take too.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A list of manifests.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's list of manifests.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's first manifests, which fetchers refuse.
pub const DOCKER_SCHEMA_1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
/// An image's configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// No configuration: `{}`.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A layer that is a compressed archive.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// Docker's name for the same.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A module as it is, in artifacts that others build.
pub const MODULE: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// What a console shows of a plug-in (Higress's image specification).
pub const SPEC: &str = "application/vnd.module.wasm.spec.v1+yaml";
/// A picture for a console.
pub const ICON: &str = "application/vnd.module.wasm.icon.v1+png";
/// The index of a catalogue of plug-ins.
pub const CATALOGUE: &str = "application/vnd.portcullis.catalogue.v1+json";
/// A bill of materials.
pub const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

/// A description; with a language's tag, a translation.
#[must_use]
pub fn document(language: Option<&str>) -> String {
    match language {
        None => "application/vnd.module.wasm.doc.v1+markdown".into(),
        Some(language) => format!("application/vnd.module.wasm.doc.v1.{language}+markdown"),
    }
}
