//! The cases that the SDK's guide shows are taken.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails like one")]

use std::fs;
use std::path::Path;

use testkit::case;

/// A file of cases around what a block shows: whole files, cases, requests or fields of a case.
fn whole(block: &str) -> String {
    // What stands for any expectation.
    let block = block.replace("{ … }", "{ status: 200 }");
    let case = "cases:\n- name: of the guide\n";
    let indented = |spaces: &str| -> String {
        let lines = block.lines().map(|line| format!("{spaces}{line}\n"));
        lines.collect()
    };
    match block.as_str() {
        text if text.starts_with("cases:") => block,
        text if text.starts_with("- name:") => format!("cases:\n{block}"),
        // All fields of a request, of which some are not Envoy's.
        text if text.starts_with("- ") => {
            format!("{case}  skip: {{ envoy: has every field }}\n  requests:\n{}", indented("  "))
        }
        _ => format!("{case}{}", indented("  ")),
    }
}

#[test]
fn cases_of_the_guide_are_taken() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/src/guide");
    let folder = tempfile::tempdir().unwrap();
    let (mut taken, mut failures) = (0, Vec::new());
    for document in ["cases.md", "testing.md"] {
        let text = fs::read_to_string(guide.join(document)).unwrap();
        for part in text.split("\n```yaml\n").skip(1) {
            let (block, _) = part.split_once("\n```").expect("the fence is closed");
            let file = folder.path().join("cases.yaml");
            fs::write(&file, whole(block)).unwrap();
            match case::load(&file) {
                Ok(cases) => taken += cases.len(),
                Err(error) => failures.push(format!("{document}: {error}\n{block}")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(taken >= 10, "{taken}");
}
