//! The services of a folder that run in this program: rate limit services and model servers.

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
    pub(crate) fn start(routes: &Routes) -> io::Result<Self> {
        let mut services = Self::default();
        services.change(routes)?;
        Ok(services)
    }

    /// Starts and stops services as the routes require. One whose settings are the same keeps its counts.
    pub(crate) fn change(&mut self, routes: &Routes) -> io::Result<()> {
        let mut before = std::mem::take(&mut self.0);
        for service in &routes.services {
            let Some(settings) = Settings::of(service) else { continue };
            let cluster = service.cluster();
            let same = |running: &Running| running.cluster == cluster && running.settings == settings;
            let running = match before.iter().position(same) {
                Some(place) => before.swap_remove(place),
                None => Running { server: settings.clone().start(service)?, cluster, settings },
            };
            self.0.push(running);
        }
        Ok(())
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

/// Checks the expressions of a limit.
pub(crate) fn check(limit: &RateLimit) -> Result<(), String> {
    Counts::new(Kind::Limitador, &[rule(limit)]).map(drop).map_err(|error| error.to_string())
}
