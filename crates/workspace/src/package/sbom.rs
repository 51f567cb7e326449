//! Bills of materials, in CycloneDX 1.6 (ECMA-424): every crate that is linked into a module or a program.

use std::collections::BTreeMap;
use std::process::Command;

use resource::Manifest;
use serde_json::{Value, json};

use crate::build::cargo;
use crate::rules::Rules;
use crate::{Error, Result, Workspace};

/// A crate that is linked into a module or a program, as `cargo tree` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its license, an SPDX expression.
    pub license: String,
    /// The URL of its repository.
    pub repository: String,
    /// Whether it is a member of this workspace, not a crate of crates.io.
    pub own: bool,
}

/// The crates that are linked into a package for a target, without the package.
///
/// # Errors
///
/// cargo cannot be started, or does not know the package or the target.
pub fn linked_into(workspace: &Workspace, package: &str, target: &str) -> Result<Vec<Linked>> {
    let mut command = cargo();
    command.current_dir(&workspace.root).args(["tree", "--locked", "--target", target]);
    // What runs while compiling is not in the result.
    command.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe"]);
    command.args(["--format", "{p}|{l}|{r}", "--package", package]);
    let output = command.output().map_err(Error::start("cargo"))?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Failed { command: "cargo tree".into(), output });
    }
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    // A crate that is more than once in the tree is linked once.
    let linked: BTreeMap<_, _> = tree
        .lines()
        .filter_map(linked)
        .filter(|linked| linked.name != package)
        .map(|linked| ((linked.name.clone(), linked.version.clone()), linked))
        .collect();
    Ok(linked.into_values().collect())
}

/// The bill of a plug-in of this workspace, with the crates that are linked into it.
pub(super) fn of_plugin(
    workspace: &Workspace,
    linked: &[Linked],
    manifest: &Manifest,
    module: &[u8],
    rules: Option<&Rules>,
) -> Result<Value> {
    let mut components: Vec<Value> = linked.iter().map(component).collect();
    components.push(standard_library(workspace)?);
    components.extend(rules.map(rule_set));
    Ok(bill(manifest, module, components))
}

/// The bill of a program of this workspace, for a target.
///
/// # Errors
///
/// cargo or rustc cannot be started, or cargo does not know the package or the target.
pub fn of_program(workspace: &Workspace, package: &str, version: &str, target: &str) -> Result<Value> {
    let linked = linked_into(workspace, package, target)?;
    let mut components: Vec<Value> = linked.iter().map(component).collect();
    components.push(standard_library(workspace)?);
    let program = json!({ "bom-ref": "program", "type": "application", "name": package, "version": version });
    Ok(document(program, components))
}

/// The bill of a module of which nothing but its bytes is known.
pub(super) fn of_module(manifest: &Manifest, module: &[u8]) -> Value {
    bill(manifest, module, Vec::new())
}

fn bill(manifest: &Manifest, module: &[u8], components: Vec<Value>) -> Value {
    let digest = oci::digest(module);
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let module = json!({
        "bom-ref": "module",
        "type": "application",
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "hashes": [{ "alg": "SHA-256", "content": hex }],
    });
    document(module, components)
}

/// A bill of what a component is made of.
fn document(component: Value, components: Vec<Value>) -> Value {
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component },
        "components": components,
    })
}

/// A line of `cargo tree`: `serde v1.0.0|MIT OR Apache-2.0|https://…`, with the folder of a crate of the workspace
/// in brackets behind its version.
fn linked(line: &str) -> Option<Linked> {
    let mut parts = line.split('|');
    let mut package = parts.next()?.split(' ');
    Some(Linked {
        name: package.next()?.to_owned(),
        version: package.next()?.strip_prefix('v')?.to_owned(),
        license: parts.next()?.to_owned(),
        repository: parts.next()?.to_owned(),
        own: package.next().is_some(),
    })
}

fn component(linked: &Linked) -> Value {
    let Linked { name, version, license, repository, own } = linked;
    let mut component = json!({
        "bom-ref": format!("{name}@{version}"),
        "type": "library",
        "name": name,
        "version": version,
    });
    if let Value::Object(fields) = &mut component {
        if !license.is_empty() {
            fields.insert("licenses".into(), json!([{ "expression": license }]));
        }
        if !own {
            fields.insert("purl".into(), format!("pkg:cargo/{name}@{version}").into());
        }
        if repository.starts_with("https://") {
            fields.insert("externalReferences".into(), json!([{ "type": "vcs", "url": repository }]));
        }
    }
    component
}

/// The rules in a module.
fn rule_set(rules: &Rules) -> Value {
    let Rules { name, version, license, .. } = rules;
    let mut component = json!({ "bom-ref": "rules", "type": "data", "name": name, "version": version });
    if let (Value::Object(fields), Some(license)) = (&mut component, license) {
        fields.insert("licenses".into(), json!([{ "expression": license }]));
    }
    component
}

/// Rust's own libraries, which no lock file names.
fn standard_library(workspace: &Workspace) -> Result<Value> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).current_dir(&workspace.root).args(["--version"]).output();
    let output = output.map_err(Error::start("rustc"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split(' ').nth(1).ok_or_else(|| Error::Failed {
        command: "rustc --version".into(),
        output: format!("unknown output `{}`", text.trim()),
    })?;
    Ok(json!({
        "bom-ref": format!("rust-std@{version}"),
        "type": "library",
        "name": "rust-std",
        "version": version,
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        "externalReferences": [{ "type": "vcs", "url": "https://github.com/rust-lang/rust" }],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_tree_are_read() {
        let foreign = linked("zmij v1.0.23|MIT|https://github.com/dtolnay/zmij").unwrap();
        assert!(!foreign.own);
        assert_eq!(component(&foreign)["purl"], "pkg:cargo/zmij@1.0.23");
        let own = linked("portcullis-sdk v0.1.0 (/a folder/sdk)|Apache-2.0|").unwrap();
        assert!(own.own && component(&own).get("purl").is_none());
        assert_eq!(component(&own)["licenses"][0]["expression"], "Apache-2.0");
        assert_eq!(linked(""), None);
    }
}
