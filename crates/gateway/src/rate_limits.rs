//! The rate limit services of a folder, which run in this program.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rate_limit_service::{Counts, Kind, Rule, Server};

use crate::routes::{RateLimit, RateLimitKind, RateLimitService, Service};
use crate::{Cluster, Routes};

/// The running services. They stop when this is dropped.
#[derive(Default)]
pub(crate) struct RateLimits(Vec<Running>);

struct Running {
    cluster: String,
    settings: RateLimitService,
    server: Server,
}

impl RateLimits {
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
            let Some(settings) = &service.rate_limit_service else { continue };
            let cluster = service.cluster();
            let same = |running: &Running| running.cluster == cluster && running.settings == *settings;
            let running = match before.iter().position(same) {
                Some(place) => before.swap_remove(place),
                None => Running::start(service, settings.clone())?,
            };
            self.0.push(running);
        }
        Ok(())
    }

    /// Makes the clusters of the services lead to them.
    pub(crate) fn redirect(&self, clusters: &mut [Cluster]) {
        for Running { cluster: name, server, .. } in &self.0 {
            for cluster in clusters.iter_mut().filter(|cluster| cluster.name == *name) {
                *cluster = Cluster { http2: true, ..Cluster::at(name, server.address()) };
            }
        }
    }
}

impl Running {
    fn start(service: &Service, settings: RateLimitService) -> io::Result<Self> {
        // The expressions were checked when the routes were read.
        let counts = counts(&settings).map_err(io::Error::other)?;
        let server = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), counts)?;
        Ok(Running { cluster: service.cluster(), settings, server })
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
