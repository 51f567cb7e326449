//! The services of a folder that run in this program: rate limit services and model servers.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rate_limit_service::{Counts, Kind, Rule};

use crate::model_server::ModelServer;
use crate::routes::{self, RateLimit, RateLimitKind, RateLimitService, Service};
use crate::{Cluster, Routes};

/// The running services. They stop when this is dropped.
#[derive(Default)]
pub(crate) struct Hosted(Vec<Running>);

struct Running {
    cluster: String,
    settings: Settings,
    server: Server,
}

/// A service of `routes.yaml` cannot be started.
#[derive(Debug)]
pub struct ServiceError {
    service: String,
    cause: io::Error,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service {} of routes.yaml cannot be started: {}", self.service, self.cause)
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// What a service is started with.
#[derive(Clone, PartialEq, Eq)]
enum Settings {
    RateLimits(RateLimitService),
    Model(routes::ModelServer),
}

enum Server {
    RateLimits(rate_limit_service::Server),
    Model(ModelServer),
}

impl Hosted {
    /// Starts the services of these routes.
    pub(crate) fn start(routes: &Routes) -> Result<Self, ServiceError> {
        let mut services = Self::default();
        services.change(routes)?;
        Ok(services)
    }

    /// Starts the services that the routes add, and returns those that they no longer have: Envoy uses these until it has the
    /// new clusters. A service whose settings are the same keeps its counts. If one cannot be started, nothing changes.
    pub(crate) fn change(&mut self, routes: &Routes) -> Result<Self, ServiceError> {
        let mut services = Vec::new();
        for service in &routes.services {
            let Some(settings) = Settings::of(service) else { continue };
            let cluster = service.cluster();
            if !self.0.iter().any(|running| running.is(&cluster, &settings)) {
                let started = settings.clone().start(service);
                let server =
                    started.map_err(|cause| ServiceError { service: service.name.clone(), cause })?;
                services.push(Running { cluster, settings, server });
            }
        }
        let (kept, retired): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|running| running.is_wanted(routes));
        self.0 = services;
        self.0.extend(kept);
        Ok(Self(retired))
    }

    /// Adds other services.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Makes the clusters of the services lead to them.
    pub(crate) fn redirect(&self, clusters: &mut [Cluster]) {
        for Running { cluster: name, server, .. } in &self.0 {
            for cluster in clusters.iter_mut().filter(|cluster| cluster.name == *name) {
                *cluster = match server {
                    Server::RateLimits(server) => {
                        Cluster { http2: true, ..Cluster::at(name, server.address()) }
                    }
                    Server::Model(server) => {
                        Cluster { http2: cluster.http2, ..Cluster::at(name, server.address()) }
                    }
                };
            }
        }
    }
}

impl Running {
    fn is(&self, cluster: &str, settings: &Settings) -> bool {
        self.cluster == cluster && self.settings == *settings
    }

    /// Returns true if the routes have it.
    fn is_wanted(&self, routes: &Routes) -> bool {
        let is_this = |service: &Service| {
            Settings::of(service).is_some_and(|settings| self.is(&service.cluster(), &settings))
        };
        routes.services.iter().any(is_this)
    }
}

impl Settings {
    fn of(service: &Service) -> Option<Self> {
        let limits = service.rate_limit_service.clone().map(Self::RateLimits);
        limits.or_else(|| service.model_server.clone().map(Self::Model))
    }

    fn start(self, service: &Service) -> io::Result<Server> {
        Ok(match self {
            Self::RateLimits(settings) => {
                // The expressions were checked when the routes were read.
                let counts = counts(&settings).map_err(io::Error::other)?;
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                Server::RateLimits(rate_limit_service::Server::start(address, counts)?)
            }
            Self::Model(settings) => Server::Model(ModelServer::start(&service.name, settings)?),
        })
    }
}

/// Returns what a service counts with.
fn counts(settings: &RateLimitService) -> Result<Counts, rate_limit_service::RuleError> {
    let kind = match settings.kind {
        RateLimitKind::Envoy => Kind::Envoy,
        RateLimitKind::Limitador => Kind::Limitador,
    };
    let rules: Vec<Rule> = settings.limits.iter().map(rule).collect();
    Counts::new(kind, &rules)
}

fn rule(limit: &RateLimit) -> Rule {
    Rule {
        namespace: limit.namespace.clone(),
        max_value: limit.max_value,
        seconds: limit.seconds.get(),
        conditions: limit.conditions.clone(),
        variables: limit.variables.clone(),
    }
}

/// Returns the errors in the expressions of a limit, each with its place, such as `conditions[0]`.
pub(crate) fn check(limit: &RateLimit) -> Vec<(String, String)> {
    let without = || Rule { conditions: Vec::new(), variables: Vec::new(), ..rule(limit) };
    let conditions = limit.conditions.iter().enumerate().map(|(index, condition)| {
        (format!("conditions[{index}]"), Rule { conditions: vec![condition.clone()], ..without() })
    });
    let variables = limit.variables.iter().enumerate().map(|(index, variable)| {
        (format!("variables[{index}]"), Rule { variables: vec![variable.clone()], ..without() })
    });
    let error = |(place, rule): (String, Rule)| {
        Counts::new(Kind::Limitador, &[rule]).err().map(|error| (place, error.to_string()))
    };
    conditions.chain(variables).filter_map(error).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::path::Path;

    use super::*;

    fn routes(services: &str) -> Routes {
        Routes::parse(Path::new("routes.yaml"), &format!("services: [{services}]\n")).unwrap()
    }

    fn address(services: &Hosted, name: &str) -> SocketAddr {
        let mut clusters = [Cluster::at(&Cluster::name_of(name, 80), SocketAddr::from(([127, 0, 0, 1], 1)))];
        services.redirect(&mut clusters);
        format!("{}:{}", clusters[0].host, clusters[0].port).parse().unwrap()
    }

    const LIMITS: &str = "{ name: limits.static, rate_limit_service: {} }";
    const MODEL: &str = "{ name: model.static, model_server: {} }";

    #[test]
    fn a_retired_service_runs_until_it_is_dropped_and_others_continue() {
        let mut services = Hosted::start(&routes(&format!("{LIMITS}, {MODEL}"))).unwrap();
        let (limits, model) = (address(&services, "limits.static"), address(&services, "model.static"));
        let retired = services.change(&routes(MODEL)).unwrap();
        assert_eq!(address(&services, "model.static"), model);
        assert!(TcpStream::connect(model).is_ok() && TcpStream::connect(limits).is_ok());
        drop(retired);
        assert!(TcpStream::connect(limits).is_err());
    }

    #[test]
    fn if_a_service_cannot_be_started_it_is_named_and_the_others_continue() {
        let mut services = Hosted::start(&routes(LIMITS)).unwrap();
        let limits = address(&services, "limits.static");
        let mut other = routes(&format!("{MODEL}, {{ name: wrong.static, rate_limit_service: {{}} }}"));
        // Routes with this expression are rejected when they are read.
        other.services[1].rate_limit_service.as_mut().unwrap().limits.push(RateLimit {
            namespace: "edge".into(),
            max_value: 1,
            seconds: std::num::NonZeroU64::MIN,
            conditions: vec!["descriptors[".into()],
            variables: Vec::new(),
        });
        let error = services.change(&other).err().unwrap().to_string();
        assert!(error.starts_with("the service wrong.static of routes.yaml cannot be started: "), "{error}");
        assert_eq!(address(&services, "limits.static"), limits);
        assert!(TcpStream::connect(limits).is_ok());
        assert_eq!(services.0.len(), 1);
    }
}
