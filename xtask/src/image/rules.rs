//! The rules, each with where it comes from.

use oci::{Manifest, media};
use serde_yaml::Value;

use super::{Consumer, Image, Ruling};
use crate::module::CONSOLE_LIMIT;

/// The most that Istio's fetcher unpacks, in bytes (`pkg/wasm/imagefetcher.go`).
const FETCHER_LIMIT: usize = 256 * 1024 * 1024;

/// What was found, or why it is refused.
type Found = Result<String, String>;

/// A consumer's rules, in the order in which it applies them.
pub(super) fn of(consumer: Consumer, image: &Image<'_>) -> Vec<Ruling> {
    let mut rulings = Vec::new();
    let mut rule = |rule: &'static str, found: Found| {
        let ok = found.is_ok();
        rulings.push(Ruling { rule, ok, detail: found.unwrap_or_else(|why| why) });
        ok
    };
    // Without these nothing else can be looked at.
    if !rule("manifest", manifest_type(image)) {
        return rulings;
    }
    let Some(manifest) = &image.manifest else { return rulings };
    match consumer {
        Consumer::Istio | Consumer::EnvoyGateway | Consumer::Higress => {
            rule("layers", last_layer(manifest));
        }
        Consumer::PluginServer => {
            rule("layers", one_module_layer(manifest));
        }
        Consumer::Docker => {
            rule("layers", one_layer(manifest));
        }
        Consumer::Console => {}
    }
    let module = image.module.as_ref().map(Vec::len).map_err(Clone::clone);
    if !rule("module", module.clone().map(|size| format!("{size} bytes"))) {
        return rulings;
    }
    let size = module.unwrap_or_default();
    if consumer.fetches() {
        rule("size", at_most(size, FETCHER_LIMIT));
    }
    if consumer == Consumer::Console {
        rule("size", at_most(size, usize::try_from(CONSOLE_LIMIT).unwrap_or(usize::MAX)));
        for (name, found) in card(image.spec.as_ref()) {
            rule(name, found);
        }
    }
    if let (Some(gateway), Some(report)) = (consumer.gateway(), &image.report) {
        let verdict = report.gateways.iter().find(|verdict| verdict.gateway == gateway);
        rule(
            "loads",
            match verdict {
                Some(verdict) if !verdict.loads => Err(verdict.reasons.join("; ")),
                _ => Ok(report.abi.as_ref().map_or_else(String::new, |abi| format!("ABI {abi}"))),
            },
        );
    }
    rulings
}

/// A fetcher asks for a manifest, and does not look into lists of them: an index with a platform is refused.
fn manifest_type(image: &Image<'_>) -> Found {
    let media_type = &image.descriptor.media_type;
    match media_type.as_str() {
        media::MANIFEST | media::DOCKER_MANIFEST if image.manifest.is_some() => Ok(media_type.clone()),
        media::INDEX => {
            Err("it is an index of images, which no fetcher looks into: push the image alone".into())
        }
        _ => Err(format!("{media_type} is no image's manifest: {} is one", media::MANIFEST)),
    }
}

fn is_archive(layer: &str) -> bool {
    [media::LAYER, media::DOCKER_LAYER].contains(&layer)
}

/// The fetcher takes the module from the last layer, an archive, or from two layers one of which is a module.
fn last_layer(manifest: &Manifest) -> Found {
    let types: Vec<&str> = manifest.layers.iter().map(|layer| layer.media_type.as_str()).collect();
    match types.as_slice() {
        [.., last] if is_archive(last) => Ok(format!("the last of {} is an archive", types.len())),
        [a, b] if [*a, *b].contains(&media::MODULE) => Ok("two, one of which is a module".into()),
        [] => Err("there are none".into()),
        [.., last] => Err(format!("the last is {last}, and must be {}", media::LAYER)),
    }
}

/// The plug-in server takes the last archive or module, whatever else there is: it must be the only one.
fn one_module_layer(manifest: &Manifest) -> Found {
    let types = manifest.layers.iter().map(|layer| layer.media_type.as_str());
    match types.filter(|layer| is_archive(layer) || *layer == media::MODULE).count() {
        0 => Err(format!("none is {} or {}", media::LAYER, media::MODULE)),
        1 => Ok("one with a module".into()),
        more => Err(format!("{more} could hold the module: keep one")),
    }
}

/// `docker load` unpacks every layer, and fails at one that is no archive.
fn one_layer(manifest: &Manifest) -> Found {
    match manifest.layers.iter().find(|layer| !is_archive(&layer.media_type)) {
        None => Ok(format!("{}, all archives", manifest.layers.len())),
        Some(other) => {
            Err(format!("one is {}, no archive: package it with `--shape plain`", other.media_type))
        }
    }
}

fn at_most(size: usize, limit: usize) -> Found {
    match size <= limit {
        true => Ok(format!("at most {limit} bytes")),
        false => Err(format!("{size} bytes, and at most {limit} are taken")),
    }
}

/// What the console asks for beside the file: a name, a description, a stage, and a priority that is a multiple of 10.
fn card(spec: Option<&Value>) -> Vec<(&'static str, Found)> {
    let Some(spec) = spec else {
        return vec![("card", Ok("no spec.yaml: name, stage and priority are entered by hand".into()))];
    };
    let text = |field: &str| spec.get("info").and_then(|info| info.get(field)).and_then(Value::as_str);
    let written = |field: &'static str| match text(field).map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("info.{field} in spec.yaml is missing or empty: write it")),
    };
    let deployed = spec.get("spec");
    let phase = deployed.and_then(|spec| spec.get("phase")).and_then(Value::as_str);
    let priority = deployed.and_then(|spec| spec.get("priority")).and_then(Value::as_i64);
    vec![
        ("name", written("name")),
        ("description", written("description")),
        (
            "stage",
            match phase {
                Some(phase @ ("AUTHN" | "AUTHZ" | "STATS" | "UNSPECIFIED_PHASE")) => Ok(phase.to_owned()),
                other => Err(format!(
                    "spec.phase in spec.yaml is {}: write AUTHN, AUTHZ, STATS or UNSPECIFIED_PHASE",
                    other.unwrap_or("missing")
                )),
            },
        ),
        (
            "priority",
            match priority {
                Some(priority) if priority % 10 == 0 => Ok(priority.to_string()),
                Some(priority) => {
                    Err(format!("{priority} is no multiple of 10, which a custom priority has to be"))
                }
                None => Err("spec.priority in spec.yaml is missing: write a multiple of 10".into()),
            },
        ),
    ]
}
