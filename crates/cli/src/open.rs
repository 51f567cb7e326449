//! Opens what a command works on: the workspace of the current folder, and images.

use std::path::Path;

use anyhow::{Context, Error, Result};
use oci::Layout;
use workspace::Workspace;

use crate::catalogue::Choice;
use crate::{Usage, output, registry};

/// Opens the workspace of the current folder.
pub(crate) fn workspace() -> workspace::Result<Workspace> {
    Workspace::at(Path::new("."), output::notice)
}

/// Opens the workspace of the current folder, if there is one. Operators have neither one nor cargo.
pub(crate) fn workspace_here() -> Result<Option<Workspace>> {
    let here = std::env::current_dir().context("reading the current folder")?;
    match here.ancestors().any(|folder| folder.join("Cargo.toml").is_file()) {
        true => Ok(Some(workspace()?)),
        false => Ok(None),
    }
}

/// Opens an image: the folder or archive of a layout, or the image that a reference names in the catalogue or in its registry.
pub(crate) fn image(image: &str, catalogue: &Choice, access: &registry::Access) -> Result<Layout> {
    if !image.starts_with(registry::SCHEME) {
        return Layout::read(Path::new(image)).map_err(|error| not_a_layout(image, error));
    }
    match catalogue.image(image)? {
        Some(layout) => Ok(layout),
        None => registry::fetch(image, access),
    }
}

/// Returns a usage error for a missing file, or for a module, which is a common mistake.
fn not_a_layout(image: &str, error: Error) -> Error {
    let path = Path::new(image);
    if path.extension().is_some_and(|extension| extension == "wasm") {
        let remedy = format!("use `cargo xtask check {image}`, or `cargo xtask config --module {image}`");
        return Usage(format!("{image} is a module: {remedy}")).into();
    }
    if path.exists() { error } else { Usage(error.to_string()).into() }
}
