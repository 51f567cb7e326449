//! Counts in a rate limit service, which all replicas of a gateway share.
//!
//! The protocol is Envoy's (`envoy.service.ratelimit.v3`), as Envoy's own service and Limitador implement it. The
//! descriptor of a take has these entries:
//!
//! | entry | value |
//! |---|---|
//! | `limit` | the limit: its identity, amount and period |
//! | `window` | the second since 1970 in which the window begins, a multiple of the period |
//! | `key` | the key, for a limit that applies to many keys separately |
//!
//! The window is an entry because services begin windows differently (Limitador: with the first request). With it, all
//! services count the same windows, and the process knows when they end. The limit is also sent as the descriptor's
//! override, which Envoy's service honours; Limitador needs it in its own configuration.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use config::{FieldError, NonEmptyString, ServiceName};

use super::{Budget, Period};
use crate::call::{Cluster, GrpcCall};
use crate::protobuf::{Fields as Reader, Message, Value};

/// The fields of `rate_limit_service`.
#[crate::configuration]
pub struct ServiceFields {
    /// Full name of the service, for example `limitador.default.svc.cluster.local`.
    /// zh: 服务的完整名称，例如 `limitador.default.svc.cluster.local`
    service_name: ServiceName,
    /// Port of the service.
    /// zh: 服务端口
    #[serde(default = "default_port")]
    service_port: NonZeroU16,
    /// Domain of the limits in the service.
    /// zh: 限额在该服务中的 domain
    domain: NonEmptyString,
    /// Timeout of a call in milliseconds.
    /// zh: 调用的超时时间，单位毫秒
    #[serde(default = "default_timeout")]
    timeout: NonZeroU32,
    /// How often the service is queried, see [Modes](#modes).
    /// zh: 何时查询服务，见[模式](#模式)
    #[serde(default)]
    mode: Mode,
    /// If the service is unavailable: pass requests (`true`) or answer them with 503.
    /// zh: 服务不可用时：放行请求（`true`），或返回 503
    #[serde(default = "yes")]
    failure_mode_allow: bool,
    /// If the service is unavailable: limit each key to this percentage of its limit in each gateway process.
    /// zh: 服务不可用时：每个网关进程按限额的该百分比限流
    #[serde(default)]
    local_percent: Option<NonZeroU16>,
}

impl ServiceFields {
    /// Returns the mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

/// How often the service is queried.
#[crate::configuration]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// For each request.
    /// zh: 每个请求都查询
    #[default]
    Exact,
    /// For shares of a limit.
    /// zh: 按份额查询
    Lease,
}

fn default_port() -> NonZeroU16 {
    const { NonZeroU16::new(8081).unwrap() }
}

fn default_timeout() -> NonZeroU32 {
    const { NonZeroU32::new(500).unwrap() }
}

fn yes() -> bool {
    true
}

/// A service that counts.
#[derive(Debug)]
pub(super) struct Service {
    kind: Kind,
    pub(super) timeout: Duration,
    pub(super) mode: Mode,
    pub(super) failure_mode_allow: bool,
    pub(super) local_percent: Option<u16>,
}

#[derive(Debug)]
enum Kind {
    /// A rate limit service.
    RateLimits { cluster: Cluster, domain: String },
    #[cfg(feature = "redis")]
    Redis(super::redis::Redis),
}

/// The fields that all services have.
pub(super) struct Common {
    pub(super) timeout: Duration,
    pub(super) mode: Mode,
    pub(super) failure_mode_allow: bool,
    pub(super) local_percent: Option<NonZeroU16>,
}

/// A window of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Its beginning and end, in nanoseconds since 1970.
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Span {
    /// Returns the window that contains `now`.
    pub(super) fn of(period: Period, now: u64) -> Self {
        let length = period.nanoseconds();
        let begin = now - now % length;
        Span { begin, end: begin.saturating_add(length) }
    }

    /// Returns the time until its end.
    pub(super) fn rest(self, now: u64) -> Duration {
        Duration::from_nanos(self.end.saturating_sub(now))
    }
}

/// A budget as the service knows it.
#[derive(Debug)]
pub(super) struct Target {
    limit: String,
    pub(super) amount: u32,
    period: Period,
    key: Option<Vec<u8>>,
    #[cfg(feature = "redis")]
    pub(super) redis_key: Vec<u8>,
}

impl Target {
    pub(super) fn new(budget: &Budget<'_>) -> Self {
        let key = budget.key.as_deref().map(text);
        Target {
            limit: budget.limit.descriptor(),
            amount: budget.limit.amount,
            period: budget.limit.period,
            #[cfg(feature = "redis")]
            redis_key: [budget.limit.redis_key.as_bytes(), key.as_deref().unwrap_or_default()].concat(),
            key,
        }
    }
}

/// The response to a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) granted: bool,
    /// What the budget has left, if the service reports it.
    pub(super) left: Option<u32>,
    /// The rest of the window, if the service has windows of its own.
    #[cfg(feature = "redis")]
    pub(super) rest: Option<Duration>,
}

impl Answer {
    fn new(granted: bool, left: Option<u32>) -> Self {
        Answer {
            granted,
            left,
            #[cfg(feature = "redis")]
            rest: None,
        }
    }

    /// Returns the time until the end of the window.
    pub(super) fn rest(self, span: Span, now: u64) -> Duration {
        #[cfg(feature = "redis")]
        if let Some(rest) = self.rest {
            return rest;
        }
        span.rest(now)
    }
}

/// The service did not respond, or its response is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable;

impl Service {
    /// Validates the fields. `path` is their path.
    pub(super) fn new(fields: ServiceFields, path: &str) -> Result<Self, FieldError> {
        let kind = Kind::RateLimits {
            cluster: Cluster::fqdn(&fields.service_name, fields.service_port.get()),
            domain: fields.domain.into(),
        };
        let common = Common {
            timeout: Duration::from_millis(fields.timeout.get().into()),
            mode: fields.mode,
            failure_mode_allow: fields.failure_mode_allow,
            local_percent: fields.local_percent,
        };
        Self::of(kind, common, path)
    }

    /// Validates the fields of a Redis server.
    #[cfg(feature = "redis")]
    pub(super) fn redis(fields: super::RedisFields, path: &str) -> Result<Self, FieldError> {
        let (redis, common) = fields.split();
        Self::of(Kind::Redis(redis), common, path)
    }

    fn of(kind: Kind, common: Common, path: &str) -> Result<Self, FieldError> {
        let Common { timeout, mode, failure_mode_allow, local_percent } = common;
        let local_percent = local_percent.map(NonZeroU16::get);
        if local_percent.is_some_and(|percent| percent > 100) {
            return Err(FieldError::new(format!("{path}.local_percent"), "must be from 1 to 100"));
        }
        if local_percent.is_some() && !failure_mode_allow {
            return Err(FieldError::new(
                format!("{path}.local_percent"),
                "has no effect with `failure_mode_allow: false`: remove one of them",
            ));
        }
        Ok(Service { kind, timeout, mode, failure_mode_allow, local_percent })
    }

    /// Prepares the service, in `on_configured`.
    pub(super) fn start(&self) {
        match &self.kind {
            Kind::RateLimits { .. } => {}
            #[cfg(feature = "redis")]
            Kind::Redis(redis) => redis.start(),
        }
    }

    /// Returns what it is, for messages.
    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::RateLimits { .. } => "rate limit service",
            #[cfg(feature = "redis")]
            Kind::Redis(_) => "Redis server",
        }
    }

    /// Returns the domain of limits in a rate limit service.
    pub(super) fn domain(&self) -> Option<&str> {
        match &self.kind {
            Kind::RateLimits { domain, .. } => Some(domain),
            #[cfg(feature = "redis")]
            Kind::Redis(_) => None,
        }
    }

    /// Takes an amount from a budget, all or nothing.
    #[cfg(not(feature = "redis"))]
    pub(super) fn take(
        &self,
        target: &Target,
        span: Span,
        amount: u32,
    ) -> impl Future<Output = Result<Answer, Unavailable>> + use<> {
        let Kind::RateLimits { cluster, domain } = &self.kind;
        query(cluster, request(domain, target, span, amount), self.timeout)
    }

    /// Takes an amount from a budget, all or nothing.
    #[cfg(feature = "redis")]
    pub(super) fn take(
        &self,
        target: &Target,
        span: Span,
        amount: u32,
    ) -> impl Future<Output = Result<Answer, Unavailable>> + use<> {
        let (by_service, by_redis) = match &self.kind {
            Kind::RateLimits { cluster, domain } => {
                (Some(query(cluster, request(domain, target, span, amount), self.timeout)), None)
            }
            Kind::Redis(redis) => (None, Some(redis.take(target, span, amount, self.mode))),
        };
        async move {
            match (by_service, by_redis) {
                (Some(answer), _) => answer.await,
                (None, Some(answer)) => answer.await,
                (None, None) => Err(Unavailable),
            }
        }
    }
}

/// Queries a rate limit service.
fn query(
    cluster: &Cluster,
    message: Vec<u8>,
    timeout: Duration,
) -> impl Future<Output = Result<Answer, Unavailable>> + use<> {
    let call = GrpcCall::new(
        cluster.clone(),
        "envoy.service.ratelimit.v3.RateLimitService",
        "ShouldRateLimit",
        message,
    );
    let response = call.timeout(timeout).send();
    async move {
        match response.await {
            Ok(message) => answer(&message).ok_or_else(|| {
                crate::debug!("rate limit service: invalid response of {} bytes", message.len());
                Unavailable
            }),
            Err(error) => {
                crate::debug!("rate limit service: {error}");
                Err(Unavailable)
            }
        }
    }
}

/// Returns a `RateLimitRequest`.
fn request(domain: &str, target: &Target, span: Span, amount: u32) -> Vec<u8> {
    let entry =
        |key: &str, value: &[u8]| Message::default().bytes(1, key.as_bytes()).bytes(2, value).finish();
    let window = (span.begin / 1_000_000_000).to_string();
    let mut descriptor = Message::default()
        .bytes(1, &entry("limit", target.limit.as_bytes()))
        .bytes(1, &entry("window", window.as_bytes()));
    if let Some(key) = &target.key {
        descriptor = descriptor.bytes(1, &entry("key", key));
    }
    let unit = match target.period {
        Period::Second => 1,
        Period::Minute => 2,
        Period::Hour => 3,
        Period::Day => 4,
    };
    let limit = Message::default().varint(1, target.amount as usize).varint(2, unit).finish();
    let descriptor = descriptor.bytes(2, &limit).finish();
    Message::default().bytes(1, domain.as_bytes()).bytes(2, &descriptor).varint(3, amount as usize).finish()
}

/// The longest key that is sent unchanged.
const MAX_KEY: usize = 128;

/// The prefix of keys that are sent as hashes.
const HASHED: &[u8] = b"siphash:";

/// Returns a key as text: gRPC refuses other bytes, and long keys would fill the memory of the service.
fn text(key: &[u8]) -> Vec<u8> {
    if key.len() <= MAX_KEY && !key.starts_with(HASHED) && std::str::from_utf8(key).is_ok() {
        return key.to_vec();
    }
    let hash = |salt: u8| {
        // All replicas need the same hash, so it has no random seed.
        let mut hasher = DefaultHasher::new();
        (salt, key).hash(&mut hasher);
        hasher.finish()
    };
    [HASHED, format!("{:016x}{:016x}", hash(0), hash(1)).as_bytes()].concat()
}

/// Reads a `RateLimitResponse`.
fn answer(message: &[u8]) -> Option<Answer> {
    const OK: u64 = 1;
    const OVER_LIMIT: u64 = 2;
    let (mut code, mut left) = (0, None);
    for field in Reader::new(message) {
        match field? {
            (1, Value::Number(number)) => code = number,
            // The status of the only descriptor.
            (2, Value::Bytes(status)) => {
                let (mut has_limit, mut remaining) = (false, 0);
                for field in Reader::new(status) {
                    match field? {
                        (2, Value::Bytes(_)) => has_limit = true,
                        (3, Value::Number(number)) => remaining = number,
                        _ => {}
                    }
                }
                // Without the limit, 0 means "unknown".
                left = has_limit.then(|| u32::try_from(remaining).unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }
    match code {
        OK => Some(Answer::new(true, left)),
        OVER_LIMIT => Some(Answer::new(false, left)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::quota::Limit;

    #[test]
    fn a_take_is_a_message_of_the_protocol() {
        let limit = Limit::new(300, Period::Minute, "api:limit_by_header:x-key:gold", "limits[0]");
        let budget = Budget { limit: &limit, key: Some(b"ab".to_vec()) };
        let span = Span::of(Period::Minute, 61_999_000_000);
        assert_eq!(span, Span { begin: 60_000_000_000, end: 120_000_000_000 });
        let message = request("edge", &Target::new(&budget), span, 7);
        let limit = b"\x0a\x32\x0a\x05limit\x12\x29api:limit_by_header:x-key:gold:300/minute".as_slice();
        let others = b"\x0a\x0c\x0a\x06window\x12\x0260\x0a\x09\x0a\x03key\x12\x02ab".as_slice();
        let end = b"\x12\x05\x08\xac\x02\x10\x02\x18\x07".as_slice();
        let expected = [b"\x0a\x04edge\x12\x54".as_slice(), limit, others, end].concat();
        assert_eq!(message, expected);
    }

    #[test]
    fn keys_are_short_text() {
        assert_eq!(text(b"abc"), b"abc");
        assert_eq!(text("ä".as_bytes()), "ä".as_bytes());
        for key in [b"\xff".as_slice(), &[b'x'; 129], b"siphash:"] {
            let sent = text(key);
            assert!(sent.starts_with(HASHED) && sent.len() == HASHED.len() + 32, "{sent:?}");
            assert_eq!(sent, text(key));
        }
        assert_ne!(text(b"\xff"), text(b"\xfe"));
        assert_ne!(text(&text(b"\xff")), text(b"\xff"), "a client cannot write the hash of another key");
    }

    #[test]
    fn responses_are_read() {
        let with_left = |code: u8| [8, code, 0x12, 6, 8, code, 0x12, 0, 0x18, 5];
        assert_eq!(answer(&[8, 1]), Some(Answer::new(true, None)));
        assert_eq!(answer(&[8, 2]), Some(Answer::new(false, None)));
        assert_eq!(answer(&with_left(1)), Some(Answer::new(true, Some(5))));
        assert_eq!(answer(&with_left(2)), Some(Answer::new(false, Some(5))));
        // Envoy's service, for a descriptor without a limit.
        assert_eq!(answer(&[8, 1, 0x12, 2, 8, 1]), Some(Answer::new(true, None)));
        for invalid in [&[][..], &[8, 0], &[8, 3], &[8], &[0x12, 9, 1]] {
            assert_eq!(answer(invalid), None, "{invalid:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_responses_are_read(message: Vec<u8>) {
            answer(&message);
        }
    }
}
