//! `routes.yaml`: the ingresses and services that a cluster would have, for a gateway without a cluster. Its reference is
//! `docs/routes.md`.
//!
//! ```yaml
//! services:
//! - name: httpbin.default.svc.cluster.local   # as `service` of a match rule and plug-ins name it
//!   port: 80                                  # default: 80
//!   address: 127.0.0.1:8000                   # where its requests go; default: an echo
//!   protocol: http1                           # or http2, which gRPC needs
//! - name: api.dns
//!   port: 443
//!   address: https://api.example.com          # over TLS, with the certificate verified
//! - name: limits.static
//!   port: 8081
//!   rate_limit_service: { kind: envoy }       # started with the gateway
//! - name: small.static
//!   model_server: {}                          # the same: answers as a language model
//! routes:
//! - ingress: foo                              # `ingress: [default/foo]` of a match rule
//!   namespace: default                        # default: the system namespace, `higress-system`
//!   domains: [foo.example.com, "*.foo.com"]   # default: all
//!   paths: [/api]                             # prefixes of paths; default: all
//!   headers: { x-model: small }               # headers with their values; default: any
//!   service: httpbin.default.svc.cluster.local:80   # default: an echo
//! ```

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use config::{Every, ServiceName};
use resource::yaml::{self, Node, Position, Span};
use serde::Deserialize;

use crate::folder::{Fault, ROUTES};
use crate::{Cluster, Route, Tls};

/// The namespace whose ingresses are identified by name only.
pub const SYSTEM_NAMESPACE: &str = "higress-system";

/// The service that returns the request.
const ECHO: &str = "echo.static";

/// The content of `routes.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Routes {
    /// Services, by their names in control planes.
    pub services: Vec<Service>,
    /// Ingresses.
    pub routes: Vec<Ingress>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Service {
    /// Its fully qualified name.
    pub name: String,
    /// Its port.
    #[serde(default = "Service::usual_port")]
    pub port: u16,
    /// The address: `host:port`, `http://host` or `https://host`; an echo if absent.
    #[serde(default)]
    pub address: Option<String>,
    /// The server name of a service over TLS (SNI), which its certificate must have; the host of the address when absent.
    #[serde(default)]
    pub sni: Option<String>,
    /// The file with the certificates of trusted authorities for TLS; those of this machine if absent.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Its protocol; HTTP/1.1 if absent.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// The rate limit service that is started for it, instead of an address.
    #[serde(default)]
    pub rate_limit_service: Option<RateLimitService>,
    /// The model server that is started for it, instead of an address.
    #[serde(default)]
    pub model_server: Option<ModelServer>,
}

/// A server that answers as a language model, as long as the gateway runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModelServer {
    /// The names of its models; none for all.
    pub models: Vec<String>,
    /// The milliseconds before each event of a stream.
    pub token_delay_ms: u64,
}

/// A rate limit service that runs as long as the gateway, and counts in memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RateLimitService {
    /// The service whose behaviour it has.
    #[serde(default)]
    pub kind: RateLimitKind,
    /// The limits that Limitador needs, as in its own file.
    #[serde(default)]
    pub limits: Vec<RateLimit>,
}

/// The services whose behaviour a rate limit service can have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateLimitKind {
    /// Envoy's, which receives the limits with the requests.
    #[default]
    Envoy,
    /// Limitador, which has all limits in its configuration.
    Limitador,
}

/// A limit of Limitador.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RateLimit {
    /// The domain.
    pub namespace: String,
    /// The amount.
    pub max_value: u64,
    /// The window in seconds.
    pub seconds: NonZeroU64,
    /// CEL expressions that select requests.
    #[serde(default)]
    pub conditions: Vec<String>,
    /// CEL expressions whose values are counted separately.
    #[serde(default)]
    pub variables: Vec<String>,
}

/// The protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, required by gRPC.
    Http2,
}

/// An ingress, which routes requests to a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ingress {
    /// Its name.
    pub ingress: String,
    /// Its namespace.
    #[serde(default = "Ingress::system")]
    pub namespace: String,
    /// Its domains; none for all.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The beginnings of its paths; none for all.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Headers with the values that requests must have; none for all.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The service, `name` or `name:port`; an echo if absent.
    #[serde(default)]
    pub service: Option<String>,
}

impl Service {
    fn usual_port() -> u16 {
        80
    }

    /// Returns true if `name` or `name:port` refers to it.
    #[must_use]
    pub fn is_named(&self, wanted: &str) -> bool {
        match wanted.rsplit_once(':') {
            Some((name, port)) => self.name == name && self.port.to_string() == port,
            None => self.name == wanted,
        }
    }

    /// Its cluster's name.
    #[must_use]
    pub fn cluster(&self) -> String {
        Cluster::name_of(&self.name, self.port)
    }
}

impl Ingress {
    fn system() -> String {
        SYSTEM_NAMESPACE.into()
    }

    /// The name of its routes in Higress and in match rules.
    #[must_use]
    pub fn route_name(&self) -> String {
        if self.namespace == SYSTEM_NAMESPACE {
            self.ingress.clone()
        } else {
            format!("{}/{}", self.namespace, self.ingress)
        }
    }

    fn lowercase_headers(&self) -> BTreeMap<String, String> {
        self.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect()
    }
}

impl Routes {
    /// The routes in the folder's file; without one, every request goes to the echo.
    ///
    /// # Errors
    ///
    /// The errors in the file.
    pub fn of_folder(folder: &Path) -> Result<Self, Vec<Fault>> {
        let file = folder.join(ROUTES);
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(&file, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => {
                let start = Position { line: 1, column: 1 };
                let message = format!("cannot be read: {error}; make it a readable UTF-8 file, or remove it");
                let fault = yaml::Fault::new("", Span { start, end: start }, "", message);
                Err(vec![Fault { file, fault }])
            }
        }
    }

    /// Reads the text of the file, which errors name.
    ///
    /// # Errors
    ///
    /// The errors in it.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Fault>> {
        let wrong = |fault| Fault { file: file.into(), fault };
        let documents = yaml::read(text).map_err(|error| vec![wrong(yaml::Fault::no_yaml(text, error))])?;
        let mut documents = documents.into_iter().filter(|node| !node.to_json().is_null());
        let Some(node) = documents.next() else { return Ok(Self::default()) };
        if let Some(second) = documents.next() {
            let message = "is a second document: write one, with `services` and `routes`";
            return Err(vec![wrong(yaml::Fault::at(text, &second, "", message))]);
        }
        let (read, every) = Every::read::<Self>(&node.to_json(), None);
        if !every.errors().is_empty() {
            let fault = |error| wrong(yaml::Fault::refused(text, &node, error));
            return Err(every.errors().iter().map(fault).collect());
        }
        let mut routes = read.unwrap_or_default();
        for service in &mut routes.services {
            // Relative to this file, and made absolute: Envoy may run elsewhere.
            if let Some(ca) = &mut service.ca {
                let found = file.parent().unwrap_or(Path::new("")).join(&*ca);
                *ca = found.canonicalize().unwrap_or(found);
            }
        }
        let faults = routes.check(&node, text);
        if faults.is_empty() { Ok(routes) } else { Err(faults.into_iter().map(wrong).collect()) }
    }

    /// Checks what the types cannot express.
    fn check(&self, node: &Node, text: &str) -> Vec<yaml::Fault> {
        let mut faults = Vec::new();
        let mut fault =
            |path: String, message: String| faults.push(yaml::Fault::at(text, node, path, message));
        let mut clusters = HashSet::new();
        for (index, service) in self.services.iter().enumerate() {
            let place = format!("services[{index}]");
            if let Err(message) = ServiceName::try_from(service.name.clone()) {
                fault(format!("{place}.name"), message);
            } else if !clusters.insert(service.cluster()) {
                let message = "is a duplicate with the same port: remove one".to_owned();
                fault(format!("{place}.name"), message);
            }
            if let Some(settings) = &service.rate_limit_service {
                check_rate_limits(settings, &format!("{place}.rate_limit_service"), &mut fault);
            }
            let started = [
                ("rate_limit_service", service.rate_limit_service.is_some()),
                ("model_server", service.model_server.is_some()),
            ];
            let mut others = vec![("address", service.address.is_some())];
            for field @ (name, is_there) in started {
                if let (true, Some((other, _))) = (is_there, others.iter().find(|(_, is_there)| *is_there)) {
                    let message =
                        format!("is started here, and `{other}` is another service: remove one of them");
                    fault(format!("{place}.{name}"), message);
                }
                others.push(field);
            }
            if service.rate_limit_service.is_some() && service.protocol.is_some() {
                let message = "is always HTTP/2 for a rate limit service that is started here: remove it";
                fault(format!("{place}.protocol"), message.to_owned());
            }
            let upstream = match service.address.as_deref().map(Upstream::parse) {
                Some(Err(message)) => {
                    fault(format!("{place}.address"), message);
                    continue;
                }
                Some(Ok(upstream)) => Some(upstream),
                None => None,
            };
            if !upstream.is_some_and(|upstream| upstream.tls) {
                let message = match started.iter().any(|(_, is_there)| *is_there) {
                    true => "is for TLS, which a service that is started here does not use: remove it",
                    false => "is for TLS: write `address: https://…`, or remove it",
                };
                for (field, written) in [("sni", service.sni.is_some()), ("ca", service.ca.is_some())] {
                    if written {
                        fault(format!("{place}.{field}"), message.to_owned());
                    }
                }
            } else if let Some(ca) = service.ca.as_ref().filter(|ca| !ca.is_file()) {
                let message = format!("{} is not a file: name one of certificates in PEM", ca.display());
                fault(format!("{place}.ca"), message);
            } else if service.ca.is_none() && authorities().is_none() {
                let message =
                    "this machine has no file of trusted certificates: name one with `ca`".to_owned();
                fault(format!("{place}.address"), message);
            }
        }
        let mut taken = HashSet::new();
        for (index, ingress) in self.routes.iter().enumerate() {
            let place = format!("routes[{index}]");
            if ingress.ingress.is_empty() || ingress.ingress.contains('/') {
                let message = "must be a name: write the namespace in `namespace`".to_owned();
                fault(format!("{place}.ingress"), message);
            }
            for (at, path) in ingress.paths.iter().enumerate().filter(|(_, path)| !path.starts_with('/')) {
                fault(format!("{place}.paths[{at}]"), format!("must begin with a slash: write `/{path}`"));
            }
            for (at, path) in
                ingress.paths.iter().enumerate().filter(|(_, path)| path.contains(['?', '#', ' ']))
            {
                let path = path.split(['?', '#', ' ']).next().unwrap_or_default();
                let message =
                    format!("is compared with paths, which have no query, `#` or space: write `{path}`");
                fault(format!("{place}.paths[{at}]"), message);
            }
            for (at, domain) in ingress.domains.iter().enumerate() {
                let rest = domain.strip_prefix("*.").unwrap_or(domain);
                let is_of_host = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                if domain != "*" && (rest.is_empty() || !rest.chars().all(is_of_host)) {
                    let message = "must be a host name without a port, `*.example.com`, or `*`".to_owned();
                    fault(format!("{place}.domains[{at}]"), message);
                }
            }
            if let Some(service) = &ingress.service
                && self.service(service).is_none()
            {
                let message = "is not a service of this file: add it to `services`".to_owned();
                fault(format!("{place}.service"), message);
            }
            let mut names = HashSet::new();
            for (name, value) in &ingress.headers {
                let is_of_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
                let place = format!("{place}.headers.{name}");
                if name.is_empty() || !name.chars().all(is_of_name) {
                    let message = "is not a valid name of a header: write one such as `x-model`";
                    fault(place.clone(), message.to_owned());
                } else if !names.insert(name.to_lowercase()) {
                    let message = "is a duplicate, because the case of names does not matter: remove one";
                    fault(place.clone(), message.to_owned());
                }
                if value.is_empty() || value.chars().any(char::is_control) {
                    let message = "has a value that is empty or has control characters: write the value that \
                                   requests must have";
                    fault(place, message.to_owned());
                }
            }
            let all = |list: &[String], all: &str| match list {
                [] => vec![all.to_owned()],
                list => list.to_vec(),
            };
            for (domain, path) in all(&ingress.domains, "*").into_iter().flat_map(|domain| {
                all(&ingress.paths, "/").into_iter().map(move |path| (domain.to_lowercase(), path))
            }) {
                if !taken.insert((domain, path.trim_end_matches('/').to_owned(), ingress.lowercase_headers()))
                {
                    let message =
                        "has the domain, path and headers of an earlier route: no request would match".into();
                    fault(place.clone(), message);
                }
            }
        }
        faults
    }

    /// The service that `name` or `name:port` refers to.
    fn service(&self, wanted: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.is_named(wanted))
    }

    /// The routes and clusters for Envoy; services without an address are sent to `echo`.
    #[must_use]
    pub fn for_envoy(&self, echo: SocketAddr) -> (Vec<Route>, Vec<Cluster>) {
        let own_echo = Cluster::at(&Cluster::name_of(ECHO, 80), echo);
        let mut clusters: Vec<Cluster> = self
            .services
            .iter()
            .map(|service| {
                let upstream = service.address.as_deref().and_then(|address| Upstream::parse(address).ok());
                let http2 = service.protocol == Some(Protocol::Http2);
                let Some(Upstream { host, port, tls }) = upstream else {
                    return Cluster { http2, ..Cluster::at(&service.cluster(), echo) };
                };
                let tls = tls.then(|| Tls {
                    name: service.sni.clone().unwrap_or_else(|| host.clone()),
                    // The file was checked when the routes were read.
                    authorities: service.ca.clone().or_else(authorities).unwrap_or_default(),
                });
                Cluster { name: service.cluster(), host, port, http2, tls }
            })
            .collect();
        let mut routes = Vec::new();
        for ingress in &self.routes {
            let service = ingress.service.as_deref().and_then(|name| self.service(name));
            let cluster = service.map_or_else(|| own_echo.name.clone(), Service::cluster);
            let paths = if ingress.paths.is_empty() { vec!["/".to_owned()] } else { ingress.paths.clone() };
            routes.extend(paths.into_iter().map(|prefix| Route {
                name: ingress.route_name(),
                domains: ingress.domains.clone(),
                prefix,
                headers: ingress.lowercase_headers(),
                cluster: cluster.clone(),
            }));
        }
        if routes.is_empty() {
            routes.push(Route::all("default", &own_echo.name));
        }
        if routes.iter().any(|route| route.cluster == own_echo.name) {
            clusters.push(own_echo);
        }
        (routes, clusters)
    }
}

/// Checks a rate limit service, whose fields are at `place`.
fn check_rate_limits(settings: &RateLimitService, place: &str, fault: &mut impl FnMut(String, String)) {
    match settings.kind {
        RateLimitKind::Envoy if !settings.limits.is_empty() => {
            let message =
                "are only for `kind: limitador`: Envoy's service receives the limits with the requests";
            fault(format!("{place}.limits"), message.into());
        }
        RateLimitKind::Limitador if settings.limits.is_empty() => {
            let message = "has no limits: add `limits`, as printed by `manifest <plug-in> --config <file> \
                           --rate-limit-service limitador`";
            fault(place.into(), message.into());
        }
        _ => {}
    }
    #[cfg(feature = "serve")]
    for (index, limit) in settings.limits.iter().enumerate() {
        for (field, message) in crate::hosted::check(limit) {
            fault(format!("{place}.limits[{index}].{field}"), message);
        }
    }
}

/// The address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Upstream {
    host: String,
    port: u16,
    tls: bool,
}

impl Upstream {
    /// Reads `host:port`, or `http://` or `https://` with a host and an optional port.
    fn parse(address: &str) -> Result<Self, String> {
        let refused = || {
            "is not an address: write host:port, such as 127.0.0.1:8000, or https://api.example.com"
                .to_owned()
        };
        let lower = address.to_ascii_lowercase();
        let (tls, rest, usual) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest, Some(443)),
            (None, Some(rest)) => (false, rest, Some(80)),
            (None, None) => (false, lower.as_str(), None),
        };
        if usual.is_some() && rest.trim_end_matches('/').contains('/') {
            return Err("has a path: write it in `paths` of a route instead".into());
        }
        let rest = rest.trim_end_matches('/');
        let (host, port) = match (host_and_port(rest), usual) {
            (Some(found), _) => found,
            (None, Some(usual)) => host_and_port(&format!("{rest}:{usual}")).ok_or_else(refused)?,
            (None, None) => return Err(refused()),
        };
        if usual.is_none() && port == 443 {
            return Err(format!(
                "does not specify whether port 443 uses TLS: write https://{host}, or http://{rest} without TLS"
            ));
        }
        Ok(Self { host, port, tls })
    }
}

/// The file with the certificates that this machine trusts.
fn authorities() -> Option<PathBuf> {
    [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ]
    .into_iter()
    .map(PathBuf::from)
    .find(|file| file.is_file())
}

/// `127.0.0.1:80`, `[::1]:80` or `example.com:80`.
fn host_and_port(address: &str) -> Option<(String, u16)> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Some((address.ip().to_string(), address.port()));
    }
    let (host, port) = address.rsplit_once(':')?;
    let good = !host.is_empty() && !host.contains([':', '/', ' ', '@']);
    good.then_some((host.to_owned(), port.parse().ok().filter(|port| *port != 0)?))
}
