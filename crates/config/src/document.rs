//! The document that a gateway passes to a plug-in: global fields and `_rules_`.

use std::borrow::Cow;
use std::cell::RefCell;

use serde::Deserialize;

use crate::host::HostPattern;
use crate::inherit::{BorrowedFields, Fields, Overlay, OwnedValue};
use crate::names::{self, Kind};
use crate::path::Path;
use crate::rules::Conditions;
use crate::source::{self, Object, RawValue, Receive};
use crate::strict::{Context, Strict};
use crate::{ConfigError, Configuration, FieldError, NonEmptyString, RuleFields, suggest};

/// The key of the rules, in the document only.
const RULES: &str = "_rules_";
/// The keys of the conditions, in a rule only.
const CONDITIONS: [&str; 5] =
    ["_match_route_", "_match_domain_", "_match_service_", "_match_route_prefix_", "_match_consumer_"];

/// The error for a list that is written twice.
const DUPLICATE: &str = "is a duplicate key: join the two lists";
/// The error for a condition outside of `_rules_`.
const MISPLACED: &str =
    "is a condition and belongs in a rule: move it and its fields into an entry of `_rules_`";

/// A plug-in's whole configuration.
#[derive(Debug)]
pub struct Document<C> {
    /// The configuration of requests that no rule matches. Absent if there are rules and no other fields: the plug-in
    /// then does not run for such requests.
    pub global: Option<C>,
    /// The rules in document order. The first that matches a request applies.
    pub rules: Vec<Rule<C>>,
}

/// A configuration for some requests.
#[derive(Debug)]
pub struct Rule<C> {
    /// The requests to which it applies.
    pub conditions: Conditions,
    /// Its configuration; [`Configuration::RULES`] says what it has of the global fields.
    pub config: C,
}

impl<C: Configuration> Document<C> {
    /// Reads the JSON that a gateway delivers. An empty text is the empty document, because gateways deliver no text if
    /// nothing is configured.
    ///
    /// # Errors
    ///
    /// The first error, with its path; see [`ConfigError`].
    pub fn from_json(text: &[u8]) -> Result<Self, ConfigError> {
        let text = if text.trim_ascii().is_empty() { b"{}" } else { text };
        let context = Context::default();
        let mut json = serde_json::Deserializer::from_slice(text);
        let mut document = None;
        source::find(&mut json, &mut |found| {
            document = Some(match C::RULES {
                RuleFields::Replace => read_document(found, &context)?,
                RuleFields::Inherit => read_inheriting(found, &context)?,
                RuleFields::Extend => read_extending(found, &context)?,
            });
            Ok(())
        })
        .and_then(|()| json.end().map_err(|error| key_error("", error.to_string())))
        .map_err(|error| error.locate(&Path::Root))?;
        document.ok_or_else(|| ConfigError::new("", "is empty: write an object"))
    }
}

/// Reads a document whose rules do not depend on its global fields. `read` reads the fields of a rule.
fn read_parts<C: Configuration, R>(
    found: RawValue<'_>,
    context: &Context,
    read: impl Fn(&mut dyn Object, &Path<'_>, &Context) -> Result<R, ConfigError>,
) -> Result<(Option<C>, Vec<Rule<R>>), ConfigError> {
    let RawValue::Object(object) = found else {
        return Err(found.is_not(&"an object"));
    };
    let rules = RefCell::new(None);
    let mut own = OwnFields::new(object, |key, object| {
        if key == RULES {
            let path = Path::Key(&Path::Root, key);
            let list = list(object, &path, |found, path| {
                read_rule(found, path, |fields| read(fields, path, context))
            })?;
            if rules.replace(Some(list)).is_some() {
                return Err(key_error(key, DUPLICATE));
            }
            return Ok(true);
        }
        if is_condition(key) {
            return Err(key_error(key, MISPLACED));
        }
        Ok(false)
    });
    let needs_global = C::RULES == RuleFields::Extend || own.any()? || rules.borrow().is_none();
    let global = needs_global.then(|| configuration(&mut own, &Path::Root, context)).transpose()?;
    Ok((global, rules.into_inner().unwrap_or_default()))
}

/// Reads a document whose rules replace its global fields.
fn read_document<C: Configuration>(
    found: RawValue<'_>,
    context: &Context,
) -> Result<Document<C>, ConfigError> {
    let (global, rules) = read_parts(found, context, configuration)?;
    whole(global, rules)
}

/// Reads a document whose rules extend its global configuration, which may follow them.
fn read_extending<C: Configuration>(
    found: RawValue<'_>,
    context: &Context,
) -> Result<Document<C>, ConfigError> {
    let (mut global, rules) = read_parts::<C, _>(found, context, fields::<C>)?;
    let mut extended = Vec::with_capacity(rules.len());
    for (index, Rule { conditions, config }) in rules.into_iter().enumerate() {
        let list = Path::Key(&Path::Root, RULES);
        let Some(global) = &mut global else { break };
        let config = global.check_rule(config);
        let config = config.map_err(|error| ConfigError::from(error).locate(&Path::Index(&list, index)))?;
        extended.push(Rule { conditions, config });
    }
    whole(global, extended)
}

/// Reads a document whose rules start from its global fields. The global fields are read first, in any order, so that an
/// error in one of them is reported there, and not for each rule.
fn read_inheriting<C: Configuration>(
    found: RawValue<'_>,
    context: &Context,
) -> Result<Document<C>, ConfigError> {
    let RawValue::Object(object) = found else {
        return Err(found.is_not(&"an object"));
    };
    let mut fields = Fields::new();
    let mut rules = None;
    while let Some(key) = object.next_key()? {
        if is_condition(&key) {
            return Err(key_error(&key, MISPLACED));
        }
        let value = OwnedValue::value(object).map_err(|error| error.locate(&Path::Key(&Path::Root, &key)))?;
        if key != RULES {
            fields.push((key, value));
        } else if rules.replace(value).is_some() {
            return Err(key_error(&key, DUPLICATE));
        }
    }
    let global = if !fields.is_empty() || rules.is_none() {
        Some(configuration(&mut BorrowedFields::fields(&fields), &Path::Root, context)?)
    } else {
        None
    };
    let rules = rules.map(|rules| {
        let path = Path::Key(&Path::Root, RULES);
        list(&mut BorrowedFields::value(&rules), &path, |found, path| {
            read_rule(found, path, |own| inheriting(&mut Overlay::new(own, &fields), path, context))
        })
    });
    whole(global, rules.transpose()?.unwrap_or_default())
}

/// Returns the document, unless it is empty.
fn whole<C>(global: Option<C>, rules: Vec<Rule<C>>) -> Result<Document<C>, ConfigError> {
    if global.is_none() && rules.is_empty() {
        let message = "has no rules, and there are no other fields: add a rule, or remove `_rules_`";
        return Err(key_error(RULES, message));
    }
    Ok(Document { global, rules })
}

/// Reads a rule, whose fields are read by `read`.
fn read_rule<C>(
    found: RawValue<'_>,
    path: &Path<'_>,
    read: impl FnOnce(&mut dyn Object) -> Result<C, ConfigError>,
) -> Result<Rule<C>, ConfigError> {
    let RawValue::Object(object) = found else {
        return Err(found.is_not(&"an object with a condition and fields"));
    };
    let mut conditions = Conditions::default();
    let mut own = OwnFields::new(object, |key, object| {
        if !is_condition(key) {
            return Ok(false);
        }
        let path = Path::Key(path, key);
        let (names, kind) = match key {
            "_match_domain_" => {
                read_condition(&mut conditions.hosts, object, &path, |name| {
                    HostPattern::parse(name).map_err(|error| error.to_string().into())
                })?;
                return Ok(true);
            }
            "_match_route_" => (&mut conditions.routes, Kind::Route),
            "_match_service_" => (&mut conditions.services, Kind::Service),
            "_match_route_prefix_" => (&mut conditions.route_prefixes, Kind::RoutePrefix),
            "_match_consumer_" => (&mut conditions.consumers, Kind::Consumer),
            _ => return Err(key_error(key, unknown_condition(key))),
        };
        read_condition(names, object, &path, |name| match names::problem(kind, name) {
            Some(message) => Err(message.into()),
            None => Ok(name.to_owned()),
        })?;
        Ok(true)
    });
    let config = read(&mut own)?;
    if conditions == Conditions::default() {
        return Err(key_error("", format!("has no condition: add {}", suggest::any_of(&CONDITIONS))));
    }
    Ok(Rule { conditions, config })
}

/// Reads the values of a condition into `values`, which is empty unless the key is a duplicate.
fn read_condition<T>(
    values: &mut Vec<T>,
    object: &mut dyn Object,
    path: &Path<'_>,
    parse: impl Fn(&str) -> Result<T, Cow<'static, str>>,
) -> Result<(), ConfigError> {
    if !values.is_empty() {
        return Err(key_error("", DUPLICATE).locate(path));
    }
    *values = list(object, path, |found, _| match found {
        RawValue::Str("") => Err(key_error("", NonEmptyString::EMPTY)),
        RawValue::Str(name) => parse(name).map_err(|message| key_error("", message)),
        other => Err(other.is_not(&"a string")),
    })?;
    if values.is_empty() {
        let message = "must not be empty: add an entry, or remove the condition";
        return Err(key_error("", message).locate(path));
    }
    Ok(())
}

/// Reads the entries of a list.
fn list<T>(
    object: &mut dyn Object,
    path: &Path<'_>,
    mut read: impl FnMut(RawValue<'_>, &Path<'_>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let mut entries = Vec::new();
    object
        .value(&mut |found| {
            let RawValue::List(list) = found else {
                return Err(found.is_not(&"a list"));
            };
            loop {
                let path = Path::Index(path, entries.len());
                let more = list.next(&mut |found| {
                    entries.push(read(found, &path).map_err(|error| error.locate(&path))?);
                    Ok(())
                });
                if !more.map_err(|error| error.locate(&path))? {
                    return Ok(());
                }
            }
        })
        .map_err(|error| error.locate(path))?;
    Ok(entries)
}

/// Reads the fields of a plug-in.
fn fields<C: Configuration>(
    fields: &mut dyn Object,
    path: &Path<'_>,
    context: &Context,
) -> Result<C::Fields, ConfigError> {
    C::Fields::deserialize(Strict { found: RawValue::Object(fields), path, context })
}

/// Reads and checks them.
fn configuration<C: Configuration>(
    own: &mut dyn Object,
    path: &Path<'_>,
    context: &Context,
) -> Result<C, ConfigError> {
    C::check(fields::<C>(own, path, context)?).map_err(|error| ConfigError::from(error).locate(path))
}

/// The same for a rule that starts from the global fields.
fn inheriting<C: Configuration>(
    overlay: &mut Overlay<'_>,
    path: &Path<'_>,
    context: &Context,
) -> Result<C, ConfigError> {
    let fields = fields::<C>(overlay, path, context)?;
    C::check(fields).map_err(|error| ConfigError::from(overlay.explain(error)).locate(path))
}

/// Returns true if a key has the form of a condition. Unknown conditions are errors, because ignoring one would widen its
/// rule.
fn is_condition(key: &str) -> bool {
    key.starts_with("_match_") && key.ends_with('_')
}

/// Creates an error for a key of the object that is being read.
fn key_error(key: &str, message: impl Into<String>) -> ConfigError {
    FieldError::new(key, message).into()
}

/// Returns the error for an unknown condition.
fn unknown_condition(key: &str) -> String {
    let all = suggest::list(&CONDITIONS);
    match suggest::nearest(key, &CONDITIONS) {
        Some(near) => format!("is not a known condition: did you mean `{near}`? The conditions are {all}"),
        None => format!("is not a known condition: the conditions are {all}"),
    }
}

/// An object without the keys of the document. The others are fields of the plug-in.
struct OwnFields<'a, T> {
    object: &'a mut dyn Object,
    /// Reads the value of a key and returns true, or returns false for a field of the plug-in.
    take: T,
    /// A key that was read by [`any`](Self::any).
    first: Option<String>,
}

impl<'a, T: FnMut(&str, &mut dyn Object) -> Result<bool, ConfigError>> OwnFields<'a, T> {
    fn new(object: &'a mut dyn Object, take: T) -> Self {
        OwnFields { object, take, first: None }
    }

    /// Returns true if there is a field of the plug-in. Reads the other keys before it.
    fn any(&mut self) -> Result<bool, ConfigError> {
        self.first = self.next_key()?;
        Ok(self.first.is_some())
    }
}

impl<T: FnMut(&str, &mut dyn Object) -> Result<bool, ConfigError>> Object for OwnFields<'_, T> {
    fn next_key(&mut self) -> Result<Option<String>, ConfigError> {
        if self.first.is_some() {
            return Ok(self.first.take());
        }
        while let Some(key) = self.object.next_key()? {
            if !(self.take)(&key, self.object)? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn value(&mut self, receive: Receive<'_>) -> Result<(), ConfigError> {
        self.object.value(receive)
    }
}
