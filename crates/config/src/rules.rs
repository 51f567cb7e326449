//! Selection of a rule for a request: the first in document order whose conditions all hold.
//!
//! ```
//! use config::host::HostPattern;
//! use config::rules::{Attributes, Conditions, RuleIndex};
//!
//! struct Request;
//!
//! impl Attributes for Request {
//!     fn host(&mut self) -> Option<Vec<u8>> {
//!         Some(b"API.Example.com.:8443".to_vec())
//!     }
//!     fn route(&mut self) -> Option<Vec<u8>> {
//!         None
//!     }
//!     fn service(&mut self) -> Option<Vec<u8>> {
//!         None
//!     }
//!     fn consumer(&mut self) -> Option<Vec<u8>> {
//!         None
//!     }
//! }
//!
//! let hosts = vec![HostPattern::parse("*.example.com")?];
//! let rules = RuleIndex::new([Conditions { hosts, ..Conditions::default() }]);
//! assert_eq!(rules.select(&mut Request), Some(0));
//! # Ok::<(), config::host::HostPatternError>(())
//! ```
//!
//! Each rule is indexed by the values of one of its kinds of condition, so that the cost of a lookup depends on the size of
//! the request, not of the configuration. The other kinds are checked for the few rules that the lookup finds.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};

use crate::host::{self, HostPattern};

mod texts;

use texts::Texts;

/// The conditions of a rule: every kind that is present must hold, and within a kind one value must.
///
/// Without any condition it holds for every request; [`Document`](crate::Document) refuses such a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `_match_route_`: names of routes, compared byte by byte.
    pub routes: Vec<String>,
    /// `_match_route_prefix_`: prefixes of names of routes, compared byte by byte.
    pub route_prefixes: Vec<String>,
    /// `_match_domain_`: hosts.
    pub hosts: Vec<HostPattern>,
    /// `_match_service_`: services as `fqdn` or `fqdn:port`, compared with the gateway's cluster name `outbound|port|subset|fqdn`;
    /// a cluster name of another form is compared whole.
    pub services: Vec<String>,
    /// `_match_consumer_`: names of consumers, compared byte by byte. An authentication plug-in that runs before
    /// verifies the name (`sdk::consumer`).
    pub consumers: Vec<String>,
}

/// The attributes of a request. Each is read only if a rule needs it, and at most once per selection.
///
/// A request without an attribute (`None`) does not meet any condition on it.
pub trait Attributes {
    /// Returns the authority, unchanged, with port and case.
    fn host(&mut self) -> Option<Vec<u8>>;
    /// Returns the name of the route.
    fn route(&mut self) -> Option<Vec<u8>>;
    /// Returns the name of the cluster.
    fn service(&mut self) -> Option<Vec<u8>>;
    /// Returns the name of the authenticated consumer.
    fn consumer(&mut self) -> Option<Vec<u8>>;
}

/// Rules that are indexed for selection.
#[derive(Default)]
pub struct RuleIndex {
    /// The conditions of each rule that are checked after the lookup: all but the kind by which it is indexed.
    rules: Vec<Conditions>,
    /// One index per attribute, in the order of their first rules.
    indexes: Vec<AttributeIndex>,
    /// The first rule without any condition.
    unconditional: Option<u32>,
}

struct AttributeIndex {
    attribute: Attribute,
    texts: Texts,
    first_rule: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Host,
    Route,
    Service,
    Consumer,
}

impl RuleIndex {
    /// Indexes `rules`, which are numbered from 0 in document order.
    pub fn new(rules: impl IntoIterator<Item = Conditions>) -> Self {
        let mut index = Self::default();
        for (number, mut conditions) in (0..).zip(rules) {
            index.insert(number, &mut conditions);
            index.rules.push(conditions);
        }
        index
    }

    /// Indexes a rule by its values of one kind, and removes these from `conditions`.
    ///
    /// Hosts have priority: the authority is the cheapest attribute to read, and if it does not match, no other attribute is
    /// read. Consumers, which are a header too, come before attributes that the gateway has to look up. A condition that
    /// matches every host would find its rule for every request, so such a rule is indexed by another kind if possible.
    fn insert(&mut self, number: u32, conditions: &mut Conditions) {
        let Conditions { routes, route_prefixes, hosts, services, consumers } = conditions;
        let narrow_hosts = !hosts.is_empty() && !hosts.iter().any(HostPattern::is_any);
        let others = [&*routes, route_prefixes, services, consumers];
        if narrow_hosts || others.into_iter().all(Vec::is_empty) {
            let texts = match hosts.is_empty() {
                true => return self.unconditional = self.unconditional.or(Some(number)),
                false => self.texts(Attribute::Host, number),
            };
            hosts.drain(..).for_each(|host| texts.add_host(&host, number));
            return;
        }
        for (attribute, names) in
            [(Attribute::Consumer, consumers), (Attribute::Route, routes), (Attribute::Service, services)]
        {
            if !names.is_empty() {
                let texts = self.texts(attribute, number);
                return names.drain(..).for_each(|name| texts.add_exact(name.as_bytes(), number));
            }
        }
        let texts = self.texts(Attribute::Route, number);
        route_prefixes.drain(..).for_each(|prefix| texts.add_prefix(prefix.as_bytes(), number));
    }

    fn texts(&mut self, attribute: Attribute, number: u32) -> &mut Texts {
        let at =
            self.indexes.iter().position(|index| index.attribute == attribute).unwrap_or(self.indexes.len());
        if at == self.indexes.len() {
            self.indexes.push(AttributeIndex { attribute, texts: Texts::default(), first_rule: number });
        }
        #[expect(clippy::indexing_slicing, reason = "the position was found or created above")]
        &mut self.indexes[at].texts
    }

    /// Returns the number of the first rule whose conditions all hold.
    pub fn select(&self, attributes: &mut impl Attributes) -> Option<usize> {
        let request = Request::new(attributes);
        let mut best = self.unconditional;
        for index in &self.indexes {
            let beats = |number: u32, best: Option<u32>| best.is_none_or(|best| number < best);
            if !beats(index.first_rule, best) {
                break;
            }
            let mut consider = |numbers: &[u32]| {
                for &number in numbers {
                    if !beats(number, best) {
                        break;
                    }
                    if self.rules.get(number as usize).is_some_and(|rule| request.meets(rule)) {
                        best = Some(number);
                    }
                }
            };
            let text = match index.attribute {
                Attribute::Host => request.host(),
                Attribute::Consumer => request.consumer(),
                Attribute::Route => request.route(),
                Attribute::Service => {
                    if let Some(service) = request.service() {
                        service.spellings().for_each(|name| index.texts.find(name, &mut consider));
                    }
                    continue;
                }
            };
            if let Some(text) = text {
                index.texts.find(text, &mut consider);
            }
        }
        best.map(|number| number as usize)
    }

    /// Returns true if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// The attributes of a request, each read when it is first needed.
struct Request<'a, A> {
    attributes: RefCell<&'a mut A>,
    host: OnceCell<Option<Vec<u8>>>,
    route: OnceCell<Option<Vec<u8>>>,
    service: OnceCell<Option<Service>>,
    consumer: OnceCell<Option<Vec<u8>>>,
}

impl<'a, A: Attributes> Request<'a, A> {
    fn new(attributes: &'a mut A) -> Self {
        Self {
            attributes: RefCell::new(attributes),
            host: OnceCell::new(),
            route: OnceCell::new(),
            service: OnceCell::new(),
            consumer: OnceCell::new(),
        }
    }

    fn host(&self) -> Option<&[u8]> {
        let ask = || {
            let host = self.attributes.borrow_mut().host()?;
            match host::normalise(&host) {
                // Most hosts are normalized already, and need no copy.
                Cow::Borrowed(same) if same.len() == host.len() => Some(host),
                normal => Some(normal.into_owned()),
            }
        };
        self.host.get_or_init(ask).as_deref()
    }

    fn route(&self) -> Option<&[u8]> {
        self.route.get_or_init(|| self.attributes.borrow_mut().route()).as_deref()
    }

    fn service(&self) -> Option<&Service> {
        self.service.get_or_init(|| Some(Service::new(self.attributes.borrow_mut().service()?))).as_ref()
    }

    fn consumer(&self) -> Option<&[u8]> {
        self.consumer.get_or_init(|| self.attributes.borrow_mut().consumer()).as_deref()
    }

    fn meets(&self, rule: &Conditions) -> bool {
        let Conditions { routes, route_prefixes, hosts, services, consumers } = rule;
        (hosts.is_empty()
            || self.host().is_some_and(|host| hosts.iter().any(|pattern| pattern.matches(host))))
            && (consumers.is_empty()
                || self
                    .consumer()
                    .is_some_and(|name| consumers.iter().any(|consumer| consumer.as_bytes() == name)))
            && (routes.is_empty()
                || self.route().is_some_and(|name| routes.iter().any(|route| route.as_bytes() == name)))
            && (route_prefixes.is_empty()
                || self.route().is_some_and(|name| {
                    route_prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
                }))
            && (services.is_empty()
                || self.service().is_some_and(|service| {
                    service.spellings().any(|name| services.iter().any(|other| other.as_bytes() == name))
                }))
    }
}

/// The two names of the service of a cluster.
struct Service {
    fqdn: Vec<u8>,
    with_port: Option<Vec<u8>>,
}

impl Service {
    fn new(cluster: Vec<u8>) -> Self {
        let mut parts = cluster.splitn(4, |&byte| byte == b'|');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(port), Some(_), Some(fqdn)) => {
                Self { fqdn: fqdn.to_vec(), with_port: Some([fqdn, b":", port].concat()) }
            }
            _ => Self { fqdn: cluster, with_port: None },
        }
    }

    fn spellings(&self) -> impl Iterator<Item = &[u8]> {
        [Some(self.fqdn.as_slice()), self.with_port.as_deref()].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests;
