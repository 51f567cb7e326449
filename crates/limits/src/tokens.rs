//! The tokens of one request to a model and its answer, for plug-ins that charge them.
//!
//! An [`Exchange`] follows a request through the callbacks of a plug-in. It asks servers to report `usage`, estimates what is
//! not reported, and returns the cost once: when the answer has ended, or has broken off.

use std::borrow::Cow;
use std::cell::Cell;

use sdk::{Body, Counter, Flow, LiveHeaders};
use text::chat::{self, Api, Estimate, Meter};
use text::sse;

/// The size of a prompt up to which its texts are estimated, and of an event up to which it is held.
const MAX_HELD: usize = 1 << 20;

/// The names of a plug-in.
#[derive(Debug)]
pub struct Counters {
    /// The plug-in.
    pub plugin: &'static str,
    /// Answers whose tokens are estimated, or some of them: `<plug-in>.estimated`.
    pub estimated: Counter,
    /// Answers that cannot be read: `<plug-in>.response_unreadable`.
    pub unreadable: Counter,
    /// Requests that a server refuses after it was asked for `usage`: `<plug-in>.usage_refused`.
    pub usage_refused: Counter,
    /// Streams whose unfinished last event is lost, because trailers follow it: `<plug-in>.tail_lost`.
    pub tail_lost: Counter,
}

/// What is known after a part of a request's body.
#[derive(Debug)]
pub enum Prompt {
    /// Return this from the callback.
    Incomplete(Flow),
    /// The body is complete, and its prompt has about so many tokens.
    Complete(u32),
}

/// A request to a model and its answer.
#[derive(Debug)]
pub struct Exchange {
    counters: &'static Counters,
    /// The server is to be asked for `usage`, and has been.
    asks: bool,
    asked: bool,
    /// A copy of the body, if it is not held, and its length.
    copy: Vec<u8>,
    length: usize,
    /// The upstream has the whole request.
    sent: bool,
    /// The estimate of the prompt.
    prompt: u32,
    meter: Option<Meter>,
    filter: Option<Filter>,
    /// The cost has been returned.
    over: bool,
}

impl Exchange {
    /// Begins in the headers callback of a request, and prepares it for its answer to be read.
    pub fn begin(
        counters: &'static Counters,
        request: &LiveHeaders,
        end_of_stream: bool,
        ask_for_usage: bool,
    ) -> Self {
        let headers = request.all();
        // A compressed answer cannot be read.
        if headers.get("accept-encoding").is_some() {
            request.set("accept-encoding", "identity");
        }
        let api = Api::of(headers.get(":path").unwrap_or_default());
        // `content-encoding` does not matter: servers ignore it, and a body that is encoded is not JSON, and passes unchanged.
        let asks = ask_for_usage && !end_of_stream && matches!(api, Some(Api::Chat | Api::Completions));
        if asks && headers.get("content-length").is_some() {
            // The body may grow.
            request.remove("content-length");
        }
        Exchange {
            counters,
            asks,
            asked: false,
            copy: Vec::new(),
            length: 0,
            sent: end_of_stream,
            prompt: 0,
            meter: None,
            filter: None,
            over: false,
        }
    }

    /// Returns true if the cost has been returned.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Ends the exchange without a cost: the plug-in has refused the request.
    pub fn abandon(&mut self) {
        self.over = true;
    }

    /// Reads a part of the request's body, and adds the field that asks for `usage`.
    pub fn request_body(&mut self, body: &Body) -> Prompt {
        let is_last = body.is_last();
        if self.asks && !body.kind().is_open_ended() {
            if !is_last {
                return Prompt::Incomplete(Flow::Hold);
            }
            let whole = body.all();
            let edited = chat::ask_for_usage(&whole).ok().flatten().filter(|_| body.can_replace());
            if let Some(edited) = edited {
                body.replace(edited);
                self.asked = true;
            }
            return self.end_request(Some(&whole), whole.len());
        }
        let chunk = body.chunk();
        self.length = self.length.saturating_add(chunk.len());
        if self.length <= MAX_HELD {
            self.copy.extend_from_slice(&chunk);
        } else {
            self.copy = Vec::new();
        }
        if !is_last {
            return Prompt::Incomplete(Flow::Continue);
        }
        let (copy, length) = (std::mem::take(&mut self.copy), self.length);
        self.end_request((length <= MAX_HELD).then_some(&*copy), length)
    }

    fn end_request(&mut self, body: Option<&[u8]>, length: usize) -> Prompt {
        self.sent = true;
        self.prompt = prompt_tokens(body, length);
        Prompt::Complete(self.prompt)
    }

    /// Reads the headers of the response. Returns the cost if it is known already: an error costs nothing, and an answer that
    /// cannot be read, such as a WebSocket, at least `taken`.
    pub fn response_headers(
        &mut self,
        response: &LiveHeaders,
        status: u16,
        end_of_stream: bool,
        taken: u32,
    ) -> Option<u32> {
        if self.over {
            return None;
        }
        let is_upgrade = status == 101;
        if !is_upgrade && (!(200..300).contains(&status) || end_of_stream) {
            if status == 400 && self.asked {
                self.usage_refused();
            }
            self.over = true;
            return Some(0);
        }
        let headers = response.all();
        let is_readable = !is_upgrade && !headers.is_encoded();
        self.meter = Meter::new(headers.get("content-type").unwrap_or_default()).filter(|_| is_readable);
        let Some(meter) = &self.meter else {
            self.counters.unreadable.add(1);
            self.over = true;
            return Some(taken.max(self.prompt));
        };
        if meter.is_stream() && self.asked {
            self.filter = Some(Filter::default());
            if headers.get("content-length").is_some() {
                response.remove("content-length");
            }
        }
        None
    }

    /// Reads a part of the response's body, removes the event that was asked for, and returns the cost at the end.
    pub fn response_body(&mut self, body: &Body) -> Option<u32> {
        if self.over {
            return None;
        }
        let meter = self.meter.as_mut()?;
        let (chunk, is_last, can_replace) = (body.chunk(), body.is_last(), body.can_replace());
        meter.push(&chunk, |_| {});
        if let Some(filter) = &mut self.filter {
            let mut passed = filter.push(&chunk);
            if is_last {
                let rest = filter.finish();
                if !can_replace && !rest.is_empty() {
                    self.counters.tail_lost.add(1);
                }
                passed.to_mut().extend(rest);
            }
            if let (Cow::Owned(passed), true) = (passed, can_replace)
                && passed != chunk
            {
                body.replace(passed);
            }
        }
        if is_last { self.finish() } else { None }
    }

    /// Returns the cost of what has flowed, if it has not been returned. Call it in `on_log`.
    pub fn finish(&mut self) -> Option<u32> {
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        let Some(meter) = &mut self.meter else {
            // The server has the prompt, and the client has gone.
            return Some(if self.sent { self.prompt } else { 0 });
        };
        meter.finish(|_| {});
        let (reported, unreported) = (meter.usage(), meter.unreported());
        if reported.is_none() || unreported > 0 {
            self.counters.estimated.add(1);
        }
        let reported = reported.map_or(u64::from(self.prompt), |usage| usage.processed());
        Some(small(reported.saturating_add(unreported)))
    }

    /// Reports that a server has refused the request for `usage`; in the log once in each worker.
    fn usage_refused(&self) {
        thread_local! {
            static LOGGED: Cell<bool> = const { Cell::new(false) };
        }
        let Counters { plugin, usage_refused, .. } = self.counters;
        usage_refused.add(1);
        if !LOGGED.replace(true) {
            sdk::warn!(
                "{plugin}: a server answers 400 to a request with `stream_options.include_usage`: if it does not know it, set \
                 `ask_for_usage: false`. This is logged once; see the counter {plugin}.usage_refused"
            );
        }
    }
}

/// Estimates the tokens of a prompt. A body that is not JSON, or too large, has one for each four bytes.
fn prompt_tokens(body: Option<&[u8]>, length: usize) -> u32 {
    let texts = body.and_then(|body| chat::prompt(body).ok());
    small(match texts {
        Some(texts) => {
            let mut estimate = Estimate::default();
            texts.iter().for_each(|text| estimate.push(text));
            estimate.tokens()
        }
        None => length as u64 / 4,
    })
}

fn small(tokens: u64) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// Removes the event with `usage` alone from a stream, and passes everything else on.
#[derive(Debug, Default)]
struct Filter {
    reader: sse::Reader,
    /// The event that was removed last ended with CR, whose LF may follow.
    skips_lf: bool,
    /// An event is too large to be held: the rest of the stream passes.
    passes: bool,
}

impl Filter {
    /// Returns what passes of a chunk: the events that it completes.
    fn push<'c>(&mut self, chunk: &'c [u8]) -> Cow<'c, [u8]> {
        let is_whole = self.reader.is_between() && (chunk.ends_with(b"\n\n") || chunk.ends_with(b"\r\n\r\n"));
        if self.passes || (is_whole && !chat::mentions_usage(chunk)) {
            return Cow::Borrowed(chunk);
        }
        self.reader.push(chunk);
        let mut passed = Vec::new();
        while let Some(event) = self.reader.next() {
            // The LF of an event that ended with the CR of a CRLF is in the next one.
            let (lf, raw) = match event.raw().strip_prefix(b"\n") {
                Some(rest) => (true, rest),
                None => (false, event.raw()),
            };
            if lf && !std::mem::take(&mut self.skips_lf) {
                passed.push(b'\n');
            }
            if event.data().is_some_and(|data| chat::is_usage_event(&data)) {
                self.skips_lf = raw.ends_with(b"\r");
            } else {
                passed.extend_from_slice(raw);
            }
        }
        if self.reader.held() > MAX_HELD {
            self.passes = true;
            passed.extend(self.finish());
        }
        Cow::Owned(passed)
    }

    /// Returns the incomplete event at the end of a stream.
    fn finish(&mut self) -> Vec<u8> {
        match self.reader.finish() {
            Some(event) if !event.data().is_some_and(|data| chat::is_usage_event(&data)) => {
                event.raw().to_vec()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_estimated() {
        let body = br#"{"messages":[{"content":"The quick brown fox"}]}"#;
        assert_eq!(prompt_tokens(Some(body), body.len()), 5);
        assert_eq!(prompt_tokens(Some(b"{\"messages\":"), 12), 3);
        assert_eq!(prompt_tokens(None, 4_000_000), 1_000_000);
        assert_eq!(prompt_tokens(Some(b""), 0), 0);
    }

    #[test]
    fn only_the_usage_event_is_removed() {
        let stream = ": wait\r\n\r\ndata: {\"choices\":[{\"delta\":{}}],\"usage\":{}}\n\nevent: x\ndata: 1\r\rdata: {\"choices\":[],\n\
            data: \"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\r\n\r\ndata: {\"choices\":[],\"usage\":{}}\r\n\r\ndata: 2\n\ndata: {\"choices\":[],\"usage\":{}}";
        let expected = ": wait\r\n\r\ndata: {\"choices\":[{\"delta\":{}}],\"usage\":{}}\n\nevent: x\ndata: 1\r\rdata: [DONE]\r\n\r\ndata: 2\n\n";
        for size in 1..=stream.len() {
            let mut filter = Filter::default();
            let mut passed: Vec<u8> = Vec::new();
            stream.as_bytes().chunks(size).for_each(|chunk| passed.extend_from_slice(&filter.push(chunk)));
            passed.extend(filter.finish());
            assert_eq!(String::from_utf8(passed).unwrap(), expected, "in chunks of {size}");
        }
    }

    #[test]
    fn a_huge_event_passes() {
        let mut filter = Filter::default();
        let huge = [b"data: ".as_slice(), &vec![b'x'; MAX_HELD]].concat();
        assert_eq!(&*filter.push(&huge), huge);
        assert_eq!(&*filter.push(b"y\n\n"), b"y\n\n");
        assert!(filter.finish().is_empty());
    }
}
