//! A thousand requests have begun and none is answered yet, when a plug-in is configured anew, gets another module,
//! comes, goes, changes places or is written wrongly, three times each: every request is answered by the plug-ins that it
//! has met, and those that begin after the change meet the new ones.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fetched::module;
use crate::served::{Folder, Served, head};

/// Connections with one request each, and connections with [`STREAMS`]: before a change, and after it.
const BEFORE: (usize, usize) = (300, 10);
const AFTER: (usize, usize) = (10, 1);
const STREAMS: usize = 70;

const fn requests((http1, http2): (usize, usize)) -> usize {
    http1 + http2 * STREAMS
}

/// How long an answer may take once it is due.
const PATIENCE: Duration = Duration::from_secs(120);

/// An upstream that says which stamps it saw, when the round that the path names (`/7`) is over.
struct Upstream {
    address: SocketAddr,
    /// How many rounds are over.
    over: watch::Sender<usize>,
    /// How many requests wait.
    waiting: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (over, rounds) = watch::channel(0);
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (rounds, waiting) = (rounds.clone(), Arc::clone(&counted));
                let service =
                    service_fn(move |request| answer(request, rounds.clone(), Arc::clone(&waiting)));
                tokio::spawn(async move {
                    let mut server = auto::Builder::new(TokioExecutor::new());
                    server.http2().max_concurrent_streams(None);
                    // Who goes away before the answer is missed where the answers are.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, over, waiting }
    }

    async fn until_waiting(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.waiting.load(Ordering::SeqCst) < count {
            let waiting = self.waiting.load(Ordering::SeqCst);
            assert!(Instant::now() < deadline, "{waiting} of {count} requests have come");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    mut rounds: watch::Receiver<usize>,
    waiting: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let round: usize = request.uri().path()[1..].parse().unwrap();
    waiting.fetch_add(1, Ordering::SeqCst);
    rounds.wait_for(|over| *over >= round).await.unwrap();
    waiting.fetch_sub(1, Ordering::SeqCst);
    Ok(Response::new(Full::from(stamps(request.headers(), "x-stamps").join(" "))))
}

fn stamps(headers: &http::HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// The stamps that a request has got, when its answer has come with the same in reverse.
async fn met(response: hyper::Result<Response<Incoming>>) -> Vec<String> {
    let (head, body) = response.expect("no request is lost").into_parts();
    let body = body.collect().await.expect("no answer is cut short").to_bytes();
    let body = String::from_utf8(body.into()).unwrap();
    assert_eq!(head.status, 200, "{body}");
    let there: Vec<String> = body.split_whitespace().map(str::to_owned).collect();
    let mut back = stamps(&head.headers, "x-stamps-back");
    back.reverse();
    assert_eq!(there, back, "request and response met different plug-ins");
    there
}

fn request(path: &str, version: Version) -> Request<Empty<Bytes>> {
    let uri = if version == Version::HTTP_2 { format!("http://h{path}") } else { path.to_owned() };
    Request::get(uri).header("host", "h").body(Empty::new()).unwrap()
}

/// One request on a connection of its own.
async fn alone(gateway: SocketAddr, path: &str) -> Vec<String> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let (mut client, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    met(client.send_request(request(path, Version::HTTP_11)).await).await
}

/// Begins requests on so many connections of both kinds.
async fn begin(
    gateway: SocketAddr,
    path: &str,
    (http1, http2): (usize, usize),
) -> Vec<JoinHandle<Vec<String>>> {
    let mut all = Vec::new();
    for _ in 0..http1 {
        let path = path.to_owned();
        all.push(tokio::spawn(async move { alone(gateway, &path).await }));
    }
    for _ in 0..http2 {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let io = TokioIo::new(stream);
        let (client, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..STREAMS {
            let (mut client, path) = (client.clone(), path.to_owned());
            all.push(tokio::spawn(async move {
                client.ready().await.unwrap();
                met(client.send_request(request(&path, Version::HTTP_2)).await).await
            }));
        }
    }
    all
}

const SWAPPED: &str = "reloaded 1 plug-in in";
const CHANGED: &str = "pipeline changed in";
const REFUSED: &str = "rejected; the previous configuration stays in force";

/// What is served: stamps `a` and `m`, which has its module in the folder, and at times `b`.
struct Stamps {
    folder: Folder,
    /// Two that do the same and differ.
    modules: [Vec<u8>; 2],
}

impl Stamps {
    fn new(upstream: SocketAddr) -> Self {
        let (folder, module) = (Folder::new(), module());
        folder.put(
            "routes.yaml",
            &format!(
                "services: [{{ name: up.static, address: '{upstream}', protocol: http2 }}]\nroutes: [{{ ingress: all, service: up.static }}]\n"
            ),
        );
        let spec = "spec: { url: 'file://m.wasm', phase: STATS, defaultConfig: { stamp: m } }\n";
        folder.put("m.yaml", &(head("m") + spec));
        folder.stamp("a", "AUTHN", 10, "a");
        // A custom section says nothing, and makes another module of it.
        let other = [module.as_slice(), &[0, 5, 4, b't', b'e', b's', b't']].concat();
        let stamps = Self { folder, modules: [module, other] };
        stamps.put_module(0);
        stamps
    }

    fn put_module(&self, number: usize) {
        let unfinished = self.folder.path().join(".m.wasm");
        std::fs::write(&unfinished, &self.modules[number % 2]).unwrap();
        std::fs::rename(unfinished, self.folder.path().join("m.wasm")).unwrap();
    }

    /// Makes a change, and gives what `serve` says when it is in force, and what a request meets from then on.
    fn change(&self, round: usize, before: &[String]) -> (&'static str, Vec<String>) {
        let (a, b) = (format!("a-{round}"), format!("b-{round}"));
        let now = |stamps: &[&str]| stamps.iter().map(|&stamp| stamp.to_owned()).collect();
        let old = before.to_vec();
        match (round - 1) % 7 {
            0 => {
                self.folder.stamp("a", "AUTHN", 10, &a);
                (SWAPPED, now(&[&a, "m"]))
            }
            1 => {
                self.put_module(round / 7 + 1);
                (SWAPPED, old)
            }
            2 => {
                self.folder.stamp("b", "AUTHN", 5, &b);
                (CHANGED, now(&[&old[0], &b, "m"]))
            }
            // In front of the other.
            3 => {
                self.folder.stamp("b", "AUTHN", 20, &b);
                (CHANGED, now(&[&b, &old[0], "m"]))
            }
            4 => {
                self.folder.stamp("a", "AUTHN", 10, "[]");
                (REFUSED, old)
            }
            5 => {
                self.folder.put("b.yaml", "apiVersion: [bad");
                (REFUSED, old)
            }
            _ => {
                self.folder.remove("b.yaml");
                (CHANGED, old[1..].to_vec())
            }
        }
    }
}

#[tokio::test]
#[ignore = "in Envoy: cargo xtask test"]
async fn a_thousand_requests_in_flight_survive_changes_of_each_kind() {
    const ROUNDS: usize = 21;
    let upstream = Upstream::start().await;
    let stamps = Stamps::new(upstream.address);
    let mut served = Served::start(stamps.folder.path(), &["--log", "none"]);
    let gateway = served.address;
    // One that is in flight from the first change to the last.
    let last = format!("/{}", ROUNDS + 1);
    let long = tokio::spawn(async move { alone(gateway, &last).await });
    upstream.until_waiting(1).await;
    let mut before: Vec<String> = vec!["a".into(), "m".into()];
    for round in 1..=ROUNDS {
        let path = format!("/{round}");
        let early = begin(gateway, &path, BEFORE).await;
        upstream.until_waiting(requests(BEFORE) + 1).await;
        let (said, now) = stamps.change(round, &before);
        served = tokio::task::spawn_blocking(move || {
            served.wait_for(said);
            served
        })
        .await
        .unwrap();
        let late = begin(gateway, &path, AFTER).await;
        // All of them are in flight at this moment.
        upstream.until_waiting(requests(BEFORE) + requests(AFTER) + 1).await;
        upstream.over.send(round).unwrap();
        for (requests, expected) in [(early, &before), (late, &now)] {
            for request in requests {
                assert_eq!(request.await.unwrap(), *expected, "round {round}: {said}");
            }
        }
        before = now;
    }
    upstream.over.send(ROUNDS + 1).unwrap();
    assert_eq!(long.await.unwrap(), ["a", "m"]);
}
