//! A document's `_rules_` as the `matchRules` of Higress's WasmPlugin: what its controller does, backwards.

use serde_json::Value;

use crate::Object;

const RULES: &str = "_rules_";

/// What a condition is called in a document, and in a match rule.
const CONDITIONS: [(&str, &str); 3] =
    [("_match_route_", "ingress"), ("_match_service_", "service"), ("_match_domain_", "domain")];

/// Splits a document into the fields for requests that no rule matches and the match rules.
///
/// A resource has no words for some conditions (`_match_consumer_`). The order of rules counts, so they stay where they
/// are then, all of them: the controller leaves `_rules_` alone where there are no match rules.
#[must_use]
pub fn split(document: &Object) -> (Object, Vec<Value>) {
    let mut base = document.clone();
    let rules = document.get(RULES).and_then(Value::as_array);
    match rules.and_then(|rules| rules.iter().map(match_rule).collect::<Option<Vec<Value>>>()) {
        Some(rules) if !rules.is_empty() => {
            // In the order of the other fields.
            base = base.into_iter().filter(|(name, _)| name != RULES).collect();
            (base, rules)
        }
        _ => (base, Vec::new()),
    }
}

/// The rule as a resource has it; nothing where it has no words for it.
fn match_rule(rule: &Value) -> Option<Value> {
    let rule = rule.as_object()?;
    let mut fields = Object::new();
    for (condition, field) in CONDITIONS {
        let Some(names) = rule.get(condition) else { continue };
        let list = names.as_array().filter(|list| !list.is_empty() && list.iter().all(Value::is_string))?;
        fields.insert(field.into(), Value::Array(list.clone()));
    }
    if fields.is_empty() {
        return None;
    }
    let mut config = Object::new();
    for (name, value) in rule {
        if name.starts_with("_match_") {
            if !CONDITIONS.iter().any(|(condition, _)| condition == name) {
                return None;
            }
        } else {
            config.insert(name.clone(), value.clone());
        }
    }
    fields.insert("config".into(), Value::Object(config));
    Some(Value::Object(fields))
}
