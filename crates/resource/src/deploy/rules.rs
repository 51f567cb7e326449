//! A document's `_rules_` as the `matchRules` of Higress's WasmPlugin: the inverse of what its controller does.

use serde_json::Value;

use crate::{MatchRule, Object};

const RULES: &str = "_rules_";

/// Splits a document into the fields for requests that no rule matches and the match rules.
///
/// A resource has no words for some conditions (`_match_consumer_`). The order of rules counts, so they stay where they
/// are then, all of them: the controller leaves `_rules_` alone where there are no match rules.
#[must_use]
pub fn split(document: &Object) -> (Object, Vec<MatchRule>) {
    let mut base = document.clone();
    let rules = document.get(RULES).and_then(Value::as_array);
    match rules.and_then(|rules| rules.iter().map(match_rule).collect::<Option<Vec<MatchRule>>>()) {
        Some(rules) if !rules.is_empty() => {
            // In the order of the other fields.
            base = base.into_iter().filter(|(name, _)| name != RULES).collect();
            (base, rules)
        }
        _ => (base, Vec::new()),
    }
}

/// The rule as a resource has it; nothing where it has a condition without a field.
fn match_rule(rule: &Value) -> Option<MatchRule> {
    let mut fields = MatchRule::default();
    let mut config = Object::new();
    for (name, value) in rule.as_object()? {
        let condition = match name.as_str() {
            "_match_route_" => &mut fields.ingress,
            "_match_service_" => &mut fields.service,
            "_match_domain_" => &mut fields.domain,
            other if other.starts_with("_match_") => return None,
            _ => {
                config.insert(name.clone(), value.clone());
                continue;
            }
        };
        *condition =
            value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
        if condition.is_empty() {
            return None;
        }
    }
    if fields == MatchRule::default() {
        return None;
    }
    fields.config = Some(config);
    Some(fields)
}
