//! The configuration of a plug-in by scopes, as the API has it.

use std::fs;

use gateway::folder::Entry;
use gateway::secret::{HIDDEN, Redactor};
use marketplace::Shelf;
use marketplace::scopes::{self, GATEWAY, Match, Scope};
use marketplace::shelf::Action;
use resource::yaml::{self, Node, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::gateways::Gateway;
use crate::plugins::{Change, Market, check_match, etag, replace};
use crate::problem::{Mistake, Problem, Severity};
use crate::sessions::Actor;
use crate::users::Role;

/// The requests of a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MatchView {
    /// Domains.
    pub domain: Vec<String>,
    /// Routes.
    pub route: Vec<String>,
    /// Services.
    pub service: Vec<String>,
}

/// A scope of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScopeView {
    /// `gateway`, or the key of a rule.
    pub key: String,
    /// `gateway`, `domain`, `route` or `service`: of the first of `match` that has names.
    pub kind: String,
    /// The requests; none for the gateway.
    pub r#match: MatchView,
    /// Whether it is in force while the plug-in is enabled.
    pub enabled: bool,
    /// The fields in YAML, with comments.
    pub text: String,
    /// Why it cannot be changed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Problem>,
}

/// A scope that is sent; what else a scope has is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScopeBody {
    /// `gateway`, the key of a rule, or any other key for a new rule.
    pub key: String,
    /// The requests.
    #[serde(default)]
    pub r#match: MatchView,
    /// Whether it is in force while the plug-in is enabled.
    pub enabled: bool,
    /// The fields in YAML.
    pub text: String,
}

/// Scopes that are sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scopes {
    /// The gateway scope, and the rules in their order.
    pub scopes: Vec<ScopeBody>,
}

/// A configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationView {
    /// What `If-Match` takes.
    pub etag: String,
    /// The file, relative to the folder.
    pub file: String,
    /// The first line of the resource.
    pub line: usize,
    /// The gateway scope, and the rules in their order.
    pub scopes: Vec<ScopeView>,
}

/// What is wrong with scopes, and what they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationCheck {
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
    /// The whole file as it is.
    pub before: String,
    /// The whole file as it would be.
    pub after: String,
}

impl From<&ScopeBody> for Scope {
    fn from(body: &ScopeBody) -> Self {
        let MatchView { domain, route, service } = body.r#match.clone();
        Self {
            key: body.key.clone(),
            requests: Match { domain, route, service },
            enabled: body.enabled,
            text: body.text.clone(),
        }
    }
}

fn kind(requests: &Match) -> &'static str {
    match (requests.domain.is_empty(), requests.route.is_empty(), requests.service.is_empty()) {
        (false, _, _) => "domain",
        (true, false, _) => "route",
        (true, true, false) => "service",
        (true, true, true) => GATEWAY,
    }
}

/// The configuration of a plug-in. Viewers do not see its secrets.
pub(crate) fn read(gateway: &Gateway, id: &str, role: Role) -> Result<ConfigurationView, Problem> {
    let market = Market::open(gateway);
    let entry = market.find(id)?;
    let text = fs::read_to_string(&entry.file)?;
    let fixed = Shelf::blocked(entry, Action::Configure, None).map(Problem::from);
    let schema = match role {
        Role::Viewer => market.deployed(entry).and_then(|name| gateway.checks.of_plugin(&name)),
        Role::Operator | Role::Admin => None,
    };
    let scopes = scopes::read(entry, &text)?.into_iter().map(|scope| {
        let kind = if scope.key == GATEWAY { GATEWAY } else { kind(&scope.requests) };
        let Match { domain, route, service } = scope.requests;
        ScopeView {
            kind: kind.into(),
            key: scope.key,
            r#match: MatchView { domain, route, service },
            enabled: scope.enabled,
            text: match role {
                Role::Viewer => masked(&scope.text, schema.as_ref().map(|(schema, _)| schema)),
                Role::Operator | Role::Admin => scope.text,
            },
            fixed: fixed.clone(),
        }
    });
    Ok(ConfigurationView {
        etag: etag(&text),
        file: gateway.shown(&entry.file),
        line: entry.line,
        scopes: scopes.collect(),
    })
}

/// The scopes of the marketplace; keys are unique, and the gateway scope is there.
fn sent(body: &Scopes) -> Result<Vec<Scope>, Problem> {
    let scopes: Vec<Scope> = body.scopes.iter().map(Scope::from).collect();
    let invalid = |reason: &str| {
        Problem::new("request_invalid", format_args!("the scopes are not valid: {reason}"))
            .with("reason", reason)
    };
    if scopes.iter().filter(|scope| scope.key == GATEWAY).count() != 1 {
        return Err(invalid("one of them is `gateway`"));
    }
    let mut keys: Vec<&str> = scopes.iter().map(|scope| scope.key.as_str()).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(invalid("two of them have the same key"));
    }
    Ok(scopes)
}

/// Everything that is wrong with scopes, and what they change.
pub(crate) fn check(gateway: &Gateway, id: &str, body: &Scopes) -> Result<ConfigurationCheck, Problem> {
    let market = Market::open(gateway);
    let entry = market.find(id)?;
    let before = fs::read_to_string(&entry.file)?;
    let (mistakes, after) = gateway.checks.scopes(entry, &before, sent(body)?)?;
    let after = after.unwrap_or_else(|| before.clone());
    Ok(ConfigurationCheck { mistakes: mistakes.iter().map(mistake).collect(), before, after })
}

fn mistake(found: &scopes::Mistake) -> Mistake {
    Mistake {
        scope: found.scope.clone(),
        path: found.path.clone(),
        line: found.line,
        column: found.column,
        end_line: found.end_line,
        end_column: found.end_column,
        message: found.message.clone(),
        severity: if found.warning { Severity::Warning } else { Severity::Error },
        own: found.origin == scopes::Origin::Plugin,
        code: match found.origin {
            scopes::Origin::Condition => Some("condition_missing"),
            scopes::Origin::Yaml | scopes::Origin::Resource | scopes::Origin::Plugin => None,
        },
    }
}

/// The text of a file with scopes, if nothing is wrong with them.
pub(crate) fn changed(
    gateway: &Gateway,
    entry: &Entry,
    before: &str,
    body: &Scopes,
) -> Result<String, Problem> {
    let (mistakes, after) = gateway.checks.scopes(entry, before, sent(body)?)?;
    let errors: Vec<Mistake> = mistakes.iter().filter(|found| !found.warning).map(mistake).collect();
    match after {
        Some(after) if errors.is_empty() => Ok(after),
        _ => {
            let first = errors.first().map(|first| match first.path.as_str() {
                "" => first.message.clone(),
                path => format!("{path}: {}", first.message),
            });
            let message = format!("{} rejects the configuration: {}", entry.name, first.unwrap_or_default());
            let problem = Problem::new("configuration_invalid", message).with("name", &entry.name);
            Err(Problem { mistakes: errors, ..problem })
        }
    }
}

/// Saves the configuration of a plug-in.
pub(crate) fn save(
    gateway: &Gateway,
    actor: &Actor,
    id: &str,
    if_match: Option<&str>,
    body: &Scopes,
) -> Result<ConfigurationView, Problem> {
    let change =
        Change { gateway, actor, action: "configure", message: format!("Configure {id}"), plugin: id };
    change.make(
        |market| Ok(market.matching(id, if_match)?.0.file.clone()),
        |market| {
            let entry = market.find(id)?;
            if let Some(refusal) = Shelf::blocked(entry, Action::Configure, None) {
                return Err(refusal.into());
            }
            let before = fs::read_to_string(&entry.file)?;
            check_match(entry, &before, if_match)?;
            let after = changed(gateway, entry, &before, body)?;
            replace(entry, &before, &after)
        },
    )?;
    read(gateway, id, Role::Operator)
}

/// A text of YAML without the values of secret fields; everything else stays as it is.
pub(crate) fn masked(text: &str, schema: Option<&Value>) -> String {
    let Ok(documents) = yaml::read(text) else {
        // Without its structure, only what looks like a secret is found.
        return Redactor::default().text(text);
    };
    let mut spans = Vec::new();
    for document in &documents {
        if let Value::Object(mut fields) = document.to_json() {
            Redactor::default().configuration(&mut fields, schema);
            hidden(document, &Value::Object(fields), &mut spans);
        }
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let offset = |position: yaml::Position| {
        let before: usize = lines.iter().take(position.line.saturating_sub(1)).map(|line| line.len()).sum();
        let line = lines.get(position.line.saturating_sub(1)).copied().unwrap_or_default();
        before + line.chars().take(position.column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
    };
    let mut shown = text.to_owned();
    spans.sort_by_key(|span: &Span| (span.start.line, span.start.column));
    for span in spans.into_iter().rev() {
        let (start, end) = (offset(span.start), offset(span.end));
        if start <= end && shown.is_char_boundary(start) && shown.get(start..end).is_some() {
            // A text of several lines ends at the beginning of the next one.
            let line_end =
                if shown.get(start..end).is_some_and(|own| own.ends_with('\n')) { "\n" } else { "" };
            shown.replace_range(start..end, &format!("\"{HIDDEN}\"{line_end}"));
        }
    }
    shown
}

/// The places of values that are not shown.
fn hidden(node: &Node, shown: &Value, spans: &mut Vec<Span>) {
    match shown {
        Value::Object(fields) => {
            for (name, _, inner) in node.fields() {
                if let Some(shown) = fields.get(name) {
                    hidden(inner, shown, spans);
                }
            }
        }
        Value::Array(entries) => {
            for (inner, shown) in node.entries().iter().zip(entries) {
                hidden(inner, shown, spans);
            }
        }
        other if node.to_json() != *other => spans.push(node.span()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_see_everything_but_secrets() {
        let text = "# who\nconsumers:\n- name: ada # the first\n  credential: 'abc def'\n- {name: bob, api_key: xyz}\nnot: secret\n";
        let shown = masked(text, None);
        assert!(!shown.contains("abc def") && !shown.contains("xyz"), "{shown}");
        assert_eq!(
            shown,
            "# who\nconsumers:\n- name: ada # the first\n  credential: \"<hidden>\"\n- {name: bob, api_key: \"<hidden>\"}\nnot: secret\n"
        );
        let schema = serde_json::json!({ "properties": { "not": { "format": "password" } } });
        assert!(masked(text, Some(&schema)).ends_with("not: \"<hidden>\"\n"));
        assert_eq!(masked("a: [", None), "a: [");
    }
}
