//! Rewrites errors that the gateway itself responds with.

use sdk::prelude::*;
use sdk::property::Property;

mod config;

use crate::config::{Config, Rule};

struct GwErrorFormat;

/// The status of an error, for its body. If another plug-in has refused the request, this one has not seen it and has no
/// state.
const STATUS: Property<Vec<u8>> = Property::new("gw-error-format.status");

/// The response-code details of responses of an upstream.
const VIA_UPSTREAM: &[u8] = b"via_upstream";

static REWRITTEN: Counter = Counter::new("gw-error-format.rewritten");

#[plugin]
impl Plugin for GwErrorFormat {
    const ON_FAILURE: Failure = Failure::Open;

    type Config = Config;
    /// The status of the error whose body is rewritten.
    type State = Option<u16>;

    fn on_response_headers(response: &mut ResponseHeaders<Self::State>, config: &Config) -> Flow {
        let headers = response.all();
        let number = |name| headers.get(name).and_then(|value| str::from_utf8(value).ok()?.parse().ok());
        let Some(status) = number(":status").and_then(|status| u16::try_from(status).ok()) else {
            return Flow::Continue;
        };
        // The response to a HEAD has the length of a body that it does not have.
        let length = number("content-length").or(response.end_of_stream().then_some(0));
        let Some(rule) = config.rules.iter().find(|rule| rule.fits(status, length)) else {
            return Flow::Continue;
        };
        if property::RESPONSE_CODE_DETAILS.get().is_none_or(|details| details == VIA_UPSTREAM) {
            return Flow::Continue;
        }
        REWRITTEN.add(1);
        if response.end_of_stream() {
            return match &rule.new_body {
                // Only another response can have a body now.
                Some(body) if !body.is_empty() => reply(config, rule, body, &headers),
                _ => {
                    rewrite(response, config, rule);
                    Flow::Continue
                }
            };
        }
        rewrite(response, config, rule);
        response.remove("content-length");
        match &mut response.state {
            Some(state) => **state = Some(status),
            None => {
                if STATUS.set(status.to_string()).is_err() {
                    error!("gw-error-format: the body of an error cannot be rewritten: a host call failed");
                }
            }
        }
        Flow::Continue
    }

    fn on_response_body(body: &mut ResponseBody<Self::State>, config: &Config) -> Flow {
        let status = match &body.state {
            Some(state) => **state,
            None => STATUS.get().and_then(|status| str::from_utf8(&status).ok()?.parse().ok()),
        };
        let Some(status) = status else { return Flow::Continue };
        if !body.is_last() {
            return Flow::Hold;
        }
        let text = body.all();
        let rule =
            config.rules.iter().find(|rule| rule.fits(status, Some(text.len())) && rule.matches(&text));
        if let Some(new) = rule.and_then(|rule| rule.new_body.as_ref())
            && body.can_replace()
        {
            body.replace(new);
        }
        Flow::Continue
    }
}

fn rewrite(response: &ResponseHeaders<Option<u16>>, config: &Config, rule: &Rule) {
    response.set(":status", rule.new_status.get().to_string());
    for (name, value) in &config.headers {
        response.set(name, value);
    }
}

/// A response with a body in place of one without.
fn reply(config: &Config, rule: &Rule, body: &str, headers: &sdk::HeaderMap) -> Flow {
    let mut reply = Reply::new(rule.new_status).details("gw-error-format.replaced").body(body);
    let is_set = |name: &[u8]| config.headers.iter().any(|(known, _)| known.as_bytes() == name);
    for (name, value) in headers.iter() {
        let Ok(text) = str::from_utf8(name) else { continue };
        if !is_set(name) && !sdk::names::is_pseudo(name) && !sdk::names::is_framing(name) {
            reply = reply.header(text, value);
        }
    }
    for (name, value) in &config.headers {
        reply = reply.header(&**name, &**value);
    }
    Flow::Reply(reply)
}
