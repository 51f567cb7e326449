//! Validation of the names in conditions: a rule with a name that no request can have would never match.
//!
//! Every module contains this, so it is small: it counts bytes and has constant messages.

/// The kind of a name.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Route,
    RoutePrefix,
    Service,
    Consumer,
}

/// Returns the reason for which no request has this name, and what to write instead.
pub(crate) fn problem(kind: Kind, name: &str) -> Option<&'static str> {
    // One pass for all kinds.
    let (mut stars, mut bars, mut is_url, mut has_dot) = (0, 0, false, false);
    // The number after the last colon, if there is a dot before it. It is a port, unless it is 0 or too large.
    let mut port: Option<u32> = None;
    let mut before = 0;
    for &byte in name.as_bytes() {
        if byte.is_ascii_control() || (byte == b' ' && before == 0) {
            return Some(BLANK);
        }
        stars += u32::from(byte == b'*');
        bars += u32::from(byte == b'|');
        is_url |= byte == b'/' && before == b':';
        has_dot |= byte == b'.';
        port = match (byte, port) {
            (b':', _) => has_dot.then_some(0),
            (b'0', Some(0)) => Some(TOO_LARGE),
            (b'0'..=b'9', Some(number)) => Some((number * 10 + u32::from(byte - b'0')).min(TOO_LARGE)),
            (_, Some(_)) => Some(TOO_LARGE),
            (_, None) => None,
        };
        before = byte;
    }
    match kind {
        _ if before == b' ' => Some(BLANK),
        Kind::Route if stars > 0 => {
            Some("contains a `*`: write `_match_route_prefix_` with the beginning of the names")
        }
        Kind::RoutePrefix if stars > 0 => Some("contains a `*`: write the prefix without it"),
        Kind::Consumer if name == "*" => Some("is a `*`: write the names of consumers"),
        // `outbound|80||name`; clusters of other forms are compared whole.
        Kind::Service if stars > 0 || is_url || bars > 2 || matches!(port, Some(0 | TOO_LARGE..)) => {
            Some("is not the name of a service: write the name alone, or with its port: `auth.dns:8080`")
        }
        _ => None,
    }
}

/// Larger than any port.
const TOO_LARGE: u32 = 65_536;

/// The error for a name that a gateway would trim.
const BLANK: &str = "has spaces at an end or control characters: remove them";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_are_rejected_with_advice() {
        for (kind, name, remedy) in [
            (Kind::Service, "http://a.svc:80/x", "write the name alone"),
            (Kind::Service, "outbound|80||a.svc", "write the name alone"),
            (Kind::Service, "outbound|||a.svc", "write the name alone"),
            (Kind::Service, "*.svc", "write the name alone"),
            (Kind::Service, "a.svc:0", "write the name alone"),
            (Kind::Service, "a.svc:65536", "with its port"),
            (Kind::Service, "a.svc:99999999999", "with its port"),
            (Kind::Service, "a.svc:080", "with its port"),
            (Kind::Service, "a.svc:http", "with its port"),
            (Kind::Service, "a.svc:", "with its port"),
            (Kind::Service, " a.svc", "remove them"),
            (Kind::Route, "default/*", "write `_match_route_prefix_`"),
            (Kind::Route, "*", "write `_match_route_prefix_`"),
            (Kind::Route, "default/foo\n", "remove them"),
            (Kind::RoutePrefix, "default/*", "the prefix without it"),
            (Kind::Consumer, "*", "the names of consumers"),
            (Kind::Consumer, "alice ", "remove them"),
        ] {
            let problem = problem(kind, name).unwrap_or_else(|| panic!("{name}"));
            assert!(problem.contains(remedy), "{name}: {problem}");
        }
    }

    #[test]
    fn valid_names_are_accepted() {
        for (kind, name) in [
            (Kind::Service, "httpbin.default.svc.cluster.local"),
            (Kind::Service, "httpbin.default.svc.cluster.local:65535"),
            (Kind::Service, "User-Service.DEFAULT-GROUP.public.nacos:80"),
            (Kind::Service, "httproute/default/backend/rule/0"),
            (Kind::Service, "PassthroughCluster"),
            (Kind::Service, "my_cluster:http"),
            (Kind::Service, "a|b"),
            (Kind::Route, "default/foo"),
            (Kind::Route, "Route 1  (new)"),
            (Kind::RoutePrefix, "default/"),
            (Kind::Consumer, "Алиса of ACME"),
        ] {
            assert_eq!(problem(kind, name), None, "{name}");
        }
    }
}
