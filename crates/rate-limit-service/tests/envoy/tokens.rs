//! Tokens of a gateway that crashes, and of the one that takes its place.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use gateway::Process;
use rate_limit_service::{Counts, Kind, Rule, Server};

use crate::gateways::{SERVICE, module, process, read_head};
use crate::{any_port, wait_for_window};

const PLUGIN: &str = "ai-token-ratelimit";
/// Tokens in a minute, and those of an answer.
const LIMIT: u64 = 100;
const ANSWER: u64 = 10;

/// Starts a model server. With `x-slow`, it sends the first event of an answer, and nothing more.
fn model() -> SocketAddr {
    let listener = TcpListener::bind(any_port()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(head) = read_head(&mut reader) {
        match head.iter().find_map(|line| line.strip_prefix("content-length: ")) {
            Some(length) => reader.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap(),
            // The chunks have no empty line before their end.
            None => drop(read_head(&mut reader)),
        }
        let usage = format!(r#"{{"usage":{{"prompt_tokens":0,"completion_tokens":{ANSWER}}}}}"#);
        let answer = if head.iter().any(|line| line.starts_with("x-slow")) {
            let event = "data: {\"choices\":[{\"delta\":{\"content\":\"The quick brown fox\"}}]}\n\n";
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
            format!("{head}\r\n\r\n{:x}\r\n{event}\r\n", event.len())
        } else {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
            format!("{head}\r\ncontent-length: {}\r\n\r\n{usage}", usage.len())
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Sends a request, and returns the status and what follows it.
fn send(gateway: &Process, more: &str) -> (u16, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-key: ann\r\ncontent-type: application/json\r\n\
         content-length: 2\r\n{more}\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader).expect("every request gets a response");
    (head[0].split(' ').nth(1).unwrap().parse().unwrap(), reader)
}

/// Waits until the service has been called so often: answers are charged in the background.
fn wait_for_calls(service: &Server, calls: u64) {
    let start = Instant::now();
    while service.calls() < calls {
        assert!(start.elapsed() < Duration::from_secs(10), "{} calls of {calls}", service.calls());
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(50));
    assert_eq!(service.calls(), calls);
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_gateway_that_crashes_charges_nothing_twice() {
    let _alone = crate::alone();
    let rules = [Rule {
        namespace: "edge".into(),
        max_value: LIMIT,
        seconds: 60,
        conditions: Vec::new(),
        variables: vec!["descriptors[0].window".into(), "descriptors[0].key".into()],
    }];
    let service = Server::start(any_port(), Counts::new(Kind::Limitador, &rules).unwrap()).unwrap();
    let configuration = format!(
        r#"{{"rule_name": "crash", "rule_items": [{{"limit_by_per_header": "x-key",
            "limit_keys": [{{"key": "*", "token_per_minute": {LIMIT}}}]}}],
            "rate_limit_service": {{"service_name": "{SERVICE}", "service_port": {}, "domain": "edge", "failure_mode_allow": false}}}}"#,
        service.address().port()
    );
    let module = module(PLUGIN);
    let upstream = model();
    let start = || process(PLUGIN, &module, &configuration, upstream, Some(service.address()));
    let first = start();
    wait_for_window();
    // A token is taken before an answer, and the rest is charged after it.
    assert_eq!(send(&first, "").0, 200);
    wait_for_calls(&service, 2);
    let (status, mut answer) = send(&first, "x-slow: 1\r\n");
    assert_eq!(status, 200);
    let mut event = String::new();
    while !event.starts_with("data: ") {
        event.clear();
        assert_ne!(answer.read_line(&mut event).unwrap(), 0, "the stream goes on");
    }
    let killed = Command::new("kill").args(["-KILL", &first.id().to_string()]).status().unwrap();
    assert!(killed.success());
    answer.read_to_end(&mut Vec::new()).ok();
    let second = start();
    wait_for_calls(&service, 3);
    // The whole answer, and the token of the one that no client has received.
    let mut charged = ANSWER + 1;
    let mut calls = 3;
    while charged + ANSWER <= LIMIT {
        assert_eq!(send(&second, "").0, 200, "after {charged} tokens");
        (charged, calls) = (charged + ANSWER, calls + 2);
        wait_for_calls(&service, calls);
    }
    // The last answer exceeds the limit, so its tokens are charged in parts, until the service refuses one.
    assert_eq!(send(&second, "").0, 200, "after {charged} tokens");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(send(&second, "").0, 429);
}
