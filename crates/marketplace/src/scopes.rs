//! The configuration of a plug-in by scopes: the gateway, and rules for domains, routes and services.
//!
//! Each scope is a text of fields with its comments. Only what changes is written, so the file stays as its author left it.

use anyhow::{Context, anyhow};
use gateway::folder::Entry;
use gateway::folder::edit::{self, EditError, Place};
use resource::yaml::{self, Fault, Node};
use resource::{ControlPlane, MatchRule};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::shelf::not_editable;
use crate::{Checker, Code, Refusal, Result, Verdict};

/// The scope of requests that match no rule.
pub const GATEWAY: &str = "gateway";

/// The requests of a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// Domains, with a `*` at either end.
    pub domain: Vec<String>,
    /// Names of routes.
    pub route: Vec<String>,
    /// Names of services.
    pub service: Vec<String>,
}

/// A scope with its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// [`GATEWAY`], `rule-<index>` for an existing rule, and anything else for a new one.
    pub key: String,
    /// The requests; nothing for the gateway.
    #[serde(default, rename = "match")]
    pub requests: Match,
    /// Whether it is in force while the plug-in is enabled.
    pub enabled: bool,
    /// The fields in YAML, with comments.
    pub text: String,
}

/// A mistake in a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mistake {
    /// The key of the scope; none for the resource as a whole.
    pub scope: Option<String>,
    /// The field in the scope.
    pub path: String,
    /// The first line in the scope's text, from 1.
    pub line: usize,
    /// The first column.
    pub column: usize,
    /// The last line.
    pub end_line: usize,
    /// The column after the last one.
    pub end_column: usize,
    /// The text.
    pub message: String,
    /// Whether it only warns.
    pub warning: bool,
    /// Where the text comes from.
    pub origin: Origin,
}

/// Where the text of a mistake comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The fields are not YAML, or not fields.
    Yaml,
    /// A rule has no condition.
    Condition,
    /// The resource as a whole is not valid.
    Resource,
    /// The plug-in itself.
    Plugin,
}

/// The field of a resource that holds the configuration of the gateway scope, as keys.
fn gateway_field(entry: &Entry) -> Vec<String> {
    entry.resource.configuration_field().replace('[', ".[").split('.').map(str::to_owned).collect()
}

/// Whether the resource has rules of its own.
fn has_rules(entry: &Entry) -> bool {
    entry.resource.control_plane == ControlPlane::Higress && entry.resource.spec.plugin_config.is_none()
}

const RULES: &[&str] = &["spec", "matchRules"];
const DEFAULT_DISABLED: &[&str] = &["spec", "defaultConfigDisable"];

/// Reads the scopes of a plug-in from the text of its file.
///
/// # Errors
///
/// The resource has changed since it was read, or cannot be changed.
pub fn read(entry: &Entry, text: &str) -> Result<Vec<Scope>> {
    let place = Place::from(entry);
    let refused = |error: EditError| not_editable(entry, &error);
    // Of a disabled plug-in, the values before that count.
    let text = match edit::enable(text, place) {
        Ok(enabled) => enabled,
        Err(EditError::Already(_) | EditError::Refused(_)) => text.to_owned(),
        Err(error) => return Err(refused(error).into()),
    };
    let field = gateway_field(entry);
    let field: Vec<&str> = field.iter().map(String::as_str).collect();
    let own = edit::get_text(&text, place, &field).map_err(refused)?;
    let disabled = get(&text, place, DEFAULT_DISABLED).map_err(refused)?;
    let mut scopes = vec![Scope {
        key: GATEWAY.to_owned(),
        requests: Match::default(),
        enabled: disabled != Some(Value::Bool(true)),
        text: own.filter(|own| own.trim() != "{}").unwrap_or_default(),
    }];
    if !has_rules(entry) {
        return Ok(scopes);
    }
    let rules = get(&text, place, RULES).map_err(refused)?.unwrap_or_default();
    let rules: Vec<MatchRule> = match rules {
        Value::Null => Vec::new(),
        rules => serde_json::from_value(rules).context("reading the rules")?,
    };
    // Each rule is read by itself: there may be thousands.
    let items = items(&text, place).map_err(refused)?;
    for (index, (rule, item)) in rules.into_iter().zip(items).enumerate() {
        let own = edit::get_text(&item.text, Place::default(), &["config"]).map_err(refused)?;
        scopes.push(Scope {
            key: format!("rule-{index}"),
            requests: Match { domain: rule.domain, route: rule.ingress, service: rule.service },
            enabled: !rule.config_disable,
            text: own.filter(|own| own.trim() != "{}").unwrap_or_default(),
        });
    }
    Ok(scopes)
}

fn get(text: &str, place: Place, path: &[&str]) -> std::result::Result<Option<Value>, EditError> {
    let Some(part) = edit::get_text(text, place, path)? else { return Ok(None) };
    Ok(yaml::read(&part)?.first().map(Node::to_json))
}

/// Returns the text of the file with these scopes. A disabled plug-in stays disabled.
///
/// # Errors
///
/// A text is not YAML, a rule has no condition, or the resource cannot be changed.
pub fn written(entry: &Entry, text: &str, scopes: &[Scope]) -> Result<String> {
    let place = Place::from(entry);
    let refused = |error: EditError| not_editable(entry, &error);
    let before = read(entry, text)?;
    let (mut changed, was_disabled) = match edit::enable(text, place) {
        Ok(enabled) => (enabled, true),
        Err(EditError::Already(_)) => (text.to_owned(), false),
        // Disabled by hand: its flags are the scopes'.
        Err(EditError::Refused(_)) => (text.to_owned(), false),
        Err(error) => return Err(refused(error).into()),
    };
    let old = |key: &str| before.iter().find(|scope| scope.key == key);
    if let Some(gateway) = scopes.iter().find(|scope| scope.key == GATEWAY)
        && let Some(was) = old(GATEWAY)
    {
        let field = gateway_field(entry);
        let field: Vec<&str> = field.iter().map(String::as_str).collect();
        if gateway.text != was.text {
            let is_empty = yaml::read(&gateway.text).is_ok_and(|documents| documents.is_empty());
            // A plug-in without any configuration still has the field.
            let own = if is_empty && gateway.text.trim().is_empty() { "{}\n" } else { &gateway.text };
            changed = edit::set_text(&changed, place, &field, own).map_err(refused)?;
        }
        if has_rules(entry) && gateway.enabled != was.enabled {
            let value = if gateway.enabled { Value::Null } else { true.into() };
            changed = edit::set(&changed, place, &[(DEFAULT_DISABLED, value)]).map_err(refused)?;
        }
    }
    let rules: Vec<&Scope> = scopes.iter().filter(|scope| scope.key != GATEWAY).collect();
    let same = rules.iter().map(|rule| &rule.key).eq(before.iter().skip(1).map(|rule| &rule.key));
    if has_rules(entry) && !(same && rules.iter().zip(before.iter().skip(1)).all(|(new, old)| *new == old)) {
        let items = items(&changed, place).map_err(refused)?;
        let mut list = String::new();
        for rule in &rules {
            let index = rule.key.strip_prefix("rule-").and_then(|index| index.parse::<usize>().ok());
            let item = index.and_then(|index| items.get(index)).cloned().unwrap_or_default();
            list.push_str(&as_item(&with(entry, &item, rule, old(&rule.key))?));
        }
        changed = edit::set_text(&changed, place, RULES, &list).map_err(refused)?;
    }
    if was_disabled {
        changed = edit::disable(&changed, place).map_err(refused)?;
    }
    Ok(changed)
}

/// A rule as a document, and the comments above it.
#[derive(Debug, Clone, Default)]
struct Item {
    above: String,
    text: String,
}

/// The rules of a resource, each with its comments.
fn items(text: &str, place: Place) -> std::result::Result<Vec<Item>, EditError> {
    let Some(list) = edit::get_text(text, place, RULES)? else { return Ok(Vec::new()) };
    let documents = yaml::read(&list)?;
    let Some(rules) = documents.first() else { return Ok(Vec::new()) };
    let values: Vec<Value> = rules.entries().iter().map(Node::to_json).collect();
    let split = split(&list);
    let is_same = |(item, value): (&Item, &Value)| {
        yaml::read(&item.text).is_ok_and(|read| read.first().map(Node::to_json).as_ref() == Some(value))
    };
    if split.len() == values.len() && split.iter().zip(&values).all(is_same) {
        return Ok(split);
    }
    // A list in brackets, for example.
    values.iter().map(|value| Ok(Item { above: String::new(), text: yaml::write(value)? })).collect()
}

/// Splits a list in block style by its dashes.
fn split(list: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut above = String::new();
    let mut indent = 2;
    for line in list.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix('-').filter(|rest| rest.starts_with([' ', '\n'])) {
            indent = line.len() - rest.trim_start_matches(' ').len();
            let text = line.get(indent..).unwrap_or("\n").to_owned();
            items.push(Item { above: std::mem::take(&mut above), text });
        } else if line.starts_with('#') {
            above.push_str(line);
        } else if let Some(item) = items.last_mut() {
            let outside = line.chars().take(indent).take_while(|c| *c == ' ').count();
            item.text.push_str(line.get(outside..).unwrap_or_default());
        }
    }
    items
}

/// A rule as an entry of a list.
fn as_item(item: &Item) -> String {
    let mut written = item.above.clone();
    for (number, line) in item.text.lines().enumerate() {
        match (number, line.trim().is_empty()) {
            (0, _) => written.push_str("- "),
            (_, true) => {}
            (_, false) => written.push_str("  "),
        }
        written.push_str(line);
        written.push('\n');
    }
    written
}

/// A rule with the values of its scope.
fn with(entry: &Entry, item: &Item, scope: &Scope, was: Option<&Scope>) -> Result<Item> {
    let refused = |error: EditError| not_editable(entry, &error);
    let place = Place::default();
    let Match { domain, route, service } = &scope.requests;
    if !scope.has_condition() {
        let what = format!("a rule of {} has no condition", entry.name);
        let remedy = "add a domain, a route or a service";
        return Err(Refusal::new(Code::ConfigurationInvalid, what, remedy).with("scope", &scope.key).into());
    }
    let mut text = item.text.clone();
    if text.is_empty() {
        let conditions = [("ingress", route), ("domain", domain), ("service", service)];
        let conditions = conditions.into_iter().filter(|(_, names)| !names.is_empty());
        let rule: resource::Object = conditions.map(|(key, names)| (key.to_owned(), json!(names))).collect();
        text = yaml::write(&Value::Object(rule)).context("writing a rule")?;
    } else if let Some(was) = was {
        for (key, new, old) in [
            ("ingress", route, &was.requests.route),
            ("domain", domain, &was.requests.domain),
            ("service", service, &was.requests.service),
        ] {
            if new != old {
                let value = if new.is_empty() { Value::Null } else { json!(new) };
                text = edit::set(&text, place, &[(&[key], value)]).map_err(refused)?;
            }
        }
    }
    if was.is_none_or(|was| was.text != scope.text) {
        let own = if scope.text.trim().is_empty() { "{}\n" } else { &scope.text };
        text = edit::set_text(&text, place, &["config"], own).map_err(refused)?;
    }
    if was.map_or(!scope.enabled, |was| was.enabled != scope.enabled) {
        let value = if scope.enabled { Value::Null } else { true.into() };
        text = edit::set(&text, place, &[(&["configDisable"], value)]).map_err(refused)?;
    }
    Ok(Item { above: item.above.clone(), text })
}

impl Scope {
    /// Whether it says which requests it is for; that of the gateway is for all.
    fn has_condition(&self) -> bool {
        let Match { domain, route, service } = &self.requests;
        self.key == GATEWAY || !(domain.is_empty() && route.is_empty() && service.is_empty())
    }
}

/// Everything that is wrong with scopes, each by itself: its YAML, its condition, and what the plug-in rejects in the file
/// that results from the others. The text of that file, if all scopes are in it.
///
/// # Errors
///
/// The plug-in could not be asked, or the resource cannot be changed.
pub fn check(
    checker: &mut Checker<'_>,
    entry: &Entry,
    text: &str,
    scopes: &[Scope],
) -> Result<(Vec<Mistake>, Option<String>)> {
    let mut mistakes = Vec::new();
    let mut sound = Vec::new();
    for scope in scopes {
        let found = mistakes.len();
        if !scope.has_condition() {
            mistakes.push(without_condition(scope));
        }
        let error = match yaml::read(&scope.text) {
            Err(error) => Some(Fault::no_yaml(&scope.text, error)),
            Ok(documents) => shape(&documents, &scope.text),
        };
        mistakes.extend(error.map(|error| placed(scope, &error, false, Origin::Yaml)));
        if mistakes.len() == found {
            sound.push(scope.clone());
        }
    }
    let is_complete = mistakes.is_empty();
    let after = written(entry, text, &sound)?;
    // What a disabled plug-in would receive is checked as well.
    let enabled = edit::enable(&after, Place::from(entry)).unwrap_or_else(|_| after.clone());
    for (faults, warning) in faults(checker, entry, &enabled)? {
        let found = faults.iter().map(|fault| in_scope(entry, &sound, fault, warning));
        // Of a scope that is not in it, the file still has what it had before.
        mistakes.extend(found.filter(|mistake| is_complete || mistake.scope.is_some()));
    }
    Ok((mistakes, is_complete.then_some(after)))
}

fn without_condition(scope: &Scope) -> Mistake {
    Mistake {
        scope: Some(scope.key.clone()),
        path: String::new(),
        line: 1,
        column: 1,
        end_line: 1,
        end_column: 1,
        message: "the rule has no condition: add a domain, a route or a service".into(),
        warning: false,
        origin: Origin::Condition,
    }
}

/// Why a text is not one of fields.
fn shape(documents: &[Node], text: &str) -> Option<Fault> {
    let is_fields = |node: &Node| node.to_json().is_object() || node.to_json().is_null();
    match documents {
        [] => None,
        [one] if is_fields(one) => None,
        [one] => Some(Fault::at(
            text,
            one,
            "",
            "is not an object: write the plug-in's fields, as in `name: value`",
        )),
        [_, second, ..] => Some(Fault::at(text, second, "", "is a second document: write one")),
    }
}

/// The errors and the remarks about one resource of a file.
fn faults(checker: &mut Checker<'_>, entry: &Entry, text: &str) -> Result<[(Vec<Fault>, bool); 2]> {
    let documents = yaml::read(text).map_err(|error| anyhow!(error))?;
    let document = documents.get(entry.index).context("the resource is gone")?;
    let found = resource::read(document)
        .into_iter()
        .find(|found| entry.item.is_none_or(|item| found.items.first() == Some(&item)))
        .context("the resource is gone")?;
    let resource::Content::Plugins(plugins) = &found.content else {
        return Err(anyhow!("the resource is gone").into());
    };
    let plugin = plugins.first().context("the resource is gone")?;
    let report = checker.resource_of(("", text), document, &found, plugin, &found.errors)?;
    let errors = match report.verdict {
        Verdict::Refused { errors, .. } => errors,
        _ => Vec::new(),
    };
    Ok([(errors, false), (report.remarks, true)])
}

/// A fault of the file at its place in a scope.
fn in_scope(entry: &Entry, scopes: &[Scope], fault: &Fault, warning: bool) -> Mistake {
    let path = fault.path.strip_prefix(&entry.place).unwrap_or(&fault.path).trim_start_matches('.');
    let rules: Vec<&Scope> = scopes.iter().filter(|scope| scope.key != GATEWAY).collect();
    let of_rule = path.strip_prefix("spec.matchRules[").and_then(|rest| {
        let (index, rest) = rest.split_once(']')?;
        let scope = rules.get(index.parse::<usize>().ok()?)?;
        Some((*scope, rest.trim_start_matches('.').strip_prefix("config").unwrap_or_default()))
    });
    let field = entry.resource.configuration_field();
    let of_gateway = || {
        let scope = scopes.iter().find(|scope| scope.key == GATEWAY)?;
        Some((scope, path.strip_prefix(field.as_str())?))
    };
    match of_rule.or_else(of_gateway) {
        Some((scope, inner)) => {
            let inner = inner.trim_start_matches('.');
            let documents = yaml::read(&scope.text).unwrap_or_default();
            let placed_fault = match documents.first() {
                Some(document) => Fault::at(&scope.text, document, inner, fault.message.clone()),
                None => Fault { path: inner.to_owned(), line: 1, column: 1, ..fault.clone() },
            };
            placed(scope, &placed_fault, warning, Origin::Plugin)
        }
        None => Mistake {
            scope: None,
            path: path.to_owned(),
            line: fault.line,
            column: fault.column,
            end_line: fault.line,
            end_column: fault.column + 1,
            message: fault.message.clone(),
            warning,
            origin: Origin::Resource,
        },
    }
}

fn placed(scope: &Scope, fault: &Fault, warning: bool, origin: Origin) -> Mistake {
    let documents = yaml::read(&scope.text).unwrap_or_default();
    let end = documents.first().map(|document| document.find(&fault.path).end);
    let end = end.filter(|end| (end.line, end.column) > (fault.line, fault.column));
    Mistake {
        scope: Some(scope.key.clone()),
        path: fault.path.clone(),
        line: fault.line,
        column: fault.column,
        end_line: end.map_or(fault.line, |end| end.line),
        end_column: end.map_or(fault.column + 1, |end| end.column),
        message: fault.message.clone(),
        warning,
        origin,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use gateway::folder::{self, StageOrder};

    use super::*;

    const FILE: &str = "\
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: mine }
spec:
  url: workspace:request-block
  defaultConfig:
    # what everyone gets
    blocked_code: 404 # not found
  matchRules:
  # the shop
  - domain: [shop.example.com]
    config:
      block_urls: # all of it
      - /admin
  - ingress:
    - b
    config: {block_urls: [b]}
";

    fn entry(text: &str) -> (tempfile::TempDir, Entry) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.yaml"), text).unwrap();
        let mut read = folder::read(folder.path(), StageOrder::Mse).sound().unwrap();
        (folder, read.plugins.remove(0))
    }

    #[test]
    fn scopes_that_do_not_change_leave_the_file_as_it_is() {
        let (_folder, entry) = entry(FILE);
        let scopes = read(&entry, FILE).unwrap();
        let texts: Vec<_> = scopes.iter().map(|scope| scope.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "# what everyone gets\nblocked_code: 404 # not found\n",
                "block_urls: # all of it\n- /admin\n",
                "{block_urls: [b]}\n"
            ]
        );
        assert_eq!(scopes[1].requests.domain, ["shop.example.com"]);
        assert_eq!(scopes[2].requests.route, ["b"]);
        assert_eq!(written(&entry, FILE, &scopes).unwrap(), FILE);
    }

    #[test]
    fn rules_are_changed_moved_added_and_removed_with_their_comments() {
        let (_folder, entry) = entry(FILE);
        let mut scopes = read(&entry, FILE).unwrap();
        scopes[1].text = "block_urls: # all of it\n- /admin\n- /root # too\n".into();
        let changed = written(&entry, FILE, &scopes).unwrap();
        assert_eq!(changed, FILE.replace("      - /admin\n", "      - /admin\n      - /root # too\n"));

        let mut scopes = read(&entry, FILE).unwrap();
        scopes.swap(1, 2);
        let changed = written(&entry, FILE, &scopes).unwrap();
        let again = read(&entry, &changed).unwrap();
        assert_eq!(again[1].requests.route, ["b"]);
        assert!(changed.ends_with("  # the shop\n  - domain: [shop.example.com]\n    config:\n      block_urls: # all of it\n      - /admin\n"), "{changed}");

        let mut scopes = read(&entry, FILE).unwrap();
        scopes.remove(1);
        scopes.push(Scope {
            key: "new-1".into(),
            requests: Match { service: vec!["a.dns".into()], ..Match::default() },
            enabled: false,
            text: "# why\nblock_urls: [c]\n".into(),
        });
        let changed = written(&entry, FILE, &scopes).unwrap();
        assert!(!changed.contains("shop"), "{changed}");
        let again = read(&entry, &changed).unwrap();
        assert_eq!(again[2].requests.service, ["a.dns"]);
        assert_eq!((again[2].enabled, again[2].text.as_str()), (false, "# why\nblock_urls: [c]\n"));
        scopes.truncate(1);
        let none = written(&entry, FILE, &scopes).unwrap();
        assert_eq!(read(&entry, &none).unwrap().len(), 1, "{none}");
    }

    #[test]
    fn a_disabled_plug_in_stays_disabled_and_its_scopes_have_their_own_state() {
        let disabled = edit::disable(FILE, Place::default()).unwrap();
        let (_folder, entry) = entry(&disabled);
        let mut scopes = read(&entry, &disabled).unwrap();
        assert!(scopes.iter().all(|scope| scope.enabled));
        assert_eq!(written(&entry, &disabled, &scopes).unwrap(), disabled);
        scopes[2].enabled = false;
        scopes[0].text = "blocked_code: 405\n".into();
        let changed = written(&entry, &disabled, &scopes).unwrap();
        let enabled = edit::enable(&changed, Place::default()).unwrap();
        let resource = resource::WasmPlugin::from_yaml(&enabled).unwrap();
        assert!(resource.spec.match_rules[1].config_disable && !resource.spec.match_rules[0].config_disable);
        assert_eq!(resource.spec.default_config.unwrap()["blocked_code"], 405);
    }

    #[test]
    fn a_rule_without_a_condition_is_refused() {
        let (_folder, entry) = entry(FILE);
        let mut scopes = read(&entry, FILE).unwrap();
        scopes[1].requests = Match::default();
        assert!(written(&entry, FILE, &scopes).is_err());
    }
}
