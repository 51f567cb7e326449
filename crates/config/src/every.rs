//! All errors of a value, found with a check that stops at the first error.
//!
//! The check is repeated on a copy without the invalid parts, until it passes. Tools do this with the native check, so
//! modules need no code for it.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{ConfigError, strict};

/// The maximum number of errors that are collected.
pub const MAX_ERRORS: usize = 50;

/// The maximum number of runs of the check. An error that is caused by another one costs a run and is not reported.
const MAX_RUNS: usize = 4 * MAX_ERRORS;

/// The errors of a value, and the value without the invalid parts.
#[derive(Debug, Clone)]
pub struct Every {
    errors: Vec<ConfigError>,
    rest: Tree,
}

impl Every {
    /// Runs `check` until it passes. `schema` is the OpenAPI v3 schema of the fields, if there is one: missing fields are
    /// filled in from it, so that the other fields are checked too. `inherits` is true if rules start from the global fields,
    /// so that an error there can cause a missing field in a rule.
    pub fn of(
        value: &Value,
        schema: Option<&Value>,
        inherits: bool,
        mut check: impl FnMut(&Value) -> Result<(), ConfigError>,
    ) -> Self {
        let mut every = Self { errors: Vec::new(), rest: Tree::of(value) };
        for _ in 0..MAX_RUNS {
            let Err(error) = check(&every.rest.to_json()) else { break };
            if every.errors.len() == MAX_ERRORS || !every.take(&error, schema, inherits) {
                break;
            }
        }
        every
    }

    /// Reads a value into a type and refuses unknown fields: all that is wrong, and the value without it. `schema` as for
    /// [`of`](Self::of).
    #[must_use]
    pub fn read<T: DeserializeOwned>(value: &Value, schema: Option<&Value>) -> (Option<T>, Self) {
        let every = Self::of(value, schema, false, |value| strict::from_json::<T>(value).map(drop));
        (strict::from_json(&every.rest()).ok().flatten(), every)
    }

    /// Returns the errors, without duplicates, with their paths in the original value.
    #[must_use]
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// Returns only the errors.
    #[must_use]
    pub fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }

    /// Returns the value without the invalid parts.
    #[must_use]
    pub fn rest(&self) -> Value {
        self.rest.to_json()
    }

    /// Converts a path in [`rest`](Self::rest) into the path in the original value.
    #[must_use]
    pub fn original(&self, path: &str) -> String {
        let (steps, tail) = self.rest.resolve(path);
        self.rest.written(&steps, tail)
    }

    /// Records an error and removes the invalid part; false if nothing is left to check.
    fn take(&mut self, error: &ConfigError, schema: Option<&Value>, inherits: bool) -> bool {
        let (steps, tail) = self.rest.resolve(error.path());
        let Some(node) = self.rest.get(&steps) else { return false };
        if steps.is_empty() && node.has_lost("_rules_") {
            // A document without its rules is another document, which needs global fields.
            return false;
        }
        let missing = missing(error.message()).filter(|_| tail.is_empty());
        let follows = match missing {
            Some(name) => node.has_lost(name) || (inherits && self.rest.has_lost(name)),
            None => {
                node.is_touched()
                    || self.is_filled_in(&steps)
                    || (!error.cause().is_empty() && self.rest.is_touched_at(error.cause()))
            }
        };
        if !follows {
            let path = self.rest.written(&steps, tail);
            if !self.errors.iter().any(|known| known.path() == path && known.message() == error.message()) {
                self.errors.push(ConfigError::new(path, error.message()));
            }
        }
        if let Some(name) = missing
            && let Some(filler) = schema
                .and_then(|schema| sample(below(schema, &self.rest, &steps)?.get("properties")?.get(name)?))
            && let Some(Tree::Map { fields, fillers, .. }) = self.rest.get_mut(&steps)
            && fillers.insert(name.to_owned())
        {
            fields.push((name.to_owned(), Tree::of(&filler)));
            return true;
        }
        let mut gone = steps;
        // If a filled in value is invalid, remove the object that contains it.
        while self.is_filled_in(&gone) {
            gone.pop();
        }
        self.rest.remove(&gone, error.message())
    }

    /// Returns true if a part was filled in, or is inside of such a part.
    fn is_filled_in(&self, steps: &[usize]) -> bool {
        (1..=steps.len()).any(|length| {
            let (Some((last, parent)), true) =
                (steps.get(..length).and_then(<[usize]>::split_last), length > 0)
            else {
                return false;
            };
            match self.rest.get(parent) {
                Some(Tree::Map { fields, fillers, .. }) => {
                    fields.get(*last).is_some_and(|(name, _)| fillers.contains(name))
                }
                _ => false,
            }
        })
    }
}

/// The field that an error says is missing.
fn missing(message: &str) -> Option<&str> {
    let (name, rest) = message.strip_prefix('`')?.split_once('`')?;
    rest.starts_with(" is missing: add it").then_some(name)
}

/// A value that remembers where its parts were.
#[derive(Debug, Clone)]
enum Tree {
    Scalar(Value),
    /// Entries with the index that they had.
    List {
        entries: Vec<(usize, Tree)>,
        touched: bool,
    },
    /// Fields; those that were left out, with what was wrong; and those that were filled in.
    Map {
        fields: Vec<(String, Tree)>,
        lost: Vec<(String, String)>,
        fillers: HashSet<String>,
    },
}

impl Tree {
    fn of(value: &Value) -> Self {
        match value {
            Value::Array(entries) => {
                Self::List { entries: entries.iter().map(Self::of).enumerate().collect(), touched: false }
            }
            Value::Object(fields) => Self::Map {
                fields: fields.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect(),
                lost: Vec::new(),
                fillers: HashSet::new(),
            },
            other => Self::Scalar(other.clone()),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List { entries, .. } => entries.iter().map(|(_, entry)| entry.to_json()).collect(),
            Self::Map { fields, .. } => Value::Object(
                fields.iter().map(|(name, value)| (name.clone(), value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    fn child(&self, step: usize) -> Option<&Self> {
        match self {
            Self::Scalar(_) => None,
            Self::List { entries, .. } => entries.get(step).map(|(_, entry)| entry),
            Self::Map { fields, .. } => fields.get(step).map(|(_, value)| value),
        }
    }

    fn get(&self, steps: &[usize]) -> Option<&Self> {
        steps.iter().try_fold(self, |tree, step| tree.child(*step))
    }

    fn get_mut(&mut self, steps: &[usize]) -> Option<&mut Self> {
        steps.iter().try_fold(self, |tree, step| match tree {
            Self::Scalar(_) => None,
            Self::List { entries, .. } => entries.get_mut(*step).map(|(_, entry)| entry),
            Self::Map { fields, .. } => fields.get_mut(*step).map(|(_, value)| value),
        })
    }

    /// Returns the steps to the innermost existing part of a path, and the rest of the path.
    fn resolve<'p>(&self, path: &'p str) -> (Vec<usize>, &'p str) {
        let (mut steps, mut tree, mut rest) = (Vec::new(), self, path);
        while let Some((step, tail)) = tree.step(rest) {
            let Some(child) = tree.child(step) else { break };
            steps.push(step);
            (tree, rest) = (child, tail);
        }
        (steps, rest)
    }

    fn step<'p>(&self, path: &'p str) -> Option<(usize, &'p str)> {
        match self {
            Self::Scalar(_) => None,
            Self::List { entries, .. } => {
                let (index, tail) = path.strip_prefix('[')?.split_once(']')?;
                index.parse().ok().filter(|index| *index < entries.len()).map(|index| (index, tail))
            }
            // A key may contain dots and brackets: the longest match is used.
            Self::Map { fields, .. } => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let fits = fields.iter().enumerate().filter_map(|(step, (name, _))| {
                    let tail = path.strip_prefix(name.as_str())?;
                    (!path.is_empty() && (tail.is_empty() || tail.starts_with(['.', '['])))
                        .then_some((step, tail))
                });
                fits.min_by_key(|(_, tail)| tail.len())
            }
        }
    }

    /// Returns the path in the original value.
    fn written(&self, steps: &[usize], tail: &str) -> String {
        let (mut path, mut tree) = (String::new(), self);
        for step in steps {
            match tree {
                Self::List { entries, .. } => {
                    let index = entries.get(*step).map_or(*step, |(index, _)| *index);
                    path.push_str(&format!("[{index}]"));
                }
                Self::Map { fields, .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(fields.get(*step).map_or("", |(name, _)| name));
                }
                Self::Scalar(_) => {}
            }
            let Some(child) = tree.child(*step) else { break };
            tree = child;
        }
        let tail = tail.strip_prefix('.').unwrap_or(tail);
        let dot = if path.is_empty() || tail.is_empty() || tail.starts_with('[') { "" } else { "." };
        format!("{path}{dot}{tail}")
    }

    /// Returns true if a part was removed or filled in, so that this can be the cause of an error about the whole.
    fn is_touched(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::List { entries, touched } => {
                *touched || entries.iter().any(|(_, entry)| entry.is_touched())
            }
            Self::Map { fields, lost, fillers } => {
                !lost.is_empty() || !fillers.is_empty() || fields.iter().any(|(_, value)| value.is_touched())
            }
        }
    }

    /// Returns true if a field was removed, or has a part for which [`is_touched`](Self::is_touched) holds.
    fn is_touched_at(&self, name: &str) -> bool {
        let touched = |(field, value): &(String, Tree)| field == name && value.is_touched();
        self.has_lost(name) || matches!(self, Self::Map { fields, .. } if fields.iter().any(touched))
    }

    /// Returns true if a field was removed, or one for which it was suggested.
    fn has_lost(&self, wanted: &str) -> bool {
        match self {
            Self::Map { lost, .. } => {
                lost.iter().any(|(name, message)| name == wanted || message.contains(&format!("`{wanted}`?")))
            }
            Self::Scalar(_) | Self::List { .. } => false,
        }
    }

    /// Removes a part; false for the root.
    fn remove(&mut self, steps: &[usize], message: &str) -> bool {
        let Some((last, parents)) = steps.split_last() else { return false };
        match self.get_mut(parents) {
            Some(Self::List { entries, touched }) if *last < entries.len() => {
                entries.remove(*last);
                *touched = true;
                true
            }
            Some(Self::Map { fields, lost, .. }) if *last < fields.len() => {
                let (name, _) = fields.remove(*last);
                lost.push((name, message.to_owned()));
                true
            }
            _ => false,
        }
    }
}

/// Returns the schema of a part. A rule has the schema of the document.
fn below<'s>(schema: &'s Value, tree: &Tree, steps: &[usize]) -> Option<&'s Value> {
    let (mut schema, mut tree, mut steps) = (schema, tree, steps);
    if let ([key, _, rest @ ..], Tree::Map { fields, .. }) = (steps, tree)
        && fields.get(*key).is_some_and(|(name, _)| name == "_rules_")
    {
        tree = tree.get(steps.get(..2)?)?;
        steps = rest;
    }
    for step in steps {
        schema = match tree {
            Tree::Map { fields, .. } => {
                let (name, _) = fields.get(*step)?;
                let own = schema.get("properties").and_then(|all| all.get(name));
                own.or_else(|| schema.get("additionalProperties"))?
            }
            Tree::List { .. } => schema.get("items")?,
            Tree::Scalar(_) => return None,
        };
        tree = tree.child(*step)?;
    }
    Some(schema)
}

/// Returns a valid value for a schema.
fn sample(schema: &Value) -> Option<Value> {
    if let Some(value) = schema.get("default").or_else(|| schema.get("enum")?.get(0)) {
        return Some(value.clone());
    }
    Some(match schema.get("type")?.as_str()? {
        "string" => "x".into(),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        "boolean" => false.into(),
        "array" => Value::Array(match schema.get("minItems").and_then(Value::as_u64) {
            Some(1..) => vec![sample(schema.get("items")?)?],
            _ => Vec::new(),
        }),
        "object" => {
            let mut fields = Map::new();
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            for name in required.filter_map(Value::as_str) {
                fields.insert(name.into(), sample(schema.get("properties")?.get(name)?)?);
            }
            Value::Object(fields)
        }
        _ => return None,
    })
}
