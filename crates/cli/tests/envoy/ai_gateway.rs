//! The example of a gateway for models: who may ask, which model answers, what it costs, and what a model does not read.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use gateway::{admin, state};
use serde_json::{Value, json};

use crate::examples::example;
use crate::served::{Answer, Served};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

/// Far longer than an answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One request on a connection of its own; `headers` are whole lines.
fn post(served: &Served, path: &str, headers: &str, body: &Value) -> Answer {
    let mut stream = connect(served.address);
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    let mut body = String::new();
    if head.contains("transfer-encoding: chunked") {
        while let Some((length, after)) = rest.split_once("\r\n") {
            let length = usize::from_str_radix(length, 16).unwrap();
            body.push_str(&after[..length]);
            rest = &after[length..][2..];
        }
    } else {
        body.push_str(rest);
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.into(), body }
}

fn ask(served: &Served, path: &str, consumer: &str, body: &Value) -> Answer {
    let key = if consumer == "alice" { "alice-has-a-secret" } else { "bob-has-another" };
    post(served, path, &format!("authorization: Bearer {key}\r\n"), body)
}

fn prompt(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn text(answer: &Answer) -> String {
    parsed(answer)["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The sum of a counter of ai-statistics over all series whose names contain `labels`.
fn counted(served: &Served, labels: &str, metric: &str) -> u64 {
    let state = state::read(&served.folder).unwrap();
    let stats = admin::stats(state.admin, metric).unwrap();
    let of = |name: &str| name.contains(labels) && name.ends_with(&format!(".metric.{metric}"));
    stats.iter().filter(|(name, _)| of(name)).map(|(_, value)| value).sum()
}

/// An upstream that answers one request, and gives its body.
fn upstream() -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut chunk) = (String::new(), [0; 4096]);
        while !request.contains("}]}") {
            let length = stream.read(&mut chunk).unwrap();
            assert_ne!(length, 0, "the request ends early: {request}");
            request.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
        stream.write_all(format!("{head}{{}}").as_bytes()).unwrap();
        request
    });
    (address, thread)
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn requests_to_models_are_authenticated_routed_counted_limited_and_masked() {
    let (folder, mut served) = example("ai-gateway");

    // A request without a key is refused although not a byte of its body has come.
    let mut stream = connect(served.address);
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: h\r\ncontent-length: 10485760\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 401");
    assert_eq!(post(&served, CHAT, "x-api-key: wrong\r\n", &prompt("small", "hello")).status, 401);

    // The model selects the server, and a header of the client does not.
    let small = ask(&served, CHAT, "alice", &prompt("small", "Hello, model!"));
    assert_eq!((small.status, small.values("x-upstream")), (200, vec!["small.static"]));
    assert_eq!(text(&small), "You wrote: Hello, model!");
    let large = ask(&served, CHAT, "alice", &prompt("large", "Hello, model!"));
    assert_eq!((large.status, large.values("x-upstream")), (200, vec!["large.static"]));
    let headers = "authorization: Bearer alice-has-a-secret\r\nx-higress-llm-model: large\r\n";
    let forged = post(&served, CHAT, headers, &prompt("small", "Hello, model!"));
    assert_eq!(forged.values("x-upstream"), ["small.static"]);
    assert_eq!(ask(&served, CHAT, "alice", &prompt("huge", "hello")).status, 404);

    // Tokens are those of the server's `usage`, whole and in streams.
    let labels = "route.large.upstream.outbound|80||large.static.model.large.consumer.alice.";
    let tokens = || ["input_token", "output_token"].map(|metric| counted(&served, labels, metric));
    let mut expected = [2, 4];
    assert_eq!(tokens(), expected);
    for path in [CHAT, MESSAGES] {
        let mut body = prompt("large", "How many tokens does this prompt have?");
        body["max_tokens"] = 5.into();
        let whole = ask(&served, path, "alice", &body);
        let usage = &parsed(&whole)["usage"];
        let number = |names: [&str; 2]| names.iter().find_map(|name| usage[name].as_u64()).unwrap();
        let usage =
            [number(["prompt_tokens", "input_tokens"]), number(["completion_tokens", "output_tokens"])];
        assert_eq!(usage, [7, 5]);
        body["stream"] = true.into();
        let stream = ask(&served, path, "alice", &body);
        assert!(stream.body.contains("data: ") && stream.body.contains("tokens "), "{stream:?}");
        // The client has not asked for it.
        assert!(path == MESSAGES || !stream.body.contains(r#""usage":{"#), "{stream:?}");
        expected = [expected[0] + 2 * usage[0], expected[1] + 2 * usage[1]];
        assert_eq!(tokens(), expected, "{path}");
    }
    assert_eq!(counted(&served, "consumer.alice.", "estimated_output_token"), 0);

    // A budget ends, and only that of its consumer: 8 tokens each time, and 32 are reserved.
    let statuses = |consumer: &str| -> Vec<u16> {
        let body = prompt("small", "one two three");
        (0..6).map(|_| ask(&served, CHAT, consumer, &body).status).collect()
    };
    assert_eq!(statuses("bob"), [200, 200, 200, 200, 429, 429]);
    assert_eq!(statuses("alice"), [200; 6]);

    // A model does not read what is denied or masked; the client has its own number back.
    let denied = ask(&served, CHAT, "alice", &prompt("small", "What is Project Nightjar?"));
    assert_eq!(denied.values("x-upstream"), [""; 0], "{denied:?}");
    let own = "Call 13800138000 or write to ann@example.com";
    let restored = ask(&served, CHAT, "alice", &prompt("small", own));
    assert_eq!(text(&restored), "You wrote: Call 13800138000 or write to ****@example.com");
    let (address, received) = upstream();
    let routes = fs::read_to_string(folder.path().join("routes.yaml")).unwrap();
    let settings = "model_server: { models: [small] }";
    assert!(routes.contains(settings));
    folder.put("routes.yaml", &routes.replace(settings, &format!("address: '{address}'")));
    served.wait_for("routes changed");
    assert_eq!(ask(&served, CHAT, "alice", &prompt("small", own)).status, 200);
    let received = received.join().unwrap();
    assert!(received.contains("****@example.com") && received.contains("or write to"), "{received}");
    assert!(!received.contains("ann@") && !received.contains("13800138000"), "{received}");
}
