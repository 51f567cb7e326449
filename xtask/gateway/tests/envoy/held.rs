//! A thousand requests have begun and none is answered yet, when a plug-in is configured anew, gets another module,
//! comes, goes, changes places or is written wrongly: each is answered by the plug-ins that it has met.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fetched::module;
use crate::served::{Folder, Served, head};

/// Connections with one request each, and with many.
const HTTP1: usize = 300;
const HTTP2: usize = 10;
const STREAMS: usize = 70;
const ALL: usize = HTTP1 + HTTP2 * STREAMS;

/// How long an answer may take once it is due.
const PATIENCE: Duration = Duration::from_secs(120);

/// An upstream that says which stamps it saw: at once, or, asked for `/7`, when the seventh round is over.
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
    if let Ok(round) = request.uri().path()[1..].parse::<usize>() {
        waiting.fetch_add(1, Ordering::SeqCst);
        rounds.wait_for(|over| *over >= round).await.unwrap();
        waiting.fetch_sub(1, Ordering::SeqCst);
    }
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
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    met(client.send_request(request(path, Version::HTTP_11)).await).await
}

/// Begins all requests of a round.
async fn begin(gateway: SocketAddr, path: &str) -> Vec<JoinHandle<Vec<String>>> {
    let mut all = Vec::new();
    for _ in 0..HTTP1 {
        let path = path.to_owned();
        all.push(tokio::spawn(async move { alone(gateway, &path).await }));
    }
    for _ in 0..HTTP2 {
        let stream = TcpStream::connect(gateway).await.unwrap();
        let io = TokioIo::new(stream);
        let (client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
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

/// A change: what is done, what `serve` says when it is in force, and what a request meets from then on.
type Change<'c> = (Box<dyn Fn() + 'c>, &'static str, &'static [&'static str]);

#[tokio::test]
#[ignore = "in Envoy: cargo xtask test"]
async fn a_thousand_requests_in_flight_survive_a_change_of_each_kind() {
    let upstream = Upstream::start().await;
    let folder = Folder::new();
    folder.put(
        "routes.yaml",
        &format!(
            "services: [{{ name: up.static, address: '{}', protocol: http2 }}]\nroutes: [{{ ingress: all, service: up.static }}]\n",
            upstream.address
        ),
    );
    let module = module();
    let put_module = |bytes: &[u8]| {
        let unfinished = folder.path().join(".m.wasm");
        std::fs::write(&unfinished, bytes).unwrap();
        std::fs::rename(unfinished, folder.path().join("m.wasm")).unwrap();
    };
    put_module(&module);
    let spec = "spec: { url: 'file://m.wasm', phase: STATS, defaultConfig: { stamp: m } }\n";
    folder.put("m.yaml", &(head("m") + spec));
    folder.stamp("a", "AUTHN", 10, "a");
    // A custom section says nothing, and makes another module of it.
    let other = [module.as_slice(), &[0, 5, 4, b't', b'e', b's', b't']].concat();
    let changes: Vec<Change<'_>> = vec![
        (Box::new(|| folder.stamp("a", "AUTHN", 10, "a2")), "1 plug-in swapped in", &["a2", "m"]),
        (Box::new(|| put_module(&other)), "1 plug-in swapped in", &["a2", "m"]),
        (Box::new(|| folder.stamp("b", "AUTHN", 5, "b")), "the pipeline is changed", &["a2", "b", "m"]),
        (Box::new(|| folder.stamp("b", "AUTHN", 20, "b2")), "the pipeline is changed", &["b2", "a2", "m"]),
        (Box::new(|| folder.stamp("a", "AUTHN", 10, "[]")), "what ran before serves on", &["b2", "a2", "m"]),
        (Box::new(|| folder.remove("b.yaml")), "the pipeline is changed", &["a2", "m"]),
    ];

    let mut served = Served::start(folder.path(), &["--log", "nobody"]);
    let gateway = served.address;
    // One that is in flight from the first change to the last.
    let longest = changes.len() + 1;
    let long = tokio::spawn(async move { alone(gateway, &format!("/{longest}")).await });
    upstream.until_waiting(1).await;
    let mut before: Vec<String> = vec!["a".into(), "m".into()];
    for (round, (change, said, expected)) in changes.iter().enumerate() {
        let said = *said;
        let round = round + 1;
        let requests = begin(gateway, &format!("/{round}")).await;
        upstream.until_waiting(ALL + 1).await;
        change();
        served = tokio::task::spawn_blocking(move || {
            served.wait_for(said);
            served
        })
        .await
        .unwrap();
        assert_eq!(alone(gateway, "/now").await, *expected, "round {round}");
        assert_eq!(upstream.waiting.load(Ordering::SeqCst), ALL + 1, "all of them are still in flight");
        upstream.over.send(round).unwrap();
        for request in requests {
            assert_eq!(request.await.unwrap(), before, "round {round}");
        }
        before = expected.iter().map(|&stamp| stamp.to_owned()).collect();
    }
    upstream.over.send(longest).unwrap();
    assert_eq!(long.await.unwrap(), ["a", "m"]);
}
