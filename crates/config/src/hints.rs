//! Hints for tools: with the schema of a plug-in's fields and the document, errors can be more helpful than those of the
//! module.
//!
//! An unknown key is first searched at every other level, and only then by similarity. A number with a unit is converted. A
//! schema may list fields of other implementations of the plug-in ([`NOT_HERE`]), with advice.

use serde_json::Value;

use crate::suggest::{any_of, nearest};
use crate::{ConfigError, Every};

/// The key, in the schema of an object, of fields that the plug-in does not have: an object of names and advice.
pub const NOT_HERE: &str = "x-not-here";

/// The key, in the schema of a string, of `true` where numbers and booleans are accepted as well: people write them without
/// quotes.
pub const TEXT: &str = "x-text";

/// Returns all errors of a document, with hints from the schema of the fields.
pub fn every(
    document: &Value,
    schema: Option<&Value>,
    inherits: bool,
    check: impl FnMut(&Value) -> Result<(), ConfigError>,
) -> Vec<ConfigError> {
    let errors = Every::of(document, schema, inherits, check).into_errors();
    match schema {
        Some(schema) => errors.into_iter().map(|error| better(error, document, schema)).collect(),
        None => errors,
    }
}

/// Returns the error with a hint.
#[must_use]
pub fn better(error: ConfigError, document: &Value, schema: &Value) -> ConfigError {
    let message = if is_unknown(error.message()) {
        unknown(error.path(), schema)
    } else {
        value_at(document, error.path())
            .and_then(|value| wrong_kind(error.message(), value, at(schema, error.path())))
    };
    message.map_or_else(|| error.clone(), |message| ConfigError::new(error.path(), message))
}

/// Returns true if an error is about an unknown key.
#[must_use]
pub fn is_unknown(message: &str) -> bool {
    message.starts_with("is not a known field")
}

/// Returns the names in backticks.
pub fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns true if two names are equal, ignoring case, dashes and underscores.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    let plain = |name: &str| {
        name.chars().filter(|c| !"_- ".contains(*c)).flat_map(char::to_lowercase).collect::<String>()
    };
    plain(a) == plain(b)
}

/// Returns the value at a path.
#[must_use]
pub fn value_at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    keys(path).try_fold(value, |value, key| match key.strip_prefix('[') {
        Some(index) => value.get(index.parse::<usize>().ok()?),
        None => value.get(key),
    })
}

/// Returns the keys of a path; an index is `[3`.
fn keys(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').flat_map(|part| {
        let start = part.find('[').unwrap_or(part.len());
        let (key, indexes) = part.split_at(start);
        let indexes = indexes.split_inclusive(']').map(|index| index.trim_end_matches(']'));
        Some(key).filter(|key| !key.is_empty()).into_iter().chain(indexes)
    })
}

/// Returns the path without its rule, and true if it is in a rule.
fn in_rule(path: &str) -> (bool, &str) {
    let inside = path.strip_prefix("_rules_[").and_then(|rest| rest.split_once(']'));
    inside.map_or((false, path), |(_, rest)| (true, rest.trim_start_matches('.')))
}

/// Returns the schema of a field.
fn at<'s>(schema: &'s Value, path: &str) -> Option<&'s Value> {
    keys(in_rule(path).1).try_fold(schema, |schema, key| match key.strip_prefix('[') {
        Some(_) => schema.get("items"),
        None => schema
            .get("properties")
            .and_then(|all| all.get(key))
            .or_else(|| schema.get("additionalProperties")),
    })
}

/// Returns a hint for an unknown key.
fn unknown(path: &str, schema: &Value) -> Option<String> {
    let (is_in_rule, inside) = in_rule(path);
    let (parent, key) = inside.rsplit_once('.').unwrap_or(("", inside));
    let here = at(schema, parent)?;
    let own: Vec<&str> = names(here).collect();
    if let Some((_, advice)) =
        here.get(NOT_HERE).and_then(Value::as_object).into_iter().flatten().find(|(name, _)| same(name, key))
    {
        return Some(format!("is not used here: {}", advice.as_str().unwrap_or("remove it")));
    }
    // There is no better hint than the same letters.
    if own.iter().any(|name| same(name, key)) {
        return None;
    }
    let is_top = parent.is_empty();
    of_document(key, is_top, is_in_rule).or_else(|| {
        let mut places = Vec::new();
        collect(schema, "", &mut places);
        let exact: Vec<&str> = places
            .iter()
            .filter(|(place, name)| same(name, key) && place != parent)
            .map(|(place, _)| place.as_str())
            .collect();
        if let Some(place) = exact.first() {
            let several = if exact.len() > 1 { ", and others" } else { "" };
            return Some(format!("is a field of {}{several}: move it there", shown(place)));
        }
        // The error already suggests a name at this level.
        if nearest(key, &own).is_some() {
            return None;
        }
        if let Some(name) = containing(key, &own) {
            return Some(format!("is not a known field: did you mean `{name}`?"));
        }
        // It is in those that contain it already.
        places.retain(|(place, name)| !keys(parent).any(|key| key == name) || place == parent);
        let all: Vec<&str> = places.iter().map(|(_, name)| name.as_str()).collect();
        let near = nearest(key, &all)?;
        let (place, name) = places.iter().find(|(_, name)| name == near)?;
        Some(format!("is not a known field here: did you mean `{name}`, a field of {}?", shown(place)))
    })
}

/// Returns the only name that begins with a key, or the only one that ends with it: `status_code` for `status`.
fn containing<'n>(key: &str, names: &[&'n str]) -> Option<&'n str> {
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let key = plain(key);
    if key.len() < 3 {
        return None;
    }
    let only = |is_meant: &dyn Fn(&str) -> bool| {
        let mut found = names.iter().filter(|name| is_meant(&plain(name)));
        found.next().filter(|_| found.next().is_none()).copied()
    };
    only(&|name| name.starts_with(&key)).or_else(|| only(&|name| name.ends_with(&key)))
}

/// Returns a hint for names of the document or resource that contains the fields.
fn of_document(key: &str, is_top: bool, is_in_rule: bool) -> Option<String> {
    let one_of = |names: &[&str]| names.iter().any(|name| same(name, key));
    if one_of(&["rules", "match_rules", "_rules_"]) {
        return Some(match (is_top, is_in_rule) {
            (true, false) => "is not a known field: rules are written into `_rules_`, each with its conditions and fields; \
                              in a WasmPlugin resource they are `spec.matchRules`"
                .into(),
            _ => "cannot be here: rules do not nest, write it at the top".into(),
        });
    }
    if !is_top {
        return None;
    }
    for (names, condition) in [
        (&["ingress", "route", "routes", "_match_ingress_"][..], "_match_route_"),
        (&["domain", "domains", "host", "hosts", "match_domain"][..], "_match_domain_"),
        (&["service", "services", "match_service"][..], "_match_service_"),
        (&["consumer", "consumers", "match_consumer"][..], "_match_consumer_"),
    ] {
        if one_of(names) {
            return Some(match is_in_rule {
                true => format!(
                    "is not a known field: the condition of a rule is `{condition}` (of `spec.matchRules`, beside `config`)"
                ),
                false => format!(
                    "is not a known field: write a rule with the condition `{condition}` into `_rules_`"
                ),
            });
        }
    }
    if one_of(&["config", "defaultConfig", "pluginConfig"]) {
        return Some(
            "is not a known field: this is the plug-in's configuration already, write the fields without it"
                .into(),
        );
    }
    let of_resource = [
        "url",
        "sha256",
        "phase",
        "priority",
        "failStrategy",
        "imagePullPolicy",
        "imagePullSecret",
        "pluginName",
        "matchRules",
        "defaultConfigDisable",
        "vmConfig",
        "selector",
        "targetRefs",
    ];
    if one_of(&of_resource) {
        return Some("is a field of the resource, not of the plug-in: move it under `spec`".into());
    }
    if one_of(&["configDisable", "routeType"]) {
        return Some("is a field of a match rule, not of the plug-in: move it beside `config`".into());
    }
    if one_of(&["apiVersion", "kind", "metadata", "spec"]) {
        return Some("is a field of the resource, not of the plug-in: move it to the top of the file".into());
    }
    None
}

/// Returns the names of an object's fields.
fn names(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str())
}

/// Collects all fields with the path of their object: `rule_items[].limit_keys[]`.
fn collect(schema: &Value, place: &str, places: &mut Vec<(String, String)>) {
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        places.push((place.to_owned(), name.clone()));
        let dot = if place.is_empty() { "" } else { "." };
        let path = format!("{place}{dot}{name}");
        collect(inner, &path, places);
        if let Some(items) = inner.get("items") {
            collect(items, &format!("{path}[]"), places);
        }
        if let Some(values) = inner.get("additionalProperties") {
            collect(values, &format!("{path}.*"), places);
        }
    }
}

/// A place for people.
fn shown(place: &str) -> String {
    match place.strip_suffix("[]") {
        _ if place.is_empty() => "the configuration itself".into(),
        Some(list) => format!("an entry of `{list}`"),
        None => format!("`{place}`"),
    }
}

/// What to write instead of a value of another kind.
fn wrong_kind(message: &str, value: &Value, schema: Option<&Value>) -> Option<String> {
    let wanted = message.strip_prefix("must be ")?.split(", found ").next()?;
    let is_number = wanted.starts_with("a whole number") || wanted == "a number";
    let one = |entries: &Vec<Value>| entries.len() == 1;
    match value {
        Value::String(text) if is_number => quantity(text, schema?),
        Value::String(text) if wanted == "true or false" => {
            let is_word = ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word));
            (!is_word).then(|| "must be true or false, found a string: write `true` or `false`".into())
        }
        Value::Array(entries) if one(entries) && wanted != "a list" => Some(format!(
            "must be {wanted}, found a list: write its entry alone, without brackets or the dash"
        )),
        Value::Array(_) if wanted == "an object" => {
            Some("must be an object, found a list: write the fields without dashes".into())
        }
        Value::Object(_) if wanted == "a list" => {
            Some("must be a list, found an object: begin each entry with a dash".into())
        }
        _ if wanted == "one of its names" => {
            let names = schema?.get("enum")?.as_array()?;
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            Some(format!("must be {}", any_of(&names)))
        }
        _ if wanted.starts_with("one of ") => {
            let known: Vec<&str> = names_in(wanted).collect();
            let near = nearest(value.as_str()?, &known)?;
            Some(format!("{message}: did you mean `{near}`?"))
        }
        _ => None,
    }
}

/// A number that is written with a unit, as one of the schema's: `200ms` is 200 where milliseconds are counted.
fn quantity(text: &str, schema: &Value) -> Option<String> {
    let text = text.trim();
    // A plain number in quotes: the message has the remedy.
    if text.parse::<f64>().is_ok() {
        return None;
    }
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let units: &[(&str, &[(&str, f64)])] = &[
        (
            "millisecond",
            &[
                ("ms", 1.0),
                ("s", 1e3),
                ("sec", 1e3),
                ("m", 6e4),
                ("min", 6e4),
                ("h", 3.6e6),
                ("us", 1e-3),
                ("µs", 1e-3),
            ],
        ),
        (
            "second",
            &[
                ("ms", 1e-3),
                ("s", 1.0),
                ("sec", 1.0),
                ("m", 60.0),
                ("min", 60.0),
                ("h", 3600.0),
                ("d", 86_400.0),
            ],
        ),
        (
            "byte",
            &[
                ("b", 1.0),
                ("k", 1e3),
                ("kb", 1e3),
                ("ki", 1024.0),
                ("kib", 1024.0),
                ("m", 1e6),
                ("mb", 1e6),
                ("mi", 1_048_576.0),
                ("mib", 1_048_576.0),
                ("g", 1e9),
                ("gb", 1e9),
                ("gi", 1_073_741_824.0),
                ("gib", 1_073_741_824.0),
            ],
        ),
    ];
    // In the plural: `requests per second` counts requests.
    let counted = units.iter().find(|(unit, _)| description.contains(&format!("{unit}s")));
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let unit = unit.trim().to_lowercase();
    let Some((name, factors)) = counted else {
        let number = digits.parse::<f64>().ok().filter(|_| !unit.is_empty() && unit.len() <= 5);
        return number.map(|number| format!("must be a number without a unit: write {number}"));
    };
    let factor = factors.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
    let number = digits.parse::<f64>().ok().zip(factor).map(|(number, factor)| number * factor);
    let number = number.filter(|number| *number >= 1.0).map(f64::round);
    Some(match number {
        Some(number) => format!("counts {name}s and must be a number: write {number}"),
        None => format!("counts {name}s and must be a number: write one without quotes and without a unit"),
    })
}
