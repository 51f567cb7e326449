//! A trace for people.

use anstyle::{AnsiColor, Style};
use gateway::trace::{Call, Capture, Direction, Hop, Message, Responder, Trace};
use hyper::body::Bytes;
use serde_json::Value;

use crate::layout::{WIDTH, below, fold, printable};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The maximum length of a body that is shown whole.
const MAX_SHOWN: usize = 2048;

/// Shows a trace: who responded and why, then the path of the request, then that of the response.
pub(super) fn show(trace: &Trace, capture: &Capture) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    for words in fold(&headline(trace, capture), WIDTH, "  ") {
        line(format!("{BOLD}{words}{BOLD:#}"));
    }
    line(format!("\n{BOLD}request{BOLD:#}"));
    whole(&mut line, trace.hops.first().and_then(|hop| hop.request.0.as_ref()));
    for (number, hop) in trace.hops.iter().enumerate() {
        // The first line has the decision already.
        let is_shown = trace.responder == Responder::Plugin(number);
        part(&mut line, number, hop, Direction::Request, is_shown);
    }
    line(format!("\n{BOLD}response{BOLD:#}"));
    whole(&mut line, trace.hops.last().and_then(|hop| hop.response.0.as_ref()));
    for (number, hop) in trace.hops.iter().enumerate().rev() {
        part(&mut line, number, hop, Direction::Response, true);
    }
    if !capture.metrics.is_empty() {
        line(format!("\n{BOLD}counters and gauges{BOLD:#}"));
        for (name, value) in &capture.metrics {
            line(format!("     {name}: {value}"));
        }
    }
    if let Some(probe) = trace.probe {
        line(String::new());
        let note = format!(
            "Times are measured from one probe to the next, in one request to an Envoy that has just started. The first two \
             probes have nothing between them, and were {} µs apart.",
            probe / 1000
        );
        for words in fold(&note, WIDTH, "") {
            line(format!("{DIM}{words}{DIM:#}"));
        }
    }
    text
}

/// A message before the first plug-in.
fn whole(line: &mut impl FnMut(String), message: Option<&Message>) {
    let Some(message) = message else { return };
    for field in &message.headers {
        indented(line, "     ", &fold(&in_words(field), ROOM, "  "));
    }
    if message.length > 0 {
        indented(line, "     ", &body(message));
    }
    for field in &message.trailers {
        indented(line, "     ", &fold(&format!("{} (trailer)", in_words(field)), ROOM, "  "));
    }
}

/// Who responded, and why.
fn headline(trace: &Trace, capture: &Capture) -> String {
    let status = capture.response.as_ref().map(|answer| answer.status).unwrap_or_default();
    let name = |number: usize| trace.hops.get(number).map(|hop| hop.name.clone()).unwrap_or_default();
    match &trace.responder {
        Responder::Upstream => format!("the upstream answered {status}"),
        Responder::Gateway => format!("the gateway answered {status}: {}", trace.details),
        Responder::None(None) => "no response in time".into(),
        Responder::None(Some(plugin)) => {
            format!("no response in time: {} holds the request", name(*plugin))
        }
        Responder::Plugin(plugin) => {
            let decision = trace.hops.get(*plugin).and_then(|hop| hop.decision.clone());
            match decision {
                Some(decision) => {
                    format!("{} {}", name(*plugin), decision.replacen("answers", "answered", 1))
                }
                None => format!("{} answered {status}: {}", name(*plugin), trace.details),
            }
        }
    }
}

/// The part of a plug-in in one direction.
fn part(line: &mut impl FnMut(String), number: usize, hop: &Hop, way: Direction, is_shown: bool) {
    let passage = match way {
        Direction::Request => &hop.request,
        Direction::Response => &hop.response,
    };
    if let (None, None) = passage {
        return line(format!("{DIM}{:>2} {}: not reached{DIM:#}", number + 1, hop.name));
    }
    let rule = match (hop.field.as_deref(), hop.rule.as_deref()) {
        (Some(field), _) => format!("by {field}"),
        (None, Some("none")) => "no rule".into(),
        (None, Some(rule)) => format!("by {rule}"),
        (None, None) => "rule not reported".into(),
    };
    let rule = if way == Direction::Request { format!(" ({rule})") } else { String::new() };
    line(format!("{:>2} {BOLD}{}{BOLD:#}{rule}{}", number + 1, hop.name, time(hop, way)));
    match passage {
        (Some(before), Some(after)) => changes(before, after).into_iter().for_each(&mut *line),
        (Some(_), None) => line("     stopped here".into()),
        (None, Some(after)) => {
            line("     began here:".into());
            changes(&Message { whole: true, ..Message::default() }, after).into_iter().for_each(&mut *line);
        }
        (None, None) => {}
    }
    for made in hop.calls.iter().filter(|call| call.way == way) {
        indented(line, "     ", &fold(&call(made), ROOM, "  "));
    }
    let is_decision = |text: &str| hop.decision.as_deref().is_some_and(|decision| text.contains(decision));
    for (_, text) in hop.log.iter().filter(|(on, text)| *on == way && !is_decision(text)) {
        for words in fold(text, ROOM, "  ") {
            line(format!("     {DIM}{words}{DIM:#}"));
        }
    }
    if let (Direction::Request, Some(decision), false) = (way, &hop.decision, is_shown) {
        indented(line, "     ", &fold(decision, ROOM, "  "));
    }
}

/// The width of a line after its indent and the sign of a difference.
const ROOM: usize = WIDTH - 7;

fn indented(line: &mut impl FnMut(String), indent: &str, lines: &[String]) {
    lines.iter().for_each(|words| line(format!("{indent}{words}")));
}

/// How long a message was with a plug-in: its headers, and its end if that is later.
fn time(hop: &Hop, way: Direction) -> String {
    let apart = |from: u64, to: u64| to.saturating_sub(from) / 1000;
    let (before, after) = match way {
        Direction::Request => &hop.request,
        Direction::Response => &hop.response,
    };
    match (before, after) {
        (Some(before), Some(after)) if before.ended > before.began && after.whole => format!(
            ", headers {} µs, end {} µs",
            apart(before.began, after.began),
            apart(before.ended, after.ended)
        ),
        (Some(before), Some(after)) => format!(", {} µs", apart(before.began, after.began)),
        // It responded itself.
        (Some(before), None) => match &hop.response {
            (None, Some(answer)) => format!(", answered after {} µs", apart(before.began, answer.began)),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// An HTTP call, and its end.
fn call(call: &Call) -> String {
    let made = format!("called {} of {}", call.path, call.cluster);
    match &call.end {
        None => format!("{made}: no response before the request ended"),
        Some(end) => match &end.failure {
            None => format!("{made}: {} after {} µs", end.status, end.took),
            Some(why) => {
                format!("{made}: no response after {} µs ({why}), reported as {}", end.took, end.status)
            }
        },
    }
}

/// The changes by a plug-in, as a diff.
fn changes(before: &Message, after: &Message) -> Vec<String> {
    let signed = |style: Style, sign: char, lines: Vec<String>| {
        let lines = lines.into_iter().enumerate();
        lines
            .map(|(at, text)| format!("     {style}{} {text}{style:#}", if at == 0 { sign } else { ' ' }))
            .collect::<Vec<_>>()
    };
    let minus = |text: Vec<String>| signed(BAD, '-', text);
    let plus = |text: Vec<String>| signed(GOOD, '+', text);
    let field = |field: &Field| fold(&in_words(field), ROOM, "  ");
    let mut lines = Vec::new();
    for (old, new) in [(&before.headers, &after.headers), (&before.trailers, &after.trailers)] {
        let (gone, come) = difference(old, new);
        lines.extend(gone.iter().flat_map(|gone| minus(field(gone))));
        lines.extend(come.iter().flat_map(|come| plus(field(come))));
    }
    if (&before.body, before.length) != (&after.body, after.length) {
        if before.length > 0 {
            lines.extend(minus(body(before)));
        }
        if after.length > 0 {
            lines.extend(plus(body(after)));
        }
    }
    if before.whole && !after.whole {
        lines.push("     the end stopped here".into());
    }
    if lines.is_empty() {
        lines.push("     unchanged".into());
    }
    lines
}

/// The entries that only one of two lists has, each occurrence counted.
fn difference<'m>(old: &'m [Field], new: &'m [Field]) -> (Vec<&'m Field>, Vec<&'m Field>) {
    let mut come: Vec<&Field> = new.iter().collect();
    let gone = old
        .iter()
        .filter(|field| match come.iter().position(|other| other == field) {
            Some(at) => {
                come.remove(at);
                false
            }
            None => true,
        })
        .collect();
    (gone, come)
}

type Field = (Bytes, Bytes);

fn in_words((name, value): &Field) -> String {
    format!("{}: {}", name.escape_ascii(), printable(&String::from_utf8_lossy(value)))
}

/// The body in lines, with JSON formatted.
fn body(message: &Message) -> Vec<String> {
    let shown = message.body.get(..MAX_SHOWN).unwrap_or(&message.body);
    let is_whole = shown.len() == message.length;
    let json = if is_whole { serde_json::from_slice::<Value>(shown).ok() } else { None };
    let more = if is_whole { "" } else { " …" };
    let text = format!("{}{more}", String::from_utf8_lossy(shown));
    below(&format!("body of {} bytes:", message.length), &text, json.as_ref(), ROOM)
}
