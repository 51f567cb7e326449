//! The contents of a module, compared with each host: its ABI version, exports and imports.

use super::host::{Abi, Host, offered, offered_by_another, wanted};
use super::inspect::{Item, Module};
use super::report::{Check, failed, passed};

/// Items that a host does not accept, with reasons.
#[derive(Default)]
pub(super) struct Refusals {
    pub(super) envoy: Vec<String>,
    pub(super) higress: Vec<String>,
}

impl Refusals {
    pub(super) fn of(&mut self, host: Host) -> &mut Vec<String> {
        match host {
            Host::Envoy => &mut self.envoy,
            Host::Higress => &mut self.higress,
        }
    }
}

pub(super) fn names(module: &Module) -> impl Iterator<Item = &str> {
    module.exports.iter().map(|export| export.name.as_str())
}

pub(super) fn abi_version(module: &Module, refusals: &mut Refusals) -> Check {
    let declared: Vec<&str> = names(module).filter(|name| Abi::declared_by(name)).collect();
    let (envoy, higress) = (Abi::of(names(module), Host::Envoy), Abi::of(names(module), Host::Higress));
    let found =
        if declared.is_empty() { "exports no proxy_abi_version_…".into() } else { declared.join(", ") };
    if envoy.is_none() {
        refusals.envoy.push(format!("ABI: {found}; it knows 0.1.0, 0.2.0 and 0.2.1"));
    }
    if higress.is_none() {
        refusals.higress.push(format!("ABI: {found}; it knows 0.1.0, 0.2.0, 0.2.1 and 0.2.100"));
        return failed(
            "abi",
            found,
            "no gateway knows that version: build with a proxy-wasm SDK of ABI 0.2.1, whose module exports \
             proxy_abi_version_0_2_1",
        );
    }
    let mut check = passed("abi", found);
    if envoy.is_none() {
        check.remarks.push("0.2.100 is Higress's own: Envoy, Istio and Envoy Gateway refuse it".into());
    }
    check
}

pub(super) fn exports(module: &Module, refusals: &mut Refusals) -> Check {
    let mut problems = Vec::new();
    let mut detail = String::new();
    match module.export("memory") {
        Some(Item::Memory(bytes)) => {
            detail = format!("memory ({} KiB at first), allocator, entry point", bytes / 1024);
        }
        _ => problems.push(
            "no memory is exported as `memory`, so the host can hand nothing over: link it as a reactor (a \
             cdylib in Rust)"
                .to_owned(),
        ),
    }
    let function = |name: &str| matches!(module.export(name), Some(Item::Function(_)));
    if !function("malloc") && !function("proxy_on_memory_allocate") {
        problems.push(
            "neither `proxy_on_memory_allocate` nor `malloc` is exported, and hosts refuse a module without: \
             link the SDK that exports it"
                .to_owned(),
        );
    }
    if !function("_initialize") && !function("_start") {
        problems.push(
            "neither `_initialize` nor `_start` is exported, so nothing registers the plug-in: link it as a \
             reactor (a cdylib in Rust)"
                .to_owned(),
        );
    }
    for host in [Host::Envoy, Host::Higress] {
        let Some(abi) = Abi::of(names(module), host) else {
            continue;
        };
        for export in &module.exports {
            let Item::Function(signature) = &export.item else {
                continue;
            };
            let problem = match wanted(abi, &export.name) {
                Some(wanted) if wanted != *signature => format!(
                    "`{}` is {signature}, and ABI {abi} wants {wanted}: build with an SDK of that ABI",
                    export.name
                ),
                None if signature.has_v128() => format!(
                    "`{}` has a v128 in its type, which kills Envoy: keep SIMD values inside the module",
                    export.name
                ),
                _ => continue,
            };
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    refusals.envoy.extend(problems.iter().cloned());
    refusals.higress.extend(problems.iter().cloned());
    if problems.is_empty() {
        passed("exports", detail)
    } else {
        Check {
            name: "exports",
            ok: false,
            detail: "something is missing or of the wrong type".into(),
            remarks: problems,
        }
    }
}

pub(super) fn imports(module: &Module, refusals: &mut Refusals) -> Check {
    let mut nowhere = Vec::new();
    let mut only_higress = Vec::new();
    for import in &module.imports {
        let name = format!("{}.{}", import.module, import.name);
        let mut why = |host: Host| {
            // A module with a version that the host does not support is rejected for that; its imports are checked as
            // if it were of the common one.
            let abi = Abi::of(names(module), host).unwrap_or(Abi::V0_2_1);
            let problem = problem(host, abi, &import.module, &import.name, &import.item)?;
            refusals.of(host).push(format!("`{name}` {problem}"));
            Some(problem)
        };
        match (why(Host::Envoy), why(Host::Higress)) {
            (_, Some(problem)) => nowhere.push(format!("`{name}` {problem}")),
            (Some(_), None) => only_higress.push(name),
            (None, None) => {}
        }
    }
    let detail = format!("{} host functions", module.imports.len());
    if !nowhere.is_empty() {
        return Check { name: "imports", ok: false, detail, remarks: nowhere };
    }
    let mut check = passed("imports", detail);
    if !only_higress.is_empty() {
        check.remarks.push(format!("only Higress has {}", only_higress.join(", ")));
    }
    check
}

/// Why a host cannot provide an import.
fn problem(host: Host, abi: Abi, module: &str, name: &str, item: &Item) -> Option<String> {
    let signature = match item {
        Item::Function(signature) => signature,
        Item::Memory(_) => {
            return Some("is a memory, and hosts offer functions only: define and export it".into());
        }
        Item::Other(kind) => return Some(format!("is a {kind}, and hosts offer functions only: define it")),
    };
    if signature.has_v128() {
        return Some("has a v128 in its type, which kills Envoy: keep SIMD values inside the module".into());
    }
    match offered(host, abi, module, name) {
        Some(offer) if offer == *signature => None,
        Some(offer) => {
            Some(format!("is imported as {signature}, and hosts have {offer}: build with an SDK of ABI {abi}"))
        }
        None => Some(match offered_by_another(host, module, name) {
            Some(other) => format!("belongs to ABI {other}, not to this module's {abi}: build with one SDK"),
            None if host == Host::Envoy && offered(Host::Higress, abi, module, name).is_some() => {
                "is Higress's own host function".into()
            }
            None if module == "env" || module.starts_with("wasi") => {
                "is offered by no gateway: remove what calls it, or build for wasm32-wasip1".into()
            }
            None => "is of a module that no gateway offers: build for wasm32-wasip1 without bindings to another host"
                .into(),
        }),
    }
}
