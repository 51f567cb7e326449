//! The checks on a module.
//!
//! A check fails if no gateway can load the module, or if the module exceeds one of its limits. A feature that some
//! gateways do not support excludes these gateways, and is not a failure.

use std::path::PathBuf;

use resource::{CONSOLE_LIMIT, Manifest};

use super::contents::{Refusals, abi_version, exports, imports, names};
use super::gateways::{Gateway, Verdict};
use super::host::{Abi, Host};
use super::inspect::inspect;
use super::report::{Check, Report, failed, passed};

/// A module to check.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The path of the module.
    pub file: PathBuf,
    /// Its length; more than that of `bytes` if it was too large to be read.
    pub size: u64,
    /// The module, or nothing if it is too large.
    pub bytes: &'a [u8],
    /// The manifest, if it is a plug-in of this workspace.
    pub manifest: Option<&'a Manifest>,
    /// Whether it holds headers, if that is known without a manifest.
    pub holds_headers: bool,
}

/// Checks everything that can be determined without running the module.
#[must_use]
pub fn check(subject: &Subject<'_>) -> Report {
    let mut checks = vec![extension(subject), size(subject)];
    let console = checks.iter().find(|check| !check.ok).map(|check| check.name);
    if let Some(manifest) = subject.manifest {
        checks.push(budget(subject.size, manifest));
    }
    let mut refusals = Refusals::default();
    let mut abi = None;
    if subject.size == subject.bytes.len() as u64 {
        match inspect(subject.bytes) {
            Err(problem) => {
                checks.push(failed("format", "not a valid module", problem));
                let reason = "it is not a valid module".to_owned();
                refusals = Refusals { envoy: vec![reason.clone()], higress: vec![reason] };
            }
            Ok(module) => {
                checks.push(passed("format", "valid WebAssembly binary format"));
                abi = Abi::of(names(&module), Host::Higress);
                checks.push(abi_version(&module, &mut refusals));
                checks.push(exports(&module, &mut refusals));
                checks.push(imports(&module, &mut refusals));
            }
        }
    } else {
        refusals.of(Host::Envoy).push("it is too large to be looked into".into());
        refusals.of(Host::Higress).push("it is too large to be looked into".into());
    }
    if let Some(manifest) = subject.manifest {
        checks.push(holds_headers(manifest));
    }
    let holds = subject.holds_headers || subject.manifest.is_some_and(|manifest| manifest.holds_headers);
    let gateways = Gateway::ALL
        .into_iter()
        .map(|gateway| {
            let mut reasons = refusals.of(gateway.host()).clone();
            let mut needs = None;
            if gateway == Gateway::Mse
                && let Some(check) = console
            {
                reasons.push(format!("its console refuses the file ({check})"));
            }
            if holds {
                match gateway {
                    Gateway::Envoy if !reasons.is_empty() => {}
                    Gateway::Envoy => {
                        needs = Some("allow_on_headers_stop_iteration: true in its PluginConfig".into());
                    }
                    Gateway::Istio | Gateway::EnvoyGateway => reasons.push(
                        "it holds headers, and the resource cannot set allow_on_headers_stop_iteration"
                            .into(),
                    ),
                    Gateway::Higress | Gateway::Mse if abi != Some(Abi::V0_2_100) => reasons.push(
                        "it holds headers, which here only a module with proxy_abi_version_0_2_100 can"
                            .into(),
                    ),
                    Gateway::Higress | Gateway::Mse => {}
                }
            }
            Verdict { gateway, loads: reasons.is_empty(), reasons, needs }
        })
        .collect();
    Report {
        file: subject.file.clone(),
        size: subject.size,
        abi: abi.map(|abi| abi.to_string()),
        checks,
        gateways,
    }
}

fn extension(subject: &Subject<'_>) -> Check {
    if subject.file.extension().is_some_and(|extension| extension == "wasm") {
        passed("extension", ".wasm")
    } else {
        let name = subject.file.file_name().unwrap_or_default().to_string_lossy();
        failed(
            "extension",
            format!("`{name}` does not end in .wasm"),
            "the console takes only files that do: rename it",
        )
    }
}

fn size(subject: &Subject<'_>) -> Check {
    let detail = format!("{} bytes, of at most {CONSOLE_LIMIT}", subject.size);
    if subject.size <= CONSOLE_LIMIT {
        passed("size", detail)
    } else {
        failed(
            "size",
            detail,
            "the console takes 50 MB at most: build with the release profile, strip it, or link less",
        )
    }
}

fn budget(size: u64, manifest: &Manifest) -> Check {
    let detail = format!("{size} bytes, of at most {} in plugin.yaml", manifest.budget.size);
    if size <= manifest.budget.size {
        passed("budget", detail)
    } else {
        failed(
            "budget",
            detail,
            format!(
                "{} bytes too many: link less (a crate's features are in the root Cargo.toml), or, with a reason, \
                 raise budget.size",
                size - manifest.budget.size
            ),
        )
    }
}

fn holds_headers(manifest: &Manifest) -> Check {
    if manifest.holds_headers {
        let mut check = passed("holdsHeaders", "true: headers wait until the body is there");
        check.remarks.push("not every gateway can: see below".into());
        check
    } else if manifest.may_hold_headers {
        passed(
            "holdsHeaders",
            "if its configuration requires it: works in every gateway that loads the module",
        )
    } else {
        passed("holdsHeaders", "false: works wherever the module loads")
    }
}
