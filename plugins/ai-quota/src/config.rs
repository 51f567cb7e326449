//! The validated configuration.

use config::{Configuration, FieldError, NonEmptyString, PathSuffix};
use sdk::configuration;
use text::chat;

/// The fields of the document.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "redis": "on Higress and MSE, the module of `cargo xtask build ai-quota --gateway higress` has this field; elsewhere, \
                  remove it: quotas are kept in each gateway process",
        "redis_key_prefix": "on Higress and MSE, the module of `cargo xtask build ai-quota --gateway higress` has this field; \
                             elsewhere, remove it: quotas are kept in each gateway process",
        "rate_limit_service": "remove it: a rate limit service has windows, and a quota has none that could be set or queried",
    }))
)]
pub struct Fields {
    /// The consumer who can query and change quotas.
    /// zh: 可以查询和修改配额的消费者
    admin_consumer: NonEmptyString,
    /// What the paths of an administrator have after `/v1/chat/completions`.
    /// zh: 管理接口的路径在 `/v1/chat/completions` 之后的部分
    #[serde(default = "default_admin_path")]
    admin_path: String,
    /// Ends of the paths of requests that are charged. `*`: all paths.
    /// zh: 计入配额的请求路径的后缀；`*` 为所有路径
    #[serde(default = "default_suffixes")]
    enable_path_suffixes: Vec<PathSuffix>,
    /// Tokens of an answer that are taken from a quota before the answer is known, and corrected after it.
    /// zh: 在回答之前预先从配额中扣除的回答令牌数，回答结束后修正
    #[serde(default = "default_reserve")]
    reserve_output_tokens: u32,
    /// Ask servers of OpenAI's protocols for `usage` in streams, and remove the event that they add for it.
    /// zh: 要求 OpenAI 协议的服务在流中发送 `usage`，并移除为此增加的事件
    #[serde(default = "yes")]
    ask_for_usage: bool,
    /// The Redis server in which quotas are kept, on Higress and MSE.
    /// zh: 在 Higress 和 MSE 上存储配额的 Redis
    #[cfg(feature = "redis")]
    #[serde(default)]
    redis: Option<sdk::quota::RedisQuotaFields>,
    /// What begins the keys in Redis, which the name of the consumer follows.
    /// zh: Redis 中 key 的前缀，其后是消费者的名称
    #[cfg(feature = "redis")]
    #[serde(default = "default_key_prefix")]
    redis_key_prefix: String,
    /// Log and count decisions, but pass every request to a model.
    /// zh: 判定、记录日志并计数，但放行所有对大模型的请求
    #[serde(default)]
    dry_run: bool,
}

fn default_admin_path() -> String {
    "/quota".into()
}

fn default_suffixes() -> Vec<PathSuffix> {
    let suffixes = ["/v1/chat/completions", "/v1/messages"];
    suffixes.into_iter().filter_map(|suffix| PathSuffix::try_from(suffix.to_owned()).ok()).collect()
}

fn default_reserve() -> u32 {
    256
}

#[cfg(feature = "redis")]
fn default_key_prefix() -> String {
    "chat_quota:".into()
}

fn yes() -> bool {
    true
}

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To a model.
    Model,
    /// Queries a quota.
    Query,
    /// Sets a quota.
    Refresh,
    /// Adds to a quota.
    Delta,
    /// Anything else.
    Other,
}

/// The validated configuration.
#[derive(Debug)]
pub struct Config {
    /// The administrator.
    pub admin_consumer: String,
    /// Tokens of an answer that are taken before it.
    reserve: u32,
    /// Servers are asked for `usage`.
    pub ask_for_usage: bool,
    /// Pass every request to a model.
    pub dry_run: bool,
    /// The Redis server in which quotas are kept.
    #[cfg(feature = "redis")]
    pub redis: Option<sdk::quota::RedisQuotas>,
    admin_path: String,
    suffixes: Vec<String>,
}

impl Config {
    /// Returns true if quotas are kept in Redis.
    pub fn is_remote(&self) -> bool {
        #[cfg(feature = "redis")]
        return self.redis.is_some();
        #[cfg(not(feature = "redis"))]
        false
    }

    /// Returns what is taken from a quota before the prompt is known.
    pub fn first(&self) -> u32 {
        self.reserve.max(1)
    }

    /// Returns what a request with this path is.
    pub fn mode(&self, path: &[u8]) -> Mode {
        let ends = |operation: &str| chat::path_ends_with(path, &format!("{}{operation}", self.admin_path));
        match () {
            () if ends("/refresh") => Mode::Refresh,
            () if ends("/delta") => Mode::Delta,
            () if ends("") => Mode::Query,
            () if self.suffixes.iter().any(|suffix| suffix == "*" || chat::path_ends_with(path, suffix)) => {
                Mode::Model
            }
            () => Mode::Other,
        }
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        // As in Higress, an empty path is the default.
        let admin_path = if fields.admin_path.is_empty() { default_admin_path() } else { fields.admin_path };
        if !admin_path.starts_with('/') || admin_path.ends_with('/') {
            return Err(FieldError::new(
                "admin_path",
                format!("must begin with `/` and not end with it: write `/{}`", admin_path.trim_matches('/')),
            ));
        }
        if fields.enable_path_suffixes.is_empty() {
            return Err(FieldError::new(
                "enable_path_suffixes",
                "is empty, so nothing would be charged: write `*` for all paths, or remove it",
            ));
        }
        Ok(Config {
            admin_consumer: fields.admin_consumer.into(),
            reserve: fields.reserve_output_tokens,
            ask_for_usage: fields.ask_for_usage,
            dry_run: fields.dry_run,
            #[cfg(feature = "redis")]
            redis: fields.redis.map(|redis| {
                // As in Higress, an empty prefix is the default.
                let prefix = Some(fields.redis_key_prefix).filter(|prefix| !prefix.is_empty());
                sdk::quota::RedisQuotas::new("ai-quota", redis, prefix.unwrap_or_else(default_key_prefix))
            }),
            admin_path: format!("/v1/chat/completions{admin_path}"),
            suffixes: fields.enable_path_suffixes.into_iter().map(Into::into).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_determine_what_a_request_is() {
        let list = |values: &[&str]| {
            values.iter().map(|value| PathSuffix::try_from((*value).to_owned()).unwrap()).collect()
        };
        let config = Config::check(Fields {
            admin_consumer: NonEmptyString::try_from("admin".to_owned()).unwrap(),
            admin_path: default_admin_path(),
            enable_path_suffixes: list(&["/completions"]),
            reserve_output_tokens: 1,
            ask_for_usage: true,
            #[cfg(feature = "redis")]
            redis: None,
            #[cfg(feature = "redis")]
            redis_key_prefix: default_key_prefix(),
            dry_run: false,
        })
        .unwrap();
        for (path, mode) in [
            ("/v1/chat/completions?quota", Mode::Model),
            ("/ai/v1/chat/completions/quota?consumer=a", Mode::Query),
            ("/v1/chat/completions/quota/", Mode::Query),
            ("/v1/chat/completions/%71uota/refresh", Mode::Refresh),
            ("/v1/chat/completions/quota/delta?a", Mode::Delta),
            ("/v1/chat/completions/quotas", Mode::Other),
            ("/v1/models", Mode::Other),
        ] {
            assert_eq!(config.mode(path.as_bytes()), mode, "{path}");
        }
    }
}
