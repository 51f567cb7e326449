//! Answers preflights and adds CORS headers for permitted origins.

use sdk::HeaderMap;
use sdk::prelude::*;

mod config;
mod origin;
mod rules;

use crate::config::Config;
use crate::rules::{Request, Verdict};

struct Cors;

/// What the response needs.
#[derive(Default)]
enum Answer {
    /// The request did not come here, or is of no other origin.
    #[default]
    Nothing,
    /// CORS headers for this origin.
    For(Vec<u8>),
    /// Nothing: this plug-in has responded itself.
    Own,
}

#[plugin]
impl Plugin for Cors {
    type Config = Config;
    type State = Answer;

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
        // Most requests have no origin.
        if !request.with("origin", |_| true) {
            return Flow::Continue;
        }
        let headers = request.all();
        match rules::judge(config, &of(&headers)) {
            Verdict::NotCors => Flow::Continue,
            Verdict::Allowed(origin) => {
                *request.state = Answer::For(origin.to_vec());
                Flow::Continue
            }
            Verdict::Preflight(origin) => {
                let reply = preflight(config, origin, &headers);
                *request.state = Answer::Own;
                Flow::Reply(reply)
            }
            Verdict::Refused(cause) => {
                if !config.dry_run {
                    *request.state = Answer::Own;
                }
                Flow::Reply(
                    Reply::new(StatusCode::FORBIDDEN)
                        .details("cors.refused")
                        .cause(cause)
                        .header("vary", "Origin")
                        .body("Invalid CORS request")
                        .dry_run(config.dry_run),
                )
            }
        }
    }

    fn on_response_headers(response: &mut ResponseHeaders<Self::State>, config: &Config) -> Flow {
        let origin = match response.state.as_deref() {
            Some(Answer::Own) => return Flow::Continue,
            Some(Answer::For(origin)) => Some(origin.as_slice()),
            Some(Answer::Nothing) | None => None,
        };
        // Caches must not give one origin's response to another, nor one without the headers to any.
        let Some(origin) = origin else {
            if config.varies() && !response.with("vary", mentions_origin) {
                response.add("vary", "Origin");
            }
            return Flow::Continue;
        };
        let sent = response.all();
        let add_vary = config.varies() && !sent.values("vary").any(mentions_origin);
        let own = rules::response_headers(config, origin);
        // An upstream of its own mind would otherwise permit what this plug-in does not.
        let is_foreign = |name: &&str| sent.get(name).is_some() && own.iter().all(|(own, _)| own != name);
        let foreign = rules::OF_RESPONSES.iter().filter(|name| is_foreign(name));
        if add_vary {
            response.add("vary", "Origin");
        }
        foreign.for_each(|name| response.remove(name));
        for (name, value) in &own {
            response.set(name, value);
        }
        Flow::Continue
    }
}

/// The parts of a request that decide.
fn of(headers: &HeaderMap) -> Request<'_> {
    let all = |name| headers.values(name).collect::<Vec<_>>();
    Request {
        method: headers.get(":method").unwrap_or_default(),
        authority: headers.get(":authority").unwrap_or_default(),
        origins: all("origin"),
        wanted_method: headers.get("access-control-request-method"),
        wanted_headers: all("access-control-request-headers"),
    }
}

fn preflight(config: &Config, origin: &[u8], headers: &HeaderMap) -> Reply {
    let request = of(headers);
    let mut reply =
        Reply::new(StatusCode::OK).details("cors.preflight").header("vary", rules::PREFLIGHT_VARY);
    for (name, value) in rules::response_headers(config, origin) {
        reply = reply.header(name, value);
    }
    for (name, value) in rules::preflight_headers(config, &request) {
        reply = reply.header(name, value);
    }
    let is_private = headers.get("access-control-request-private-network") == Some(b"true");
    if is_private && config.allow_private_network {
        reply = reply.header("access-control-allow-private-network", "true");
    }
    reply
}

/// Returns true if a `vary` header has `Origin` or `*` already.
fn mentions_origin(vary: &[u8]) -> bool {
    let mut names = vary.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
}
