//! Each field of each plug-in with each kind of mistake, and what else may be wrong with a file.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use workspace::Workspace;
use workspace::schema::{Field, fields};

use super::*;

/// The workspace that the tests are in.
fn workspace() -> Workspace {
    Workspace::at(Path::new("."), |_| {}).unwrap()
}

fn checker<'k>(known: &'k Known<'k>) -> Checker<'k> {
    Checker::new(known, None)
}

/// The line, field and message of the first error in the only document.
fn refusal(checker: &mut Checker<'_>, text: &str) -> (usize, String, String) {
    refusals(checker, text).swap_remove(0)
}

/// The lines, fields and messages of all errors in the only document, which is refused.
fn refusals(checker: &mut Checker<'_>, text: &str) -> Vec<(usize, String, String)> {
    let mut reports = checker.file(Path::new("f.yaml"), text).unwrap();
    something_checked(&mut reports);
    let [report] = reports.as_slice() else { panic!("{text}: {reports:?}") };
    assert_eq!(report.file, "f.yaml");
    match &report.verdict {
        Verdict::Refused { errors, .. } => {
            errors.iter().map(|error| (error.line, error.path.clone(), error.message.clone())).collect()
        }
        other => panic!("is not refused: {other:?}\n{text}"),
    }
}

/// A mistake: what is written for the field, where the error must point behind it, and words that it must have.
struct Mistake {
    value: Value,
    inside: &'static str,
    words: String,
}

/// What can be written wrong for a field, by its schema.
fn mistakes(schema: &Value) -> Vec<Mistake> {
    let mistake = |value: Value| Mistake { value, inside: "", words: "must".into() };
    let mut mistakes = Vec::new();
    mistakes.push(mistake(match schema["type"].as_str() {
        Some("string") => json!([1]),
        Some("boolean" | "integer" | "number" | "array") => json!("text"),
        Some("object") => json!(5),
        // Of several types; no field is an object or a text, and nothing else.
        _ => json!([[]]),
    }));
    mistakes.extend(schema["minimum"].as_i64().map(|least| mistake(json!(least - 1))));
    mistakes.extend(schema["maximum"].as_i64().map(|most| mistake(json!(most + 1))));
    if schema["enum"].is_array() {
        mistakes.push(Mistake { words: "must be one of `".into(), ..mistake(json!("nonsense")) });
    }
    if schema["minLength"] == 1 {
        mistakes.push(Mistake { words: "must not be empty: write".into(), ..mistake(json!("")) });
    }
    if schema["pattern"].is_string() {
        mistakes.push(Mistake { words: "write".into(), ..mistake(json!("a\nb")) });
    }
    if schema["type"] == "array" && schema["items"]["type"] != "object" {
        for entry in self::mistakes(&schema["items"]) {
            mistakes.push(Mistake { value: json!([entry.value]), inside: "[0]", words: entry.words });
        }
    }
    mistakes
}

/// Puts a value at the path of a field, making the objects and lists that lead there.
fn put(document: &mut Value, path: &str, value: Value) {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = key.trim_end_matches("[]");
    if !document.is_object() {
        *document = json!({});
    }
    let mut place = &mut document[name];
    if key != name {
        if !place.get(0).is_some_and(Value::is_object) {
            *place = json!([{}]);
        }
        place = &mut place[0];
    }
    if rest.is_empty() { *place = value } else { put(place, rest, value) }
}

/// The path of the first one in each list.
fn first(path: &str) -> String {
    path.replace("[]", "[0]")
}

/// The configuration alone, and as the second of a resource's match rules of which the first is disabled; with
/// what goes before a field's path. Where rules start from the global fields, some fields may be global only.
fn written(
    plugin: &workspace::Plugin,
    configuration: &Value,
    has_global: bool,
) -> [(String, &'static str); 2] {
    let disabled = json!({ "domain": ["a.com"], "configDisable": true });
    let rule = json!({ "domain": ["b.com"], "config": configuration });
    let resource = json!({
        "apiVersion": "extensions.higress.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": plugin.name },
        "spec": { "matchRules": [disabled, rule] },
    });
    let global = json!({
        "apiVersion": "extensions.higress.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": plugin.name },
        "spec": { "matchRules": [disabled], "defaultConfig": configuration },
    });
    let yaml = |value: &Value| format!("# written by hand\n{}", resource::yaml::write(value).unwrap());
    match has_global {
        true => [(yaml(configuration), ""), (yaml(&global), "spec.defaultConfig.")],
        false => [(yaml(configuration), ""), (yaml(&resource), "spec.matchRules[1].config.")],
    }
}

#[test]
fn every_mistake_in_every_field_of_every_plug_in_names_line_field_and_remedy() {
    let workspace = workspace();
    let known = Known::of(&workspace);
    for plugin in workspace.plugins.iter().filter(|plugin| !plugin.classic) {
        let describer = crate::describer(&workspace, plugin).unwrap();
        let schema = describer.schema().unwrap();
        let has_global = describer.rules_start_from_global().unwrap();
        let example = Value::Object(plugin.manifest().unwrap().example);
        let mut checker = checker(&known);
        checker.plugin = Some(known.plugin(&plugin.name).unwrap());
        checker.answers.insert(plugin.name.clone(), Answers::Types(describer));
        let mut expect = |configuration: &Value, path: &str, words: &str| {
            for (text, prefix) in written(plugin, configuration, has_global) {
                // Other fields of the object may be missing, too.
                let wanted = format!("{prefix}{path}");
                let refusals = refusals(&mut checker, &text);
                let refusal = refusals.iter().find(|(_, found, _)| *found == wanted);
                let (line, found, message) =
                    refusal.unwrap_or_else(|| panic!("{wanted}: {refusals:?}\n{text}"));
                assert!(message.contains(words), "{found}: {message}, without {words:?}\n{text}");
                let key = path.rsplit('.').next().unwrap().trim_end_matches("[0]");
                let shown = text.lines().skip(line - 2).take(2).any(|line| line.contains(key));
                assert!(shown, "{found} is not in line {line}\n{text}");
            }
        };
        for Field { path, schema, .. } in fields(&schema) {
            for Mistake { value, inside, words } in mistakes(&Value::Object(schema.clone())) {
                let mut configuration = example.clone();
                put(&mut configuration, &path, value);
                expect(&configuration, &format!("{}{inside}", first(&path)), &words);
            }
            let (parent, name) =
                path.rsplit_once('.').map_or(("", path.as_str()), |(parent, name)| (parent, name));
            let dot = if parent.is_empty() { "" } else { "." };
            let misspelt = format!("{parent}{dot}{name}{}", name.chars().last().unwrap());
            let mut configuration = example.clone();
            put(&mut configuration, &misspelt, json!(1));
            expect(&configuration, &first(&misspelt), &format!("did you mean `{name}`?"));
        }
    }
}

/// Who has no source of a plug-in is told what the schema of its image says.
#[test]
#[cfg(feature = "engine")]
fn the_schema_of_every_plug_in_allows_what_the_plug_in_accepts() {
    let workspace = workspace();
    for plugin in workspace.plugins.iter().filter(|plugin| !plugin.classic) {
        let describer = crate::describer(&workspace, plugin).unwrap();
        let schema = describer.schema().unwrap();
        let text = fs::read_to_string(plugin.folder.join("tests/cases.yaml")).unwrap();
        let cases: Value = serde_yaml::from_str(&text).unwrap();
        let mut accepted = 0;
        for case in cases["cases"].as_array().unwrap() {
            let Some(config) = case["config"].as_object() else { continue };
            if !case["refused"].is_null() || !describer.check(&case["config"]).unwrap().is_empty() {
                continue;
            }
            accepted += 1;
            let errors = gateway::schema::errors(&schema, config);
            assert!(errors.is_empty(), "{}: {}: {errors:?}\n{}", plugin.name, case["name"], case["config"]);
        }
        assert!(accepted > 0, "{} has no case with a configuration", plugin.name);
    }
}

const HEAD: &str = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\n";

#[test]
fn what_is_wrong_around_the_fields_names_its_line_too() {
    let workspace = workspace();
    let known = Known::of(&workspace);
    let mut checker = checker(&known);
    for (text, line, path, words) in [
        ("a: 1\na: 2\n", 2, "", "duplicate key `a` (first defined on line 1)"),
        ("a:\n\t- b\n", 2, "", "replace the tab"),
        ("# nothing\n", 1, "", "is empty: write a configuration"),
        ("block_urls: [a]\n", 1, "", "add `--plugin <name>`, one of add-header, "),
        ("apiVersion: v1\nkind: Pod\n", 2, "kind", "is Pod, which configures no plug-in: write a WasmPlugin"),
        ("kind: WasmPlugin\nspec: {}\n", 1, "", "`apiVersion` is missing: add it"),
        (
            &format!("{HEAD}metadata: {{name: other}}\nspec: {{}}\n"),
            3,
            "metadata",
            "other does not name a known plug-in",
        ),
        (&format!("{HEAD}spec:\n  priorty: 1\n"), 4, "spec.priorty", "did you mean `priority`?"),
        (
            &format!(
                "{HEAD}spec:\n  pluginName: add-header\n  matchRules:\n  - domain: [a]\n    config: {{header_name: x, header_value: z}}\n  - {{}}\n"
            ),
            8,
            "spec.matchRules[1]",
            "add `ingress`, `domain` or `service`",
        ),
        (
            &format!("{HEAD}spec:\n  pluginName: add-header\n  defaultConfig:\n    header_name: x\n"),
            5,
            "spec.defaultConfig",
            "`header_value` is missing: add it",
        ),
        (
            &format!(
                "{HEAD}spec:\n  pluginName: add-header\n  matchRules:\n  - domain: [a, 'b.*.c']\n    config: {{header_name: x, header_value: z}}\n"
            ),
            6,
            "spec.matchRules[0].domain[1]",
            "b.*.c",
        ),
    ] {
        let (found_line, found_path, message) = refusal(&mut checker, text);
        assert_eq!((found_line, found_path.as_str()), (line, path), "{message}\n{text}");
        assert!(message.contains(words), "{message}, without {words:?}\n{text}");
    }
}

#[test]
fn what_is_good_becomes_what_the_plug_in_gets() {
    let workspace = workspace();
    let known = Known::of(&workspace);
    let mut checker = checker(&known);
    let text = format!(
        "{HEAD}metadata: {{name: x}}\nspec:\n  url: oci://registry.example.com/plugins/add-header:1.0.0\n  defaultConfig: \
         &a {{header_name: x-a, header_value: 'on'}}\n  matchRules:\n  - {{ingress: [default/foo], config: *a}}\n---\n---\n\
         {HEAD}metadata: {{name: say-hello-1.0.0}}\nspec: {{defaultConfigDisable: true}}\n"
    );
    let reports = checker.file(Path::new("f.yaml"), &text).unwrap();
    let [first, second] = reports.as_slice() else { panic!("{reports:?}") };
    let fields = json!({ "header_name": "x-a", "header_value": "on" });
    let mut rule = fields.clone();
    rule["_match_route_"] = json!(["default/foo"]);
    let mut document = fields;
    document["_rules_"] = json!([rule]);
    assert_eq!(first.plugin.as_deref(), Some("add-header"));
    assert!(
        matches!(&first.verdict, Verdict::Accepted { configuration, .. } if *configuration == document),
        "{first:?}"
    );
    assert_eq!((second.plugin.as_deref(), second.line), (Some("say-hello"), 11));
    assert!(matches!(second.verdict, Verdict::NotDeployed { .. }), "{second:?}");
}

/// What is said of each document: the plug-in, and the verdict in a word or the places of the errors.
fn verdicts(checker: &mut Checker<'_>, text: &str) -> Vec<(Option<String>, String)> {
    let mut reports = checker.file(Path::new("f.yaml"), text).unwrap();
    something_checked(&mut reports);
    let verdict = |report: &Report| match &report.verdict {
        Verdict::Accepted { .. } => "accepted".to_owned(),
        Verdict::NotDeployed { .. } => "not deployed".to_owned(),
        Verdict::LeftOut { .. } => "left out".to_owned(),
        Verdict::Refused { errors, .. } => {
            errors.iter().map(|error| format!("{}:{}", error.line, error.path)).collect::<Vec<_>>().join(" ")
        }
    };
    reports.iter().map(|report| (report.plugin.clone(), verdict(report))).collect()
}

const INGRESS: &str =
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: a }\nspec: { rules: [] }\n";

#[test]
fn what_kubectl_prints_and_other_control_planes_take_is_checked() {
    let workspace = workspace();
    let known = Known::of(&workspace);
    let mut checker = checker(&known);
    let item = |name: &str, config: &str| {
        format!(
            "- apiVersion: extensions.higress.io/v1alpha1\n  kind: WasmPlugin\n  metadata:\n    name: {name}-1.0.0\n    \
             managedFields: [{{ manager: kubectl }}]\n  spec:\n    url: oci://registry.example.com/plugins/{name}:1.0.0\n    \
             {config}\n  status: {{}}\n"
        )
    };
    let list = |items: &[String]| {
        format!("apiVersion: v1\nitems:\n{}kind: List\nmetadata: {{ resourceVersion: '' }}\n", items.concat())
    };
    let good = item("say-hello", "defaultConfig: {}");
    let bad = item("add-header", "defaultConfig: { header_name: 'a b', header_vale: x }");
    let foreign = item("oidc", "defaultConfigDisable: true");
    let some = |name: &str| Some(name.to_owned());
    let accepted = |name: &str| (some(name), "accepted".to_owned());
    let left_out = (None, "left out".to_owned());
    let errors =
        "19:items[1].spec.defaultConfig.header_name 19:items[1].spec.defaultConfig.header_vale".to_owned();
    let istio =
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: x }\nspec:\n  targetRefs: [{ kind: \
         Gateway, name: w }]\n  match: [{ mode: CLIENT, ports: [{ number: 443 }] }]\n  type: HTTP\n  pluginConfig: {}\n  \
         pluginName: say-hello\n  url: quay.io/me/x:latest\n".to_owned();
    let policy = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: { name: p }\nspec:\n  targetRefs: []\n  \
                  wasm:\n  - { name: say-hello, code: { type: Image, image: { url: a.com/x } } }\n  \
                  - { name: z, code: { type: Image, image: { url: 'a.com/p/add-header@sha256:00' } }, config: { header_name: a } }\n";
    for (text, expected) in [
        (
            list(&[good.clone(), bad, foreign.clone()]),
            vec![accepted("say-hello"), (some("add-header"), errors), left_out.clone()],
        ),
        (format!("{INGRESS}---\n{istio}---\n"), vec![left_out.clone(), accepted("say-hello")]),
        (
            istio.replace("pluginConfig: {}", "pluginConfig: { nam: 1 }"),
            vec![(some("say-hello"), "8:spec.pluginConfig.nam".into())],
        ),
        (
            policy.to_owned(),
            vec![accepted("say-hello"), (some("add-header"), "8:spec.wasm[1].config".into())],
        ),
        // Nothing to check is a fault, and so is a plug-in of nowhere alone.
        (INGRESS.to_owned(), vec![(None, "2:kind".into())]),
        (list(&[foreign]), vec![(None, "5:items[0].metadata".into())]),
        (list(&[]), vec![(None, "1:".into())]),
    ] {
        assert_eq!(verdicts(&mut checker, &text), expected, "{text}");
    }
    // With `--plugin`, others are left out where one names it, and unnamed ones are it where none does.
    checker.plugin = Some(known.plugin("say-hello").unwrap());
    let unnamed = format!("{HEAD}metadata: {{ name: mine }}\nspec: {{}}\n");
    assert_eq!(verdicts(&mut checker, &unnamed), [accepted("say-hello")]);
    assert_eq!(verdicts(&mut checker, &format!("{unnamed}---\n{istio}")), [left_out, accepted("say-hello")]);
    checker.plugin = Some(known.plugin("add-header").unwrap());
    assert_eq!(verdicts(&mut checker, &istio), [(None, "9:spec.pluginName".to_owned())]);
}

#[test]
fn what_manifest_writes_for_each_control_plane_is_read() {
    use resource::deploy::{Order, Pinned};
    use resource::{ControlPlane, yaml};

    let workspace = workspace();
    let known = Known::of(&workspace);
    let mut checker = checker(&known);
    let plugin = workspace.plugin("add-header").unwrap();
    let manifest = plugin.manifest().unwrap();
    let image =
        Pinned::parse(&format!("oci://r.example.com/p/add-header@sha256:{}", "a".repeat(64))).unwrap();
    let configuration = json!({ "header_name": "x-a", "header_value": "on", "_rules_": [
        { "_match_domain_": ["a.com"], "header_name": "x-b", "header_value": "1_000" },
    ] });
    let targets = ["gw".parse().unwrap()];
    for plane in ControlPlane::ALL {
        let order = Order {
            name: "mine",
            pull_secret: Some("secret"),
            targets: if plane == ControlPlane::Higress { &[] } else { &targets },
            ..Order::new(&manifest, &image, configuration.as_object().unwrap())
        };
        let resource = serde_json::to_value(order.resource(plane).unwrap()).unwrap();
        for text in [yaml::write(&resource).unwrap(), resource.to_string()] {
            let reports = checker.file(Path::new("f.yaml"), &text).unwrap();
            let [Report { verdict: Verdict::Accepted { configuration: read, .. }, .. }] = reports.as_slice()
            else {
                panic!("{reports:?}\n{text}")
            };
            assert_eq!(*read, configuration, "{text}");
            // `serve` and `explain` read folders.
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.yaml"), &text).unwrap();
            let folder =
                gateway::folder::read(folder.path(), gateway::folder::StageOrder::Mse).sound().unwrap();
            let [entry] = folder.plugins.as_slice() else { panic!("{folder:?}") };
            assert_eq!((entry.name.as_str(), entry.enabled), ("mine", true));
            assert_eq!(entry.resource.spec.location(), image.url());
        }
    }
}

#[test]
fn hints_lead_to_what_was_meant_and_all_mistakes_are_told_at_once() {
    let workspace = workspace();
    let known = Known::of(&workspace);
    let mut checker = checker(&known);
    let resource = |plugin: &str, spec: &str| format!("{HEAD}metadata: {{ name: {plugin} }}\nspec: {spec}\n");
    for (plugin, text, expected) in [
        (
            "",
            resource("key-rate-limit", "{ config: { limit_by_header: X-Real-IP, limit_keys: [{ key: a, query_per_second: 10 }] } }"),
            vec!["spec.config: is not a known field: did you mean `defaultConfig`?"],
        ),
        (
            "",
            resource("ext-auth", "{ url: a, http_service: { endpoint: { service_name: a.dns, path_prefix: / } } }"),
            vec!["spec.http_service: is not a field of the resource but of the plug-in: move it under `spec.defaultConfig`"],
        ),
        (
            "ext-auth",
            "http_service:\n  endpoint: { service_name: auth.dns, path_prefix: /auth, service_source: ip }\n  timeout: 200ms\n".into(),
            vec![
                "http_service.endpoint.service_source: is not used here: remove it, and append the kind to `service_name`",
                "http_service.timeout: counts milliseconds and must be a number: write 200",
            ],
        ),
        (
            "cors",
            "rule_items: []\nblock_urls: [a]\n".into(),
            vec![
                "rule_items: is a field of ai-token-ratelimit, cluster-key-rate-limit, ",
                "block_urls: is a field of request-block, not of cors: remove it",
            ],
        ),
        (
            "request-block",
            "block_urls: ['', a, '']\nblocked_code: 99\ncase_sensitve: true\nblock_headers: x\n_rules_:\n- { _match_domain_: ['~^a.*'], block_urls: \
             [b] }\n- { block_urls: [b] }\n- { domain: [a], block_urls: [b], phase: AUTHN }\n".into(),
            vec![
                "block_urls[0]: must not be empty",
                "block_urls[2]: must not be empty",
                "blocked_code: must be a status",
                "case_sensitve: is not a known field: did you mean `case_sensitive`?",
                "block_headers: must be a list, found string: put it in brackets",
                "_rules_[1]: has no condition",
                "_rules_[2].domain: is not a known field: the condition of a rule is `_match_domain_`",
                "_rules_[2].phase: is a field of the resource, not of the plug-in: move it under `spec`",
            ],
        ),
    ] {
        checker.plugin = if plugin.is_empty() { None } else { Some(known.plugin(plugin).unwrap()) };
        let reports = checker.file(Path::new("f.yaml"), &text).unwrap();
        let [Report { verdict: Verdict::Refused { errors, .. }, .. }] = reports.as_slice() else {
            panic!("{reports:?}\n{text}")
        };
        let found: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.path, error.message)).collect();
        // A rule's domain is checked by who looks at hosts.
        let found: Vec<&String> = found.iter().filter(|error| !error.contains("_match_domain_[0]")).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}\n{text}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.starts_with(expected), "{found}, and not {expected}");
        }
    }
}

#[test]
fn what_can_never_match_is_refused_and_what_reads_otherwise_is_remarked() {
    let workspace = workspace();
    let known = Known::of(&workspace);
    let mut checker = checker(&known);
    let service = |name: &str| {
        format!("http_service:\n  endpoint:\n    service_name: {name}\n    path_prefix: /auth\n")
    };
    for (plugin, text, at, path, words) in [
        (
            "ext-auth",
            service("https://auth.example.com"),
            3,
            "http_service.endpoint.service_name",
            "contains a scheme",
        ),
        (
            "ext-auth",
            service("auth.dns:8080"),
            3,
            "http_service.endpoint.service_name",
            "`auth.dns` and `service_port: 8080`",
        ),
        (
            "ext-auth",
            service("\"outbound|8080||auth.dns\""),
            3,
            "http_service.endpoint.service_name",
            "`service_port: 8080`",
        ),
        (
            "request-block",
            "block_urls: [a]\n_rules_:\n- _match_domain_: [\"~^a.*\"]\n  block_urls: [b]\n".into(),
            3,
            "_rules_[0]._match_domain_[0]",
            "is not a valid host",
        ),
    ] {
        checker.plugin = Some(known.plugin(plugin).unwrap());
        let (line, place, message) = refusal(&mut checker, &text);
        assert_eq!((line, place.as_str()), (at, path), "{message}");
        assert!(message.contains(words), "{message}");
    }

    let keys = "limit_by_header: x\nlimit_keys:\n- key: 64e5\n  query_per_minute: 2\n- key: 010\n  query_per_minute: 0x10\n";
    let indented = keys.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let resource = format!("{HEAD}spec:\n  pluginName: key-rate-limit\n  defaultConfig:\n{indented}");
    for (plugin, text, outer, line) in
        [("key-rate-limit", keys.to_owned(), "", 3), ("key-rate-limit", resource, "spec.defaultConfig.", 8)]
    {
        checker.plugin = Some(known.plugin(plugin).unwrap());
        let reports = checker.file(Path::new("f.yaml"), &text).unwrap();
        let [report] = reports.as_slice() else { panic!("{reports:?}") };
        assert!(report.is_good(), "{report:?}");
        let remarks: Vec<_> = report
            .remarks
            .iter()
            .map(|fault| (fault.path.clone(), fault.line, fault.message.clone()))
            .collect();
        let words = |read, written| {
            format!("is the text `{read}`, not what is written here: put it in quotes, '{written}'")
        };
        let expected = [
            (format!("{outer}limit_keys[0].key"), line, words("6400000", "64e5")),
            (format!("{outer}limit_keys[1].key"), line + 2, words("8", "010")),
        ];
        assert_eq!(remarks, expected);
    }
}

#[test]
fn an_empty_file_is_a_configuration_of_defaults() {
    let workspace = workspace();
    let known = Known::of(&workspace);
    let mut checker = checker(&known);
    checker.plugin = Some(known.plugin("say-hello").unwrap());
    let reports = checker.file(Path::new("f.yaml"), "").unwrap();
    assert!(reports.iter().all(Report::is_good), "{reports:?}");
    checker.plugin = Some(known.plugin("request-block").unwrap());
    let (line, _, message) = refusal(&mut checker, "");
    assert!(line == 1 && message.starts_with("blocks nothing: add"), "{message}");
}

/// Modules that answer for themselves.
#[cfg(feature = "engine")]
mod modules {
    use std::rc::Rc;

    use super::*;
    use crate::AskedModule;

    /// A module that refuses everything with this text.
    fn refusing(text: &str) -> Rc<AskedModule> {
        let module = format!(
            r#"(module
                (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (data (i32.const 8) "{text}")
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "proxy_on_configure") (param i32 i32) (result i32)
                    (drop (call $log (i32.const 4) (i32.const 8) (i32.const {})))
                    (i32.const 0)))"#,
            text.len()
        );
        Rc::new(AskedModule::new("mine", &wat::parse_str(module).unwrap(), None).unwrap())
    }

    fn faults(asked: &Rc<AskedModule>, text: &str) -> Vec<(String, usize, String)> {
        let known = Known::of_module(asked);
        let mut checker = Checker::new(&known, known.plugins.first().copied());
        let reports = checker.file(Path::new("f.yaml"), text).unwrap();
        let faults = reports.into_iter().flat_map(|report| match report.verdict {
            Verdict::Refused { errors, .. } => errors,
            _ => Vec::new(),
        });
        faults.map(|fault| (fault.path, fault.line, fault.message)).collect()
    }

    const RESOURCE: &str = "\
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: mine }
spec:
  url: oci://registry.example.com/mine:1.0.0
  defaultConfig:
    secret: 12
";

    #[test]
    fn a_text_with_a_path_of_the_document_is_shown_at_its_line() {
        let asked = refusing("secret: must be a string");
        let message = "must be a string".to_owned();
        assert_eq!(faults(&asked, "a: 1\nsecret: 12\n"), [("secret".into(), 2, message.clone())]);
        assert_eq!(faults(&asked, RESOURCE), [("spec.defaultConfig.secret".into(), 7, message)]);
    }

    #[test]
    fn a_text_without_a_path_is_shown_at_the_resource() {
        let asked = refusing("[my-plugin] parse config failed: no secret");
        let found = faults(&asked, RESOURCE);
        assert_eq!(found, [(String::new(), 1, "[my-plugin] parse config failed: no secret".to_owned())]);
    }
}
