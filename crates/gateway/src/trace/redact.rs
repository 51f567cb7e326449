//! A trace without the secrets of its request.

use crate::secret::Redactor;
use hyper::body::Bytes;

use super::analysis::{Message, Trace};

/// The trace with its secrets hidden, to be shown.
#[must_use]
pub fn redacted(trace: &Trace, redactor: &Redactor) -> Trace {
    let mut trace = trace.clone();
    if redactor.is_disabled() {
        return trace;
    }
    trace.details = redactor.text(&trace.details);
    for hop in &mut trace.hops {
        let text = |text: &mut String| *text = redactor.text(text);
        hop.decision.iter_mut().for_each(text);
        hop.log.iter_mut().map(|(_, line)| line).for_each(text);
        for call in &mut hop.calls {
            call.path = redactor.header(b":path", call.path.as_bytes());
            call.end.iter_mut().filter_map(|end| end.failure.as_mut()).for_each(text);
        }
        for (before, after) in [&mut hop.request, &mut hop.response] {
            let was = before.clone().unwrap_or_default();
            before.iter_mut().for_each(|message| hide(message, &was, redactor));
            after.iter_mut().for_each(|message| hide(message, &was, redactor));
        }
    }
    trace
}

/// Hides the secrets of a message. One that is different from the message before is marked.
fn hide(message: &mut Message, before: &Message, redactor: &Redactor) {
    for (fields, before) in
        [(&mut message.headers, &before.headers), (&mut message.trailers, &before.trailers)]
    {
        for (name, value) in fields {
            let was_there = before.iter().any(|(other, same)| other == name && same == value);
            let mut shown = redactor.header(name, value);
            if shown.as_bytes() != *value && !was_there && before.iter().any(|(other, _)| other == name) {
                shown.push_str(" (another)");
            }
            *value = Bytes::from(shown);
        }
    }
    let body = redactor.bytes(&message.body).into_owned();
    if body != message.body {
        // It is shown as completely as before.
        message.length = message.length - message.body.len() + body.len();
        message.body = body;
    }
}
