//! Clusters, with the names that control planes give them.

use crate::property;

/// A cluster of the gateway, and the host name of its service.
///
/// ```
/// use sdk::call::Cluster;
///
/// let auth = Cluster::kubernetes("auth", "default", 8080);
/// assert_eq!(auth.name(), "outbound|8080||auth.default.svc.cluster.local");
/// assert_eq!(auth.host(), "auth.default.svc.cluster.local");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    name: String,
    host: String,
}

impl Cluster {
    /// A cluster with the name that it has in the gateway's configuration.
    pub fn named(name: impl Into<String>, host: impl Into<String>) -> Self {
        Cluster { name: name.into(), host: host.into() }
    }

    /// A service with its fully qualified name, for Istio and Higress.
    pub fn fqdn(name: &str, port: u16) -> Self {
        Cluster { name: format!("outbound|{port}||{name}"), host: name.to_string() }
    }

    /// A Kubernetes service.
    pub fn kubernetes(service: &str, namespace: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.{namespace}.svc.cluster.local"), port)
    }

    /// A service of a Nacos registry. Underscores in `group` are replaced by dashes, as in Higress.
    pub fn nacos(service: &str, group: &str, namespace: &str, port: u16) -> Self {
        let group = group.replace('_', "-");
        Self::fqdn(&format!("{service}.{group}.{namespace}.nacos"), port).with_host(service)
    }

    /// A service of a Consul registry.
    pub fn consul(service: &str, datacenter: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.{datacenter}.consul"), port).with_host(service)
    }

    /// A service source of type DNS in Higress, with the domain that it resolves.
    pub fn dns(service: &str, domain: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.dns"), port).with_host(domain)
    }

    /// A service source of type static address in Higress.
    pub fn static_ip(service: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.static"), port).with_host(service)
    }

    /// The cluster of the request's route, if it has one.
    pub fn of_route(host: impl Into<String>) -> Option<Self> {
        let name = String::from_utf8(property::cluster_name().ok()??).ok()?;
        Some(Cluster { name, host: host.into() })
    }

    /// Sets the host name, which is sent as `:authority`.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Returns the name of the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the host name of the service.
    pub fn host(&self) -> &str {
        &self.host
    }
}
