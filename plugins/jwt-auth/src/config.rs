//! The configuration with its keys parsed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use auth::access::{self, Access};
use auth::jwk::{KeySet, Origin};
use auth::jwt::Requirements;
use auth::refusal::{Realm, challenge};
use auth::remote_keys::{RemoteKeys, Source};
use config::{Configuration, FieldError, NonEmptyString, RuleFields};
use sdk::call::Cluster;

use crate::cache::Cache;
use crate::fields::{self, Fields, FromHeader, RemoteJwks};

/// The configuration of a rule, or the global one.
pub struct Config {
    /// Who may pass.
    pub access: Access,
    /// What all rules share.
    pub tokens: Rc<Tokens>,
}

/// The consumers with their keys, and where requests have tokens.
pub struct Tokens {
    /// The consumers, in order.
    pub consumers: Vec<Consumer>,
    /// All places of tokens.
    pub places: Vec<Place>,
    /// The services that publish keys.
    pub remote: Vec<RemoteKeys>,
    /// Tokens that have been verified.
    pub cache: RefCell<Cache>,
    /// Only requests with one of these headers are authenticated, if there are any.
    pub enable_headers: Vec<String>,
    /// Headers that only this plug-in may set.
    pub claim_headers: Vec<String>,
    /// The value of `WWW-Authenticate`.
    pub challenge: String,
}

/// A consumer.
pub struct Consumer {
    /// What its tokens must have.
    pub requirements: Requirements,
    /// Its keys.
    pub keys: Keys,
    /// The numbers of its places.
    pub places: Vec<usize>,
    /// Headers with claims.
    pub claims: Vec<ClaimHeader>,
    /// Send the token to the upstream.
    pub keep_token: bool,
}

/// The keys of a consumer.
pub enum Keys {
    /// Written in the configuration.
    Configured(KeySet),
    /// The number of a service.
    Remote(usize),
}

/// A place of tokens.
#[derive(PartialEq, Eq)]
pub enum Place {
    /// A header, with the text before the token in lower case.
    Header(String, String),
    /// A query parameter.
    Query(String),
    /// A cookie.
    Cookie(String),
}

/// A header with a claim.
pub struct ClaimHeader {
    /// The claim.
    pub claim: String,
    /// The header.
    pub header: String,
    /// Replace the client's header.
    pub replace: bool,
}

impl Configuration for Config {
    type Fields = Fields;
    const RULES: RuleFields = RuleFields::Extend;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let access_fields = access_fields(&fields);
        let consumers = fields.consumers.ok_or_else(|| FieldError::missing("consumers"))?;
        let names = consumers.iter().map(|consumer| String::from(consumer.name.clone()));
        let access = Access::global(names, access_fields)?;
        let enable_headers = fields.enable_headers.unwrap_or_default();
        let enable_headers = enable_headers.iter().map(|name| name.to_string()).collect();
        let realm = Realm::try_from(fields.realm)?;
        let mut tokens = Tokens {
            consumers: Vec::with_capacity(consumers.len()),
            places: Vec::new(),
            remote: Vec::new(),
            cache: RefCell::default(),
            enable_headers,
            claim_headers: Vec::new(),
            challenge: challenge("Bearer", &realm),
        };
        for (number, consumer) in consumers.into_iter().enumerate() {
            let consumer = tokens.consumer(&format!("consumers[{number}]"), consumer)?;
            tokens.consumers.push(consumer);
        }
        Ok(Config { access, tokens: Rc::new(tokens) })
    }

    fn check_rule(&mut self, fields: Fields) -> Result<Self, FieldError> {
        let global = [
            ("consumers", fields.consumers.is_some()),
            ("enable_headers", fields.enable_headers.is_some()),
            ("realm", fields.realm.is_some()),
        ];
        Ok(Config { access: self.access.rule(access_fields(&fields), &global)?, tokens: self.tokens.clone() })
    }
}

fn access_fields(fields: &Fields) -> access::Fields {
    access::Fields {
        global_auth: fields.global_auth,
        allow: fields.allow.clone(),
        if_authenticated: fields.if_authenticated,
        run_on_preflight: fields.run_on_preflight,
        dry_run: fields.dry_run,
    }
}

impl Tokens {
    /// Converts a consumer. `path` is its path in the document.
    fn consumer(&mut self, path: &str, fields: fields::Consumer) -> Result<Consumer, FieldError> {
        let keys = match (fields.jwks, &fields.remote_jwks) {
            (Some(text), None) => {
                let keys = KeySet::parse(String::from(text).as_bytes(), Origin::Configuration);
                Keys::Configured(
                    keys.map_err(|error| FieldError::new(format!("{path}.jwks"), error.to_string()))?,
                )
            }
            (None, Some(remote)) => Keys::Remote(self.remote(&format!("{path}.remote_jwks"), remote)?),
            (None, None) => {
                let message = "has no keys: add `jwks`, or `remote_jwks` if a service publishes them";
                return Err(FieldError::new(path, message));
            }
            (Some(_), Some(_)) => {
                let message = "cannot be combined with `jwks`: remove one";
                return Err(FieldError::new(format!("{path}.remote_jwks"), message));
            }
        };
        let claims = fields.claims_to_headers.into_iter().enumerate().map(|(index, entry)| {
            let header = entry.header.to_string();
            if sdk::names::may_be_read_as(header.as_bytes(), sdk::consumer::HEADER) {
                let field = format!("{path}.claims_to_headers[{index}].header");
                let message = "is the header with the name of the consumer: write another";
                return Err(FieldError::new(field, message));
            }
            Ok(ClaimHeader { claim: entry.claim.into(), header, replace: entry.replace })
        });
        let claims: Vec<ClaimHeader> = claims.collect::<Result<_, _>>()?;
        for claim in claims.iter().filter(|claim| claim.replace) {
            if !self.claim_headers.contains(&claim.header) {
                self.claim_headers.push(claim.header.clone());
            }
        }
        let texts = |list: Vec<NonEmptyString>| list.into_iter().map(String::from).collect();
        let requirements = Requirements {
            issuer: fields.issuer.map(String::from),
            audiences: texts(fields.audiences),
            claims: fields
                .required_claims
                .into_iter()
                .map(|required| (required.claim.into(), texts(required.values)))
                .collect(),
            allow_no_expiry: !fields.require_exp,
            clock_skew: fields.clock_skew_seconds,
        };
        let places = match (fields.from_headers, fields.from_params, fields.from_cookies) {
            (None, None, None) => vec![
                Place::Header("authorization".to_owned(), "bearer ".to_owned()),
                Place::Query("access_token".to_owned()),
            ],
            (headers, params, cookies) => {
                let headers = headers.unwrap_or_default().into_iter().map(header_place);
                let params = params.unwrap_or_default().into_iter().map(|name| Place::Query(name.into()));
                let cookies = cookies.unwrap_or_default().into_iter().map(|name| Place::Cookie(name.into()));
                headers.chain(params).chain(cookies).collect()
            }
        };
        if places.is_empty() {
            let message =
                "is empty, and so are the other `from_*`: add a place, or remove them for the defaults";
            return Err(FieldError::new(format!("{path}.from_headers"), message));
        }
        let places = places.into_iter().map(|place| number_of(&mut self.places, place)).collect();
        Ok(Consumer { requirements, keys, places, claims, keep_token: fields.keep_token })
    }

    /// Returns the number of a service.
    fn remote(&mut self, path: &str, fields: &RemoteJwks) -> Result<usize, FieldError> {
        let (authority, port, resource) = split_uri(&fields.uri).ok_or_else(|| {
            let message = "must be a URL without user and fragment: write for example \
                           https://idp.example.com/.well-known/jwks.json";
            FieldError::new(format!("{path}.uri"), message)
        })?;
        let port = fields.service_port.map_or(port, std::num::NonZeroU16::get);
        let source = Source {
            cluster: Cluster::fqdn(&fields.service_name, port).with_host(authority),
            path: resource.to_owned(),
            timeout: Duration::from_millis(fields.timeout.get().into()),
            cache_duration: Duration::from_secs(fields.cache_duration.get().into()),
            min_refresh: Duration::from_secs(fields.min_refresh.get().into()),
        };
        if source.min_refresh > source.cache_duration {
            let message = "is more than `cache_duration`, at which keys have to be fetched: write less";
            return Err(FieldError::new(format!("{path}.min_refresh"), message));
        }
        let known = self.remote.iter().position(|remote| *remote.source() == source);
        Ok(known.unwrap_or_else(|| {
            self.remote.push(RemoteKeys::new("jwt-auth", source));
            self.remote.len() - 1
        }))
    }
}

fn header_place(from: FromHeader) -> Place {
    let name = from.name.to_string();
    let default = if name == "authorization" { "bearer " } else { "" };
    let mut prefix = from.value_prefix.unwrap_or_else(|| default.to_owned());
    prefix.make_ascii_lowercase();
    Place::Header(name, prefix)
}

/// Returns the number of a place, which is added if it is new.
fn number_of(places: &mut Vec<Place>, place: Place) -> usize {
    places.iter().position(|known| *known == place).unwrap_or_else(|| {
        places.push(place);
        places.len() - 1
    })
}

/// Returns the authority, the port and the path of a URL.
fn split_uri(uri: &str) -> Option<(&str, u16, &str)> {
    let (rest, default) = match uri.strip_prefix("https://") {
        Some(rest) => (rest, 443),
        None => (uri.strip_prefix("http://")?, 80),
    };
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, "/"),
    };
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_valid = authority.bytes().all(is_host_byte)
        && path.starts_with('/')
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let (host, port) = match authority.rsplit_once(':').filter(|_| !authority.ends_with(']')) {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (authority, default),
    };
    (is_valid && !host.is_empty()).then_some((authority, port, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split() {
        for (uri, expected) in [
            ("https://a.example.com/keys?x=1", Some(("a.example.com", 443, "/keys?x=1"))),
            ("http://a.example.com", Some(("a.example.com", 80, "/"))),
            ("http://a:8080/", Some(("a:8080", 8080, "/"))),
            ("https://[::1]/k", Some(("[::1]", 443, "/k"))),
            ("https://[::1]:8443/k", Some(("[::1]:8443", 8443, "/k"))),
            ("https://", None),
            ("https:///k", None),
            ("https://a:0/", None),
            ("https://a:x/", None),
            ("https://u@a/", None),
            ("https://a/#f", None),
            ("https://a/b c", None),
            ("https://a?x", None),
            ("ftp://a/", None),
            ("a.example.com/keys", None),
        ] {
            assert_eq!(split_uri(uri), expected, "{uri}");
        }
    }
}
