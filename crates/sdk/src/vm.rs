//! The context table of one VM, and what each entry point does.
//!
//! A host makes one root context for each configuration of the plug-in in this VM, several at once while
//! a new one takes over, and one context for each stream, bound to the root it was made under.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use crate::abi::{BufferType, CONTINUE, MapType, PAUSE, Status};
use crate::body::Body;
use crate::headers::{self, HeaderMap};
use crate::rules::{Choice, Loaded, Phase};
use crate::{
    BodyFlow, Failure, Flow, Plugin, Reply, RequestBody, RequestHeaders, ResponseBody, ResponseHeaders, host,
    log, metric,
};

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
}

/// Which half of a stream a callback is about.
#[derive(Clone, Copy)]
struct Half {
    phase: Phase,
    headers: MapType,
    body: BufferType,
}

const REQUEST: Half =
    Half { phase: Phase::Request, headers: MapType::RequestHeaders, body: BufferType::RequestBody };
const RESPONSE: Half =
    Half { phase: Phase::Response, headers: MapType::ResponseHeaders, body: BufferType::ResponseBody };

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
                self.roots.push((root, Rc::new(loaded)));
                true
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

    /// `proxy_on_request_headers`.
    pub fn on_request_headers(&mut self, context: u32, end_of_stream: bool) -> u32 {
        self.visit(context, REQUEST, |stream, choice| {
            let state = stream.state.get_or_insert_default();
            let map = HeaderMap::new(REQUEST.headers);
            let mut view = RequestHeaders { state, map, end_of_stream };
            let flow = P::on_request_headers(&mut view, &choice.config);
            if view.map.failed() { Outcome::Failed } else { flow.into() }
        })
    }

    /// `proxy_on_response_headers`.
    pub fn on_response_headers(&mut self, context: u32, end_of_stream: bool) -> u32 {
        self.visit(context, RESPONSE, |stream, choice| {
            let map = HeaderMap::new(RESPONSE.headers);
            let mut view = ResponseHeaders { state: stream.state.as_mut(), map, end_of_stream };
            let flow = P::on_response_headers(&mut view, &choice.config);
            if view.map.failed() { Outcome::Failed } else { flow.into() }
        })
    }

    /// `proxy_on_request_body`.
    pub fn on_request_body(&mut self, context: u32, size: usize, last: bool) -> u32 {
        self.visit(context, REQUEST, |stream, choice| request_body(stream, choice, size, last))
    }

    /// `proxy_on_request_trailers`: a body that ends with trailers ends here, without `end_of_stream`.
    pub fn on_request_trailers(&mut self, context: u32) -> u32 {
        self.visit(context, REQUEST, |stream, choice| {
            let size = stream.request.held;
            request_body(stream, choice, size, true)
        })
    }

    /// `proxy_on_response_body`.
    pub fn on_response_body(&mut self, context: u32, size: usize, last: bool) -> u32 {
        self.visit(context, RESPONSE, |stream, choice| response_body(stream, choice, size, last))
    }

    /// `proxy_on_response_trailers`.
    pub fn on_response_trailers(&mut self, context: u32) -> u32 {
        self.visit(context, RESPONSE, |stream, choice| {
            let size = stream.response.held;
            response_body(stream, choice, size, true)
        })
    }

    /// Finds the stream and its configuration, calls the plug-in, and does what it decided.
    fn visit(
        &mut self,
        context: u32,
        half: Half,
        call: impl FnOnce(&mut Stream<P>, &Choice<P::Config>) -> Outcome,
    ) -> u32 {
        let Some(stream) = self.streams.get_mut(&context) else {
            return fail::<P>();
        };
        if let Config::Undecided = stream.config {
            let Some(loaded) = loaded::<P>(&mut self.roots, stream.root) else {
                return fail::<P>();
            };
            stream.config = match loaded.choose(half.phase) {
                Ok(Some(choice)) => Config::Chosen(choice),
                Ok(None) => Config::Untouched,
                Err(_) => return fail::<P>(),
            };
        }
        let Config::Chosen(choice) = &stream.config else {
            return CONTINUE;
        };
        let choice = choice.clone();
        match call(stream, &choice) {
            Outcome::Continue => CONTINUE,
            Outcome::Hold => PAUSE,
            Outcome::Failed => fail::<P>(),
            Outcome::Reply(reply) => {
                let progress = match half.phase {
                    Phase::Request => &mut stream.request,
                    Phase::Response => &mut stream.response,
                };
                progress.done = true;
                answer::<P>(&reply, choice.rule)
            }
        }
    }
}

/// What a callback came to.
enum Outcome {
    Continue,
    Hold,
    Reply(Reply),
    /// A host call failed that should not.
    Failed,
}

impl From<Flow> for Outcome {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Continue => Outcome::Continue,
            Flow::Reply(reply) => Outcome::Reply(reply),
        }
    }
}

fn request_body<P: Plugin>(
    stream: &mut Stream<P>,
    choice: &Choice<P::Config>,
    size: usize,
    last: bool,
) -> Outcome {
    if stream.request.done {
        return Outcome::Continue;
    }
    let body = Body::new(REQUEST.body, stream.request.held, size, last);
    let mut view = RequestBody { state: stream.state.get_or_insert_default(), body };
    let flow = P::on_request_body(&mut view, &choice.config);
    let failed = view.body.failed();
    stream.request.after(flow, failed, size, last)
}

fn response_body<P: Plugin>(
    stream: &mut Stream<P>,
    choice: &Choice<P::Config>,
    size: usize,
    last: bool,
) -> Outcome {
    if stream.response.done {
        return Outcome::Continue;
    }
    let body = Body::new(RESPONSE.body, stream.response.held, size, last);
    let mut view = ResponseBody { state: stream.state.as_mut(), body };
    let flow = P::on_response_body(&mut view, &choice.config);
    let failed = view.body.failed();
    stream.response.after(flow, failed, size, last)
}

impl Progress {
    /// Notes what a callback decided about a body.
    fn after(&mut self, flow: BodyFlow, failed: bool, size: usize, last: bool) -> Outcome {
        self.done |= last;
        if failed {
            return Outcome::Failed;
        }
        match flow {
            // Nothing comes after the last call that could let go of what is held.
            BodyFlow::Hold if !last => {
                self.held = size;
                Outcome::Hold
            }
            BodyFlow::Continue | BodyFlow::Hold => {
                self.held = 0;
                Outcome::Continue
            }
            BodyFlow::Reply(reply) => Outcome::Reply(reply),
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

/// Gives an answer, or only tells of it in a dry run.
fn answer<P: Plugin>(reply: &Reply, rule: Option<usize>) -> u32 {
    log::refresh();
    let status = reply.status.get();
    let decision = Decision { reply, rule };
    if reply.dry_run {
        crate::info!("{}: dry run: would answer {status} {decision}", P::NAME);
        if !reply.details.is_empty() {
            metric::add(&format!("{}.dry_run", reply.details), 1);
        }
        return CONTINUE;
    }
    crate::debug!("{}: answers {status} {decision}", P::NAME);
    if !reply.details.is_empty() {
        metric::add(reply.details, 1);
    }
    let headers = headers::serialise(&reply.headers);
    if host::send_local_response(status, reply.details, &reply.body, &headers).is_err() {
        return fail::<P>();
    }
    PAUSE
}

/// Why an answer is given, in the log: `(request-block.url_blocked) by _rules_[1]: block_urls[0]`.
struct Decision<'a> {
    reply: &'a Reply,
    rule: Option<usize>,
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}) by ", self.reply.details)?;
        match self.rule {
            Some(rule) => write!(f, "_rules_[{rule}]")?,
            None => f.write_str("the global configuration")?,
        }
        if !self.reply.cause.is_empty() {
            write!(f, ": {}", self.reply.cause)?;
        }
        Ok(())
    }
}

/// Ends a callback whose request the plug-in cannot look at.
fn fail<P: Plugin>() -> u32 {
    const SERVICE_UNAVAILABLE: u16 = 503;
    crate::error!(
        "{}: a host call failed: the request {}",
        P::NAME,
        match P::ON_FAILURE {
            Failure::Open => "passes",
            Failure::Closed => "is answered 503",
        }
    );
    match P::ON_FAILURE {
        Failure::Open => CONTINUE,
        Failure::Closed => {
            // If even this fails, pausing still keeps the request from passing.
            let details = format!("{}.host_failure", P::NAME);
            let _ = host::send_local_response(SERVICE_UNAVAILABLE, &details, b"", b"");
            PAUSE
        }
    }
}
