//! The checks, on small modules written out.

use std::path::PathBuf;

use resource::{CONSOLE_LIMIT, Manifest};

use super::{Gateway, Report, Subject, check};

/// What every good module has.
const SOUND: &str = r#"
    (memory (export "memory") 3)
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)
    (func (export "_initialize"))
"#;

/// A module with these imports (which come first) and everything else that follows.
fn module(imports: &str, rest: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {imports} {rest})")).unwrap()
}

fn abi(version: &str) -> String {
    format!(r#"(func (export "proxy_abi_version_{version}"))"#)
}

/// A module of ABI 0.2.1 with these imports.
fn importing(imports: &str) -> Vec<u8> {
    module(imports, &format!("{SOUND}{}", abi("0_2_1")))
}

fn report(bytes: &[u8]) -> Report {
    check(&Subject {
        file: "plugin.wasm".into(),
        size: bytes.len() as u64,
        bytes,
        manifest: None,
        holds_headers: false,
    })
}

/// The checks that failed, with their remarks.
fn failures(report: &Report) -> Vec<(&'static str, String)> {
    let failed = report.checks.iter().filter(|check| !check.ok);
    failed.map(|check| (check.name, format!("{} {}", check.detail, check.remarks.join(" ")))).collect()
}

#[track_caller]
fn fails(bytes: &[u8], name: &str, expected: &str) {
    let report = report(bytes);
    let failures = failures(&report);
    assert!(
        failures.iter().any(|(failed, text)| *failed == name && text.contains(expected)),
        "no failure `{name}` with {expected:?} in {failures:?}"
    );
    assert_eq!(report.loads_in(), "", "a module with that loads nowhere");
}

fn loads(report: &Report, gateway: Gateway) -> bool {
    report.gateways.iter().any(|verdict| verdict.gateway == gateway && verdict.loads)
}

#[test]
fn a_sound_module_loads_everywhere() {
    let report = report(&importing(
        r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))"#,
    ));
    assert_eq!(failures(&report), []);
    assert_eq!(report.loads_in(), "all");
    assert_eq!(report.abi.as_deref(), Some("0.2.1"));
    assert!(report.checks.iter().any(|check| check.detail.contains("192 KiB at first")));
}

#[test]
fn what_is_not_a_module_is_named() {
    for (bytes, expected) in [
        (&b""[..], "the file is empty"),
        (b"\0asm", "unexpected end of file in the header"),
        (b"\0asm\x0d\0\x01\0rest", "a WebAssembly component"),
        (b"\0asm\x02\0\0\0rest", "not version 1"),
        (b"\x1f\x8b\x08rest of it", "a gzip archive"),
        (b"\x7fELF\x02rest of it", "a native program"),
        (b"(module)", "WebAssembly text"),
        (b"hello, world", "does not begin with `\\0asm`"),
    ] {
        fails(bytes, "format", expected);
    }
}

#[test]
fn a_module_cut_anywhere_is_refused() {
    let whole = importing(r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))"#);
    for length in 0..whole.len() {
        let report = report(&whole[..length]);
        assert!(!report.ok(), "{length} of {} bytes pass", whole.len());
    }
    fails(&whole[..whole.len() - 1], "format", "the file is truncated");
}

#[test]
fn a_damaged_module_is_refused() {
    let mut bytes = importing("");
    let last = bytes.len() - 1;
    bytes[last] = 0xff;
    fails(&bytes, "format", "the file is damaged");
}

#[test]
fn abi_versions_decide_where_it_loads() {
    for (version, envoy, higress) in [
        ("0_1_0", true, true),
        ("0_2_0", true, true),
        ("0_2_1", true, true),
        ("0_2_100", false, true),
        ("0_3_0", false, false),
    ] {
        let report = report(&module("", &format!("{SOUND}{}", abi(version))));
        assert_eq!(loads(&report, Gateway::Envoy), envoy, "{version}");
        assert_eq!(loads(&report, Gateway::Mse), higress, "{version}");
        assert_eq!(report.ok(), higress, "{version}");
    }
    fails(&module("", SOUND), "abi", "exports no proxy_abi_version_");
}

#[test]
fn required_exports_are_missed() {
    let without = |name: &str| {
        let kept: String = SOUND.lines().filter(|line| !line.contains(name)).collect();
        module("", &format!("{kept}{}", abi("0_2_1")))
    };
    fails(&without("\"memory\""), "exports", "no memory is exported");
    fails(&without("memory_allocate"), "exports", "neither `proxy_on_memory_allocate` nor `malloc`");
    fails(&without("_initialize"), "exports", "neither `_initialize` nor `_start`");
}

#[test]
fn callbacks_have_the_types_of_their_version() {
    let with = |version: &str, callback: &str| module("", &format!("{SOUND}{}{callback}", abi(version)));
    let three = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)"#;
    assert!(report(&with("0_2_1", three)).ok());
    fails(&with("0_1_0", three), "exports", "is (i32, i32, i32) -> (i32), and ABI 0.1.0 wants (i32, i32)");
    let own = r#"(func (export "own") (param f64))"#;
    assert!(report(&with("0_2_1", own)).ok());
}

#[test]
fn a_v128_at_the_border_is_refused() {
    let export = format!("{SOUND}{}(func (export \"own\") (param v128))", abi("0_2_1"));
    fails(&module("", &export), "exports", "v128");
    fails(&importing(r#"(import "env" "proxy_log" (func (param v128) (result i32)))"#), "imports", "v128");
    let inside = format!("{SOUND}{}(func (param v128))", abi("0_2_1"));
    assert!(report(&module("", &inside)).ok());
}

#[test]
fn imports_are_held_against_each_host() {
    let redis = r#"(import "env" "proxy_redis_call" (func (param i32 i32 i32 i32 i32) (result i32)))"#;
    let report = report(&importing(redis));
    assert!(report.ok());
    assert_eq!(report.loads_in(), "Higress, MSE");
    let envoy = report.gateways.iter().find(|verdict| verdict.gateway == Gateway::Envoy).unwrap();
    assert_eq!(envoy.reasons, ["`env.proxy_redis_call` is Higress's own host function"]);

    for (import, expected) in [
        (r#"(import "env" "nonsense" (func))"#, "`env.nonsense` is offered by no gateway"),
        (r#"(import "wasi_snapshot_preview1" "proc_raise" (func))"#, "is offered by no gateway"),
        (r#"(import "__wbindgen_placeholder__" "x" (func))"#, "is of a module that no gateway offers"),
        (r#"(import "env" "proxy_log" (func (param i32)))"#, "is imported as (i32) -> ()"),
        (r#"(import "env" "proxy_continue_request" (func (result i32)))"#, "belongs to ABI 0.1.0"),
        (r#"(import "env" "table" (table 1 funcref))"#, "is a table"),
    ] {
        fails(&importing(import), "imports", expected);
    }
    let without_memory = SOUND.replace(r#"(memory (export "memory") 3)"#, "");
    let imported = r#"(import "env" "memory" (memory 1))"#;
    fails(&module(imported, &format!("{without_memory}{}", abi("0_2_1"))), "imports", "is a memory");
}

#[test]
fn limits_of_name_and_size() {
    let bytes = importing("");
    let named = check(&Subject {
        file: PathBuf::from("plugin.bin"),
        size: bytes.len() as u64,
        bytes: &bytes,
        manifest: None,
        holds_headers: false,
    });
    assert_eq!(failures(&named).len(), 1);
    assert!(!loads(&named, Gateway::Mse) && loads(&named, Gateway::Higress));

    let large = check(&Subject {
        file: "plugin.wasm".into(),
        size: CONSOLE_LIMIT + 1,
        bytes: &[],
        manifest: None,
        holds_headers: false,
    });
    assert_eq!(failures(&large).first().map(|(name, _)| *name), Some("size"));
}

fn manifest(extra: &str, budget: u64) -> Manifest {
    let text = format!(
        "name: x\ntitle: X\ndescription: X\ncategory: custom\nversion: 0.1.0\nstage: default\npriority: 10\n\
         failStrategy: FAIL_OPEN\nbudget: {{ size: {budget} }}\nexample: {{}}\n{extra}"
    );
    Manifest::parse(&PathBuf::from("plugin.yaml"), &text).unwrap()
}

#[test]
fn a_plug_in_keeps_to_its_budget() {
    let bytes = importing("");
    let size = bytes.len() as u64;
    let with = |budget| {
        let manifest = manifest("", budget);
        check(&Subject {
            file: "plugin.wasm".into(),
            size,
            bytes: &bytes,
            manifest: Some(&manifest),
            holds_headers: false,
        })
    };
    assert!(with(size).ok());
    let report = with(size - 1);
    assert_eq!(failures(&report)[0].0, "budget");
    assert!(failures(&report)[0].1.contains("1 bytes too many"));
}

#[test]
fn held_headers_narrow_the_gateways() {
    let manifest = manifest("holdsHeaders: true\n", 10_000);
    let with = |version: &str| {
        let bytes = module("", &format!("{SOUND}{}", abi(version)));
        let size = bytes.len() as u64;
        check(&Subject {
            file: "plugin.wasm".into(),
            size,
            bytes: &bytes,
            manifest: Some(&manifest),
            holds_headers: false,
        })
    };
    let report = with("0_2_1");
    assert_eq!(report.loads_in(), "Envoy");
    assert!(report.gateways[0].needs.as_ref().unwrap().contains("allow_on_headers_stop_iteration"));
    assert_eq!(with("0_2_100").loads_in(), "Higress, MSE");
}
