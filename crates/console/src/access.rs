//! Who may do what: the one table of routes with the role that each needs, and the checks that every request passes.
//!
//! A route that is not in the table is refused, so a forgotten one does no harm.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use ipnet::IpNet;

use crate::Console;
use crate::problem::Problem;
use crate::sessions::Actor;
use crate::users::{Role, role_in};

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it signs in.
    Nothing,
    /// A session.
    Session,
    /// A role in the gateway of the path.
    In(Role),
}

const VIEWER: Needs = Needs::In(Role::Viewer);
const OPERATOR: Needs = Needs::In(Role::Operator);
const ADMIN: Needs = Needs::In(Role::Admin);

/// Every route of the API.
pub const ROUTES: &[(&str, &str, Needs)] = &[
    ("GET", "/api/v1/openapi.json", Needs::Session),
    ("GET", "/api/v1/session", Needs::Session),
    ("POST", "/api/v1/session", Needs::Nothing),
    ("DELETE", "/api/v1/session", Needs::Session),
    ("PUT", "/api/v1/session/password", Needs::Session),
    ("GET", "/api/v1/gateways", Needs::Session),
    ("GET", "/api/v1/gateways/{g}", VIEWER),
    ("POST", "/api/v1/gateways/{g}/start", ADMIN),
    ("POST", "/api/v1/gateways/{g}/stop", ADMIN),
    ("GET", "/api/v1/gateways/{g}/events", VIEWER),
    ("GET", "/api/v1/gateways/{g}/live", VIEWER),
    ("GET", "/api/v1/gateways/{g}/plugins", VIEWER),
    ("POST", "/api/v1/gateways/{g}/plugins", ADMIN),
    ("POST", "/api/v1/gateways/{g}/plugins/check", ADMIN),
    ("GET", "/api/v1/gateways/{g}/plugins/{p}", VIEWER),
    ("PATCH", "/api/v1/gateways/{g}/plugins/{p}", ADMIN),
    ("DELETE", "/api/v1/gateways/{g}/plugins/{p}", ADMIN),
    ("PUT", "/api/v1/gateways/{g}/plugins/{p}/enabled", OPERATOR),
    ("POST", "/api/v1/gateways/{g}/plugins/{p}/versions", ADMIN),
    ("POST", "/api/v1/gateways/{g}/plugins/{p}/versions/rollback", ADMIN),
    ("POST", "/api/v1/gateways/{g}/plugins/{p}/copy", ADMIN),
    ("GET", "/api/v1/gateways/{g}/plugins/{p}/configuration", VIEWER),
    ("PUT", "/api/v1/gateways/{g}/plugins/{p}/configuration", OPERATOR),
    ("POST", "/api/v1/gateways/{g}/plugins/{p}/configuration/check", OPERATOR),
    ("POST", "/api/v1/gateways/{g}/plugins/{p}/move", OPERATOR),
    ("GET", "/api/v1/gateways/{g}/plugins/{p}/export", VIEWER),
    ("GET", "/api/v1/gateways/{g}/plugins/{p}/matches", VIEWER),
    ("GET", "/api/v1/gateways/{g}/order", VIEWER),
    ("POST", "/api/v1/gateways/{g}/curl", VIEWER),
    ("POST", "/api/v1/gateways/{g}/try", OPERATOR),
    ("POST", "/api/v1/gateways/{g}/explain", VIEWER),
    ("POST", "/api/v1/gateways/{g}/uploads", ADMIN),
    ("POST", "/api/v1/gateways/{g}/images", ADMIN),
    ("GET", "/api/v1/gateways/{g}/history", VIEWER),
    ("GET", "/api/v1/gateways/{g}/history/{id}", VIEWER),
    ("POST", "/api/v1/gateways/{g}/history/{id}/revert", ADMIN),
    ("GET", "/api/v1/gateways/{g}/audit", VIEWER),
];

/// What a route needs, if it is in the table.
#[must_use]
pub fn needs(method: &Method, path: &str) -> Option<Needs> {
    // As axum does it, a handler of GET responds to HEAD as well.
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    ROUTES.iter().find(|(known, route, _)| *known == method && *route == path).map(|(_, _, needs)| *needs)
}

/// The header with the token against forged requests.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// How the console is reached.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// Whether browsers use TLS, here or at a proxy.
    pub(crate) secure: bool,
    /// The addresses of the proxy.
    pub(crate) proxy: Option<IpNet>,
    /// Whether only this machine connects.
    pub(crate) loopback: bool,
    /// Names that browsers may use.
    pub(crate) hosts: Vec<String>,
    /// The name of the cookie. Browsers do not separate cookies by port, so it has the port.
    pub(crate) cookie: String,
}

/// The client of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client(pub(crate) IpAddr);

impl Reach {
    /// Checks where a request comes from and by which name, against DNS rebinding. Returns the client and the host.
    fn client(
        &self,
        peer: IpAddr,
        authority: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(Client, String), Problem> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = HeaderName::from_static("x-forwarded-for");
        let forwarded_host = HeaderName::from_static("x-forwarded-host");
        let mut client = peer;
        // HTTP/2 has no `Host`.
        let mut host = authority.or_else(|| text(&header::HOST)).unwrap_or_default();
        if let Some(proxy) = &self.proxy {
            if !proxy.contains(&peer) {
                let message = format!("{peer} is not the proxy that this console is behind");
                return Err(Problem::new("forbidden", message));
            }
            host = text(&forwarded_host).unwrap_or(host);
            // The last address that the proxy itself did not add.
            let all = headers.get_all(&forwarded).iter().filter_map(|value| value.to_str().ok());
            let addresses: Vec<IpAddr> =
                all.flat_map(|value| value.split(',')).filter_map(|one| one.trim().parse().ok()).collect();
            let last = addresses.iter().rev().find(|address| !proxy.contains(*address));
            client = last.copied().unwrap_or(peer);
        }
        if !self.is_own(host) {
            let message = format!(
                "`{host}` is not a name of this console: open it by its address, or start it with `--host {}`",
                name_of(host)
            );
            return Err(Problem::new("wrong_host", message).with("host", host));
        }
        Ok((Client(client), host.to_owned()))
    }

    /// Returns true if a host is this console's: a name that was configured, or an address, which no other name can be
    /// rebound to.
    fn is_own(&self, host: &str) -> bool {
        let name = name_of(host);
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return true;
        }
        match bare.parse::<IpAddr>() {
            Ok(address) => !self.loopback || address.is_loopback(),
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Checks that a request comes from this console's own page, or from no page.
    fn origin(&self, host: &str, headers: &HeaderMap) -> Result<(), Problem> {
        let refuse = |from: &str| {
            let message = "the request comes from a page of another site";
            Err(Problem::new("wrong_origin", message).with("origin", from))
        };
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let scheme = if self.secure { "https" } else { "http" };
            if !origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")) {
                return refuse(origin);
            }
        }
        let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
        match site {
            Some(site @ ("cross-site" | "same-site")) => refuse(site),
            _ => Ok(()),
        }
    }

    /// The cookie of a request.
    pub(crate) fn cookie<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.cookie).map(|(_, value)| value)
    }

    /// The header that sets the cookie; an empty value removes it.
    pub(crate) fn set_cookie(&self, value: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let age = if value.is_empty() { "; Max-Age=0" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", self.cookie)
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Not inside of an IPv6 address.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
            if name.contains(':') && !name.ends_with(']') {
                host
            } else {
                name
            }
        }
        _ => host,
    }
}

/// Checks every request, of the page's files too: the host, and on the way back the headers that all responses have.
pub(crate) async fn every(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let checked = match peer {
        Some(peer) => {
            let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
            console.reach.client(peer, authority, request.headers())
        }
        None => Err(Problem::internal("the address of the client is unknown")),
    };
    let mut response = match checked {
        Ok((client, host)) => {
            request.extensions_mut().insert(client);
            request.extensions_mut().insert(Host(host));
            next.run(request).await
        }
        Err(problem) => refuse(request, problem).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The page has one with a nonce.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if console.reach.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// How much of the body of a refused request is read, and for how long.
const DRAINED: usize = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Refuses a request after reading its body. A client that is still sending may see a reset stream instead of the refusal.
async fn refuse(request: Request, problem: Problem) -> Response {
    let rest = Limited::new(request.into_body(), DRAINED).collect();
    // Whatever comes of the rest, the request is refused.
    let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
    problem.into_response()
}

/// The host of a request, as the browser knows it.
#[derive(Debug, Clone)]
struct Host(String);

/// Checks a request of the API: its origin, its session, its token and its role.
pub(crate) async fn api(
    State(console): State<Arc<Console>>,
    path: Option<MatchedPath>,
    params: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let gateway = params.iter().find(|(name, _)| *name == "g").map(|(_, value)| value.to_owned());
    match allow(&console, &request, path, gateway.as_deref()) {
        Ok(Some(actor)) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Ok(None) => next.run(request).await,
        Err(problem) => refuse(request, problem).await,
    }
}

fn allow(
    console: &Console,
    request: &Request,
    path: &str,
    gateway: Option<&str>,
) -> Result<Option<Actor>, Problem> {
    let headers = request.headers();
    if let Some(Host(host)) = request.extensions().get() {
        console.reach.origin(host, headers)?;
    }
    let Some(needs) = needs(request.method(), path) else {
        return Err(Problem::new("method_not_allowed", "this address has no such method"));
    };
    if needs == Needs::Nothing {
        return Ok(None);
    }
    let how = console.sessions().name_of_how();
    let signed_out =
        || Problem::new("signed_out", "you are not signed in, or your session has ended").with("how", how);
    let cookie = console.reach.cookie(headers).ok_or_else(signed_out)?;
    // A stream of events stays open without any activity of the user.
    let touch = !path.ends_with("/events");
    let actor = console.sessions().actor(cookie, touch).ok_or_else(signed_out)?;
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let token = headers.get(&CSRF).and_then(|token| token.to_str().ok()).unwrap_or_default();
    if !is_safe && !actor.has_csrf(token) {
        let message = "the request has no valid x-csrf-token, which `GET /api/v1/session` returns";
        return Err(Problem::new("csrf", message));
    }
    if let Needs::In(role) = needs {
        let name = gateway.unwrap_or_default();
        let own = role_in(&actor.roles, name).filter(|_| console.gateways.contains_key(name));
        let Some(own) = own else {
            let message = format!("there is no gateway `{name}`, or you have no role in it");
            return Err(Problem::new("gateway_unknown", message).with("gateway", name));
        };
        if own < role {
            let (own, needed) = (role_name(own), role_name(role));
            let message = format!("you are {own} of {name}, and this needs {needed}");
            return Err(Problem::new("forbidden", message)
                .with("gateway", name)
                .with("role", own)
                .with("needed", needed));
        }
    }
    Ok(Some(actor))
}

/// The name of a role.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach() -> Reach {
        Reach {
            secure: false,
            proxy: None,
            loopback: true,
            hosts: Vec::new(),
            cookie: "portcullis-8081".into(),
        }
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn on_loopback_only_its_names_are_own() {
        for (host, is_own) in [
            ("127.0.0.1:8081", true),
            ("127.0.0.1", true),
            ("localhost:8081", true),
            ("LOCALHOST", true),
            ("[::1]:8081", true),
            ("evil.example.com:8081", false),
            ("127.0.0.1.example.com", false),
            ("192.0.2.1:8081", false),
            ("localhost.", false),
            ("", false),
        ] {
            assert_eq!(reach().client(HERE, None, &headers(&[("host", host)])).is_ok(), is_own, "{host}");
        }
        let absolute = reach().client(HERE, Some("evil.example.com"), &headers(&[("host", "127.0.0.1")]));
        assert!(absolute.is_err(), "the name in the request line counts");
        let other = Reach { loopback: false, hosts: vec!["console.example.com".into()], ..reach() };
        for (host, is_own) in [
            ("console.example.com:8081", true),
            ("192.0.2.1", true),
            ("[2001:db8::1]:1", true),
            ("evil.example.com", false),
        ] {
            assert_eq!(other.is_own(host), is_own, "{host}");
        }
    }

    #[test]
    fn another_origin_is_refused() {
        let own = "127.0.0.1:8081";
        for (all, is_good) in [
            (&[][..], true),
            (&[("origin", "http://127.0.0.1:8081")], true),
            (&[("origin", "http://127.0.0.1:9999")], false),
            (&[("origin", "https://127.0.0.1:8081")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://evil.example.com")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
        ] {
            assert_eq!(reach().origin(own, &headers(all)).is_ok(), is_good, "{all:?}");
        }
    }

    #[test]
    fn behind_a_proxy_the_client_is_the_one_before_it() {
        let proxy = Reach {
            proxy: Some("192.0.2.0/24".parse().unwrap()),
            loopback: false,
            hosts: vec!["console.example.com".into()],
            ..reach()
        };
        let sent = headers(&[
            ("host", "backend:8081"),
            ("x-forwarded-host", "console.example.com"),
            ("x-forwarded-for", "10.9.9.9, 203.0.113.7, 192.0.2.8"),
        ]);
        let (client, host) = proxy.client([192, 0, 2, 1].into(), None, &sent).unwrap();
        assert_eq!((client.0.to_string().as_str(), host.as_str()), ("203.0.113.7", "console.example.com"));
        assert_eq!(proxy.client([203, 0, 113, 7].into(), None, &sent).unwrap_err().code, "forbidden");
        assert_eq!(
            reach().client(HERE, None, &sent).unwrap_err().code,
            "wrong_host",
            "without a proxy it is not believed"
        );
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts() {
        let own = reach();
        assert_eq!(own.set_cookie("x"), "portcullis-8081=x; Path=/; HttpOnly; SameSite=Strict");
        let secure = Reach { secure: true, ..reach() };
        assert!(secure.set_cookie("").ends_with("; Secure; Max-Age=0"));
        let sent = headers(&[("cookie", "a=b; portcullis-8082=y; portcullis-8081=x")]);
        assert_eq!(own.cookie(&sent), Some("x"));
    }
}
