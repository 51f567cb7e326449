//! Clusters, named as the control planes name them.

use crate::property;

/// A cluster of the gateway, and the host name that its service goes by.
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
    /// A cluster by the name that the gateway's own configuration gives it.
    pub fn named(name: impl Into<String>, host: impl Into<String>) -> Self {
        Cluster { name: name.into(), host: host.into() }
    }

    /// A service by its fully qualified name, as Istio and Higress name clusters.
    pub fn fqdn(name: &str, port: u16) -> Self {
        Cluster { name: format!("outbound|{port}||{name}"), host: name.to_string() }
    }

    /// A Kubernetes service.
    pub fn kubernetes(service: &str, namespace: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.{namespace}.svc.cluster.local"), port)
    }

    /// A service of a Nacos registry; `group` with underscores is written with dashes, as Higress does.
    pub fn nacos(service: &str, group: &str, namespace: &str, port: u16) -> Self {
        let group = group.replace('_', "-");
        Self::fqdn(&format!("{service}.{group}.{namespace}.nacos"), port).with_host(service)
    }

    /// A service of a Consul registry.
    pub fn consul(service: &str, datacenter: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.{datacenter}.consul"), port).with_host(service)
    }

    /// A service source of kind DNS in Higress, with the domain that it resolves.
    pub fn dns(service: &str, domain: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.dns"), port).with_host(domain)
    }

    /// A service source of kind static address in Higress.
    pub fn static_ip(service: &str, port: u16) -> Self {
        Self::fqdn(&format!("{service}.static"), port).with_host(service)
    }

    /// The cluster that the request's own route leads to; nothing when it has none.
    pub fn of_route(host: impl Into<String>) -> Option<Self> {
        let name = String::from_utf8(property::cluster_name().ok()??).ok()?;
        Some(Cluster { name, host: host.into() })
    }

    /// With another host name, which goes out as `:authority`.
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The service's host name.
    pub fn host(&self) -> &str {
        &self.host
    }
}
