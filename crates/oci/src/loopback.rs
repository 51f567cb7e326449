//! Registries on this machine, the only ones that credentials may be sent to without TLS.

use std::net::{IpAddr, Ipv6Addr};

/// Returns true if a registry's host, with a port or without, is `localhost` or an address of the loopback interface.
/// A name that merely begins like one (`127.0.0.1.example.com`) is looked up like any other name.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let address = address.parse::<Ipv6Addr>();
        return (port.is_empty() || port.starts_with(':'))
            && address.is_ok_and(|address| address.to_canonical().is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_addresses_are_believed() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:5000",
            "127.8.9.10",
            "localhost",
            "LOCALHOST:80",
            "[::1]",
            "[::1]:5000",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "127.",
            "[::1].example.com",
            "[::1",
            "127.0.0.1.example.com",
            "127.0.0.1.example.com:5000",
            "127.evil.example",
            "localhost.example.com",
            "localhost.",
            "xlocalhost",
            "::1",
            "[::2]",
            "10.0.0.1",
            "registry.example.com",
            "127.0.0.1@example.com",
            "0.0.0.0",
            "127.0.0.256",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
