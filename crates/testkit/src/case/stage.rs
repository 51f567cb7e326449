//! A case's `requests` and `interleave` as written, and the resulting stages.

use std::fmt;

use engine::exchange::{request_steps, response_steps};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, Visitor};

use super::expect::one_or_more;
use super::written::{configuration, present};
use super::{Change, Chunks, Event, Happening, Request, Service, Stage, Step, Upstream};
use crate::ByteString;

/// An entry of `requests`.
pub(super) enum WrittenStage {
    Request(Box<Request>),
    Change(WrittenChange),
}

/// An entry of `interleave`.
pub(super) enum WrittenEvent {
    Named(String),
    Change(WrittenChange),
}

/// Another configuration, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenChange {
    #[serde(default, deserialize_with = "present")]
    then_config: Option<serde_yaml::Value>,
    then_config_text: Option<ByteString>,
    #[serde(default, deserialize_with = "one_or_more")]
    refused: Vec<String>,
}

/// The keys of a change.
const OF_CHANGE: [&str; 3] = ["then_config", "then_config_text", "refused"];

impl WrittenChange {
    fn check(self) -> Result<Change, String> {
        if self.then_config.is_none() && self.then_config_text.is_none() {
            return Err("refused: has no effect without a configuration: add `then_config: {…}`".into());
        }
        let configuration = configuration(self.then_config, self.then_config_text, None)
            .map_err(|error| error.replace("config", "then_config"))?;
        Ok(Change { configuration, refused: self.refused })
    }
}

impl<'de> Deserialize<'de> for WrittenStage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = WrittenStage;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a request: {{ path: …, expect: {{ … }} }}, or {{ then_config: {{ … }} }}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut rest: A) -> Result<WrittenStage, A::Error> {
                let first: Option<String> = rest.next_key()?;
                let is_change = first.as_deref().is_some_and(|key| OF_CHANGE.contains(&key));
                let map = MapAccessDeserializer::new(WithFirst { first, rest });
                Ok(if is_change {
                    WrittenStage::Change(WrittenChange::deserialize(map)?)
                } else {
                    WrittenStage::Request(Box::new(Request::deserialize(map)?))
                })
            }
        }

        deserializer.deserialize_map(Either)
    }
}

/// A map whose first key was looked at.
struct WithFirst<A> {
    first: Option<String>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithFirst<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(key) => {
                let key: StrDeserializer<'_, A::Error> = key.as_str().into_deserializer();
                seed.deserialize(key).map(Some)
            }
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }
}

impl<'de> Deserialize<'de> for WrittenEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = WrittenEvent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an event: `a.headers`, `a.body[0]`, …, or {{ then_config: {{ … }} }}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenEvent, E> {
                Ok(WrittenEvent::Named(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenEvent, A::Error> {
                WrittenChange::deserialize(MapAccessDeserializer::new(map)).map(WrittenEvent::Change)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// The requests of a case, and the stages in which they go out.
pub(super) fn stages(
    written: Vec<WrittenStage>,
    events: Vec<WrittenEvent>,
    upstream: &Upstream,
    services: &[Service],
) -> Result<(Vec<Request>, Vec<Stage>), String> {
    let mut requests: Vec<Request> = Vec::new();
    let mut stages = Vec::new();
    // The places of the requests with names, and the place of the first among the stages.
    let (mut named, mut place) = (Vec::<usize>::new(), None);
    for (index, stage) in written.into_iter().enumerate() {
        match stage {
            WrittenStage::Change(change) => {
                let change = change.check().map_err(|error| format!("requests[{index}].{error}"))?;
                stages
                    .push(Stage::Interleave { requests: Vec::new(), events: vec![Event::configure(change)] });
            }
            WrittenStage::Request(request) => {
                if let Some(name) = &request.name {
                    check_name(name, &requests)
                        .map_err(|error| format!("requests[{index}].name: {error}"))?;
                    if place.is_some_and(|place: usize| place != stages.len()) {
                        return Err(format!(
                            "requests[{index}]: is separate from the other requests with names: write these \
                             consecutively, and other requests before or after them"
                        ));
                    }
                    place = Some(stages.len());
                    named.push(requests.len());
                } else {
                    stages.push(Stage::Request(requests.len()));
                }
                requests.push(*request);
            }
        }
    }
    match (place, events.is_empty()) {
        (None, true) => Ok((requests, stages)),
        (None, false) => {
            Err("interleave: no request has a name: add `name: a` to those that events are of".into())
        }
        (Some(_), true) => {
            Err("requests: those with a `name` are open at once: add `interleave: [a.headers, …]`, or \
             remove `name`"
                .into())
        }
        (Some(place), false) => {
            let events = read_events(events, &named, &mut requests, upstream, services)?;
            stages.insert(place, Stage::Interleave { requests: named, events });
            Ok((requests, stages))
        }
    }
}

fn check_name(name: &str, before: &[Request]) -> Result<(), String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || !name.bytes().all(is_word) {
        return Err(format!("`{name}`: write a word of letters, digits, `-` and `_`"));
    }
    if name == SERVICE {
        return Err(format!("`{SERVICE}`: begins the events of services: write another name"));
    }
    if before.iter().any(|request| request.name.as_deref() == Some(name)) {
        return Err(format!("`{name}`: another request has this name"));
    }
    Ok(())
}

/// The prefix of services' events.
const SERVICE: &str = "service";

/// Parses the events, and sets the framing of requests that they require.
fn read_events(
    written: Vec<WrittenEvent>,
    named: &[usize],
    requests: &mut [Request],
    upstream: &Upstream,
    services: &[Service],
) -> Result<Vec<Event>, String> {
    let names: Vec<String> = named.iter().filter_map(|place| requests.get(*place)?.name.clone()).collect();
    let own = named.iter().filter_map(|place| requests.get(*place)).flat_map(|request| &request.services);
    let clusters: Vec<String> = services.iter().chain(own).map(|service| service.cluster.clone()).collect();
    let mut events: Vec<Event> = Vec::new();
    for (index, event) in written.into_iter().enumerate() {
        let at = |error: String| format!("interleave[{index}]: {error}");
        let event = match event {
            WrittenEvent::Change(change) => Event::configure(change.check().map_err(at)?),
            WrittenEvent::Named(text) => {
                let happening = read_event(&text, &names, &clusters).map_err(at)?;
                if let Some(before) = events.iter().position(|event| event.written == text) {
                    return Err(at(format!(
                        "duplicate event `{text}` (first in interleave[{before}]): remove one"
                    )));
                }
                Event { written: text, happening }
            }
        };
        events.push(event);
    }
    for (index, (place, name)) in named.iter().zip(&names).enumerate() {
        if let Some(request) = requests.get_mut(*place) {
            let steps: Vec<Step> = events.iter().filter_map(|event| event.step_of(index)).collect();
            frame(request, upstream, &steps);
            check_steps(name, request, upstream, &steps)?;
        }
    }
    Ok(events)
}

fn read_event(text: &str, names: &[String], clusters: &[String]) -> Result<Happening, String> {
    const FORMS: &str = "write `a.headers`, `a.body[0]`, `a.end`, `a.reset`, `a.response.headers`, \
                         `a.response.body[0]` or `a.response.end` of a request `a`, `service.c[0]` of a service `c`, or \
                         `{ then_config: {…} }`";
    let (name, part) = text.split_once('.').ok_or_else(|| format!("`{text}` is not an event: {FORMS}"))?;
    if name == SERVICE {
        let call = part.rsplit_once('[').and_then(|(cluster, rest)| Some((cluster, rest.strip_suffix(']')?)));
        let call = call.and_then(|(cluster, number)| Some((cluster, number.parse().ok()?)));
        let (cluster, call) = call.ok_or_else(|| {
            format!(
                "`{text}`: write which call is answered: `service.{part}[0]` is the first that `{part}` sees"
            )
        })?;
        if !clusters.iter().any(|known| known == cluster) {
            return Err(format!("`{text}`: no service has the cluster `{cluster}`: add it to `services`"));
        }
        return Ok(Happening::Answer { cluster: cluster.into(), call });
    }
    let Some(request) = names.iter().position(|known| known == name) else {
        return Err(format!("`{text}`: no request has the name `{name}`: there are {}", names.join(", ")));
    };
    let step = Step::read(part).ok_or_else(|| format!("`{text}` is not an event: {FORMS}"))?;
    Ok(Happening::Step { request, step })
}

/// An end with its own event is separate from the last piece, which requires the chunked coding in HTTP/1.1.
fn frame(request: &mut Request, upstream: &Upstream, steps: &[Step]) {
    let apart = |chunks: &mut Option<Chunks>| {
        chunks.get_or_insert_with(|| Chunks::Sizes(Vec::new()));
    };
    if steps.contains(&Step::End) {
        request.body.get_or_insert_default();
        apart(&mut request.chunks);
    }
    if steps.contains(&Step::ResponseEnd) {
        apart(&mut request.upstream.get_or_insert_with(|| upstream.clone()).chunks);
    }
}

/// Whether each step is there once and in its turn.
fn check_steps(name: &str, request: &Request, upstream: &Upstream, listed: &[Step]) -> Result<(), String> {
    let upstream = request.upstream.as_ref().unwrap_or(upstream);
    let mut expected = request_steps(request);
    if listed.contains(&Step::End) && !expected.contains(&Step::End) {
        expected.push(Step::End);
    }
    if listed.iter().any(|step| step.is_of_answer()) {
        expected.extend(response_steps(request, upstream));
    }
    let mut rest = expected.as_slice();
    let mut steps = listed.iter();
    let step = |step: &Step| format!("`{name}.{step}`");
    for listed_step in steps.by_ref() {
        if *listed_step == Step::Reset {
            return match steps.next() {
                None if rest.len() < expected.len() => Ok(()),
                None => Err(format!(
                    "interleave: {} has no request to reset: add {} before it",
                    step(&Step::Reset),
                    step(&Step::RequestHeaders)
                )),
                Some(after) => Err(format!(
                    "interleave: {} comes after {}: the client has disconnected by then",
                    step(after),
                    step(&Step::Reset)
                )),
            };
        }
        match rest.split_first().filter(|_| expected.contains(listed_step)) {
            Some((next, after)) if next == listed_step => rest = after,
            Some((next, _)) if listed.contains(next) => {
                return Err(format!(
                    "interleave: {} comes before {}: write it after",
                    step(listed_step),
                    step(next)
                ));
            }
            Some((next, after)) if after.contains(listed_step) => {
                return Err(format!(
                    "interleave: {} is missing: add it before {}",
                    step(next),
                    step(listed_step)
                ));
            }
            _ => {
                let (pieces, of) = match listed_step {
                    Step::ResponseBody(_) => (upstream.pieces().len(), "answer's body"),
                    _ => (request.pieces().len(), "body"),
                };
                return Err(format!(
                    "interleave: {}: there is no such part: the {of} has {pieces} pieces; `chunks` cuts it",
                    step(listed_step)
                ));
            }
        }
    }
    match rest.first() {
        None => Ok(()),
        Some(next) => Err(format!(
            "interleave: {} is missing: add it, or {} where the client disconnects",
            step(next),
            step(&Step::Reset)
        )),
    }
}
