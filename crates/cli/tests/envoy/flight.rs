//! A thousand requests and more are in flight while the configuration changes twenty times, at times to something
//! bad: none is lost, and each is treated by one configuration of each plug-in from its beginning to its end.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::served::{Folder, Served};

/// How many requests there are at least.
const AT_LEAST: usize = 1000;

/// Between two requests of a client, which leaves something of the machine to the gateway.
const PAUSE: Duration = Duration::from_millis(4);

/// What the clients share.
#[derive(Default)]
struct Flight {
    /// That the changes are over.
    over: AtomicBool,
    answered: AtomicUsize,
    /// Connections that were opened.
    opened: AtomicUsize,
}

impl Flight {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst) || self.answered.load(Ordering::SeqCst) < AT_LEAST
    }

    /// What every answer must be, whatever is in force.
    fn check(&self, status: u16, back: &[String], body: &[u8]) {
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
        let said: Value = serde_json::from_slice(body).unwrap();
        let stamps: Vec<String> = match &said["headers"]["x-stamps"] {
            Value::String(stamp) => vec![stamp.clone()],
            stamps => serde_json::from_value(stamps.clone()).unwrap(),
        };
        let reversed: Vec<String> = back.iter().rev().cloned().collect();
        assert_eq!(stamps, reversed, "request and response met different configurations");
        // `a-3`: a plug-in and the number of its configuration.
        let who: Vec<&str> = stamps.iter().map(|stamp| stamp.split('-').next().unwrap()).collect();
        let distinct: HashSet<&&str> = who.iter().collect();
        assert_eq!(distinct.len(), who.len(), "a plug-in met twice: {stamps:?}");
        assert!(who.contains(&"a") && who.contains(&"b"), "a plug-in left out: {stamps:?}");
        assert!(!stamps.iter().any(|stamp| stamp.contains("bad")), "{stamps:?}");
        self.answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// Sends one request after the other on a connection, and opens another when the gateway says that this one ends.
async fn http1(address: SocketAddr, flight: Arc<Flight>) {
    while flight.goes_on() {
        flight.opened.fetch_add(1, Ordering::SeqCst);
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        while flight.goes_on() {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.expect("a request is taken");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("no request is lost"));
            }
            let head = String::from_utf8(head).unwrap();
            let values = |name: &str| -> Vec<String> {
                let fields = head.lines().filter_map(|line| line.split_once(": "));
                fields.filter(|(other, _)| *other == name).map(|(_, value)| value.to_owned()).collect()
            };
            let mut body = vec![0; values("content-length")[0].parse().unwrap()];
            stream.read_exact(&mut body).await.expect("no answer is cut short");
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            flight.check(status, &values("x-stamps-back"), &body);
            if values("connection").iter().any(|value| value == "close") {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The same with several streams at a time.
async fn http2(address: SocketAddr, flight: Arc<Flight>) {
    while flight.goes_on() {
        flight.opened.fetch_add(1, Ordering::SeqCst);
        let stream = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let streams: Vec<_> =
            (0..4).map(|_| tokio::spawn(requests(client.clone(), Arc::clone(&flight)))).collect();
        drop(client);
        for stream in streams {
            stream.await.unwrap();
        }
        driver.abort();
    }
}

/// Requests on one connection, until it takes no more (GOAWAY).
async fn requests(mut client: h2::client::SendRequest<bytes::Bytes>, flight: Arc<Flight>) {
    while flight.goes_on() {
        // Nothing is sent yet: a connection that takes no more loses nothing.
        let Ok(ready) = client.ready().await else { return };
        client = ready;
        let request = Request::get("http://h/").body(()).unwrap();
        let Ok((response, _)) = client.send_request(request, true) else { return };
        let response = match response.await {
            Ok(response) => response,
            // The gateway says that it has not begun with it: a client sends it again, by RFC 9113, 6.8.
            Err(error) if error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM) => return,
            Err(error) => panic!("a request is lost: {error}"),
        };
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.expect("no answer is cut short");
            body.flow_control().release_capacity(chunk.len()).unwrap();
            bytes.extend_from_slice(&chunk);
        }
        let back = head.headers.get_all("x-stamps-back").iter();
        let back: Vec<String> = back.map(|value| value.to_str().unwrap().to_owned()).collect();
        flight.check(head.status.as_u16(), &back, &bytes);
        tokio::time::sleep(PAUSE).await;
    }
}

/// The messages about a change.
const SWAPPED: &str = "reloaded 1 plug-in in";
const CHANGED: &str = "pipeline changed in";
const REFUSED: &str = "rejected; the previous configuration stays in force";

/// Makes one of twenty changes, and says what has to become of it.
fn change(folder: &Folder, number: usize) -> &'static str {
    let stamp = |name: &str| format!("{name}-{number}");
    match number % 10 {
        0 | 5 => folder.stamp("a", "AUTHN", 10, &stamp("a")),
        // In front of `a`, and later behind it again.
        1 => folder.stamp("b", "AUTHN", 20, &stamp("b")),
        2 => folder.put("b.yaml", "apiVersion: [bad"),
        3 => folder.stamp("b", "AUTHN", 20, &stamp("b")),
        4 => folder.stamp("a", "AUTHN", 10, "'' # bad"),
        6 => folder.stamp("c", "STATS", 10, &stamp("c")),
        7 => folder.stamp("c", "STATS", 10, "[]  # bad"),
        8 => folder.remove("c.yaml"),
        _ => folder.stamp("b", "AUTHN", 5, &stamp("b")),
    }
    match number % 10 {
        0 | 3 | 5 => SWAPPED,
        2 | 4 | 7 => REFUSED,
        _ => CHANGED,
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn no_request_is_lost_while_the_configuration_changes() {
    let folder = Folder::new();
    folder.stamp("a", "AUTHN", 10, "a-first");
    folder.stamp("b", "AUTHN", 5, "b-first");
    let mut served = Served::start(folder.path(), &["--drain", "2", "--log", "none"]);
    let (address, flight) = (served.address, Arc::new(Flight::default()));
    let shared = Arc::clone(&flight);
    let clients = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut clients = Vec::new();
            for _ in 0..4 {
                clients.push(tokio::spawn(http1(address, Arc::clone(&shared))));
                clients.push(tokio::spawn(http2(address, Arc::clone(&shared))));
            }
            for client in clients {
                client.await.unwrap();
            }
        });
    });
    while flight.answered.load(Ordering::SeqCst) < 50 {
        assert!(!clients.is_finished(), "the clients have given up");
        std::thread::sleep(Duration::from_millis(5));
    }
    let opened_before = flight.opened.load(Ordering::SeqCst);
    for number in 0..20 {
        let expected = change(&folder, number);
        served.wait_for(expected);
        // Some requests under each configuration.
        let enough = flight.answered.load(Ordering::SeqCst) + 20;
        while flight.answered.load(Ordering::SeqCst) < enough {
            assert!(!clients.is_finished(), "the clients have given up at change {number}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    flight.over.store(true, Ordering::SeqCst);
    clients.join().unwrap();
    assert!(
        flight.opened.load(Ordering::SeqCst) > opened_before,
        "connections were opened during the changes"
    );
    let answered = flight.answered.load(Ordering::SeqCst);
    println!("{answered} requests");
    assert!(answered >= AT_LEAST);
}
