//! Cases that several plug-ins share: attacks on a family, with what each plug-in needs for them.

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use super::Case;

/// A file of attacks, and the values of its variables.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Include {
    attacks: Attacks,
    with: Mapping,
}

/// The families of plug-ins with attacks.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Attacks {
    Ai,
    Authentication,
}

impl Attacks {
    fn text(self) -> &'static str {
        match self {
            Attacks::Ai => include_str!("../../attacks/ai.yaml"),
            Attacks::Authentication => include_str!("../../attacks/authentication.yaml"),
        }
    }
}

impl Include {
    /// Returns the cases, or what is wrong with the values.
    pub(super) fn cases(&self) -> Result<Vec<Case>, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Template {
            cases: Vec<Value>,
        }
        let template: Template =
            serde_yaml::from_str(self.attacks.text()).map_err(|error| error.to_string())?;
        let mut used = Vec::new();
        let mut cases = Vec::new();
        for mut case in template.cases {
            self.fill_in(&mut case, &mut used)?;
            let name = case.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            cases.push(serde_yaml::from_value(case).map_err(|error| format!("case `{name}`: {error}"))?);
        }
        let is_used = |name: &&Value| name.as_str().is_some_and(|name| used.iter().any(|used| used == name));
        match self.with.keys().find(|name| !is_used(name)) {
            Some(name) => Err(format!("with: {name:?} is not a variable of the attacks: remove it")),
            None => Ok(cases),
        }
    }

    /// Replaces variables by their values, and notes their names in `used`.
    fn fill_in(&self, value: &mut Value, used: &mut Vec<String>) -> Result<(), String> {
        if let Some(found) = self.variable(value, used)? {
            *value = found.clone();
            return Ok(());
        }
        if let Some(chosen) = self.chosen(value, used)? {
            *value = chosen;
            return Ok(());
        }
        match value {
            Value::Mapping(fields) => fields.values_mut().try_for_each(|field| self.fill_in(field, used)),
            Value::Sequence(entries) => {
                let mut filled = Vec::with_capacity(entries.len());
                for mut entry in entries.drain(..) {
                    match self.variable(&entry, used)? {
                        Some(Value::Sequence(several)) => filled.extend(several.iter().cloned()),
                        Some(one) => filled.push(one.clone()),
                        None => {
                            self.fill_in(&mut entry, used)?;
                            filled.push(entry);
                        }
                    }
                }
                *entries = filled;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns what a variable chooses, if this is a map of outcomes by name under a variable: `{ $name: { outcome: … } }`. The
    /// variable is the name of one, another value, or a list of these, whose fields are joined.
    fn chosen(&self, value: &Value, used: &mut Vec<String>) -> Result<Option<Value>, String> {
        let Some((name, outcomes)) =
            value.as_mapping().filter(|map| map.len() == 1).and_then(|map| map.iter().next())
        else {
            return Ok(None);
        };
        let (Some(choice), Some(outcomes)) = (self.variable(name, used)?, outcomes.as_mapping()) else {
            return Ok(None);
        };
        let outcome = |choice: &Value| match choice.as_str() {
            Some(known) => outcomes.get(known).cloned().ok_or_else(|| {
                let name = name.as_str().unwrap_or_default().trim_start_matches('$');
                format!("with: `{name}`: `{known}` is not an outcome: write `unchanged`, or what is expected")
            }),
            None => Ok(choice.clone()),
        };
        let Some(choices) = choice.as_sequence() else { return outcome(choice).map(Some) };
        let mut joined = Value::Mapping(Mapping::new());
        for choice in choices {
            join(&mut joined, outcome(choice)?);
        }
        Ok(Some(joined))
    }

    /// Returns the value of a variable, if this is one.
    fn variable(&self, value: &Value, used: &mut Vec<String>) -> Result<Option<&Value>, String> {
        let Some(name) = value.as_str().and_then(|text| text.strip_prefix('$')) else { return Ok(None) };
        used.push(name.to_owned());
        let found = self.with.get(name).ok_or_else(|| format!("with: `{name}` is missing: add it"))?;
        Ok(Some(found))
    }
}

/// Adds the fields of a value to another, also in maps of both.
fn join(value: &mut Value, more: Value) {
    match (value, more) {
        (Value::Mapping(fields), Value::Mapping(more)) => {
            for (key, more) in more {
                join(fields.entry(key).or_insert(Value::Null), more);
            }
        }
        (value, more) => *value = more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, with: &str) -> Result<String, String> {
        let include = Include {
            attacks: Attacks::Authentication,
            with: serde_yaml::from_str(with).map_err(|error| error.to_string())?,
        };
        let mut value: Value = serde_yaml::from_str(template).map_err(|error| error.to_string())?;
        include.fill_in(&mut value, &mut Vec::new())?;
        serde_json::to_string(&value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_takes_the_place_of_a_variable_in_a_list() {
        let with = "{ a: [[k, v], [l, w]], b: text, c: { d: 1 } }";
        assert_eq!(
            filled("[x, $a, [$b], $c]", with).as_deref(),
            Ok(r#"["x",["k","v"],["l","w"],["text"],{"d":1}]"#)
        );
        assert_eq!(
            filled("{ e: $a, f: { g: $b } }", with).as_deref(),
            Ok(r#"{"e":[["k","v"],["l","w"]],"f":{"g":"text"}}"#)
        );
        assert_eq!(filled("[$x]", with), Err("with: `x` is missing: add it".to_owned()));
    }

    #[test]
    fn a_variable_chooses_an_outcome() {
        let template = "{ e: { $a: { unchanged: { status: 200 }, other: {} } }, f: { $b: { unchanged: { status: 200 } } } }";
        for (with, expected) in [
            ("{ a: unchanged, b: { status: 403 } }", Ok(r#"{"e":{"status":200},"f":{"status":403}}"#)),
            (
                "{ a: other, b: [unchanged, { body: a, u: { x: 1 } }, { u: { y: 2 } }] }",
                Ok(r#"{"e":{},"f":{"status":200,"body":"a","u":{"x":1,"y":2}}}"#),
            ),
            (
                "{ a: unchanged, b: other }",
                Err("with: `b`: `other` is not an outcome: write `unchanged`, or what is expected".to_owned()),
            ),
            ("{ a: other }", Err("with: `b` is missing: add it".to_owned())),
        ] {
            assert_eq!(filled(template, with), expected.map(str::to_owned), "{with}");
        }
    }
}
