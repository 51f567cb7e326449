//! The header changes that a plug-in's tests declare, and the check that it makes no others.
//!
//! A plug-in's test code declares them for each configuration:
//!
//! ```
//! use testkit::{Changes, Value, texts};
//!
//! /// `add-header` sets the header that its configuration names.
//! fn changes(configuration: &Value) -> Changes {
//!     texts(configuration, "header_name").into_iter().fold(Changes::none(), |changes, name| changes.request(name))
//! }
//!
//! let configuration = serde_json::json!({ "header_name": "X-A", "header_value": "b" });
//! assert_eq!(format!("{:?}", changes(&configuration)), "Changes { request: 1, response: 0, reply: 0 }");
//! ```

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::case::Header;
use engine::Shown;
use engine::exchange::Setup;
use engine::outcome::{Outcome, UpstreamRequest};

/// Returns true if a header with this name may be changed.
type Allowed = Box<dyn Fn(&str) -> bool>;

/// Headers and trailers that a plug-in may set, add or remove under one configuration. Names have no case, and those of
/// pseudo-headers begin with a colon.
#[derive(Default)]
pub struct Changes {
    request: Vec<Allowed>,
    response: Vec<Allowed>,
    reply: Vec<Allowed>,
    shared_calls: bool,
    order: bool,
}

/// Declares the changes of a plug-in under this document, which need not be one that the plug-in takes; `null` is none.
pub type Declare = fn(&Value) -> Changes;

/// What a plug-in declares under the configuration of a setup.
pub(crate) fn declared(declare: Declare, setup: &Setup) -> Changes {
    let document = setup.configuration.as_deref().and_then(|text| serde_json::from_str(text).ok());
    declare(&document.unwrap_or_default())
}

impl Changes {
    /// No changes.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The changes of authentication plug-ins: the header of the consumer, also in spellings that upstreams may take for it,
    /// and `www-authenticate` in refusals.
    #[must_use]
    pub fn authentication() -> Self {
        Self::none().request_spellings(sdk::consumer::HEADER).reply("www-authenticate")
    }

    /// What a service responds to one request may serve others, or the plug-in makes calls after a request, so requests that
    /// are open at the same time may make other calls than one after the other.
    #[must_use]
    pub fn shared_calls(mut self) -> Self {
        self.shared_calls = true;
        self
    }

    /// Whether calls are made for several requests together.
    pub(crate) fn shares_calls(&self) -> bool {
        self.shared_calls
    }

    /// What the plug-in does with a request depends on the responses to earlier ones, such as a cache, so requests that are open
    /// at the same time may be treated otherwise than one after the other.
    #[must_use]
    pub fn depends_on_order(mut self) -> Self {
        self.order = true;
        self
    }

    /// Whether requests that are open at the same time may be treated otherwise.
    pub(crate) fn is_ordered(&self) -> bool {
        self.order
    }

    /// The upstream may see this header otherwise.
    #[must_use]
    pub fn request(self, name: &str) -> Self {
        self.request_where(is(name))
    }

    /// The upstream may see this header otherwise, and those that it may take for it.
    #[must_use]
    pub fn request_spellings(self, name: &str) -> Self {
        let known = name.to_owned();
        self.request_where(move |name| sdk::names::may_be_read_as(name.as_bytes(), &known))
    }

    /// The upstream may see headers of such names otherwise; they are given in lower case.
    #[must_use]
    pub fn request_where(mut self, allowed: impl Fn(&str) -> bool + 'static) -> Self {
        // The router replaces the timeouts that a plug-in sets by another header.
        self.request.push(Box::new(move |name| {
            allowed(name) || (name == EXPECTED_TIMEOUT && TIMEOUTS.into_iter().any(&allowed))
        }));
        self
    }

    /// This header may be changed for the client, in the upstream's responses and in the plug-in's own.
    #[must_use]
    pub fn response(self, name: &str) -> Self {
        self.response_where(is(name))
    }

    /// The client may see headers of such names otherwise; they are given in lower case.
    #[must_use]
    pub fn response_where(mut self, allowed: impl Fn(&str) -> bool + 'static) -> Self {
        self.response.push(Box::new(allowed));
        self
    }

    /// The plug-in's own responses may have this header.
    #[must_use]
    pub fn reply(self, name: &str) -> Self {
        self.reply_where(is(name))
    }

    /// The plug-in's own responses may have headers with such names, which are passed in lower case.
    #[must_use]
    pub fn reply_where(mut self, allowed: impl Fn(&str) -> bool + 'static) -> Self {
        self.reply.push(Box::new(allowed));
        self
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, response, reply, .. } = self;
        f.debug_struct("Changes")
            .field("request", &request.len())
            .field("response", &response.len())
            .field("reply", &reply.len())
            .finish()
    }
}

fn is(name: &str) -> impl Fn(&str) -> bool + 'static {
    let name = name.to_ascii_lowercase();
    move |other: &str| other == name
}

fn allows(allowed: &[Allowed], name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    allowed.iter().any(|allowed| allowed(&name))
}

/// Every text under this key in a document, at any depth: `_rules_` have keys of their own.
#[must_use]
pub fn texts<'d>(document: &'d Value, key: &str) -> Vec<&'d str> {
    values(document, key).into_iter().filter_map(Value::as_str).collect()
}

/// Every value under this key in a document, at any depth.
#[must_use]
pub fn values<'d>(document: &'d Value, key: &str) -> Vec<&'d Value> {
    match document {
        Value::Array(list) => list.iter().flat_map(|value| values(value, key)).collect(),
        Value::Object(map) => {
            let own = map.get(key).into_iter();
            own.chain(map.values().flat_map(|value| values(value, key))).collect()
        }
        _ => Vec::new(),
    }
}

/// Timeouts of the router that a plug-in may set.
const TIMEOUTS: [&str; 2] = ["x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms"];

/// The header that the router makes of them.
const EXPECTED_TIMEOUT: &str = "x-envoy-expected-rq-timeout-ms";

/// Headers that the gateway adds to every response of a plug-in.
const OF_EVERY_REPLY: [&str; 4] = ["content-length", "content-type", "grpc-status", "grpc-message"];

/// The details in the access log if the upstream has responded.
const VIA_UPSTREAM: &str = "via_upstream";

/// The first thing that a plug-in has changed and does not declare: `plain` is what comes of the same request without
/// any plug-in.
pub(crate) fn undeclared(changes: &Changes, outcome: &Outcome, plain: &Outcome) -> Option<String> {
    if let (Some(came), Some(plain)) = (&outcome.upstream, &plain.upstream) {
        let difference = between(&changes.request, &request_headers(plain), &request_headers(came))
            .or_else(|| between(&changes.request, &plain.trailers, &came.trailers));
        if let Some(difference) = difference {
            return Some(format!("the upstream receives a different header: {difference}"));
        }
    }
    let answer = outcome.answer.as_ref()?;
    // Only a response of the upstream is cut off: by the upstream, or by a plug-in that refuses its body.
    if outcome.details.as_deref() == Some(VIA_UPSTREAM) || answer.cut_off.is_some() {
        let plain = plain.answer.as_ref()?;
        let difference = between(&changes.response, &plain.headers, &answer.headers);
        let trailers = || between(&changes.response, &plain.trailers, &answer.trailers);
        // A response that is cut off has no trailers.
        let difference = difference.or_else(|| if answer.cut_off.is_none() { trailers() } else { None });
        return difference.map(|difference| format!("the client receives a different header: {difference}"));
    }
    let added = answer.headers.iter().find(|(name, _)| {
        let of_every = OF_EVERY_REPLY.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        !of_every && !allows(&changes.reply, name) && !allows(&changes.response, name)
    });
    added.map(|(name, value)| {
        format!("the plug-in's response has an undeclared header: {} {}", Shown(name), Shown(value))
    })
}

/// Headers with the pseudo-headers that the upstream sees.
fn request_headers(request: &UpstreamRequest) -> Vec<Header> {
    let UpstreamRequest { method, path, host, headers, .. } = request;
    let pseudo = [(":method", method), (":path", path), (":authority", host)];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.into(), value.clone()));
    pseudo.chain(headers.iter().cloned()).collect()
}

/// The first difference between two lists of headers, except those that may differ.
fn between(allowed: &[Allowed], plain: &[Header], came: &[Header]) -> Option<String> {
    let kept = |headers: &[Header]| -> Vec<Header> {
        headers.iter().filter(|(name, _)| !allows(allowed, name)).cloned().collect()
    };
    difference(&kept(plain), &kept(came))
}

/// Describes the first difference between two lists of headers.
pub(crate) fn difference(wanted: &[Header], came: &[Header]) -> Option<String> {
    if wanted == came {
        return None;
    }
    let names: BTreeSet<_> = wanted.iter().chain(came).map(|(name, _)| name).collect();
    let values = |headers: &[Header], wanted: &[u8]| -> Vec<String> {
        let of_name = headers.iter().filter(|(name, _)| **name == *wanted);
        of_name.map(|(_, value)| Shown(value).to_string()).collect()
    };
    for name in names {
        let (wanted, came) = (values(wanted, name), values(came, name));
        if wanted != came {
            let shown = |values: Vec<String>| match values.is_empty() {
                true => "absent".to_owned(),
                false => values.join(", "),
            };
            let name = String::from_utf8_lossy(name);
            return Some(format!("{name}: expected {}, actual {}", shown(wanted), shown(came)));
        }
    }
    let order = |headers: &[Header]| -> Vec<String> {
        headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    };
    Some(format!("order: expected {}, actual {}", order(wanted).join(", "), order(came).join(", ")))
}
