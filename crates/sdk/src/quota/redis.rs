//! Counts in Redis, which gateways with Higress's host calls share.
//!
//! Each check and the update after it are one Lua script, so no limit is exceeded. A count is what has been used.

use std::cell::Cell;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use config::{Secret, ServiceName};

use super::seen::First;
use super::service::{Answer, Common, Mode, Span, Target, Unavailable};
use super::store::{StoreError, is_due};
use crate::call::{self, CallError, Cluster, redis};
use crate::{Status, background};

/// Takes ARGV[1] of ARGV[2] for a window of ARGV[3] milliseconds. Returns 1 if it is granted, what is left, and the rest of the
/// window.
const TAKE: &str = "\
local used, rest = tonumber(redis.call('GET', KEYS[1]) or '0'), redis.call('PTTL', KEYS[1])
local left = tonumber(ARGV[2]) - used
local granted = left >= tonumber(ARGV[1])
if granted then
left = left - tonumber(ARGV[1])
redis.call('INCRBY', KEYS[1], ARGV[1])
end
if rest < 0 then
rest = tonumber(ARGV[3])
redis.call('PEXPIRE', KEYS[1], rest)
end
return {granted and 1 or 0, math.max(left, 0), rest}";

/// Takes ARGV[1] of a quota, or what is left of it. Returns what is taken.
const TAKE_LEFT: &str = "\
local left = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
local taken = math.max(math.min(left, tonumber(ARGV[1])), 0)
if taken > 0 then
redis.call('DECRBY', KEYS[1], taken)
end
return taken";

/// Adds ARGV[1] to a quota, unless there is none.
const ADD_TO_EXISTING: &str = "\
if redis.call('EXISTS', KEYS[1]) == 1 then
redis.call('INCRBY', KEYS[1], ARGV[1])
end
return 0";

/// Declares the fields of a Redis server, and after them those of one use.
macro_rules! fields {
    ($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[crate::configuration]
        pub struct $name {
            /// Full name of the service, for example `redis.static`.
            /// zh: 服务的完整名称，例如 `redis.static`
            service_name: ServiceName,
            /// Port of the service. 80 for a `.static` service if absent, otherwise 6379.
            /// zh: 服务端口；缺省时 `.static` 服务为 80，其他为 6379
            #[serde(default)]
            service_port: Option<NonZeroU16>,
            /// User name.
            /// zh: 用户名
            #[serde(default)]
            username: String,
            /// Password.
            /// zh: 密码
            #[serde(default)]
            password: Option<Secret>,
            /// Timeout of a command in milliseconds.
            /// zh: 命令的超时时间，单位毫秒
            #[serde(default = "default_timeout")]
            timeout: NonZeroU32,
            /// Number of the database.
            /// zh: 数据库编号
            #[serde(default)]
            database: u32,
            $($(#[$field_about])* $field: $type,)*
        }

        impl $name {
            /// Returns the server, and the fields of the use.
            fn split_server(self) -> (Redis, ($($type,)*)) {
                let Self { service_name, service_port, username, password, timeout, database, $($field),* } = self;
                let server = Server { service_name, service_port, username, password, timeout, database };
                (Redis::new(server), ($($field,)*))
            }
        }
    };
}

fields! {
    /// The fields of a Redis server in which limits are counted.
    RedisFields {
        /// How often Redis is queried.
        /// zh: 何时查询 Redis
        #[serde(default)]
        mode: Mode,
        /// If Redis is unavailable: pass requests (`true`) or answer them with 503.
        /// zh: Redis 不可用时：放行请求（`true`），或返回 503
        #[serde(default = "yes")]
        failure_mode_allow: bool,
        /// If Redis is unavailable: limit each key to this percentage of its limit in each gateway process.
        /// zh: Redis 不可用时：每个网关进程按限额的该百分比限流
        #[serde(default)]
        local_percent: Option<NonZeroU16>,
    }
}

impl RedisFields {
    pub(super) fn split(self) -> (Redis, Common) {
        let (redis, (mode, failure_mode_allow, local_percent)) = self.split_server();
        let timeout = redis.timeout;
        (redis, Common { timeout, mode, failure_mode_allow, local_percent })
    }
}

fields! {
    /// The fields of a Redis server in which keys are stored that may occur only once.
    RedisSeenFields {
        /// What begins the keys.
        /// zh: key 的前缀
        #[serde(default)]
        key_prefix: Option<String>,
    }
}

fields! {
    /// The fields of a Redis server in which quotas are kept.
    RedisQuotaFields {}
}

fn default_timeout() -> NonZeroU32 {
    const { NonZeroU32::new(1_000).unwrap() }
}

fn yes() -> bool {
    true
}

/// Where a Redis server is: the fields with which all others begin.
pub struct Server {
    /// The full name of the service.
    pub service_name: ServiceName,
    /// Its port. 80 for a `.static` service if absent, otherwise 6379.
    pub service_port: Option<NonZeroU16>,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Option<Secret>,
    /// The timeout of a command in milliseconds.
    pub timeout: NonZeroU32,
    /// The number of the database.
    pub database: u32,
}

/// Keys in Redis that may occur only once.
#[derive(Debug)]
pub struct RedisSeen {
    plugin: &'static str,
    redis: Redis,
    key_prefix: String,
}

impl RedisSeen {
    /// Describes a server. The name of the plug-in begins the keys if the fields have no prefix, or an empty one.
    pub fn new(plugin: &'static str, fields: RedisSeenFields) -> Self {
        let (redis, (key_prefix,)) = fields.split_server();
        let key_prefix = key_prefix.filter(|prefix| !prefix.is_empty()).unwrap_or_else(|| plugin.into());
        RedisSeen { plugin, redis, key_prefix }
    }

    /// Prepares the server. Call it in `on_configured`.
    pub fn start(&self) {
        self.redis.start();
    }

    /// Adds a key for a number of seconds, unless it is there; `None` if Redis is unavailable, which is logged at most once a
    /// minute.
    pub async fn add(&self, key: &[u8], seconds: u32) -> Option<First> {
        let key = [self.key_prefix.as_bytes(), b":", key].concat();
        let seconds = seconds.to_string();
        let response = self.redis.send(&[b"SET", &key, b"1", b"EX", seconds.as_bytes(), b"NX"]);
        match response.await {
            Ok(redis::Value::Nil) => Some(First::No),
            Ok(redis::Value::Text(_)) => Some(First::Yes),
            _ => {
                if is_due() {
                    crate::error!("{}: the Redis server is unavailable: no key can be stored", self.plugin);
                }
                None
            }
        }
    }
}

/// Quotas in Redis: numbers by name, which have no window. A quota can become negative.
#[derive(Debug)]
pub struct RedisQuotas {
    plugin: &'static str,
    redis: Redis,
    key_prefix: String,
    /// The context of work in the background.
    root: Cell<u32>,
}

impl RedisQuotas {
    /// Describes a server. The prefix begins the keys.
    pub fn new(plugin: &'static str, fields: RedisQuotaFields, key_prefix: String) -> Self {
        let (redis, ()) = fields.split_server();
        RedisQuotas { plugin, redis, key_prefix, root: Cell::new(0) }
    }

    /// Prepares the server. Call it in `on_configured`.
    pub fn start(&self) {
        self.root.set(call::current_context());
        self.redis.start();
    }

    /// Returns a quota, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// Redis is unavailable, which is logged at most once a minute, or the quota is not a number.
    pub async fn get(&self, name: &[u8]) -> Result<Option<i64>, StoreError> {
        match self.send(&[b"GET", &self.key(name)]).await? {
            redis::Value::Nil => Ok(None),
            redis::Value::Text(text) => match str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) {
                Some(quota) => Ok(Some(quota)),
                None => Err(StoreError::Unavailable),
            },
            _ => Err(StoreError::Unavailable),
        }
    }

    /// Sets a quota.
    ///
    /// # Errors
    ///
    /// Redis is unavailable.
    pub async fn set(&self, name: &[u8], quota: i64) -> Result<(), StoreError> {
        self.send(&[b"SET", &self.key(name), quota.to_string().as_bytes()]).await.map(|_| ())
    }

    /// Adds to a quota, which is created if there is none.
    ///
    /// # Errors
    ///
    /// Redis is unavailable, or the quota is not a number.
    pub async fn add(&self, name: &[u8], amount: i64) -> Result<(), StoreError> {
        self.send(&[b"INCRBY", &self.key(name), amount.to_string().as_bytes()]).await.map(|_| ())
    }

    /// Takes an amount from a quota, or what is left of it. Returns what was taken: `None` if nothing is left, or there is no
    /// quota.
    ///
    /// # Errors
    ///
    /// Redis is unavailable, or the quota is not a number.
    pub async fn take(&self, name: &[u8], amount: u32) -> Result<Option<u32>, StoreError> {
        let amount = amount.to_string();
        match self.send(&[b"EVAL", TAKE_LEFT.as_bytes(), b"1", &self.key(name), amount.as_bytes()]).await? {
            redis::Value::Integer(taken) => Ok(u32::try_from(taken).ok().filter(|taken| *taken > 0)),
            _ => Err(StoreError::Unavailable),
        }
    }

    /// Adds to a quota in the background, unless there is none, also after the end of a request. What Redis does not count,
    /// because it is unavailable, is lost, and counted as `<plug-in>.store_failed`.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn correct(&self, name: &[u8], amount: i64) -> Result<(), Status> {
        let (plugin, redis, key) = (self.plugin, self.redis.clone(), self.key(name));
        let work = async move {
            let amount = amount.to_string();
            let command: [&[u8]; 5] = [b"EVAL", ADD_TO_EXISTING.as_bytes(), b"1", &key, amount.as_bytes()];
            if redis.send(&command).await.is_err() {
                crate::metric::add(&format!("{plugin}.store_failed"), 1);
                if is_due() {
                    crate::error!("{plugin}: the Redis server is unavailable: a charge is lost");
                }
            }
        };
        background::start_after(self.root.get(), "correction of a quota", work)
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        [self.key_prefix.as_bytes(), name].concat()
    }

    async fn send(&self, command: &[&[u8]]) -> Result<redis::Value, StoreError> {
        let response = self.redis.send(command);
        response.await.map_err(|Unavailable| {
            if is_due() {
                crate::error!(
                    "{}: the Redis server is unavailable: requests are answered with 503",
                    self.plugin
                );
            }
            StoreError::Unavailable
        })
    }
}

/// A Redis server.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    cluster: Cluster,
    username: String,
    password: Option<Secret>,
    timeout: Duration,
    database: u32,
    /// True if the host knows it.
    is_ready: Cell<bool>,
}

impl Redis {
    pub(crate) fn new(server: Server) -> Self {
        let Server { service_name, service_port, username, password, timeout, database } = server;
        let usual = if service_name.ends_with(".static") { 80 } else { 6379 };
        let cluster = Cluster::fqdn(&service_name, service_port.map_or(usual, NonZeroU16::get));
        let timeout = Duration::from_millis(timeout.get().into());
        Redis { cluster, username, password, timeout, database, is_ready: Cell::new(false) }
    }

    /// Prepares the server. If the gateway does not know the service yet, commands try again.
    pub(crate) fn start(&self) {
        // An error is that of the first command.
        let _ = self.prepare();
    }

    fn prepare(&self) -> Result<(), Status> {
        if !self.is_ready.get() {
            let password = self.password.clone().map(String::from).unwrap_or_default();
            redis::init(&self.cluster, (&self.username, &password), self.timeout, self.database)?;
            self.is_ready.set(true);
        }
        Ok(())
    }

    /// Sends a command and returns a future of the response. An error of Redis is logged, and no response.
    pub(crate) fn send(
        &self,
        arguments: &[&[u8]],
    ) -> impl Future<Output = Result<redis::Value, Unavailable>> + use<> {
        let response = self.prepare().map(|()| redis::send(&self.cluster, arguments));
        async move {
            let response = match response {
                Ok(response) => response.await,
                Err(status) => Err(CallError::Refused(status)),
            };
            match response {
                Ok(redis::Value::Error(error)) => {
                    crate::debug!("redis: {}", String::from_utf8_lossy(&error));
                    Err(Unavailable)
                }
                Ok(value) => Ok(value),
                Err(error) => {
                    crate::debug!("redis: {error}");
                    Err(Unavailable)
                }
            }
        }
    }

    /// Takes an amount from a budget, all or nothing.
    pub(super) fn take(
        &self,
        target: &Target,
        span: Span,
        amount: u32,
        mode: Mode,
    ) -> impl Future<Output = Result<Answer, Unavailable>> + use<> {
        let mut key = target.redis_key.clone();
        if mode == Mode::Lease {
            // Shares end with windows of the clock, other counts with the window that their first request began.
            key.extend(format!(":{}", span.begin / 1_000_000_000).into_bytes());
        }
        let window = (span.end.saturating_sub(span.begin) / 1_000_000).to_string();
        let (amount, limit) = (amount.to_string(), target.amount.to_string());
        let arguments: [&[u8]; 7] =
            [b"EVAL", TAKE.as_bytes(), b"1", &key, amount.as_bytes(), limit.as_bytes(), window.as_bytes()];
        let response = self.send(&arguments);
        async move { answer(&response.await?, mode).ok_or(Unavailable) }
    }
}

/// Reads the result of the script. With leases, the key outlives its window of the clock, so its rest is not that of the window.
fn answer(value: &redis::Value, mode: Mode) -> Option<Answer> {
    let redis::Value::List(values) = value else { return None };
    let [redis::Value::Integer(granted), redis::Value::Integer(left), redis::Value::Integer(rest)] =
        values.as_slice()
    else {
        return None;
    };
    let rest = Duration::from_millis(u64::try_from(*rest).ok()?);
    Some(Answer {
        granted: *granted == 1,
        left: Some(u32::try_from(*left).unwrap_or(u32::MAX)),
        rest: (mode == Mode::Exact).then_some(rest),
    })
}

#[cfg(test)]
mod tests {
    use super::redis::Value;
    use super::*;

    #[test]
    fn results_are_read() {
        let list = |values: &[i64]| Value::List(values.iter().map(|value| Value::Integer(*value)).collect());
        let expected = Answer { granted: true, left: Some(3), rest: Some(Duration::from_millis(1_500)) };
        assert_eq!(answer(&list(&[1, 3, 1_500]), Mode::Exact), Some(expected));
        let of_lease = Answer { rest: None, ..expected };
        assert_eq!(answer(&list(&[1, 3, 1_500]), Mode::Lease), Some(of_lease));
        for invalid in [Value::Nil, list(&[1, 3]), list(&[1, 3, -1])] {
            assert_eq!(answer(&invalid, Mode::Exact), None, "{invalid:?}");
            assert_eq!(answer(&invalid, Mode::Lease), None, "{invalid:?}");
        }
    }

    fn seen(fields: &str) -> RedisSeen {
        RedisSeen::new("my-plugin", serde_json::from_str(fields).unwrap())
    }

    #[test]
    fn the_usual_port_is_that_of_the_service_and_the_usual_prefix_that_of_the_plug_in() {
        for (fields, name, port, prefix) in [
            (r#"{"service_name":"redis.dns"}"#, "redis.dns", 6379, "my-plugin"),
            (r#"{"service_name":"redis.static","key_prefix":""}"#, "redis.static", 80, "my-plugin"),
            (
                r#"{"service_name":"redis.static","service_port":7000,"key_prefix":"n"}"#,
                "redis.static",
                7000,
                "n",
            ),
        ] {
            let seen = seen(fields);
            assert_eq!(seen.redis.cluster, Cluster::fqdn(name, port), "{fields}");
            assert_eq!(seen.key_prefix, prefix, "{fields}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let shown = format!("{:?}", seen(r#"{"service_name":"redis.dns","password":"s3cr3t"}"#));
        assert!(shown.contains("password") && !shown.contains("s3cr3t"), "{shown}");
        for schema in [
            schemars::schema_for!(RedisFields),
            schemars::schema_for!(RedisSeenFields),
            schemars::schema_for!(RedisQuotaFields),
        ] {
            let schema = schema.to_value();
            assert!(schema["properties"]["password"].to_string().contains("writeOnly"), "{schema}");
        }
    }
}
