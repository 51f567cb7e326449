//! What the conditions of a rule can name: a name that no request ever has would make a rule that never holds.
//!
//! Every module holds this, so it is made of little: bytes that are counted, and texts without parts.

/// What a condition names.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Route,
    RoutePrefix,
    Service,
    Consumer,
}

/// Why no request has this name, and what to write instead.
pub(crate) fn problem(kind: Kind, name: &str) -> Option<&'static str> {
    // Every module holds this: one pass, for what each kind asks.
    let (mut stars, mut bars, mut is_url, mut has_dot) = (0, 0, false, false);
    // What follows the last colon, if a dot is before it: a port, unless 0 or too large.
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
        Kind::Route if stars > 0 => Some("has a `*`: write `_match_route_prefix_`, and how the names begin"),
        Kind::RoutePrefix if stars > 0 => Some("has a `*`: write the prefix without it"),
        Kind::Consumer if name == "*" => Some("is a `*`: write the names of consumers"),
        // `outbound|80||name`; clusters of other forms are compared whole.
        Kind::Service if stars > 0 || is_url || bars > 2 || matches!(port, Some(0 | TOO_LARGE..)) => {
            Some("is not the name of a service: write it alone, or with its port, as `auth.dns:8080`")
        }
        _ => None,
    }
}

/// No port is that large.
const TOO_LARGE: u32 = 65_536;

/// What is said of a name that a gateway would have trimmed.
const BLANK: &str = "has spaces at an end or control characters: write it without";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_has_is_refused_with_the_remedy() {
        for (kind, name, remedy) in [
            (Kind::Service, "http://a.svc:80/x", "write it alone"),
            (Kind::Service, "outbound|80||a.svc", "write it alone"),
            (Kind::Service, "outbound|||a.svc", "write it alone"),
            (Kind::Service, "*.svc", "write it alone"),
            (Kind::Service, "a.svc:0", "write it alone"),
            (Kind::Service, "a.svc:65536", "with its port"),
            (Kind::Service, "a.svc:99999999999", "with its port"),
            (Kind::Service, "a.svc:080", "with its port"),
            (Kind::Service, "a.svc:http", "with its port"),
            (Kind::Service, "a.svc:", "with its port"),
            (Kind::Service, " a.svc", "without"),
            (Kind::Route, "default/*", "write `_match_route_prefix_`"),
            (Kind::Route, "*", "write `_match_route_prefix_`"),
            (Kind::Route, "default/foo\n", "without"),
            (Kind::RoutePrefix, "default/*", "the prefix without it"),
            (Kind::Consumer, "*", "the names of consumers"),
            (Kind::Consumer, "alice ", "without"),
        ] {
            let problem = problem(kind, name).unwrap_or_else(|| panic!("{name}"));
            assert!(problem.contains(remedy), "{name}: {problem}");
        }
    }

    #[test]
    fn a_name_that_something_may_have_is_taken() {
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
