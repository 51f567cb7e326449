//! The configuration and the limits built from it.

use std::num::NonZeroU32;

use config::{Configuration, FieldError, PathSuffix, StatusCode, Text};
use limits::{Item, ItemFields, KeyEntry, Quotas, Scope, global};
use sdk::configuration;
use sdk::quota::{Mode, ServiceFields, Store};
use text::chat;

/// The fields of the document.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "redis": "write `rate_limit_service` to count over all replicas, or remove it to count in each gateway process",
    }))
)]
pub struct Fields {
    /// Name of these limits. Limits with the same name, source, key and number share a count.
    /// zh: 这些限额的名称；名称、来源、key 和数值都相同的限额共用计数
    #[serde(default)]
    rule_name: String,
    /// The limits. Only the first entry that applies to a request is used.
    /// zh: 限额；只使用第一个适用于请求的条目
    #[serde(default)]
    rule_items: Vec<ItemFields<KeyFields>>,
    /// A single limit for all requests, instead of `rule_items`.
    /// zh: 所有请求共用一个限额，与 `rule_items` 二选一
    #[serde(default)]
    global_threshold: Option<QuotaFields>,
    /// The service that counts over all replicas of the gateway. Without it, each gateway process counts on its own.
    /// zh: 为网关的所有副本计数的服务；不设置则每个网关进程各自计数
    #[serde(default)]
    rate_limit_service: Option<ServiceFields>,
    /// Tokens of an answer that are taken from a budget before the answer is known, and corrected after it.
    /// zh: 在回答之前预先从限额中扣除的回答令牌数，回答结束后修正
    #[serde(default = "default_reserve")]
    reserve_output_tokens: u32,
    /// Ask servers of OpenAI's protocols for `usage` in streams, and remove the event that they add for it.
    /// zh: 要求 OpenAI 协议的服务在流中发送 `usage`，并移除为此增加的事件
    #[serde(default = "yes")]
    ask_for_usage: bool,
    /// Ends of the paths of requests that are limited. `*`: all paths.
    /// zh: 限流的请求路径的后缀；`*` 为所有路径
    #[serde(default = "chat::token_paths::<PathSuffix>")]
    enable_path_suffixes: Vec<PathSuffix>,
    /// Status code of the response to a refused request.
    /// zh: 拒绝请求时的状态码
    #[serde(default = "too_many_requests")]
    rejected_code: StatusCode,
    /// Body of that response, sent as `text/plain`.
    /// zh: 拒绝请求时的正文，以 `text/plain` 发送
    #[serde(default = "too_many_requests_message")]
    rejected_msg: String,
    /// Log and count decisions, but pass every request.
    /// zh: 判定、记录日志并计数，但放行所有请求
    #[serde(default)]
    dry_run: bool,
}

/// The fields of an entry of `limit_keys`.
#[configuration]
pub struct KeyFields {
    /// The key or keys with this limit. The first entry that matches is used. Numbers need no quotes.
    /// zh: 适用此限额的 key；使用第一个匹配的条目。数字不需要引号
    key: Text,
    /// What is limited.
    /// zh: 限制的对象
    #[serde(default)]
    limit_type: LimitType,
    /// Tokens per second. Set exactly one of the four.
    /// zh: 每秒的令牌数；四者须设置且只能设置其一
    #[serde(default)]
    token_per_second: Option<NonZeroU32>,
    /// Tokens per minute.
    /// zh: 每分钟的令牌数
    #[serde(default)]
    token_per_minute: Option<NonZeroU32>,
    /// Tokens per hour.
    /// zh: 每小时的令牌数
    #[serde(default)]
    token_per_hour: Option<NonZeroU32>,
    /// Tokens per day.
    /// zh: 每天的令牌数
    #[serde(default)]
    token_per_day: Option<NonZeroU32>,
}

/// What is limited.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum LimitType {
    /// Tokens.
    /// zh: 令牌数
    #[default]
    Token,
    /// Requests: not supported, see [Limits](#limits).
    /// zh: 请求数：不支持，见[限额](#限额)
    Request,
}

/// The fields of `global_threshold`.
#[configuration]
pub struct QuotaFields {
    /// Tokens per second. Set exactly one of the four.
    /// zh: 每秒的令牌数；四者须设置且只能设置其一
    #[serde(default)]
    token_per_second: Option<NonZeroU32>,
    /// Tokens per minute.
    /// zh: 每分钟的令牌数
    #[serde(default)]
    token_per_minute: Option<NonZeroU32>,
    /// Tokens per hour.
    /// zh: 每小时的令牌数
    #[serde(default)]
    token_per_hour: Option<NonZeroU32>,
    /// Tokens per day.
    /// zh: 每天的令牌数
    #[serde(default)]
    token_per_day: Option<NonZeroU32>,
}

impl From<QuotaFields> for Quotas {
    fn from(fields: QuotaFields) -> Self {
        Quotas::new([
            ("token_per_second", fields.token_per_second),
            ("token_per_minute", fields.token_per_minute),
            ("token_per_hour", fields.token_per_hour),
            ("token_per_day", fields.token_per_day),
        ])
    }
}

impl KeyEntry for KeyFields {
    fn split(self, path: &str) -> Result<(String, Quotas), FieldError> {
        if self.limit_type == LimitType::Request {
            return Err(FieldError::new(
                format!("{path}.limit_type"),
                "limits requests, which is not done here: move the key to the plug-in key-rate-limit, with \
                 `query_per_…` instead of `token_per_…`",
            ));
        }
        let quota = QuotaFields {
            token_per_second: self.token_per_second,
            token_per_minute: self.token_per_minute,
            token_per_hour: self.token_per_hour,
            token_per_day: self.token_per_day,
        };
        Ok((self.key.into(), quota.into()))
    }
}

fn default_reserve() -> u32 {
    256
}

fn yes() -> bool {
    true
}

fn too_many_requests() -> StatusCode {
    StatusCode::TOO_MANY_REQUESTS
}

fn too_many_requests_message() -> String {
    "Too many requests".into()
}

/// The validated configuration.
pub struct Config {
    /// Where tokens are counted.
    pub store: Store,
    /// The limits and the requests they apply to.
    pub scope: Scope,
    /// Tokens of an answer that are taken before it.
    pub reserve: u32,
    /// Servers are asked for `usage`.
    pub ask_for_usage: bool,
    /// Status code of the response to a refused request.
    pub rejected_code: StatusCode,
    /// Body of that response.
    pub rejected_msg: String,
    /// Pass every request.
    pub dry_run: bool,
    suffixes: Vec<String>,
}

impl Config {
    /// Returns true if requests with this path are limited.
    pub fn limits(&self, path: &[u8]) -> bool {
        self.suffixes.iter().any(|suffix| suffix == "*" || chat::path_ends_with(path, suffix))
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let name = &fields.rule_name;
        let scope = match (fields.rule_items.is_empty(), fields.global_threshold) {
            (true, Some(quota)) => Scope::All(global(name, &quota.into())?),
            (false, None) => {
                let items = fields.rule_items.into_iter().enumerate();
                let item = |(index, fields)| Item::new(name, &format!("rule_items[{index}]."), fields);
                Scope::Items(items.map(item).collect::<Result<_, _>>()?)
            }
            (true, None) => {
                return Err(FieldError::new("", "has no limits: add `rule_items` or `global_threshold`"));
            }
            (false, Some(_)) => {
                return Err(FieldError::new(
                    "",
                    "has both `rule_items` and `global_threshold`: keep one of them",
                ));
            }
        };
        let store = match fields.rate_limit_service {
            Some(service) if service.mode() == Mode::Lease => {
                return Err(FieldError::new(
                    "rate_limit_service.mode",
                    "cannot lease shares of tokens, which are charged after the answer: write `exact`, or remove it",
                ));
            }
            Some(service) => Store::service("ai-token-ratelimit", service, "rate_limit_service")?,
            None => Store::process("ai-token-ratelimit"),
        };
        if fields.enable_path_suffixes.is_empty() {
            return Err(FieldError::new(
                "enable_path_suffixes",
                "is empty, so nothing would be limited: write `*` for all paths, or remove it",
            ));
        }
        Ok(Config {
            store,
            scope,
            reserve: fields.reserve_output_tokens,
            ask_for_usage: fields.ask_for_usage,
            rejected_code: fields.rejected_code,
            rejected_msg: fields.rejected_msg,
            dry_run: fields.dry_run,
            suffixes: fields.enable_path_suffixes.into_iter().map(Into::into).collect(),
        })
    }
}
