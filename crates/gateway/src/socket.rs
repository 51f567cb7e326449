//! A Unix socket in the served folder, over which other programs of the same user follow a gateway: its state, counters,
//! logs and notices.
//!
//! It speaks HTTP: `GET /api/v1/live` is what happened recently, and `GET /api/v1/events` a stream of server-sent events. The
//! stream begins with `snapshot`, which is all of the [`Journal`]; the other events are those of the journal, and `status`
//! where it has changed.
//!
//! No other user can connect: the socket has the mode 0600 from the beginning, and both ends check the user of the other.

use std::convert::Infallible;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::journal::{Event, Journal};

/// The name of the socket in the folder of the state file.
const NAME: &str = "serve.sock";

/// The longest path that every system binds.
const MAX_PATH: usize = 100;

/// How long the program that serves may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum length of an event: a snapshot has the configurations of all plug-ins.
const MAX_EVENT: usize = 64 * 1024 * 1024;

const LIVE: &str = "/api/v1/live";
const EVENTS: &str = "/api/v1/events";

/// The socket of a gateway that serves; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket(PathBuf);

impl Socket {
    /// Offers a journal on the socket of a folder whose state file has its place. One that another process left behind is
    /// replaced.
    pub(crate) fn offer(folder: &Path, journal: Arc<Journal>, runtime: &Handle) -> io::Result<Self> {
        let path = path(folder);
        let hidden = path.parent().unwrap_or(folder);
        // Only this user enters this folder, so no other one connects before the mode is right.
        let private = tempfile::Builder::new().prefix(".serve-").tempdir_in(hidden)?;
        let unfinished = private.path().join(NAME);
        let listener = at(&unfinished, |path| std::os::unix::net::UnixListener::bind(path))?;
        fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        fs::rename(&unfinished, &path)?;
        let socket = Self(path);
        let _context = runtime.enter();
        let listener = UnixListener::from_std(listener)?;
        let own = own_user()?;
        runtime.spawn(serve(listener, own, journal));
        Ok(socket)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // One that stays behind refuses connections, and is replaced by the next gateway.
        let _ = fs::remove_file(&self.0);
    }
}

/// The path of the socket of a folder.
fn path(folder: &Path) -> PathBuf {
    folder.join(".portcullis").join(NAME)
}

/// Does something with the path of a socket, by a shorter name if it is too long for an address.
fn at<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (true, Some(folder), Some(name)) = (
        cfg!(target_os = "linux") && path.as_os_str().as_bytes().len() > MAX_PATH,
        path.parent(),
        path.file_name(),
    ) else {
        return act(path);
    };
    let folder = File::open(folder)?;
    act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

/// The user of this process.
fn own_user() -> io::Result<u32> {
    let (own, _) = UnixStream::pair()?;
    Ok(own.peer_cred()?.uid())
}

async fn serve(listener: UnixListener, own: u32, journal: Arc<Journal>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, for example: others may be closed meanwhile.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == own) {
            continue;
        }
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            let respond = service_fn(move |request: Request<Incoming>| {
                let response = respond(&request, &journal);
                async move { Ok::<_, Infallible>(response) }
            });
            // The other end may go away at any time.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), respond)
                .await;
        });
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

fn respond(request: &Request<Incoming>, journal: &Arc<Journal>) -> Response<Body> {
    let (body, kind) = match (request.method(), request.uri().path()) {
        (&Method::GET, LIVE) => {
            let text = serde_json::to_vec(&journal.live()).unwrap_or_default();
            (Full::from(text).boxed_unsync(), "application/json")
        }
        (&Method::GET, EVENTS) => (events(Arc::clone(journal)), "text/event-stream"),
        _ => {
            let mut response = Response::new(Empty::new().boxed_unsync());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The snapshot, and the events after it.
fn events(journal: Arc<Journal>) -> Body {
    let frames = stream::unfold(None, move |receiver: Option<Receiver<Event>>| {
        let journal = Arc::clone(&journal);
        async move {
            let (text, receiver) = match receiver {
                None => snapshot(&journal),
                Some(mut receiver) => match receiver.recv().await {
                    Ok(Event { kind: "plugins", .. }) => (event("status", &journal.status()), receiver),
                    Ok(Event { kind, data }) => (format!("event: {kind}\ndata: {data}\n\n"), receiver),
                    Err(RecvError::Lagged(_)) => snapshot(&journal),
                    Err(RecvError::Closed) => return None,
                },
            };
            Some((Ok(Frame::data(Bytes::from(text))), Some(receiver)))
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

fn snapshot(journal: &Journal) -> (String, Receiver<Event>) {
    let (snapshot, receiver) = journal.follow();
    (event("snapshot", &snapshot), receiver)
}

fn event(kind: &str, data: &impl Serialize) -> String {
    // Only a path that is not UTF-8 has no JSON.
    serde_json::to_string(data)
        .map_or_else(|_| String::new(), |data| format!("event: {kind}\ndata: {data}\n\n"))
}

/// A gateway of another process cannot be followed.
#[derive(Debug)]
#[non_exhaustive]
pub enum FollowError {
    /// There is no socket, or no process listens.
    Connect(io::Error),
    /// It belongs to another user.
    OtherUser(u32),
    /// The other end does not speak as expected.
    Protocol(String),
}

impl fmt::Display for FollowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect to its socket: {error}"),
            Self::OtherUser(user) => write!(f, "its socket belongs to another user ({user})"),
            Self::Protocol(reason) => write!(f, "its socket responds in an unknown way: {reason}"),
        }
    }
}

impl std::error::Error for FollowError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::OtherUser(_) | Self::Protocol(_) => None,
        }
    }
}

fn protocol(reason: impl fmt::Display) -> FollowError {
    FollowError::Protocol(reason.to_string())
}

/// Makes a journal the copy of that of the process that serves a folder, until that process ends. `begun` is called when the
/// connection is there.
///
/// # Errors
///
/// There is no connection, it is another user's, or the other end is not a gateway.
pub async fn follow(folder: &Path, journal: &Journal, begun: impl FnOnce()) -> Result<(), FollowError> {
    let own = own_user().map_err(FollowError::Connect)?;
    follow_as(own, folder, journal, begun).await
}

async fn follow_as(
    own: u32,
    folder: &Path,
    journal: &Journal,
    begun: impl FnOnce(),
) -> Result<(), FollowError> {
    let path = path(folder);
    // Connecting to an address of a file system does not wait.
    let stream =
        at(&path, |path| std::os::unix::net::UnixStream::connect(path)).map_err(FollowError::Connect)?;
    stream.set_nonblocking(true).map_err(FollowError::Connect)?;
    let stream = UnixStream::from_std(stream).map_err(FollowError::Connect)?;
    let owner = stream.peer_cred().map_err(FollowError::Connect)?.uid();
    // Any user who may write to the folder could have put a socket there.
    if owner != own {
        return Err(FollowError::OtherUser(owner));
    }
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(protocol)?;
    tokio::spawn(connection);
    let request =
        Request::get(EVENTS).header(HOST, "localhost").body(Empty::<Bytes>::new()).map_err(protocol)?;
    let response = tokio::time::timeout(TIMEOUT, sender.send_request(request)).await;
    let response = response.map_err(protocol)?.map_err(protocol)?;
    if response.status() != StatusCode::OK {
        return Err(protocol(response.status()));
    }
    begun();
    let mut body = response.into_body();
    let mut buffer = Vec::new();
    // An error is the end of the other process.
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let searched = buffer.len().saturating_sub(1);
        buffer.extend_from_slice(&data);
        let mut from = searched;
        while let Some(end) =
            buffer.get(from..).and_then(|new| new.windows(2).position(|pair| pair == b"\n\n"))
        {
            let rest = buffer.split_off(from + end + 2);
            let event = std::mem::replace(&mut buffer, rest);
            from = 0;
            record(journal, &String::from_utf8_lossy(&event)).map_err(protocol)?;
        }
        if buffer.len() > MAX_EVENT {
            return Err(protocol("an event has no end"));
        }
    }
    Ok(())
}

fn record(journal: &Journal, event: &str) -> Result<(), serde_json::Error> {
    let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let (kind, data) = (line("event: "), line("data: "));
    match kind {
        "snapshot" => journal.restore(serde_json::from_str(data)?),
        "status" => journal.set_status(serde_json::from_str(data)?),
        kind => journal.repeat(kind, data)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::State;
    use crate::state::StateFile;

    async fn until(what: impl Fn() -> bool) {
        for _ in 0..500 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never happened");
    }

    /// A folder with a place for the socket.
    fn folder(name: &str) -> (tempfile::TempDir, PathBuf, StateFile) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let state = StateFile::new(&folder).unwrap();
        (root, folder, state)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_journal_is_followed_from_its_beginning_to_its_end() {
        // Longer than an address.
        let (_root, folder, _state) = folder(&"long".repeat(40));
        let theirs = Arc::new(Journal::default());
        theirs.note("info", "before");
        let socket = Socket::offer(&folder, Arc::clone(&theirs), &Handle::current()).unwrap();
        assert_eq!(fs::metadata(path(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
        let own = Arc::new(Journal::default());
        let following = tokio::spawn({
            let (folder, own) = (folder.clone(), Arc::clone(&own));
            async move { follow(&folder, &own, || {}).await }
        });
        until(|| own.live().notices.len() == 1).await;
        theirs.note("warning", "after");
        theirs.set_state(State::Error, Some("why".into()));
        until(|| own.status().state == State::Error).await;
        assert_eq!(own.live(), theirs.live());
        assert_eq!(own.status(), theirs.status());
        drop(socket);
        assert!(!path(&folder).exists() && !following.is_finished(), "whoever is connected stays so");
        following.abort();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stale_socket_is_refused_and_replaced() {
        let (_root, folder, state) = folder("stale");
        let path = path(&folder);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let own = Journal::default();
        let refused = follow(&folder, &own, || {}).await;
        assert!(matches!(refused, Err(FollowError::Connect(_))), "{refused:?}");
        let theirs = Arc::new(Journal::default());
        theirs.note("info", "new");
        let socket = Socket::offer(&folder, theirs, &Handle::current()).unwrap();
        let followed = Arc::new(Journal::default());
        let following = tokio::spawn({
            let (folder, followed) = (folder.clone(), Arc::clone(&followed));
            async move { follow(&folder, &followed, || {}).await }
        });
        until(|| followed.live().notices.len() == 1).await;
        following.abort();
        drop((socket, state));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing stays behind");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn users_do_not_meet() {
        let (_root, folder, _state) = folder("users");
        let own = own_user().unwrap();
        let theirs = Arc::new(Journal::default());
        theirs.note("info", "secret");
        let socket = Socket::offer(&folder, Arc::clone(&theirs), &Handle::current()).unwrap();
        let refused = follow_as(own + 1, &folder, &Journal::default(), || panic!("it has begun")).await;
        assert!(matches!(refused, Err(FollowError::OtherUser(owner)) if owner == own), "{refused:?}");
        drop(socket);
        let listener = UnixListener::bind(path(&folder)).unwrap();
        tokio::spawn(serve(listener, own + 1, theirs));
        let journal = Journal::default();
        let refused = follow(&folder, &journal, || panic!("it has begun")).await;
        assert!(matches!(refused, Err(FollowError::Protocol(_))), "{refused:?}");
        assert_eq!(journal.live().notices, [], "nothing was sent");
    }

    #[tokio::test]
    async fn what_is_not_a_gateway_is_refused() {
        let (_root, folder, _state) = folder("other");
        let listener = UnixListener::bind(path(&folder)).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let event = "event: status\ndata: 1\n\n";
                let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{event}", event.len());
                stream.writable().await.unwrap();
                stream.try_write(text.as_bytes()).unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let refused = follow(&folder, &Journal::default(), || {}).await;
        assert!(matches!(refused, Err(FollowError::Protocol(_))), "{refused:?}");
    }
}
