//! What comes beside heads and bodies: trailers, ticks, queues, resets and gRPC streams.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

mod host;

use std::cell::RefCell;
use std::rc::Rc;

use host::TestHost;
use sdk::native::Entry;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;
const ROOT: u32 = 1;

/// Looks at trailers, ticks, and listens to a queue.
mod events {
    use std::rc::Rc;
    use std::time::Duration;

    use sdk::prelude::*;
    use sdk::queue::Queue;

    #[derive(Deserialize)]
    pub struct Config {
        name: String,
        #[serde(default)]
        period: u64,
    }

    struct Events;

    fn names(configurations: &[Rc<Config>]) -> String {
        configurations.iter().map(|config| config.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[plugin]
    impl Plugin for Events {
        const NAME: &'static str = "events";
        type Config = Config;

        fn on_request_trailers(trailers: &mut RequestTrailers, _: &Config) -> Flow {
            match trailers.get("verdict").as_deref() {
                Some(b"reset") => Flow::Reset,
                Some(b"deny") => Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("events.denied")),
                _ => {
                    trailers.set("seen", "yes");
                    Flow::Continue
                }
            }
        }

        fn on_configured(configurations: &[Rc<Config>]) {
            info!("configured {}", names(configurations));
        }

        fn tick_period(config: &Config) -> Duration {
            Duration::from_millis(config.period)
        }

        fn on_tick(configurations: &[Rc<Config>]) {
            info!("tick {}", names(configurations));
        }

        fn on_queue_ready(queue: Queue, configurations: &[Rc<Config>]) {
            info!("{queue:?} {}", names(configurations));
        }
    }
}

/// Talks to a service over a gRPC stream before a request goes on.
mod talks {
    use sdk::call::{Cluster, GrpcStream};
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {}

    struct Talks;

    #[plugin(call_outs)]
    impl Plugin for Talks {
        const NAME: &'static str = "talks";
        type Config = Config;

        fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
            request.wait(config, async |request, _| {
                let Ok(stream) = GrpcStream::open(Cluster::named("chat", "chat"), "chat.Chat", "Talk", &[])
                else {
                    return Failure::Closed.flow("talks.refused");
                };
                let _ = stream.send(b"hello", false);
                let mut heard = Vec::new();
                loop {
                    match stream.receive().await {
                        Ok(Some(message)) => heard.push(String::from_utf8_lossy(&message).into_owned()),
                        end => {
                            request.set("x-heard", format!("{} {end:?}", heard.join(" ")));
                            return Flow::Continue;
                        }
                    }
                }
            })
        }
    }
}

fn start(entry: Entry, configuration: &'static str) -> Rc<RefCell<TestHost>> {
    let host = host::install();
    host.borrow_mut().configuration = configuration;
    (entry.on_context_create)(ROOT, 0);
    assert!((entry.on_configure)(ROOT, configuration.len()));
    host
}

fn log(host: &RefCell<TestHost>) -> Vec<String> {
    std::mem::take(&mut host.borrow_mut().log)
}

#[test]
fn trailers_can_be_changed_and_callbacks_can_reply_and_reset() {
    let entry = events::entry();
    let host = start(entry, r#"{"name": "a"}"#);
    assert!(entry.on_request_body.is_none() && entry.on_response_trailers.is_none());
    for (context, verdict, action) in [(2, "pass", CONTINUE), (3, "deny", PAUSE), (4, "reset", PAUSE)] {
        host.borrow_mut().headers = [("verdict", verdict)].into();
        (entry.on_context_create)(context, ROOT);
        assert_eq!(entry.on_request_trailers.unwrap()(context, 1), action, "{verdict}");
    }
    let host = host.borrow();
    assert_eq!(host.set, [("seen".to_string(), "yes".to_string())]);
    assert_eq!(host.replies, [(403, "events.denied".to_string())]);
    assert_eq!(host.closed, [0]);
}

#[test]
fn configurations_get_their_callbacks_ticks_and_queues() {
    let entry = events::entry();
    let rules =
        r#"{"name": "all", "period": 500, "_rules_": [{"_match_route_": ["r"], "name": "r", "period": 20}]}"#;
    let host = start(entry, rules);
    assert_eq!(host.borrow().periods, [20], "the shortest");
    assert_eq!(log(&host), ["configured r all"]);
    entry.on_tick.unwrap()(ROOT);
    entry.on_queue_ready.unwrap()(ROOT, 7);
    entry.on_tick.unwrap()(99);
    assert_eq!(log(&host), ["tick r all", "Queue(7) r all"]);
    (entry.on_delete)(ROOT);
    entry.on_tick.unwrap()(ROOT);
    assert!(log(&host).is_empty());
}

#[test]
fn a_grpc_stream_receives_messages_until_it_ends() {
    for (status, end) in [(0, "Ok(None)"), (14, "Err(Status(14))")] {
        let entry = talks::entry();
        let host = start(entry, "{}");
        (entry.on_context_create)(2, ROOT);
        assert_eq!(entry.on_request_headers.unwrap()(2, 4, true), PAUSE);
        assert_eq!(host.borrow().made, ["stream chat.Chat/Talk", "sent hello"]);
        for message in ["one", "two"] {
            host.borrow_mut().answer.1 = message.as_bytes().to_vec();
            entry.on_grpc_receive.unwrap()(2, 1, message.len());
            assert!(host.borrow().continued.is_empty());
        }
        entry.on_grpc_close.unwrap()(2, 1, status);
        assert_eq!(host.borrow().set, [("x-heard".to_string(), format!("one two {end}"))]);
        assert_eq!(host.borrow().continued, [0]);
        assert!(host.borrow().cancelled.is_empty(), "it has ended");
        entry.on_grpc_receive.unwrap()(2, 1, 3);
    }
}

#[test]
fn a_grpc_stream_is_cancelled_with_its_request() {
    let entry = talks::entry();
    let host = start(entry, "{}");
    (entry.on_context_create)(2, ROOT);
    entry.on_request_headers.unwrap()(2, 4, true);
    (entry.on_delete)(2);
    assert_eq!(host.borrow().cancelled, [1]);
}
