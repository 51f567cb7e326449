//! Modules of one's own, whatever they are written with: what they refuse, and what they count.

use crate::served::{Folder, Served, asked, head, refused};

/// A module whose configuration callback logs an error and returns `taken`, and which counts requests.
fn module(taken: u8) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
          (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 64) "no field `a`")
          (data (i32.const 96) "mine_requests")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
          (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
          (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (if (i32.eqz (i32.const {taken}))
              (then (drop (call $log (i32.const 4) (i32.const 64) (i32.const 12)))))
            (drop (call $define (i32.const 0) (i32.const 96) (i32.const 13) (i32.const 128)))
            (i32.const {taken}))
          (func (export "proxy_on_context_create") (param i32 i32))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $increment (i32.load (i32.const 128)) (i64.const 1)))
            (i32.const 0)))"#
    ))
    .unwrap()
}

/// A folder with the module beside another plug-in.
fn folder(taken: u8) -> Folder {
    let folder = Folder::new();
    std::fs::write(folder.path().join("mine.wasm"), module(taken)).unwrap();
    folder.put(
        "mine.yaml",
        &format!("{}spec:\n  url: file://mine.wasm\n  defaultConfig: {{ b: 1 }}\n", head("mine")),
    );
    folder.stamp("a", "AUTHN", 10, "a");
    folder
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn one_that_refuses_its_configuration_is_named_with_its_place_and_its_own_words() {
    let folder = folder(0);
    let (serve_code, serve) = refused(folder.path(), &["--port", "0"]);
    let (trace_code, trace) = asked(folder.path(), &["request", "/", "--trace", "--folder"]);
    for (code, said) in [(serve_code, serve), (trace_code, trace)] {
        assert_eq!(code, Some(1), "{said}");
        let expected = "spec.defaultConfig: the plug-in rejects its configuration: no field `a`";
        assert!(said.contains(expected) && said.contains("mine.yaml:6:"), "{said}");
        assert!(said.lines().count() < 15 && !said.contains("[trace]"), "{said}");
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn counters_are_shown_and_a_trace_says_where_it_goes() {
    let folder = folder(1);
    let mut served = Served::start(folder.path(), &[]);
    for _ in 0..3 {
        served.get("h", "/counted");
    }
    served.wait_for("mine_requests 3");
    let (code, said) = asked(folder.path(), &["request", "/", "--trace", "--folder"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("mine_requests: 1"), "{said}");
    let note = format!("the gateway on http://{} may respond differently", served.address);
    assert!(said.contains(&note), "{said}");
    let (_, quiet) = asked(folder.path(), &["request", "/", "--trace", "--json", "--silent", "--folder"]);
    // What cargo says comes behind it.
    let json = serde_json::Deserializer::from_str(&quiet).into_iter::<serde_json::Value>().next();
    let json = json.unwrap().unwrap();
    assert_eq!(json["metrics"]["mine_requests"], 1, "{json}");
}
