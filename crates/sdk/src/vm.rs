//! The context table of one VM, and what each entry point does.
//!
//! A host makes one root context for each configuration of the plug-in in this VM, several at once while
//! a new one takes over, and one context for each stream, bound to the root it was made under.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

mod answer;
mod task;

use crate::abi::{BufferType, CONTINUE, MapType, PAUSE, Status};
use crate::body::Body;
use crate::flow::Outcome;
use crate::headers::HeaderMap;
use crate::host::StreamType;
use crate::queue::Queue;
use crate::rules::{Choice, Loaded, Phase};
use crate::wait::{Parked, Waits};
use crate::{
    BodyFlow, Flow, Plugin, RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders,
    ResponseTrailers, StreamKind, host, log,
};
use answer::{answer, fail};
use task::Task;

/// Everything that one VM knows.
pub struct Vm<P: Plugin> {
    /// By id. There are few, so a list is searched.
    roots: Roots<P::Config>,
    streams: Contexts<Stream<P>>,
}

type Roots<C> = Vec<(u32, Rc<Loaded<C>>)>;

/// Context ids count up from 1, so a multiplication spreads them as well as a slow hash would.
type Contexts<T> = HashMap<u32, T, BuildHasherDefault<IdHasher>>;

#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        /// 2^64 divided by the golden ratio (Knuth, volume 3, section 6.4).
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(SPREAD);
    }
}

/// One request and its response.
struct Stream<P: Plugin> {
    root: u32,
    config: Config<P::Config>,
    state: Option<P::State>,
    request: Progress,
    response: Progress,
    /// Work that the stream waits for. Boxed, because most streams never have any.
    task: Option<Box<Task<P>>>,
}

/// Which configuration a stream has.
enum Config<C> {
    /// Nobody has asked yet.
    Undecided,
    /// None: the plug-in has nothing to do with this request.
    Untouched,
    Chosen(Choice<C>),
}

/// How far a body has come.
#[derive(Default)]
struct Progress {
    /// Bytes that the gateway holds because the plug-in said so.
    held: usize,
    /// Decided, or at its end: the plug-in is not called again.
    done: bool,
    /// Trailers have arrived that nobody has looked at.
    trailers: bool,
    /// What the head says of the stream, where the plug-in may hold it.
    kind: StreamKind,
    /// An open-ended stream was to be held, and the log says so.
    warned: bool,
}

/// Which half of a stream a callback is about.
#[derive(Clone, Copy)]
struct Half {
    phase: Phase,
    headers: MapType,
    body: BufferType,
    trailers: MapType,
    stream: StreamType,
}

const REQUEST: Half = Half {
    phase: Phase::Request,
    headers: MapType::RequestHeaders,
    body: BufferType::RequestBody,
    trailers: MapType::RequestTrailers,
    stream: StreamType::Request,
};
const RESPONSE: Half = Half {
    phase: Phase::Response,
    headers: MapType::ResponseHeaders,
    body: BufferType::ResponseBody,
    trailers: MapType::ResponseTrailers,
    stream: StreamType::Response,
};

impl<P: Plugin> Vm<P> {
    /// A VM that has no context yet.
    pub const fn empty() -> Self {
        Vm { roots: Vec::new(), streams: HashMap::with_hasher(BuildHasherDefault::new()) }
    }

    /// `proxy_on_context_create`.
    pub fn on_context_create(&mut self, context: u32, root: u32) {
        if root == 0 {
            return; // A root gets its entry with its configuration.
        }
        self.streams.insert(
            context,
            Stream {
                root,
                config: Config::Undecided,
                state: None,
                request: Progress::default(),
                response: Progress::default(),
                task: None,
            },
        );
    }

    /// `proxy_on_configure`: the new configuration, or the old one and `false`.
    pub fn on_configure(&mut self, root: u32, size: usize) -> bool {
        log::refresh();
        let text = match host::configuration(size) {
            Ok(text) => text,
            Err(Status(status)) => {
                crate::error!("{}: cannot read the configuration: host status {status}", P::NAME);
                return false;
            }
        };
        match Loaded::from_json(&text) {
            Ok(loaded) => {
                self.roots.retain(|(id, _)| *id != root);
                let configurations = loaded.all();
                self.roots.push((root, Rc::new(loaded)));
                P::on_configured(&configurations);
                let period = configurations.iter().map(|config| P::tick_period(config)).min();
                match period {
                    Some(period) if P::TICKS => host::set_tick_period(period).is_ok(),
                    _ => true,
                }
            }
            Err(error) => {
                crate::error!("{}: configuration refused: {error}", P::NAME);
                false
            }
        }
    }

    /// `proxy_on_delete`.
    pub fn on_delete(&mut self, context: u32) {
        if self.streams.remove(&context).is_none() {
            self.roots.retain(|(id, _)| *id != context);
        }
    }

    /// Streams that are not deleted yet, and calls that nobody has answered.
    #[cfg(not(target_family = "wasm"))]
    pub fn live(&self) -> usize {
        self.streams.len() + crate::call::open()
    }

    /// `proxy_on_tick`.
    pub fn on_tick(&mut self, root: u32) {
        if let Some((_, loaded)) = self.roots.iter().find(|(id, _)| *id == root) {
            P::on_tick(&loaded.all());
        }
    }

    /// `proxy_on_queue_ready`.
    pub fn on_queue_ready(&mut self, root: u32, queue: u32) {
        if let Some((_, loaded)) = self.roots.iter().find(|(id, _)| *id == root) {
            P::on_queue_ready(Queue::from_id(queue), &loaded.all());
        }
    }

    /// `proxy_on_request_headers`.
    pub fn on_request_headers(&mut self, context: u32, end_of_stream: bool) -> u32 {
        self.visit(context, REQUEST, |stream, choice| {
            let state = stream.state.get_or_insert_default();
            let map = HeaderMap::new(REQUEST.headers);
            // The request's kind is needed for its response's, too.
            let may_hold = (P::REQUEST_BODY && P::holds_request_body(&choice.config))
                || (P::RESPONSE_BODY && P::holds_response_body(&choice.config));
            let kind = (may_hold && !end_of_stream).then(|| map.read_ahead(StreamKind::of_request));
            let mut view = RequestHeaders { state, map, end_of_stream, kind, waits: waits::<P>(choice) };
            let flow = P::on_request_headers(&mut view, &choice.config);
            if let Flow::Hold = flow {
                view.kind = Some(view.kind());
            }
            stream.request.kind = view.kind.unwrap_or_default();
            let outcome = stream.request.of_head::<P>(flow, end_of_stream);
            settle(outcome, view.map.failed(), view.waits)
        })
    }

    /// `proxy_on_response_headers`.
    pub fn on_response_headers(&mut self, context: u32, end_of_stream: bool) -> u32 {
        self.visit(context, RESPONSE, |stream, choice| {
            let map = HeaderMap::new(RESPONSE.headers);
            let waits = waits::<P>(choice);
            let request = stream.request.kind;
            let may_hold = P::RESPONSE_BODY && P::holds_response_body(&choice.config);
            let kind = (may_hold && !end_of_stream)
                .then(|| map.read_ahead(|headers| StreamKind::of_response(headers, request)));
            let state = stream.state.as_mut();
            let mut view = ResponseHeaders { state, map, end_of_stream, request, kind, waits };
            let flow = P::on_response_headers(&mut view, &choice.config);
            if let Flow::Hold = flow {
                view.kind = Some(view.kind());
            }
            stream.response.kind = view.kind.unwrap_or_default();
            let outcome = stream.response.of_head::<P>(flow, end_of_stream);
            settle(outcome, view.map.failed(), view.waits)
        })
    }

    /// `proxy_on_request_body`.
    pub fn on_request_body(&mut self, context: u32, size: usize, last: bool) -> u32 {
        self.visit(context, REQUEST, |stream, choice| look_at_body(stream, REQUEST, choice, size, last))
    }

    /// `proxy_on_request_trailers`: a body that ends with trailers ends here, without `end_of_stream`.
    pub fn on_request_trailers(&mut self, context: u32) -> u32 {
        self.trailers(context, REQUEST)
    }

    /// `proxy_on_response_body`.
    pub fn on_response_body(&mut self, context: u32, size: usize, last: bool) -> u32 {
        self.visit(context, RESPONSE, |stream, choice| look_at_body(stream, RESPONSE, choice, size, last))
    }

    /// `proxy_on_response_trailers`.
    pub fn on_response_trailers(&mut self, context: u32) -> u32 {
        self.trailers(context, RESPONSE)
    }

    /// The end of a body, which the gateway holds as far as it held it before, and then the trailers.
    fn trailers(&mut self, context: u32, half: Half) -> u32 {
        self.visit(context, half, |stream, choice| {
            let progress = stream.progress(half.phase);
            progress.trailers = true;
            let held = progress.held;
            let called = look_at_body(stream, half, choice, held, true);
            then_trailers(stream, half, choice, called)
        })
    }

    /// Finds the stream and its configuration, calls the plug-in, and does what it decided.
    fn visit(
        &mut self,
        context: u32,
        half: Half,
        call: impl FnOnce(&mut Stream<P>, &Choice<P::Config>) -> Called<P::State>,
    ) -> u32 {
        let Some(stream) = self.streams.get_mut(&context) else {
            return fail::<P>(half.stream);
        };
        if let Config::Undecided = stream.config {
            let Some(loaded) = loaded::<P>(&mut self.roots, stream.root) else {
                return fail::<P>(half.stream);
            };
            stream.config = match loaded.choose(half.phase) {
                Ok(Some(choice)) => Config::Chosen(choice),
                Ok(None) => Config::Untouched,
                Err(_) => return fail::<P>(half.stream),
            };
        }
        let Config::Chosen(choice) = &stream.config else {
            return CONTINUE;
        };
        let choice = choice.clone();
        let called = call(stream, &choice);
        carry_out(context, stream, half, &choice, called)
    }
}

/// What a callback came to, and where work that it began leaves the state.
struct Called<S> {
    outcome: Outcome,
    parked: Option<Rc<Parked<S>>>,
}

/// A host call that failed outweighs what the plug-in made of it.
fn settle<S>(outcome: Outcome, failed: bool, waits: Option<Waits<S>>) -> Called<S> {
    let outcome = if failed { Outcome::Failed } else { outcome };
    Called { outcome, parked: waits.and_then(|waits| waits.parked.into_inner()) }
}

/// What a view needs to wait. Only plug-ins with call-outs pay for it.
fn waits<P: Plugin>(choice: &Choice<P::Config>) -> Option<Waits<P::State>> {
    P::CALL_OUTS.then(|| Waits { config: choice.config.clone(), parked: OnceCell::new() })
}

/// Does what a callback decided, and answers the host.
fn carry_out<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    called: Called<P::State>,
) -> u32 {
    match called.outcome {
        Outcome::Continue => CONTINUE,
        Outcome::Hold => PAUSE,
        Outcome::Failed => fail::<P>(half.stream),
        Outcome::Reply(reply) => {
            stream.progress(half.phase).done = true;
            answer::<P>(&reply, choice.rule, half.stream)
        }
        Outcome::Reset => {
            stream.progress(half.phase).done = true;
            match host::close_stream(half.stream) {
                Ok(()) => PAUSE,
                Err(_) => fail::<P>(half.stream),
            }
        }
        Outcome::Wait(work) => match called.parked {
            Some(parked) if P::CALL_OUTS => task::begin(context, stream, half, choice, work, parked),
            _ => {
                crate::error!("{}: a request cannot wait: write `#[plugin(call_outs)]`", P::NAME);
                fail::<P>(half.stream)
            }
        },
    }
}

impl<P: Plugin> Stream<P> {
    fn progress(&mut self, phase: Phase) -> &mut Progress {
        match phase {
            Phase::Request => &mut self.request,
            Phase::Response => &mut self.response,
        }
    }
}

/// Shows the plug-in what it has not seen of a body.
fn look_at_body<P: Plugin>(
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    size: usize,
    last: bool,
) -> Called<P::State> {
    if P::CALL_OUTS && task::holds(stream, half, size, last) {
        return Called { outcome: Outcome::Hold, parked: None };
    }
    let progress = stream.progress(half.phase);
    if progress.done {
        return Called { outcome: Outcome::Continue, parked: None };
    }
    let changeable = !progress.trailers || progress.held > 0;
    let body = Body::new(half.body, progress.held, size, last, changeable, progress.kind);
    let waits = waits::<P>(choice);
    let (flow, failed, size, waits) = match half.phase {
        Phase::Request => {
            let mut view = RequestBody { state: stream.state.get_or_insert_default(), body, waits };
            (P::on_request_body(&mut view, &choice.config), view.body.failed(), view.body.size(), view.waits)
        }
        Phase::Response => {
            let mut view = ResponseBody { state: stream.state.as_mut(), body, waits };
            (P::on_response_body(&mut view, &choice.config), view.body.failed(), view.body.size(), view.waits)
        }
    };
    let outcome = stream.progress(half.phase).after::<P>(flow, size, last);
    settle(outcome, failed, waits)
}

/// Shows the plug-in the trailers, once the body before them has gone on.
fn then_trailers<P: Plugin>(
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    called: Called<P::State>,
) -> Called<P::State> {
    let progress = stream.progress(half.phase);
    if !(matches!(called.outcome, Outcome::Continue) && std::mem::take(&mut progress.trailers)) {
        return called;
    }
    let map = HeaderMap::new(half.trailers);
    let (flow, failed) = match half.phase {
        Phase::Request => {
            let mut view = RequestTrailers { state: stream.state.get_or_insert_default(), map };
            (P::on_request_trailers(&mut view, &choice.config), view.map.failed())
        }
        Phase::Response => {
            let mut view = ResponseTrailers { state: stream.state.as_mut(), map };
            (P::on_response_trailers(&mut view, &choice.config), view.map.failed())
        }
    };
    let outcome = stream.progress(half.phase).of_head::<P>(flow, true);
    settle(outcome, failed, None)
}

impl Progress {
    /// Behind a head that ends its message no body comes that could let go of it.
    fn of_head<P: Plugin>(&mut self, flow: Flow, end_of_stream: bool) -> Outcome {
        match flow {
            Flow::Hold if end_of_stream || self.goes_on::<P>() => Outcome::Continue,
            flow => flow.into(),
        }
    }

    /// Whether what was to be held goes on, because its sender may wait for what comes of it; the log says so.
    fn goes_on<P: Plugin>(&mut self) -> bool {
        if !self.kind.is_open_ended() {
            return false;
        }
        if !std::mem::replace(&mut self.warned, true) {
            crate::warn!(
                "{}: {} is not held, it has no end to wait for: what arrives goes on",
                P::NAME,
                self.kind
            );
        }
        true
    }

    /// Notes what a callback decided about a body.
    fn after<P: Plugin>(&mut self, flow: BodyFlow, size: usize, last: bool) -> Outcome {
        self.done |= last;
        match flow {
            // Nothing comes after the last call that could let go of what is held.
            BodyFlow::Hold if last => Outcome::Continue,
            BodyFlow::Hold if self.goes_on::<P>() => {
                self.held = 0;
                Outcome::Continue
            }
            BodyFlow::Continue => {
                self.held = 0;
                Outcome::Continue
            }
            BodyFlow::Hold | BodyFlow::Wait(_) => {
                self.held = size;
                flow.into()
            }
            BodyFlow::Reply(_) | BodyFlow::Reset => flow.into(),
        }
    }
}

/// The configuration of a root. A gateway that has none to deliver may not call `proxy_on_configure`.
fn loaded<P: Plugin>(roots: &mut Roots<P::Config>, root: u32) -> Option<Rc<Loaded<P::Config>>> {
    if let Some((_, loaded)) = roots.iter().find(|(id, _)| *id == root) {
        return Some(loaded.clone());
    }
    match Loaded::from_json(b"") {
        Ok(loaded) => {
            let loaded = Rc::new(loaded);
            roots.push((root, loaded.clone()));
            Some(loaded)
        }
        Err(error) => {
            crate::error!("{}: there is no configuration: {error}", P::NAME);
            None
        }
    }
}
