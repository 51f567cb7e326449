//! The context table of a VM and its entry points.
//!
//! A host creates one root context for each configuration of the plug-in in this VM (several at once while a new
//! configuration replaces an old one), and one context for each stream, which belongs to the root it was created under.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

mod decision;
mod reply;
mod task;

use crate::abi::{BufferType, CONTINUE, MapType, PAUSE, Status};
use crate::body::Body;
use crate::headers::LiveHeaders;
use crate::host::StreamType;
use crate::queue::Queue;
use crate::rules::{Choice, Loaded, Phase};
use crate::wait::WaitConfig;
use crate::{
    Flow, Plugin, RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders,
    ResponseTrailers, StreamEnd, StreamKind, background, call, host, log,
};
use decision::{Point, conclude};
use reply::{HOST_FAILURE, fail};
use task::Waiting;

/// The state of a VM.
pub struct Vm<P: Plugin> {
    /// By id. A linear search is enough for the few roots of a VM.
    roots: Roots<P::Config>,
    streams: Contexts<Context<P>>,
}

type Roots<C> = Vec<(u32, Loaded<C>)>;

/// Context ids count up from 1, so a multiplication spreads them as well as a slower hash would.
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

/// A stream and its configuration. They are separate so that the configuration can be borrowed while the stream changes.
struct Context<P: Plugin> {
    config: Config<P::Config>,
    stream: Stream<P>,
}

/// One request and its response.
struct Stream<P: Plugin> {
    /// Absent before the first callback of a request, and while async work owns it.
    state: Option<P::State>,
    request: Progress,
    response: Progress,
    /// The log already has a warning that this open-ended stream was not held.
    warned: bool,
    /// Work that the stream waits for. Boxed, because most streams have none, and streams are moved.
    waiting: Option<Box<Waiting<P::State>>>,
}

/// The configuration of a stream.
enum Config<C> {
    /// Not selected yet.
    Undecided {
        root: u32,
    },
    /// No configuration applies to this request: the plug-in is not called.
    Unconfigured,
    Selected(Choice<C>),
}

/// The progress of one half of a stream.
#[derive(Default)]
struct Progress {
    /// Bytes that the gateway holds because of the plug-in's decision.
    held: usize,
    /// The plug-in has read the end of the body.
    ended: bool,
    /// The plug-in has replied or reset the stream, and is not called again.
    decided: bool,
    /// Trailers have arrived, and their callback has not run yet.
    trailers: bool,
    /// The kind of the stream, if the plug-in may hold it.
    kind: StreamKind,
}

/// The host's numbers for one half of a stream.
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
    /// Creates a VM without contexts.
    pub const fn empty() -> Self {
        Vm { roots: Vec::new(), streams: HashMap::with_hasher(BuildHasherDefault::new()) }
    }

    /// `proxy_on_context_create`.
    pub fn on_context_create(&mut self, context: u32, root: u32) {
        if root == 0 {
            return; // A root is added with its configuration.
        }
        self.streams.insert(
            context,
            Context {
                config: Config::Undecided { root },
                stream: Stream {
                    state: None,
                    request: Progress::default(),
                    response: Progress::default(),
                    warned: false,
                    waiting: None,
                },
            },
        );
    }

    /// `proxy_on_configure`. If the new configuration is invalid, keeps the old one and returns false.
    pub fn on_configure(&mut self, root: u32, size: usize) -> bool {
        log::refresh();
        let text = match host::configuration(size) {
            Ok(text) => text,
            Err(Status(status)) => {
                crate::error!("{}: cannot read the configuration: host status {status}", P::NAME);
                return false;
            }
        };
        let loaded = match Loaded::from_json(&text) {
            Ok(loaded) => loaded,
            Err(error) => {
                crate::error!("{}: configuration refused: {error}", P::NAME);
                return false;
            }
        };
        let configurations = loaded.all();
        let period = configurations.iter().map(|config| P::tick_period(config)).min();
        if let (true, Some(period)) = (P::TICKS, period)
            && let Err(Status(status)) = host::set_tick_period(period)
        {
            crate::error!(
                "{}: configuration refused: the gateway cannot call the plug-in every {period:?}: host status {status}",
                P::NAME
            );
            return false;
        }
        // Nothing can fail from here on: the new configuration is active.
        if P::CALL_OUTS {
            background::cancel(root);
        }
        self.forget_root(root);
        self.roots.push((root, loaded));
        enter::<P>(root);
        P::on_configured(&configurations);
        true
    }

    /// `proxy_on_delete`.
    pub fn on_delete(&mut self, context: u32) {
        if self.streams.remove(&context).is_none() {
            self.forget_root(context);
        }
        if P::CALL_OUTS {
            background::cancel(context);
            self.lose_calls(context);
        }
    }

    #[inline(never)]
    fn forget_root(&mut self, root: u32) {
        self.roots.retain(|(id, _)| *id != root);
    }

    /// Returns the number of streams that are not deleted and of calls that are open.
    #[cfg(not(target_family = "wasm"))]
    pub fn live(&self) -> usize {
        self.streams.len() + call::open()
    }

    /// `proxy_on_tick`.
    pub fn on_tick(&mut self, root: u32) {
        if let Some((_, loaded)) = self.roots.iter().find(|(id, _)| *id == root) {
            enter::<P>(root);
            P::on_tick(&loaded.all());
        }
        if P::CALL_OUTS {
            self.deliver_notifications();
        }
    }

    /// `proxy_on_queue_ready`.
    pub fn on_queue_ready(&mut self, root: u32, queue: u32) {
        if let Some((_, loaded)) = self.roots.iter().find(|(id, _)| *id == root) {
            enter::<P>(root);
            P::on_queue_ready(Queue::from_id(queue), &loaded.all());
        }
    }

    /// `proxy_on_request_headers`.
    pub fn on_request_headers(&mut self, context: u32, end_of_stream: bool) -> u32 {
        self.visit(context, REQUEST, |stream, choice| {
            let state = stream.state.get_or_insert_default();
            let map = LiveHeaders::new(REQUEST.headers);
            // The kind of the response depends on the kind of the request.
            let may_hold = (P::REQUEST_BODY && P::holds_request_body(&choice.config))
                || (P::RESPONSE_BODY && P::holds_response_body(&choice.config));
            let kind = (may_hold && !end_of_stream).then(|| map.request_kind());
            let wait = wait_config::<P>(choice);
            let mut view = RequestHeaders { state, map, end_of_stream, kind, wait };
            let flow = P::on_request_headers(&mut view, &choice.config);
            stream.request.kind = if let Flow::Hold = flow { view.kind() } else { kind.unwrap_or_default() };
            let failed = view.map.failed();
            conclude(context, stream, REQUEST, choice, Point::Headers { end_of_stream }, flow, failed)
        })
    }

    /// `proxy_on_response_headers`.
    pub fn on_response_headers(&mut self, context: u32, end_of_stream: bool) -> u32 {
        self.visit(context, RESPONSE, |stream, choice| {
            let map = LiveHeaders::new(RESPONSE.headers);
            let request = stream.request.kind;
            let may_hold = P::RESPONSE_BODY && P::holds_response_body(&choice.config);
            let kind = (may_hold && !end_of_stream).then(|| map.response_kind(request));
            let (state, wait) = (stream.state.as_mut(), wait_config::<P>(choice));
            let mut view = ResponseHeaders { state, map, end_of_stream, request, kind, wait };
            let flow = P::on_response_headers(&mut view, &choice.config);
            stream.response.kind = if let Flow::Hold = flow { view.kind() } else { kind.unwrap_or_default() };
            let failed = view.map.failed();
            conclude(context, stream, RESPONSE, choice, Point::Headers { end_of_stream }, flow, failed)
        })
    }

    /// `proxy_on_request_body`.
    pub fn on_request_body(&mut self, context: u32, size: usize, last: bool) -> u32 {
        self.visit(context, REQUEST, |stream, choice| {
            run_body_callback(context, stream, REQUEST, choice, size, last)
        })
    }

    /// `proxy_on_request_trailers`. A body that is followed by trailers ends here, without `end_of_stream`.
    pub fn on_request_trailers(&mut self, context: u32) -> u32 {
        self.trailers(context, REQUEST)
    }

    /// `proxy_on_response_body`.
    pub fn on_response_body(&mut self, context: u32, size: usize, last: bool) -> u32 {
        self.visit(context, RESPONSE, |stream, choice| {
            run_body_callback(context, stream, RESPONSE, choice, size, last)
        })
    }

    /// `proxy_on_response_trailers`.
    pub fn on_response_trailers(&mut self, context: u32) -> u32 {
        self.trailers(context, RESPONSE)
    }

    /// `proxy_on_log`: the stream is over.
    pub fn on_log(&mut self, context: u32) {
        enter::<P>(context);
        let Some(Context { config, stream }) = self.streams.get_mut(&context) else { return };
        if let Config::Undecided { root } = *config
            && !select::<P>(&mut self.roots, root, Phase::Response, config)
        {
            return;
        }
        let Config::Selected(choice) = config else { return };
        if P::CALL_OUTS {
            stream.drop_work();
        }
        P::on_log(&mut StreamEnd { state: stream.state.as_mut() }, &choice.config);
    }

    /// Runs the body callback for the end of the body, and then the trailers callback.
    fn trailers(&mut self, context: u32, half: Half) -> u32 {
        self.visit(context, half, |stream, choice| {
            let progress = stream.progress(half.phase);
            progress.trailers = true;
            let held = progress.held;
            let action = run_body_callback(context, stream, half, choice, held, true);
            run_trailers_callback(context, stream, half, choice, action)
        })
    }

    /// Finds the stream and its configuration, and runs a callback with them.
    fn visit(
        &mut self,
        context: u32,
        half: Half,
        run: impl FnOnce(&mut Stream<P>, &Choice<P::Config>) -> u32,
    ) -> u32 {
        enter::<P>(context);
        let Some(Context { config, stream }) = self.streams.get_mut(&context) else {
            return fail::<P>(half.stream, HOST_FAILURE);
        };
        if let Config::Undecided { root } = *config
            && !select::<P>(&mut self.roots, root, half.phase, config)
        {
            return fail::<P>(half.stream, HOST_FAILURE);
        }
        let Config::Selected(choice) = config else {
            return CONTINUE;
        };
        let action = run(stream, choice);
        if action == CONTINUE {
            stream.progress(half.phase).held = 0;
        }
        action
    }

    /// The result of a request callback when the host enters a VM that is already running.
    pub fn refuse_request() -> u32 {
        fail::<P>(StreamType::Request, "the gateway called the plug-in while it was running")
    }

    /// The same for a response callback.
    pub fn refuse_response() -> u32 {
        fail::<P>(StreamType::Response, "the gateway called the plug-in while it was running")
    }
}

/// Makes `context` the owner of calls that are made from now on. Costs nothing in plug-ins without `call_outs`.
fn enter<P: Plugin>(context: u32) {
    if P::CALL_OUTS {
        call::enter(context);
    }
}

/// Returns the configuration for a view that can wait. Costs nothing in plug-ins without `call_outs`.
fn wait_config<P: Plugin>(choice: &Choice<P::Config>) -> WaitConfig<'_> {
    if P::CALL_OUTS { Some(&choice.config) } else { None }
}

impl<P: Plugin> Stream<P> {
    fn progress(&mut self, phase: Phase) -> &mut Progress {
        match phase {
            Phase::Request => &mut self.request,
            Phase::Response => &mut self.response,
        }
    }
}

/// Runs the body callback with the bytes that the plug-in has not read.
fn run_body_callback<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    size: usize,
    last: bool,
) -> u32 {
    if P::CALL_OUTS && stream.is_busy(half) {
        if let Some(pause) = stream.pause(half) {
            // The trailers callback has no size; what was there before is still there.
            pause.unseen = Some((pause.unseen.map_or(size, |(before, _)| before.max(size)), last));
        }
        return PAUSE;
    }
    let progress = stream.progress(half.phase);
    if progress.ended || progress.decided {
        return CONTINUE;
    }
    let changeable = !progress.trailers || progress.held > 0;
    let body = Body::new(half.body, progress.held, size, last, changeable, progress.kind);
    let wait = wait_config::<P>(choice);
    let (flow, failed, size) = match half.phase {
        Phase::Request => {
            let (state, headers) = (stream.state.get_or_insert_default(), LiveHeaders::new(half.headers));
            let mut view = RequestBody { state, body, headers, wait };
            (P::on_request_body(&mut view, &choice.config), view.failed(), view.body.size())
        }
        Phase::Response => {
            let (state, headers) = (stream.state.as_mut(), LiveHeaders::new(half.headers));
            let mut view = ResponseBody { state, body, headers, wait };
            (P::on_response_body(&mut view, &choice.config), view.failed(), view.body.size())
        }
    };
    conclude(context, stream, half, choice, Point::Body { size, last }, flow, failed)
}

/// Runs the trailers callback, once the body before them has continued.
fn run_trailers_callback<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    action: u32,
) -> u32 {
    let progress = stream.progress(half.phase);
    if action != CONTINUE || progress.decided || !std::mem::take(&mut progress.trailers) {
        return action;
    }
    let map = LiveHeaders::new(half.trailers);
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
    conclude(context, stream, half, choice, Point::Trailers, flow, failed)
}

/// Runs the callbacks for what has arrived of the message while work with the result `action` was running.
fn catch_up<P: Plugin>(
    context: u32,
    stream: &mut Stream<P>,
    half: Half,
    choice: &Choice<P::Config>,
    mut action: u32,
) -> u32 {
    if stream.is_busy(half) || stream.progress(half.phase).decided {
        return action;
    }
    if let Some((size, last)) = stream.pause(half).and_then(|pause| pause.unseen.take()) {
        action = run_body_callback(context, stream, half, choice, size, last);
    }
    run_trailers_callback(context, stream, half, choice, action)
}

/// Selects the configuration of a stream; false if that fails. Not inlined, because it runs once per stream.
#[inline(never)]
fn select<P: Plugin>(
    roots: &mut Roots<P::Config>,
    root: u32,
    phase: Phase,
    config: &mut Config<P::Config>,
) -> bool {
    let loaded = match roots.iter().find(|(id, _)| *id == root) {
        Some((_, loaded)) => loaded,
        None => match load_empty::<P>(roots, root) {
            Some(loaded) => loaded,
            None => return false,
        },
    };
    *config = match loaded.select(phase) {
        Ok(Some(choice)) => Config::Selected(choice),
        Ok(None) => Config::Unconfigured,
        Err(_) => return false,
    };
    true
}

/// Loads the empty configuration for a root without one: if there is no configuration, a gateway may not call
/// `proxy_on_configure`.
#[cold]
#[inline(never)]
fn load_empty<P: Plugin>(roots: &mut Roots<P::Config>, root: u32) -> Option<&Loaded<P::Config>> {
    match Loaded::from_json(b"") {
        Ok(loaded) => {
            roots.push((root, loaded));
            roots.last().map(|(_, loaded)| loaded)
        }
        Err(error) => {
            crate::error!("{}: no configuration: {error}", P::NAME);
            None
        }
    }
}
