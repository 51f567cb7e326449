//! A sample of each row of the guide's tables for those who come from Higress: what a row names compiles, and a row that
//! no sample is for fails, so that the page cannot say of something that it is not there when it is.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may stop")]
#![allow(dead_code, reason = "samples are compiled, and none runs")]

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use sdk::background::{self, Lease};
use sdk::call::{
    CallError, Cluster, GrpcCall, GrpcError, GrpcStream, HttpCall, HttpResponse, first_of, join, join_all,
};
use sdk::foreign;
use sdk::prelude::*;
use sdk::property::Property;
use sdk::queue::Queue;
use sdk::{Gauge, Histogram, LiveHeaders, Status, shared, time};

const PAGE: &str = include_str!("../src/guide/coming_from_higress.md");

/// Samples, each with the rows that it is for, by what stands first in their left cells.
macro_rules! samples {
    ($($name:ident for [$($row:literal),* $(,)?] { $($sample:tt)* })*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "not every sample needs them")]
            use super::*;
            $($sample)*
        })*
        const ROWS: &[&str] = &[$($($row),*),*];
    };
}

samples! {
    a_plugin for [
        "RootContextWrapper", "HttpContextWrapper<Config>", "on_config(config)", "on_http_request_headers",
        "on_http_response_headers", "cache_request_body", "on_http_request_body(size, end)", "cache_response_body",
        "on_http_request_trailers", "replace_http_request_body", "proxy_wasm::main!", "get_match_config",
        "get_request_host", "get_request_scheme", "has_request_body", "hostcalls::get_http_request_headers",
        "hostcalls::set_http_request_header", "the same for responses and trailers", "wrapper.SetCtx(name, …)",
        "ParseConfig", "ParseConfigWithContext", "ProcessRequestHeaders", "ProcessRequestBody",
        "ProcessStreamingRequestBody", "ProcessResponseHeaders", "PrePluginStartOrReload",
        "RegisterTickFunc(period, f)", "DoLeaderElection", "Scheme()", "BufferRequestBody", "HasRequestBody",
        "IsWebsocket", "DontReadRequestBody", "GetExecutionPhase", "GetMatchConfig", "GetRequestPathWithoutQuery",
        "IsApplicationJson", "PluginContext.OnPluginStart", "OnTick", "OnQueueReady", "NewHttpContext",
        "OnHttpRequestHeaders", "OnHttpResponseHeaders", "GetHttpRequestHeaders", "AddHttpRequestHeader",
        "GetHttpRequestBody", "ReplaceHttpRequestBody", "AppendHttpRequestBody", "GetHttpRequestTrailers",
        "all of these for responses", "ActionContinue", "HeaderStopIteration",
    ] {
        #[derive(Deserialize)]
        pub struct Config {
            limit: usize,
        }

        #[derive(Default)]
        pub struct State {
            seen: usize,
        }

        struct Sample;

        #[plugin(call_outs)]
        impl Plugin for Sample {
            const NAME: &'static str = "sample";
            type Config = Config;
            type State = State;

            fn on_configured(configurations: &[Rc<Config>]) {
                info!("{} configurations", configurations.len());
            }

            fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
                let _ = (request.all(), request.get("x"), request.authority(), request.method());
                let _ = (request.get(":scheme"), request.end_of_stream());
                let path = request.path();
                let _ = path.split(|byte| *byte == b'?').next();
                request.add("x", "1");
                request.set("x", "2");
                request.remove("x");
                if request.kind() == StreamKind::Upgrade || config.limit == 0 {
                    return Flow::Continue;
                }
                Flow::Hold
            }

            fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
                body.state.seen += body.chunk().len();
                if !body.is_last() && body.state.seen < config.limit {
                    return Flow::Hold;
                }
                body.replace([b"before ", &body.all()[..], b" behind"].concat());
                Flow::Continue
            }

            fn on_request_trailers(trailers: &mut RequestTrailers<State>, _: &Config) -> Flow {
                changes(trailers);
                Flow::Continue
            }

            fn on_response_headers(response: &mut ResponseHeaders<State>, _: &Config) -> Flow {
                let _ = (response.end_of_stream(), response.status());
                changes(response);
                Flow::Continue
            }

            fn on_response_body(body: &mut ResponseBody<State>, _: &Config) -> Flow {
                body.replace(body.chunk());
                Flow::Continue
            }

            fn on_response_trailers(trailers: &mut ResponseTrailers<State>, _: &Config) -> Flow {
                changes(trailers);
                Flow::Continue
            }

            fn tick_period(_: &Config) -> Duration {
                Duration::from_secs(1)
            }

            fn on_tick(configurations: &[Rc<Config>]) {
                if Lease::new("sample.lease", Duration::from_secs(3)).take() == Ok(true) {
                    background::spawn("tick", configurations, async |_| {
                        let _ = http("/").send().await;
                    });
                }
            }

            fn on_queue_ready(queue: Queue, _: &[Rc<Config>]) {
                let _ = queue.pop();
            }
        }

        fn changes(map: &LiveHeaders) {
            let _ = (map.all(), map.get("x"));
            map.add("x", "1");
            map.set("x", "2");
            map.remove("x");
        }
    }

    end_of_the_stream for ["on_log"] {
        #[derive(Deserialize)]
        pub struct Config {}

        struct Sample;

        #[plugin]
        impl Plugin for Sample {
            type Config = Config;

            fn on_log(end: &mut StreamEnd, _: &Config) {
                const STATUS: Property<Vec<u8>> = Property::new("sample.status");
                let _ = (end.request_header("x"), end.response_header("x"), STATUS.set(end.status().to_string()));
            }
        }
    }

    drop_of_the_state for ["on_done", "ProcessStreamDone", "OnHttpStreamDone"] {
        struct State;

        impl Drop for State {
            fn drop(&mut self) {
                debug!("the stream has ended");
            }
        }
    }

    fields_of_the_state for ["SetContext", "SetUserAttribute", "PushBuffer"] {
        #[derive(Default)]
        struct State {
            user: Option<String>,
            pieces: std::collections::VecDeque<Vec<u8>>,
        }

        thread_local! {
            static OF_THE_WORKER: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
        }
    }

    waiting for [
        "HttpCallbackFn", "ResumeHttpRequest()", "ActionPause", "HeaderStopAllIterationAndBuffer",
        "http_call(cluster, method, url, headers, body, call_fn, timeout)", "status 502 without a response",
    ] {
        #[derive(Deserialize)]
        pub struct Config {}

        struct Sample;

        #[plugin(call_outs)]
        impl Plugin for Sample {
            const NAME: &'static str = "sample";
            type Config = Config;

            fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
                request.wait(config, async |_, _| match http("/check").send().await {
                    Ok(answer) if answer.status() < 500 => Flow::Continue,
                    _ => Flow::Reset,
                })
            }

            fn on_response_body(body: &mut ResponseBody, config: &Config) -> Flow {
                body.wait(config, async |_, _| Flow::Continue)
            }
        }
    }

    decisions for ["hostcalls::reset_http_request", "hostcalls::send_http_response", "SendHttpResponse"] {
        fn flows() -> [Flow; 2] {
            [Flow::Reset, Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("sample.denied"))]
        }

        fn body_flows() -> [Flow; 3] {
            let reply = Reply::new(StatusCode::FORBIDDEN).header("x", "1").body("no");
            [Flow::Reset, Flow::Reply(reply), Flow::Hold]
        }
    }

    calls for [
        "HttpDispatcher::dispatch", "hostcalls::dispatch_http_call", "wrapper.NewClusterClient(cluster)", "Get", "Head",
        "rawURL", "headers [][2]string", "ResponseCallback(status, headers, body)", "timeoutMillisecond",
        "the callback's status 502 if there are no headers", "DispatchHttpCall",
    ] {
        async fn calls() -> Result<Vec<u8>, CallError> {
            let (a, b) = join(http("/a").send(), HttpCall::post(cluster(), "/b", "body").send()).await;
            let put = HttpCall::new("PUT", cluster().with_host("other"), "/c").header("x", "1");
            let _ = join_all([put.timeout(Duration::from_millis(500)).send()]).await;
            let _ = first_of([http("/d").send(), http("/e").send()]).await;
            let answer: HttpResponse = a?;
            match b {
                Err(CallError::NoAnswer | CallError::Refused(_)) => Ok(Vec::new()),
                Ok(_) => Ok([answer.body, answer.headers.get("x").unwrap_or_default().to_vec()].concat()),
            }
        }
    }

    clusters for [
        "Cluster::cluster_name", "RouteCluster::new(host)", "K8sCluster::new(service, namespace, port, version, host)",
        "NacosCluster::new(…)", "StaticIpCluster", "host", "ClusterName", "RouteCluster",
    ] {
        fn clusters() -> Vec<(String, String)> {
            let clusters = [
                Cluster::kubernetes("s", "n", 80),
                Cluster::nacos("s", "g", "n", 80),
                Cluster::consul("s", "dc", 80),
                Cluster::dns("s", "example.com", 443),
                Cluster::static_ip("s", 80),
                Cluster::fqdn("s.example.com", 80),
                Cluster::named("outbound|80|v1|s.n.svc.cluster.local", "s").with_host("h"),
            ];
            let clusters = clusters.into_iter().chain(Cluster::of_route("h"));
            clusters.map(|cluster| (cluster.name().to_owned(), cluster.host().to_owned())).collect()
        }
    }

    grpc for [
        "hostcalls::dispatch_grpc_call", "hostcalls::open_grpc_stream", "hostcalls::get_grpc_status", "gRPC calls",
    ] {
        async fn grpc() -> Result<Option<Vec<u8>>, GrpcError> {
            match GrpcCall::new(cluster(), "a.B", "C", "in").send().await {
                Err(GrpcError::Status(14)) => {}
                other => return other.map(Some),
            }
            let stream = GrpcStream::open(cluster(), "a.B", "D", &[])?;
            stream.send(b"in", true)?;
            stream.receive().await
        }
    }

    configurations for [
        "RuleMatcher", "parse_rule_config", "rewrite_config", "WasmRustError", "ParseOverrideConfig",
    ] {
        struct Config;

        impl Configuration for Config {
            type Fields = Fields;
            const RULES: RuleFields = RuleFields::Inherit;

            fn check(_: Fields) -> Result<Self, FieldError> {
                Ok(Config)
            }
        }

        fn read() -> Result<config::Document<Config>, config::ConfigError> {
            config::Document::from_json(b"{}")
        }
    }

    logs for ["HttpContextWrapper::log", "Log::new", "log.Trace", "log.Critical", "x-request-id", "LogTrace"] {
        fn logs() {
            trace!("{}", 1);
            debug!("{}", 2);
            info!("{}", 3);
            warn!("{}", 4);
            error!("{}", 5);
        }
    }

    properties for [
        "set_request_body_buffer_limit", "hostcalls::get_property", "GetFingerPrint", "WriteUserAttributeToLog",
        "WriteUserAttributeToTrace", "DisableReroute", "SetRequestBodyBufferLimit", "IsResponseFromUpstream",
        "GetProperty", "GetPropertyMap", "[\"route_name\"]",
    ] {
        const NAME: Property<Vec<u8>> = Property::new("plugin_name");
        const OWN: Property<Vec<u8>> = Property::new("sample.own");
        const LIMIT: Property<Vec<u8>> = Property::new("set_decoder_buffer_limit");

        fn properties() -> Result<bool, Status> {
            OWN.set("value")?;
            LIMIT.set("1024")?;
            let _ = (NAME.get(), property::route_name()?, property::cluster_name()?);
            Ok(property::RESPONSE_CODE_DETAILS.get().as_deref() == Some(b"via_upstream"))
        }
    }

    across_workers for [
        "hostcalls::get_shared_data", "hostcalls::register_shared_queue", "GetSharedData", "RegisterSharedQueue",
        "ErrorStatusNotFound",
    ] {
        fn across_workers() -> Result<(), Status> {
            if let Some(entry) = shared::get("sample.key")? {
                shared::replace("sample.key", "value", entry.version)?;
            }
            shared::create("sample.key", "value")?;
            shared::set("sample.key", "value")?;
            shared::update("sample.key", 64, |old| (old.map(<[u8]>::to_vec), ()))?;
            let _ = Queue::resolve("", "sample.queue")?;
            Queue::register("sample.queue")?.push("entry")?;
            let _ = [Status::NOT_FOUND, Status::BAD_ARGUMENT, Status::EMPTY, Status::CAS_MISMATCH];
            let _ = [Status::INTERNAL_FAILURE, Status::UNIMPLEMENTED];
            Ok(())
        }
    }

    the_rest for [
        "hostcalls::get_current_time", "hostcalls::call_foreign_function", "WithMaxRequestsPerIoCycle",
        "CallForeignFunction",
    ] {
        fn the_rest() -> Result<SystemTime, Status> {
            foreign::call("set_global_max_requests_per_io_cycle", b"1")?;
            time::now()
        }
    }

    metrics for ["DefineCounterMetric", "DefineGaugeMetric", "DefineHistogramMetric"] {
        static COUNTER: Counter = Counter::new("sample.counter");
        static GAUGE: Gauge = Gauge::new("sample.gauge");
        static HISTOGRAM: Histogram = Histogram::new("sample.histogram");

        fn metrics() {
            COUNTER.add(1);
            GAUGE.add(-1);
            HISTOGRAM.record(1);
            let _ = (COUNTER.value(), GAUGE.value());
        }
    }
}

/// Rows whose samples are elsewhere: crates that the SDK does not depend on, cases.
const ELSEWHERE: [&str; 2] = ["EventStream", "pkg/test"];

#[derive(Deserialize)]
struct Fields {}

fn cluster() -> Cluster {
    Cluster::named("c", "h")
}

fn http(path: &str) -> HttpCall {
    HttpCall::get(cluster(), path)
}

/// The cells of the page's tables with two columns.
fn rows() -> Vec<(String, String)> {
    let lines = PAGE.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| here |"));
    let rows = lines.filter_map(|line| {
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<_> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        match cells.as_slice() {
            [left, right] => Some((left.clone(), right.clone())),
            _ => None,
        }
    });
    rows.collect()
}

/// Returns the first name in a left cell, without backticks.
fn key(left: &str) -> &str {
    left.split('`').nth(1).unwrap_or(left)
}

#[test]
fn every_row_has_a_sample_and_every_sample_a_row() {
    let rows = rows();
    assert!(rows.len() > 130, "the page is read: {}", rows.len());
    for (left, right) in &rows {
        let nothing = ["not needed", "not available", "see "];
        if nothing.iter().any(|word| right.starts_with(word)) && !right.starts_with("not needed, or") {
            continue;
        }
        let key = key(left);
        let has_sample = ROWS.contains(&key) || ELSEWHERE.contains(&key);
        assert!(has_sample, "no sample for the row `{key}`: write one below a fitting name");
    }
    for row in ROWS.iter().chain(&ELSEWHERE) {
        assert!(rows.iter().any(|(left, _)| key(left) == *row), "no row begins with `{row}`");
    }
}

#[test]
fn the_table_announces_nothing() {
    for (left, right) in rows() {
        assert!(!right.contains("yet"), "{left}: only existing features belong in the table");
    }
}
