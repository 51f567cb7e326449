//! A trace for scripts.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::Capture;
use super::analysis::{Message, Responder, Trace};
use super::events::Direction;

type Field = (Bytes, Bytes);

/// The trace as JSON.
#[must_use]
pub fn json(trace: &Trace, capture: &Capture) -> Value {
    let responder = match &trace.responder {
        Responder::Upstream => json!({ "kind": "upstream" }),
        Responder::Gateway => json!({ "kind": "gateway" }),
        Responder::Plugin(plugin) => {
            json!({ "kind": "plugin", "plugin": trace.hops.get(*plugin).map(|hop| &hop.name) })
        }
        Responder::None(plugin) => {
            json!({ "kind": "nobody", "plugin": plugin.and_then(|plugin| trace.hops.get(plugin)).map(|hop| &hop.name) })
        }
    };
    let hops: Vec<Value> = trace
        .hops
        .iter()
        .map(|hop| {
            json!({
                "plugin": hop.name,
                "rule": hop.rule,
                "field": hop.field,
                "decision": hop.decision,
                "request": { "before": message(hop.request.0.as_ref()), "after": message(hop.request.1.as_ref()) },
                "response": { "before": message(hop.response.0.as_ref()), "after": message(hop.response.1.as_ref()) },
                "log": hop.log.iter().map(|(way, line)| json!({ "way": named(*way), "line": line })).collect::<Vec<_>>(),
                "calls": hop.calls.iter().map(|call| json!({
                    "way": named(call.way),
                    "cluster": call.cluster,
                    "path": call.path,
                    "status": call.end.as_ref().map(|end| end.status),
                    "failure": call.end.as_ref().and_then(|end| end.failure.as_ref()),
                    "tookMicroseconds": call.end.as_ref().map(|end| end.took),
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "status": capture.response.as_ref().map(|answer| answer.status),
        "details": trace.details,
        "answeredBy": responder,
        "probeNanoseconds": trace.probe,
        "metrics": capture.metrics.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect::<serde_json::Map<_, _>>(),
        "plugins": hops,
    })
}

fn named(way: Direction) -> &'static str {
    match way {
        Direction::Request => "request",
        Direction::Response => "response",
    }
}

fn message(message: Option<&Message>) -> Value {
    let fields = |fields: &[Field]| -> Value {
        fields
            .iter()
            .map(|(name, value)| json!([String::from_utf8_lossy(name), String::from_utf8_lossy(value)]))
            .collect()
    };
    message.map_or(Value::Null, |message| {
        json!({
            "headers": fields(&message.headers),
            "body": String::from_utf8_lossy(&message.body),
            "length": message.length,
            "trailers": fields(&message.trailers),
            "whole": message.whole,
            "beganNanoseconds": message.began,
            "endedNanoseconds": message.ended,
        })
    })
}
