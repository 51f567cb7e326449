//! Which requests need a consumer, and which consumers are allowed.
//!
//! With `allow`, the consumer must be in it. Without, any consumer is needed if `global_auth` is true, or if it is
//! absent and there are no rules. Other requests pass.

use std::collections::HashMap;
use std::rc::Rc;

use config::{FieldError, NonEmptyString};
use sdk::configuration;

/// What the configurations of all authentication plug-ins have; plug-ins declare the fields of these names.
#[derive(Debug, Default)]
pub struct Fields {
    /// `global_auth`.
    pub global_auth: Option<bool>,
    /// `allow`, in rules only.
    pub allow: Option<Vec<NonEmptyString>>,
    /// `if_authenticated`.
    pub if_authenticated: Option<IfAuthenticated>,
    /// `run_on_preflight`, true if absent.
    pub run_on_preflight: Option<bool>,
    /// `dry_run`.
    pub dry_run: Option<bool>,
}

/// What to do with a request that an earlier plug-in has authenticated.
#[configuration]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum IfAuthenticated {
    /// It needs the credentials of this plug-in as well.
    /// zh: 仍需本插件的凭证
    #[default]
    Require,
    /// It passes without them, if its consumer is allowed.
    /// zh: 消费者被允许时，无需凭证即可通过
    Skip,
}

/// Who may pass.
#[derive(Debug)]
pub struct Access {
    consumers: Rc<Consumers>,
    global_auth: Option<bool>,
    /// True if the document has rules.
    has_rules: bool,
    /// The numbers of the allowed consumers, sorted; `None` for all.
    allowed: Option<Vec<usize>>,
    if_authenticated: IfAuthenticated,
    run_on_preflight: bool,
    dry_run: bool,
}

#[derive(Debug)]
struct Consumers {
    names: Vec<Rc<str>>,
    numbers: HashMap<Rc<str>, usize>,
}

impl Consumers {
    fn new(names: impl IntoIterator<Item = String>) -> Result<Self, FieldError> {
        let mut consumers = Consumers { names: Vec::new(), numbers: HashMap::new() };
        for (number, name) in names.into_iter().enumerate() {
            let name: Rc<str> = name.into();
            if let Some(first) = consumers.numbers.insert(name.clone(), number) {
                return Err(FieldError::new(
                    format!("consumers[{number}].name"),
                    format!("is the name of consumers[{first}] as well: write another"),
                ));
            }
            consumers.names.push(name);
        }
        match consumers.names.is_empty() {
            true => Err(FieldError::new("consumers", "must not be empty: add a consumer")),
            false => Ok(consumers),
        }
    }
}

impl Access {
    /// Reads the global configuration. `names` are those of `consumers`, in order; a consumer's number is its index.
    ///
    /// # Errors
    ///
    /// There are no consumers, a name occurs twice, or `allow` is written.
    pub fn global(names: impl IntoIterator<Item = String>, fields: Fields) -> Result<Self, FieldError> {
        if fields.allow.is_some() {
            return Err(FieldError::new(
                "allow",
                "belongs in a rule: move it into an entry of `_rules_` (in a resource: into `config` of an entry of `matchRules`), or write \
                 `global_auth: true` to allow all consumers",
            ));
        }
        Ok(Access {
            consumers: Rc::new(Consumers::new(names)?),
            global_auth: fields.global_auth,
            has_rules: false,
            allowed: None,
            if_authenticated: fields.if_authenticated.unwrap_or_default(),
            run_on_preflight: fields.run_on_preflight.unwrap_or(true),
            dry_run: fields.dry_run.unwrap_or_default(),
        })
    }

    /// Reads a rule. `self` is the global configuration; `global` are the plug-in's own global fields, and whether the rule has
    /// them.
    ///
    /// # Errors
    ///
    /// The rule has a global field, or `allow` is empty or contains a name that is not a consumer's.
    pub fn rule(&mut self, fields: Fields, global: &[(&str, bool)]) -> Result<Self, FieldError> {
        only_global(global)?;
        only_global(&[
            ("global_auth", fields.global_auth.is_some()),
            ("if_authenticated", fields.if_authenticated.is_some()),
            ("run_on_preflight", fields.run_on_preflight.is_some()),
        ])?;
        self.has_rules = true;
        Ok(Access {
            consumers: self.consumers.clone(),
            global_auth: self.global_auth,
            has_rules: true,
            allowed: fields.allow.map(|names| self.numbers(&names)).transpose()?,
            if_authenticated: self.if_authenticated,
            run_on_preflight: self.run_on_preflight,
            dry_run: fields.dry_run.unwrap_or(self.dry_run),
        })
    }

    fn numbers(&self, names: &[NonEmptyString]) -> Result<Vec<usize>, FieldError> {
        if names.is_empty() {
            return Err(FieldError::new("allow", "must not be empty: add a consumer, or remove the field"));
        }
        let mut numbers = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let Some(number) = self.consumers.numbers.get(&**name) else {
                return Err(FieldError::in_list("allow", index, self.unknown(name)).caused_by("consumers"));
            };
            numbers.push(*number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn unknown(&self, name: &str) -> String {
        let names: Vec<&str> = self.consumers.names.iter().map(|name| &**name).collect();
        match config::nearest(name, &names) {
            Some(near) => format!("is not the name of a consumer: did you mean `{near}`?"),
            None => "is not the name of a consumer: add it to `consumers`, or remove the entry".to_owned(),
        }
    }

    /// Returns true if a request needs a consumer.
    pub fn is_required(&self) -> bool {
        self.allowed.is_some() || self.global_auth.unwrap_or(!self.has_rules)
    }

    /// Returns true if a consumer may pass.
    pub fn allows(&self, consumer: usize) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.binary_search(&consumer).is_ok())
    }

    /// Returns true if a consumer that another plug-in has verified may pass without credentials for this one.
    pub(crate) fn accepts_verified(&self, name: &[u8]) -> bool {
        let number = || self.consumers.numbers.get(str::from_utf8(name).ok()?).copied();
        self.allowed.is_none() || number().is_some_and(|number| self.allows(number))
    }

    /// Returns the name of a consumer; empty if there is none with this number.
    pub fn name(&self, consumer: usize) -> &str {
        self.consumers.names.get(consumer).map_or("", |name| name)
    }

    /// Returns true if requests that an earlier plug-in has authenticated need no credentials for this one.
    pub(crate) fn skips_authenticated(&self) -> bool {
        self.if_authenticated == IfAuthenticated::Skip
    }

    /// Returns true if preflights need credentials, too.
    pub(crate) fn runs_on_preflight(&self) -> bool {
        self.run_on_preflight
    }

    /// Returns true if refusals are logged and counted only.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// Returns an error for the first field that a rule has.
fn only_global(fields: &[(&str, bool)]) -> Result<(), FieldError> {
    match fields.iter().find(|(_, is_present)| *is_present) {
        None => Ok(()),
        Some((name, _)) => Err(FieldError::new(
            *name,
            "applies to all requests: move it out of the rule, next to `_rules_` (in a resource: into `defaultConfig`). A rule \
             contains `allow` and `dry_run`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn allow(names: &[&str]) -> Fields {
        let names = names.iter().map(|name| NonEmptyString::try_from(name.to_string()).unwrap()).collect();
        Fields { allow: Some(names), ..Fields::default() }
    }

    fn global(global_auth: Option<bool>) -> Access {
        Access::global(names(&["alice", "bob"]), Fields { global_auth, ..Fields::default() }).unwrap()
    }

    #[test]
    fn the_table_of_the_specification() {
        for (global_auth, has_rule, is_required) in [
            (None, false, true),
            (None, true, false),
            (Some(true), false, true),
            (Some(true), true, true),
            (Some(false), false, false),
            (Some(false), true, false),
        ] {
            let mut access = global(global_auth);
            if has_rule {
                let open = access.rule(Fields::default(), &[]).unwrap();
                assert_eq!(open.is_required(), is_required, "rule, {global_auth:?}");
                let closed = access.rule(allow(&["bob"]), &[]).unwrap();
                assert!(closed.is_required(), "with allow, {global_auth:?}");
                assert!(closed.allows(1) && !closed.allows(0));
            }
            assert_eq!(access.is_required(), is_required, "{global_auth:?} {has_rule}");
            assert!(access.allows(0) && access.allows(1));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |result: Result<Access, FieldError>| result.unwrap_err().to_string();
        assert_eq!(
            refused(Access::global(names(&["a", "b", "a"]), Fields::default())),
            "consumers[2].name: is the name of consumers[0] as well: write another"
        );
        assert_eq!(
            refused(Access::global(Vec::new(), Fields::default())),
            "consumers: must not be empty: add a consumer"
        );
        assert!(
            refused(Access::global(names(&["a"]), allow(&["a"]))).starts_with("allow: belongs in a rule")
        );
        assert_eq!(
            refused(global(None).rule(allow(&[]), &[])),
            "allow: must not be empty: add a consumer, or remove the field"
        );
        assert_eq!(
            refused(global(None).rule(allow(&["alice", "bobb"]), &[])),
            "allow[1]: is not the name of a consumer: did you mean `bob`?"
        );
        for (field, fields, own) in [
            ("consumers", Fields::default(), true),
            ("global_auth", Fields { global_auth: Some(true), ..Fields::default() }, false),
            (
                "if_authenticated",
                Fields { if_authenticated: Some(IfAuthenticated::Require), ..Fields::default() },
                false,
            ),
            ("run_on_preflight", Fields { run_on_preflight: Some(true), ..Fields::default() }, false),
        ] {
            let error = refused(global(None).rule(fields, &[("keys", false), ("consumers", own)]));
            assert!(error.starts_with(&format!("{field}: applies to all requests")), "{error}");
        }
    }

    #[test]
    fn consumers_of_other_plug_ins_have_to_be_allowed_by_name() {
        let mut access = global(None);
        let rule = access.rule(allow(&["bob"]), &[]).unwrap();
        assert!(rule.accepts_verified(b"bob"));
        assert!(
            !rule.accepts_verified(b"alice")
                && !rule.accepts_verified(b"carol")
                && !rule.accepts_verified(b"\xff")
        );
        assert!(access.accepts_verified(b"carol"));
    }

    #[test]
    fn a_rule_has_the_global_dry_run_unless_it_sets_its_own() {
        let mut access =
            Access::global(names(&["a"]), Fields { dry_run: Some(true), ..Fields::default() }).unwrap();
        assert!(access.rule(Fields::default(), &[]).unwrap().is_dry_run());
        let own = Fields { dry_run: Some(false), ..Fields::default() };
        assert!(!access.rule(own, &[]).unwrap().is_dry_run());
    }
}
