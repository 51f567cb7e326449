//! Origins (RFC 6454): those in a configuration, patterns for them, and that of the request's own host.

/// An origin, or `null`, as browsers write it.
pub type Origin = String;

/// A pattern for origins, such as `https://*.example.com:[8080,9090]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The scheme; any if absent.
    scheme: Option<String>,
    /// The parts of the host between its asterisks.
    host: Vec<String>,
    port: Ports,
}

/// The ports of a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Ports {
    /// The scheme's default, which browsers do not write.
    Default,
    /// Any, with the default.
    Any,
    /// These.
    Of(Vec<u16>),
}

/// The ports that browsers do not write.
const DEFAULT_PORTS: [(&str, u16); 4] = [("http", 80), ("https", 443), ("ws", 80), ("wss", 443)];

/// Checks an origin of a configuration, and returns it as browsers write it.
///
/// # Errors
///
/// Why no browser sends it, and what to write.
pub fn parse(text: &str) -> Result<Origin, String> {
    if text == "null" {
        return Ok(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let Some((scheme, rest)) = lower.split_once("://") else {
        return Err(format!(
            "is not an origin: write it with its scheme, as in https://{}",
            text.trim_matches('/')
        ));
    };
    if let Some((authority, _)) = rest.split_once(['/', '?', '#']) {
        return Err(format!("never matches, because an origin has no path: write {scheme}://{authority}"));
    }
    if rest.contains('*') {
        return Err("has an asterisk, which only patterns have: write it into `allow_origin_patterns`".into());
    }
    if let Some((host, port)) = port(rest)
        && DEFAULT_PORTS.contains(&(scheme, port))
    {
        return Err(format!(
            "never matches, because browsers leave out port {port}: write {scheme}://{host}"
        ));
    }
    if scheme.is_empty() || rest.is_empty() || !rest.bytes().all(is_of_authority) {
        return Err("is not an origin: write scheme, host and port, as in https://example.com:8443".into());
    }
    Ok(lower)
}

/// The host and the port of an authority that has one.
fn port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = authority.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

/// Hosts of browsers are ASCII: names in Punycode, addresses, IPv6 in brackets.
fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte)
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if lower == "*" {
            return Ok(Self { scheme: None, host: vec![String::new(); 2], port: Ports::Any });
        }
        let Some((scheme, rest)) = lower.split_once("://") else {
            return Err("has no scheme: write for example https://*.example.com, or *://*.example.com".into());
        };
        let (host, port) = match rest.split_once(":[") {
            Some((host, ports)) => (host, ports_of(ports)?),
            None => match rest.rsplit_once(':') {
                Some((host, port)) if !rest.ends_with(']') => {
                    let port = port
                        .parse()
                        .map_err(|_| format!("has the port `{port}`: write a number, or `[*]`"))?;
                    (host, Ports::Of(vec![port]))
                }
                _ => (rest, Ports::Default),
            },
        };
        if host.is_empty() || !host.bytes().all(|byte| byte == b'*' || is_of_host(byte)) {
            return Err("has no valid host: write a name with asterisks, as in https://*.example.com".into());
        }
        let scheme = match scheme {
            "*" => None,
            "" => return Err("has no scheme: write for example https://*.example.com".into()),
            scheme => Some(scheme.to_owned()),
        };
        Ok(Self { scheme, host: host.split('*').map(str::to_owned).collect(), port })
    }

    /// Returns true if it matches every host.
    pub fn is_any(&self) -> bool {
        self.host.len() > 1 && self.host.iter().all(|part| part.is_empty() || part == ".")
    }

    /// Returns true if it matches the whole origin. `null` never matches.
    pub fn matches(&self, origin: &[u8]) -> bool {
        let Ok(origin) = str::from_utf8(origin) else { return false };
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        if self.scheme.as_deref().is_some_and(|known| !known.eq_ignore_ascii_case(scheme)) {
            return false;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => match port.parse::<u16>() {
                Ok(port) => (host, Some(port)),
                Err(_) => return false,
            },
            None => (authority, None),
        };
        let port_fits = match (&self.port, port) {
            (Ports::Any, _) => true,
            (Ports::Default, None) => true,
            (Ports::Default, Some(_)) => false,
            (Ports::Of(ports), Some(port)) => ports.contains(&port),
            (Ports::Of(ports), None) => {
                let default = DEFAULT_PORTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme));
                default.is_some_and(|(_, port)| ports.contains(port))
            }
        };
        port_fits && host.bytes().all(is_of_host) && self.host_matches(&host.to_ascii_lowercase())
    }

    /// Each asterisk stands for at least one character.
    fn host_matches(&self, host: &str) -> bool {
        let Some((first, others)) = self.host.split_first() else { return false };
        let Some(mut rest) = host.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
        for part in middle {
            let Some(found) = rest.get(1..).and_then(|behind| behind.find(part.as_str())) else {
                return false;
            };
            rest = rest.get(1 + found + part.len()..).unwrap_or_default();
        }
        rest.strip_suffix(last.as_str()).is_some_and(|between| !between.is_empty())
    }
}

/// `8080,9090]` or `*]`.
fn ports_of(text: &str) -> Result<Ports, String> {
    let Some(list) = text.strip_suffix(']') else {
        return Err("has no `]` at its end: write ports as in http://*.example.com:[8080,9090]".into());
    };
    if list == "*" {
        return Ok(Ports::Any);
    }
    let ports: Result<Vec<u16>, _> = list.split(',').map(|port| port.trim().parse()).collect();
    ports
        .map(Ports::Of)
        .map_err(|_| format!("has the ports `{list}`: write numbers separated by commas, or `*`"))
}

/// Returns true if an origin is that of the request's own host. Its scheme does not matter: behind a proxy that ends TLS,
/// the gateway sees another one. Such a request passes without CORS headers, so browsers still tell both schemes apart.
pub fn is_same(origin: &[u8], authority: &[u8]) -> bool {
    let Some(at) = origin.windows(3).position(|three| three == b"://") else { return false };
    let own = origin.get(at + 3..).unwrap_or_default();
    !own.is_empty() && bare(own).eq_ignore_ascii_case(bare(authority))
}

/// An authority without a default port.
fn bare(authority: &[u8]) -> &[u8] {
    let ports: [&[u8]; 2] = [b":80", b":443"];
    ports.into_iter().find_map(|port| authority.strip_suffix(port)).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored() {
        for (pattern, origin, expected) in [
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://a.example.com.evil.org", false),
            ("https://*.example.com", "https://evil.org/.example.com", false),
            ("https://*.example.com", "https://evil.org?.example.com", false),
            ("https://*.example.com", "https://user@a.example.com", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com:8443", false),
            ("https://*.example.com", "null", false),
            ("https://*.example.com", "https://A.EXAMPLE.com", true),
            ("http://*.example.com:[8080,9090]", "http://a.example.com:9090", true),
            ("http://*.example.com:[8080,9090]", "http://a.example.com", false),
            ("http://*.example.com:[80,9090]", "http://a.example.com", true),
            ("http://*.example.com:[*]", "http://a.example.com:1", true),
            ("http://*.example.com:[*]", "http://a.example.com", true),
            ("http://*.example.com:[*]", "http://a.example.com:x", false),
            ("http://*.example.com:8080", "http://a.example.com:8080", true),
            ("*://a*b*c", "x://aXbXc", true),
            ("*://a*b*c", "x://abXc", false),
            ("*", "http://anything:1", true),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(origin.as_bytes()),
                expected,
                "{pattern} {origin}"
            );
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for text in [
            "example.com",
            "https://example.com/",
            "https://example.com:443",
            "https://*.a.com",
            "://a",
            "http://a b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in
            ["*.example.com", "https://", "https://a:x", "https://a:[80", "https://a:[x]", "https://ä"]
        {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("HTTPS://Example.com").unwrap(), "https://example.com");
        assert_eq!(parse("http://[::1]:8080").unwrap(), "http://[::1]:8080");
    }

    #[test]
    fn an_own_origin_has_the_same_host_and_port() {
        for (origin, authority, expected) in [
            ("https://a.com", "a.com", true),
            ("https://a.com", "A.com:443", true),
            ("http://a.com:8080", "a.com:8080", true),
            ("http://a.com:8080", "a.com", false),
            ("http://b.com", "a.com", false),
            ("null", "null", false),
            ("http://", "", false),
        ] {
            assert_eq!(is_same(origin.as_bytes(), authority.as_bytes()), expected, "{origin} {authority}");
        }
    }
}
