//! The document that a gateway hands to a plug-in: global fields, and `_rules_`.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::path::Path;
use crate::strict::{Context, Own, Strict, next_own_key};
use crate::{ConfigError, Configuration, FieldError, NonEmptyString, suggest};

/// The key of the rules, in the document only.
const RULES: &str = "_rules_";
/// The keys of the conditions, in a rule only.
const CONDITIONS: [&str; 4] = [
    "_match_route_",
    "_match_domain_",
    "_match_service_",
    "_match_route_prefix_",
];

/// A plug-in's whole configuration.
#[derive(Debug)]
pub struct Document<C> {
    /// What applies to a request that no rule matches. Absent when there are rules and no field beside
    /// them: such a request then passes untouched.
    pub global: Option<C>,
    /// The rules in the order of the document; the first that matches a request decides.
    pub rules: Vec<Rule<C>>,
}

/// A configuration for some requests.
#[derive(Debug)]
pub struct Rule<C> {
    /// Which requests.
    pub conditions: Conditions,
    /// Its fields: they replace the global ones.
    pub config: C,
}

/// What a rule asks of a request. Every list that is not empty must hold; inside one, any entry does.
/// At least one list has entries.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// `_match_route_`: names of routes.
    pub routes: Vec<String>,
    /// `_match_route_prefix_`: what the name of a route begins with.
    pub route_prefixes: Vec<String>,
    /// `_match_domain_`: host names, `*.suffix`, `prefix*` or `*`; not yet checked as such.
    pub domains: Vec<String>,
    /// `_match_service_`: fully qualified names of services, with or without a port.
    pub services: Vec<String>,
}

impl<C: Configuration> Document<C> {
    /// Reads the JSON that a gateway delivers. No text at all is the empty document, because a gateway
    /// sends none when there is nothing to configure.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place; see [`ConfigError`].
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let text = if text.trim_ascii().is_empty() { b"{}" } else { text };
        let mut json = serde_json::Deserializer::from_slice(text);
        let context = Context::default();
        let visitor = DocumentVisitor {
            context: &context,
            configuration: PhantomData,
        };
        let document = Strict {
            inner: &mut json,
            path: &Path::Root,
            context: &context,
        }
        .deserialize_any(visitor)?;
        json.end()
            .map_err(|error| ConfigError::new("", error.to_string()))?;
        Ok(document)
    }
}

/// Whether a key has the form of a condition, known or not: ignoring one would widen its rule.
fn is_condition(key: &str) -> bool {
    key.starts_with("_match_") && key.ends_with('_')
}

/// An error about the key of the object that is being read.
fn key_error(key: &str, message: impl Into<String>) -> ConfigError {
    FieldError::new(key, message).into()
}

/// Reads a plug-in's own fields and checks them.
fn configuration<'de, C, A, R>(own: Own<'_, A, R>) -> Result<C, A::Error>
where
    C: Configuration,
    A: MapAccess<'de>,
    R: FnMut(&str, &mut A) -> Result<bool, A::Error>,
{
    let context = own.context;
    let fields = C::Fields::deserialize(own)?;
    C::check(fields).map_err(|error| context.stash(error.into()))
}

struct DocumentVisitor<'c, C> {
    context: &'c Context,
    configuration: PhantomData<C>,
}

impl<'de, C: Configuration> Visitor<'de> for DocumentVisitor<'_, C> {
    type Value = Document<C>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document<C>, A::Error> {
        let context = self.context;
        let rules = RefCell::new(None);
        let mut reserved = |key: &str, map: &mut A| {
            if key == RULES {
                let list = map.next_value_seed(RuleList {
                    context,
                    configuration: PhantomData,
                })?;
                if rules.replace(Some(list)).is_some() {
                    return Err(context.stash(key_error(key, "stands there twice: join the two lists")));
                }
                return Ok(true);
            }
            if is_condition(key) {
                let message =
                    "is a condition and belongs in a rule: move it and its fields into an entry of `_rules_`";
                return Err(context.stash(key_error(key, message)));
            }
            Ok(false)
        };
        let first = next_own_key(&mut map, &mut reserved)?;
        let global = if first.is_some() || rules.borrow().is_none() {
            Some(configuration(Own {
                map,
                first,
                reserved,
                context,
            })?)
        } else {
            None
        };
        let rules: Vec<Rule<C>> = rules.into_inner().unwrap_or_default();
        if global.is_none() && rules.is_empty() {
            let message = "has no rule, and there is no field beside it: add a rule, or remove `_rules_`";
            return Err(context.stash(key_error(RULES, message)));
        }
        Ok(Document { global, rules })
    }
}

/// The value of `_rules_`.
struct RuleList<'c, C> {
    context: &'c Context,
    configuration: PhantomData<C>,
}

impl<'de, C: Configuration> DeserializeSeed<'de> for RuleList<'_, C> {
    type Value = Vec<Rule<C>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Rule<C>>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, C: Configuration> Visitor<'de> for RuleList<'_, C> {
    type Value = Vec<Rule<C>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of rules")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<Rule<C>>, A::Error> {
        let mut rules = Vec::new();
        while let Some(rule) = entries.next_element_seed(RuleSeed {
            context: self.context,
            configuration: PhantomData,
        })? {
            rules.push(rule);
        }
        Ok(rules)
    }
}

/// One rule.
struct RuleSeed<'c, C> {
    context: &'c Context,
    configuration: PhantomData<C>,
}

impl<'de, C: Configuration> DeserializeSeed<'de> for RuleSeed<'_, C> {
    type Value = Rule<C>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rule<C>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, C: Configuration> Visitor<'de> for RuleSeed<'_, C> {
    type Value = Rule<C>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with a condition and fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule<C>, A::Error> {
        let context = self.context;
        let mut conditions = Conditions::default();
        let reserved = |key: &str, map: &mut A| {
            if !is_condition(key) {
                return Ok(false);
            }
            let list = match key {
                "_match_route_" => &mut conditions.routes,
                "_match_domain_" => &mut conditions.domains,
                "_match_service_" => &mut conditions.services,
                "_match_route_prefix_" => &mut conditions.route_prefixes,
                _ => return Err(context.stash(key_error(key, unknown_condition(key)))),
            };
            let twice = !list.is_empty();
            *list = map
                .next_value::<Vec<NonEmptyString>>()?
                .into_iter()
                .map(String::from)
                .collect();
            if twice {
                return Err(context.stash(key_error(key, "stands there twice: join the two lists")));
            }
            if list.is_empty() {
                let message = "must not be empty: name what it should match, or remove it";
                return Err(context.stash(key_error(key, message)));
            }
            Ok(true)
        };
        let config = configuration(Own {
            map,
            first: None,
            reserved,
            context,
        })?;
        if conditions == Conditions::default() {
            let message = format!("has no condition: add {}", suggest::any_of(&CONDITIONS));
            return Err(context.stash(key_error("", message)));
        }
        Ok(Rule { conditions, config })
    }
}

/// The message for a condition that does not exist.
fn unknown_condition(key: &str) -> String {
    let all = suggest::list(&CONDITIONS);
    match suggest::nearest(key, &CONDITIONS) {
        Some(near) => format!("is not a condition: did you mean `{near}`? There are {all}"),
        None => format!("is not a condition: there are {all}"),
    }
}
