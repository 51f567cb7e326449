//! Limits, and the counters of requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use limitador::counter::Counter;
use limitador::errors::LimitadorError;
use limitador::limit::{Context, Expression, Limit, ParseError, Predicate};
use limitador::storage::in_memory::InMemoryStorage;
use limitador::storage::{Authorization, CounterStorage as _};
use serde::Deserialize;

use crate::messages::{Code, Descriptor, Override, RateLimitRequest, RateLimitResponse, Status};

/// The service whose behaviour is imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Limitador's server: only its own limits count, those of requests are ignored. Refused requests are not counted, and
    /// responses have no statuses.
    Limitador,
    /// Envoy's service: the limits of requests count. Refused requests are counted as well, and responses report what is left.
    Envoy,
}

/// A limit of the service's own, as in the limits file of Limitador's server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The domain.
    pub namespace: String,
    /// The amount.
    pub max_value: u64,
    /// The window in seconds.
    pub seconds: u64,
    /// CEL expressions that select requests.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// CEL expressions whose values are counted separately.
    #[serde(default)]
    pub variables: Vec<String>,
}

/// A limit that is not valid.
#[derive(Debug, thiserror::Error)]
#[error("`{expression}` is not a valid expression: {reason}")]
pub struct RuleError {
    expression: String,
    reason: String,
}

/// The reason for which a request is not decided.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// An expression cannot be evaluated for it.
    #[error("a limit cannot be evaluated: {0}")]
    Evaluation(LimitadorError),
    /// The store of the counters does not respond.
    #[cfg(feature = "redis")]
    #[error("the counters are unavailable: {0}")]
    Unavailable(#[from] redis::RedisError),
}

impl From<LimitadorError> for TakeError {
    fn from(error: LimitadorError) -> Self {
        Self::Evaluation(error)
    }
}

/// The maximum number of counters in memory. Beyond it, counters that are rarely used are forgotten.
const MAX_COUNTERS: u64 = 1_000_000;

/// The name under which expressions find the descriptors of a request.
const DESCRIPTORS: &str = "descriptors";

/// The variable of limits in requests: all entries of a descriptor.
const ENTRIES: &str = "entries";

/// The counters of a service.
pub struct Counts {
    kind: Kind,
    rules: Vec<LoadedRule>,
    /// The variable that separates the counters of limits in requests.
    entries: Expression,
    store: Store,
}

/// A rule whose expressions are parsed.
struct LoadedRule {
    limit: Arc<Limit>,
    conditions: Vec<Predicate>,
}

enum Store {
    Memory {
        counters: InMemoryStorage,
        /// Held while counters are checked and updated.
        lock: Option<Mutex<()>>,
    },
    #[cfg(feature = "redis")]
    Redis(crate::Redis),
}

/// The result of taking an amount from counters.
pub(crate) struct Taken {
    pub(crate) granted: bool,
    /// The least that one of them has left.
    pub(crate) left: u64,
}

impl Counts {
    /// Creates counters in memory for limits, which only [`Kind::Limitador`] uses.
    ///
    /// # Errors
    ///
    /// A condition or variable is not a valid expression.
    pub fn new(kind: Kind, rules: &[Rule]) -> Result<Self, RuleError> {
        let store =
            Store::Memory { counters: InMemoryStorage::new(MAX_COUNTERS), lock: Some(Mutex::default()) };
        let rules = rules.iter().map(LoadedRule::new).collect::<Result<_, _>>()?;
        Ok(Counts { kind, rules, entries: expression(&format!("{DESCRIPTORS}[0].{ENTRIES}"))?, store })
    }

    /// Moves the counters to Redis.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn in_redis(self, redis: crate::Redis) -> Self {
        Counts { store: Store::Redis(redis), ..self }
    }

    /// Counts with `limitador` alone, whose check and update are two steps.
    #[must_use]
    pub fn without_serialisation(mut self) -> Self {
        match &mut self.store {
            Store::Memory { lock, .. } => *lock = None,
            #[cfg(feature = "redis")]
            Store::Redis(_) => {}
        }
        self
    }

    /// Decides on a request, and counts it.
    ///
    /// # Errors
    ///
    /// See [`TakeError`].
    pub fn take(&self, request: &RateLimitRequest) -> Result<RateLimitResponse, TakeError> {
        match self.kind {
            Kind::Limitador => self.take_by_rules(request),
            Kind::Envoy => self.take_by_overrides(request),
        }
    }

    /// Takes from the counters of all rules that apply to the request, or from none.
    fn take_by_rules(&self, request: &RateLimitRequest) -> Result<RateLimitResponse, TakeError> {
        let map = |descriptor: &Descriptor| {
            descriptor.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
        };
        let context = context(request.descriptors.iter().map(map).collect());
        let rules = self.rules.iter().filter(|rule| rule.limit.namespace().as_ref() == request.domain);
        let counters = rules.map(|rule| rule.counter(&context));
        let counters: Vec<Counter> = counters.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let taken = self.store.take(counters, amount(request), false)?;
        Ok(RateLimitResponse { overall_code: code(taken.granted) as i32, statuses: Vec::new() })
    }

    /// Takes from the counter of each descriptor that has a limit.
    fn take_by_overrides(&self, request: &RateLimitRequest) -> Result<RateLimitResponse, TakeError> {
        let mut overall = Code::Ok;
        let mut statuses = Vec::new();
        for descriptor in &request.descriptors {
            let (mut code, mut limit_remaining) = (Code::Ok, 0);
            if let Some(limit) = &descriptor.limit {
                let counter = self.counter(&request.domain, descriptor, limit)?;
                let taken = self.store.take(counter.into_iter().collect(), amount(request), true)?;
                code = self::code(taken.granted);
                limit_remaining = u32::try_from(taken.left).unwrap_or(u32::MAX);
            }
            if code == Code::OverLimit {
                overall = code;
            }
            statuses.push(Status { code: code as i32, current_limit: descriptor.limit, limit_remaining });
        }
        Ok(RateLimitResponse { overall_code: overall as i32, statuses })
    }

    /// Returns the counter of a limit in a request. Limits of different amounts share it, as in Envoy's service.
    fn counter(
        &self,
        domain: &str,
        descriptor: &Descriptor,
        limit: &Override,
    ) -> Result<Option<Counter>, LimitadorError> {
        let seconds = match limit.unit {
            1 => 1,
            2 => 60,
            3 => 3_600,
            _ => 86_400,
        };
        let limit =
            Limit::new(domain, limit.requests_per_unit.into(), seconds, Vec::new(), [self.entries.clone()]);
        // Unambiguous, whatever the keys and values contain.
        let entries: Vec<_> = descriptor.entries.iter().map(|entry| (&entry.key, &entry.value)).collect();
        let context = context(vec![HashMap::from([(ENTRIES.to_owned(), format!("{entries:?}"))])]);
        Counter::new(limit, &context)
    }
}

impl Store {
    /// Takes an amount from each counter, or from none if one of them has less. With `count_refused`, it is counted in any
    /// case.
    fn take(&self, mut counters: Vec<Counter>, amount: u64, count_refused: bool) -> Result<Taken, TakeError> {
        if counters.is_empty() {
            return Ok(Taken { granted: true, left: u64::MAX });
        }
        match self {
            Store::Memory { counters: store, lock } => {
                let _held = lock.as_ref().map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner));
                let result = store.check_and_update(&mut counters, amount).map_err(LimitadorError::from)?;
                let granted = matches!(result, Authorization::Ok);
                if !granted && count_refused {
                    for counter in &counters {
                        store.update_counter(counter, amount).map_err(LimitadorError::from)?;
                    }
                }
                // What was left before.
                let left = counters.iter().filter_map(Counter::remaining).min().unwrap_or_default();
                let used = if granted || count_refused { amount } else { 0 };
                Ok(Taken { granted, left: left.saturating_sub(used) })
            }
            #[cfg(feature = "redis")]
            Store::Redis(redis) => Ok(redis.take(&counters, amount, count_refused)?),
        }
    }
}

/// Returns the amount of a request.
fn amount(request: &RateLimitRequest) -> u64 {
    request.hits_addend.max(1).into()
}

fn code(granted: bool) -> Code {
    if granted { Code::Ok } else { Code::OverLimit }
}

/// Returns what expressions are evaluated on.
fn context(descriptors: Vec<HashMap<String, String>>) -> Context<'static> {
    let mut context = Context::default();
    context.list_binding(DESCRIPTORS.into(), descriptors);
    context
}

impl LoadedRule {
    fn new(rule: &Rule) -> Result<Self, RuleError> {
        let conditions = rule.conditions.iter().map(|text| invalid(text, Predicate::parse(text)));
        let conditions: Vec<Predicate> = conditions.collect::<Result<_, _>>()?;
        let variables = rule.variables.iter().map(|text| expression(text));
        let variables: Vec<Expression> = variables.collect::<Result<_, _>>()?;
        let limit = Limit::new(
            rule.namespace.as_str(),
            rule.max_value,
            rule.seconds,
            conditions.iter().cloned(),
            variables,
        );
        Ok(LoadedRule { limit: Arc::new(limit), conditions })
    }

    /// Returns the counter of a request; none if the rule does not apply to it.
    fn counter(&self, context: &Context<'_>) -> Result<Option<Counter>, LimitadorError> {
        for condition in &self.conditions {
            if !condition.test(context)? {
                return Ok(None);
            }
        }
        Counter::new(Arc::clone(&self.limit), context)
    }
}

fn expression(text: &str) -> Result<Expression, RuleError> {
    invalid(text, Expression::parse(text))
}

fn invalid<T>(text: &str, parsed: Result<T, ParseError>) -> Result<T, RuleError> {
    parsed.map_err(|error| RuleError { expression: text.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Entry;

    fn request(amount: u32, limit: u32, entries: &[(&str, &str)]) -> RateLimitRequest {
        let entry = |(key, value): &(&str, &str)| Entry { key: (*key).into(), value: (*value).into() };
        let limit = Override { requests_per_unit: limit, unit: 3 };
        let entries = entries.iter().map(entry).collect();
        RateLimitRequest {
            domain: "edge".into(),
            descriptors: vec![Descriptor { entries, limit: Some(limit) }],
            hits_addend: amount,
        }
    }

    fn passes(counts: &Counts, request: &RateLimitRequest) -> bool {
        counts.take(request).unwrap().overall_code == Code::Ok as i32
    }

    #[test]
    fn limitador_knows_only_its_own_limits_and_does_not_count_what_it_refuses() {
        let rule = Rule {
            namespace: "edge".into(),
            max_value: 10,
            seconds: 3_600,
            conditions: vec!["descriptors[0].limit == 'a'".into()],
            variables: vec!["descriptors[0].key".into()],
        };
        let counts = Counts::new(Kind::Limitador, &[rule]).unwrap();
        let take = |amount, key| passes(&counts, &request(amount, 1, &[("limit", "a"), ("key", key)]));
        assert!(take(7, "x"));
        assert!(!take(4, "x"));
        assert!(take(3, "x"));
        assert!(!take(0, "x"), "0 means 1");
        assert!(take(10, "y"));
        assert!(passes(&counts, &request(100, 1, &[("limit", "b"), ("key", "x")])), "no limit applies");
        let other =
            RateLimitRequest { domain: "other".into(), ..request(100, 1, &[("limit", "a"), ("key", "x")]) };
        assert!(passes(&counts, &other));
        assert_eq!(counts.take(&other).unwrap().statuses, []);
    }

    #[test]
    fn envoys_service_has_the_limits_of_requests_and_counts_what_it_refuses() {
        let counts = Counts::new(Kind::Envoy, &[]).unwrap();
        let take = |amount, limit, key| {
            let response = counts.take(&request(amount, limit, &[("key", key)])).unwrap();
            let [status] = response.statuses.as_slice() else { panic!("one status") };
            assert_eq!(status.code, response.overall_code);
            (status.code == Code::Ok as i32, status.limit_remaining)
        };
        assert_eq!(take(7, 10, "x"), (true, 3));
        assert_eq!(take(4, 10, "x"), (false, 0));
        assert_eq!(take(1, 10, "x"), (false, 0));
        assert_eq!(take(1, 20, "x"), (true, 7), "the amount of the limit is not part of the counter");
        assert_eq!(take(10, 10, "y"), (true, 0));
        // Whatever is in a key, it is another one.
        assert_eq!(take(1, 10, "y\"), (\"key\", \"x"), (true, 9));
        let unlimited = RateLimitRequest {
            descriptors: vec![Descriptor { entries: Vec::new(), limit: None }],
            ..request(100, 1, &[])
        };
        assert!(passes(&counts, &unlimited));
    }

    #[test]
    fn an_expression_that_is_not_a_condition_is_an_error_of_the_request() {
        let rule = Rule {
            namespace: "edge".into(),
            max_value: 1,
            seconds: 1,
            conditions: vec!["descriptors[0].limit".into()],
            variables: Vec::new(),
        };
        let counts = Counts::new(Kind::Limitador, &[rule]).unwrap();
        assert!(counts.take(&request(1, 1, &[("limit", "a")])).is_err());
        assert!(passes(&counts, &request(1, 1, &[("other", "a")])), "the rule does not apply");
    }

    #[test]
    fn a_wrong_expression_is_named() {
        let rule = Rule {
            namespace: "edge".into(),
            max_value: 1,
            seconds: 1,
            conditions: vec!["descriptors[".into()],
            variables: Vec::new(),
        };
        let error = Counts::new(Kind::Limitador, &[rule]).err().unwrap().to_string();
        assert!(error.starts_with("`descriptors[` is not a valid expression"), "{error}");
    }
}
