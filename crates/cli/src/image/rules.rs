//! The rules, each with its source.

use oci::{Fetched, Form, Manifest, Reader, media};
use resource::{CONSOLE_LIMIT, Stage};
use serde_yaml::Value;

use super::{Consumer, Image, Ruling};

/// What was found, or the reason for the rejection.
type Found = Result<String, String>;

/// The rules of a consumer, in its order.
pub(super) fn of(consumer: Consumer, image: &Image<'_>) -> Vec<Ruling> {
    let mut rulings = Vec::new();
    let mut rule = |rule: &'static str, found: Found| {
        let ok = found.is_ok();
        rulings.push(Ruling { rule, ok, detail: found.unwrap_or_else(|why| why) });
        ok
    };
    // The other rules depend on these.
    if !rule("manifest", manifest_type(image)) {
        return rulings;
    }
    let Ok(fetched) = &image.fetched else { return rulings };
    let reader = consumer.reader();
    if reader == Reader::Fetcher && image.pinned {
        rule("digest", pinned_digest(image, fetched));
    }
    let layers = match consumer {
        Consumer::Docker => archives_only(&fetched.manifest),
        _ => module_layer(reader, &fetched.manifest),
    };
    if !rule("layers", layers) {
        return rulings;
    }
    let module = image.module.as_ref().map_err(Clone::clone).and_then(|module| {
        match module.len() >= 8 && module.starts_with(b"\0asm") {
            true => Ok(module.len()),
            false => Err(format!("{} bytes that are not a WebAssembly module", module.len())),
        }
    });
    if !rule("module", module.clone().map(|size| format!("{size} bytes"))) {
        return rulings;
    }
    let size = module.unwrap_or_default();
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

/// What the reference resolves to.
fn manifest_type(image: &Image<'_>) -> Found {
    let media_type = &image.descriptor.media_type;
    let fetched = image.fetched.as_ref().map_err(Clone::clone)?;
    match fetched.through_index {
        false => Ok(media_type.clone()),
        true => Ok(format!("{media_type}, of which linux/amd64 is {}", fetched.descriptor.digest)),
    }
}

/// A pinned digest is compared with that of the image that an index was resolved to (Istio's `pkg/wasm/cache.go`).
fn pinned_digest(image: &Image<'_>, fetched: &Fetched) -> Found {
    let digest = &fetched.descriptor.digest;
    match *digest == image.descriptor.digest {
        true => Ok(digest.clone()),
        false => Err(format!(
            "the digest of the index is pinned instead of that of the image for linux/amd64: use {digest}"
        )),
    }
}

/// The layers in which a consumer searches for the module.
fn module_layer(reader: Reader, manifest: &Manifest) -> Found {
    let candidates = reader.candidates(manifest).map_err(|error| error.to_string())?;
    let count = manifest.layers.len();
    Ok(match candidates.first().map(|candidate| candidate.form) {
        Some(Form::Bare) => format!("one of {count} is a module"),
        _ if reader == Reader::PluginServer => format!("one of {count} is an archive"),
        _ => format!("the last of {count} is an archive"),
    })
}

/// `docker load` unpacks every layer, and fails at one that is not an archive.
fn archives_only(manifest: &Manifest) -> Found {
    let is_archive = |layer: &str| {
        [media::LAYER, media::DOCKER_LAYER].contains(&layer)
            || ["application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd"]
                .contains(&layer)
    };
    match manifest.layers.iter().find(|layer| !is_archive(&layer.media_type)) {
        None if manifest.layers.is_empty() => Err("there are none".into()),
        None => Ok(format!("{}, all archives", manifest.layers.len())),
        Some(other) => Err(format!(
            "one is {}, which is not an archive: package it with `--shape plain`",
            other.media_type
        )),
    }
}

fn at_most(size: usize, limit: usize) -> Found {
    match size <= limit {
        true => Ok(format!("at most {limit} bytes")),
        false => Err(format!("{size} bytes, more than the limit of {limit}")),
    }
}

/// Properties required by the console: a name, a description, a stage, and a priority that is a multiple of 10.
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
                Some(phase) if Stage::ALL.iter().any(|stage| stage.phase() == phase) => Ok(phase.to_owned()),
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
                    Err(format!("{priority} is not a multiple of 10, as required for custom plug-ins"))
                }
                None => Err("spec.priority in spec.yaml is missing: write a multiple of 10".into()),
            },
        ),
    ]
}
