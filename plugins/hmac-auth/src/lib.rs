//! Authenticates requests by signatures with a secret that the consumer and the gateway share.

use auth::request::{self, Need};
use sdk::prelude::*;
use sdk::{HeaderMap, Status, consumer, time};

mod config;
mod protocol;

use crate::config::{Config, Protocol};
use crate::protocol::{Parts, Pending, Verified, aliyun, apisix};

struct HmacAuth;

/// What has to be verified when the body has arrived.
#[derive(Default)]
struct State {
    pending: Option<Pending>,
}

#[plugin]
impl Plugin for HmacAuth {
    type Config = Config;
    type State = State;

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let headers = request.all();
        authenticate(request, &headers, config).unwrap_or_else(|Status(status)| {
            error!("hmac-auth: a request cannot be authenticated: host status {status}");
            Self::ON_FAILURE.flow("hmac-auth.host_failure")
        })
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        let Some(mut pending) = body.state.pending.take() else { return Flow::Continue };
        let received = pending.receive(config, body.size(), || body.chunk());
        if received.is_ok() && !body.is_last() {
            body.state.pending = Some(pending);
            return Flow::Hold;
        }
        match received.and_then(|()| pending.finish(config, || body.all())) {
            Ok(()) => Flow::Continue,
            Err(refusal) => Flow::Reply(refusal.reply(&config.access)),
        }
    }

    fn holds_request_body(config: &Config) -> bool {
        config.may_hold_bodies()
    }
}

fn authenticate(
    request: &mut RequestHeaders<State>,
    headers: &HeaderMap,
    config: &Config,
) -> Result<Flow, Status> {
    if request::need(request, headers, &config.access)? == Need::None {
        return Ok(Flow::Continue);
    }
    let parts = Parts {
        headers,
        has_body: !request.end_of_stream(),
        can_hold: !request.kind().is_open_ended(),
        milliseconds: if config.compares_times() { time::nanoseconds()? / 1_000_000 } else { 0 },
    };
    let verified = match &config.protocol {
        Protocol::Aliyun(aliyun) => aliyun::verify(config, aliyun, &parts),
        Protocol::Apisix(apisix) => apisix::verify(config, apisix, &parts),
    };
    let not_allowed = || protocol::not_allowed(config);
    let Verified { consumer, is_signed, pending } = match verified
        .and_then(|verified| protocol::check_length(config, headers, verified))
    {
        Ok(verified) => verified,
        Err(refusal) => return request::finish(request, headers, &config.access, Err(refusal), not_allowed),
    };
    let flow = match pending.as_ref().is_some_and(Pending::is_unsigned) && config.access.is_dry_run() {
        // The request passes even if its signature is wrong, but not in the name of a consumer.
        true => consumer::remove_forged(request, headers).map(|()| Flow::Continue)?,
        false => request::finish(request, headers, &config.access, Ok(consumer), not_allowed)?,
    };
    if matches!(flow, Flow::Continue) {
        if is_signed && config.hides_credentials() {
            request.remove("authorization");
        }
        request.state.pending = pending;
    }
    Ok(flow)
}
