//! A story without the secrets of its request.

use crate::secret::Hider;
use hyper::body::Bytes;

use super::story::{Message, Story};

/// The story with its secrets hidden, for everything that shows it.
#[must_use]
pub fn hidden(story: &Story, hider: &Hider) -> Story {
    let mut story = story.clone();
    if hider.shows() {
        return story;
    }
    story.details = hider.text(&story.details);
    for hop in &mut story.hops {
        let text = |text: &mut String| *text = hider.text(text);
        hop.decision.iter_mut().for_each(text);
        hop.log.iter_mut().map(|(_, line)| line).for_each(text);
        for call in &mut hop.calls {
            call.path = hider.header(b":path", call.path.as_bytes());
            call.end.iter_mut().filter_map(|end| end.failure.as_mut()).for_each(text);
        }
        for (before, after) in [&mut hop.request, &mut hop.response] {
            let was = before.clone().unwrap_or_default();
            before.iter_mut().for_each(|message| hide(message, &was, hider));
            after.iter_mut().for_each(|message| hide(message, &was, hider));
        }
    }
    story
}

/// Hides what is secret in a message. A secret that is another one than in the message before says so.
fn hide(message: &mut Message, before: &Message, hider: &Hider) {
    for (fields, before) in
        [(&mut message.headers, &before.headers), (&mut message.trailers, &before.trailers)]
    {
        for (name, value) in fields {
            let was_there = before.iter().any(|(other, same)| other == name && same == value);
            let mut shown = hider.header(name, value);
            if shown.as_bytes() != *value && !was_there && before.iter().any(|(other, _)| other == name) {
                shown.push_str(" (another)");
            }
            *value = Bytes::from(shown);
        }
    }
    let body = hider.bytes(&message.body).into_owned();
    if body != message.body {
        // What is shown of it is as whole as it was.
        message.length = message.length - message.body.len() + body.len();
        message.body = body;
    }
}
