//! Inspection of responses: their headers, and their bodies if these are text.

use std::borrow::Cow;

use sdk::HeaderMap;
use sdk::prelude::*;
use text::chat;
use waf::Transaction;

use crate::config::Config;
use crate::rules::{self, Partial};
use crate::{State, conclude, declared, detects};

/// The part of a body that has arrived.
pub struct Pending {
    bytes: Vec<u8>,
    /// None of it has been sent to the client.
    is_held: bool,
    is_utf_16: bool,
}

/// Applies the rules of phase 3, and those of phase 4 if the body cannot be inspected.
pub fn headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
    let taken = response.state.as_deref_mut().and_then(|state| state.transaction.take());
    let Some(mut transaction) = taken else { return Flow::Continue };
    let headers = response.all();
    let content_type = headers.get("content-type").unwrap_or_default();
    let is_text = !response.end_of_stream()
        && !response.kind().is_open_ended()
        && config.max_response_body > 0
        && transaction.wants_response_body(content_type);
    let is_encoded = headers.is_encoded();
    let has_text = is_text && !is_encoded;
    let is_blocking = !detects(&transaction, config);
    if has_text && is_blocking {
        // A response whose headers reach the threshold can still be replaced.
        transaction.set_tx("early_blocking", b"1");
    }
    let ordinary = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    let list: Vec<(&[u8], &[u8])> = ordinary.collect();
    let mut denial = transaction.response_headers(response.status(), b"HTTP/1.1", &list);
    if denial.is_none() && !has_text {
        denial = transaction.response_body(b"");
    }
    let Some(state) = response.state.as_deref_mut() else { return Flow::Continue };
    if denial.is_some() || !has_text {
        if is_text && is_encoded {
            state.partial.response = Some(Partial::Encoded);
        }
        let flow = conclude(&transaction, state, denial, config, rules::Phase::ResponseHeaders);
        keep_for_request(state, transaction);
        return flow;
    }
    let is_held = is_blocking && !is_streamed(&headers, content_type, config.max_response_body);
    let is_utf_16 = rules::is_utf_16(content_type);
    state.response = Some(Pending { bytes: Vec::new(), is_held, is_utf_16 });
    state.transaction = Some(transaction);
    if is_held && config.hold_headers { Flow::Hold } else { Flow::Continue }
}

/// Applies the rules of phase 4 to a body, or to its beginning.
pub fn body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
    let taken = body.state.as_deref_mut().and_then(|state| state.response.take());
    let Some(mut pending) = taken else { return Flow::Continue };
    pending.bytes.extend(body.chunk());
    let is_last = body.is_last();
    let Some(state) = body.state.as_deref_mut() else { return Flow::Continue };
    let is_larger = pending.bytes.len() > config.max_response_body;
    if !is_last && !is_larger {
        let is_held = pending.is_held;
        state.response = Some(pending);
        return if is_held { Flow::Hold } else { Flow::Continue };
    }
    let Some(mut transaction) = state.transaction.take() else { return Flow::Continue };
    pending.bytes.truncate(config.max_response_body);
    if is_larger {
        state.partial.response = Some(Partial::Prefix);
    }
    let text = match pending.is_utf_16 || rules::has_mark_of_utf_16(&pending.bytes) {
        true => Cow::Owned(rules::from_utf_16(&pending.bytes)),
        false => Cow::Borrowed(pending.bytes.as_slice()),
    };
    let denial = transaction.response_body(&text);
    let phase = match pending.is_held && config.hold_headers {
        true => rules::Phase::ResponseHeaders,
        false => rules::Phase::ResponseBody,
    };
    let flow = conclude(&transaction, state, denial, config, phase);
    keep_for_request(state, transaction);
    flow
}

/// Keeps a transaction whose request is still being received: upstreams may respond before they have read it.
fn keep_for_request(state: &mut State, transaction: Box<Transaction>) {
    if state.awaits_body && !transaction.is_denied() {
        state.transaction = Some(transaction);
    }
}

/// Returns true for a body that must not be held: it is read as it arrives, or it is larger than what is inspected.
fn is_streamed(headers: &HeaderMap, content_type: &[u8], limit: usize) -> bool {
    let is_unbuffered = headers.values("x-accel-buffering").any(|value| value.eq_ignore_ascii_case(b"no"));
    chat::is_events(content_type)
        || is_unbuffered
        || headers.values("content-length").any(|length| declared(length) > limit)
}
