//! Strings that YAML parses as numbers: a cluster reads `64e5` as the string `6400000`, and `010` as `8`.

use resource::yaml::{Fault, Node};
use serde_json::Value;

/// Returns a note for each string of a configuration that YAML parses as another type. `place` returns the path of a field
/// in the document.
pub(super) fn remarks(
    text: &str,
    document: &Node,
    configuration: &Value,
    schema: &Value,
    place: impl Fn(&str) -> String,
) -> Vec<Fault> {
    let mut found = Vec::new();
    collect(configuration, schema, "", &mut found);
    let rules = configuration.get("_rules_").and_then(Value::as_array);
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        collect(rule, schema, &format!("_rules_[{index}]"), &mut found);
    }
    let remark = |(path, read): (String, String)| {
        let place = place(&path);
        let span = document.at(&place)?.span();
        // After an anchor or a tag; numbers contain no spaces.
        let written = span.of(text)?.rsplit(' ').next()?;
        // An alias refers to another position.
        let differs = written != read && !written.starts_with('*');
        let message =
            format!("is the text `{read}`, not what is written here: put it in quotes, '{written}'");
        differs.then(|| Fault::new(text, span, place, message))
    };
    found.into_iter().filter_map(remark).collect()
}

/// Returns the paths of values that are strings by the schema and another type in YAML, with the resulting strings.
fn collect(value: &Value, schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Number(_) | Value::Bool(_) if schema["type"] == "string" => {
            found.push((path.to_owned(), value.to_string()));
        }
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                collect(entry, &schema["items"], &format!("{path}[{index}]"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let own = schema["properties"].get(name);
                let schema = own.unwrap_or(&schema["additionalProperties"]);
                let dot = if path.is_empty() { "" } else { "." };
                collect(field, schema, &format!("{path}{dot}{name}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_reads_otherwise_is_remarked_with_its_place() {
        let text = "\
a: 64e5
list: [010, 10, '010', yes]
map: {x: 1_000, w: 1.0, z: &x 0x10, v: *x}
number: 0x10
_rules_:
- a: +5
- a: 5
";
        let schema = json!({ "properties": {
            "a": { "type": "string" },
            "list": { "items": { "type": "string" } },
            "map": { "additionalProperties": { "type": "string" } },
            "number": { "type": "integer" },
        } });
        let documents = resource::yaml::read(text).unwrap();
        let node = documents.first().unwrap();
        let remarks = remarks(text, node, &node.to_json(), &schema, str::to_owned);
        let found: Vec<_> =
            remarks.iter().map(|fault| (fault.path.as_str(), fault.line, fault.message.as_str())).collect();
        let words = |read: &str, written: &str| {
            format!("is the text `{read}`, not what is written here: put it in quotes, '{written}'")
        };
        let expected = [
            ("a", 1, words("6400000", "64e5")),
            ("list[0]", 2, words("8", "010")),
            ("list[3]", 2, words("true", "yes")),
            ("map.x", 3, words("1000", "1_000")),
            ("map.w", 3, words("1", "1.0")),
            ("map.z", 3, words("16", "0x10")),
            ("_rules_[0].a", 6, words("5", "+5")),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(path, line, words)| (*path, *line, words.as_str())).collect();
        assert_eq!(found, expected);
    }
}
