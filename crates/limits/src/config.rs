//! The configuration and the limits built from it.

use std::marker::PhantomData;

use config::{Configuration, FieldError, NonEmptyString, RequestHeaderName, StatusCode};
use sdk::configuration;
use sdk::quota::{Limit, ServiceFields, Store};

mod item;
mod key;

use crate::Names;

pub use item::{AddressSource, Item, ItemFields, Keys, Pattern, Source};
pub use key::{KeyEntry, KeyFields, QuotaFields, Quotas, global};

/// The fields of the document.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "redis": "on Higress and MSE, the module of `cargo xtask build cluster-key-rate-limit --gateway higress` has this \
                  field; elsewhere, write `rate_limit_service` to count over all replicas, or remove it to count in each \
                  gateway process",
    }))
)]
pub struct Fields {
    /// Name of these limits, see [Shared limits](#shared-limits).
    /// zh: 这些限额的名称，见[共用的限额](#共用的限额)
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
    /// Short form of a single entry of `rule_items`.
    /// zh: `rule_items` 只有一个条目时的简写
    #[serde(default)]
    limit_by_header: Option<RequestHeaderName>,
    /// Short form of a single entry of `rule_items`.
    /// zh: `rule_items` 只有一个条目时的简写
    #[serde(default)]
    limit_by_param: Option<NonEmptyString>,
    /// Short form of a single entry of `rule_items`.
    /// zh: `rule_items` 只有一个条目时的简写
    #[serde(default)]
    limit_keys: Vec<KeyFields>,
    /// The service that counts over all replicas of the gateway. Without it, each gateway process counts on its own.
    /// zh: 为网关的所有副本计数的服务；不设置则每个网关进程各自计数
    #[serde(default)]
    rate_limit_service: Option<ServiceFields>,
    /// The Redis server that counts over all replicas of the gateway, on Higress and MSE.
    /// zh: 在 Higress 和 MSE 上为网关的所有副本计数的 Redis
    #[cfg(feature = "redis")]
    #[serde(default)]
    redis: Option<sdk::quota::RedisFields>,
    /// Add `x-ratelimit-limit` and `x-ratelimit-remaining` to responses.
    /// zh: 响应是否带 `x-ratelimit-limit` 和 `x-ratelimit-remaining`
    #[serde(default)]
    show_limit_quota_header: bool,
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

fn too_many_requests() -> StatusCode {
    StatusCode::TOO_MANY_REQUESTS
}

fn too_many_requests_message() -> String {
    "Too many requests".into()
}

/// The validated configuration of a plug-in with the names `N`.
pub struct Config<N> {
    /// Where requests are counted.
    pub store: Store,
    /// The limits and the requests they apply to.
    pub scope: Scope,
    /// Add the quota headers to responses.
    pub show_limit_quota_header: bool,
    /// Status code of the response to a refused request.
    pub rejected_code: StatusCode,
    /// Body of that response.
    pub rejected_msg: String,
    /// Pass every request.
    pub dry_run: bool,
    names: PhantomData<N>,
}

/// The limits and the requests they apply to.
pub enum Scope {
    /// One limit for all requests.
    All(Limit),
    /// The first item that applies to a request is used.
    Items(Vec<Item>),
}

impl Scope {
    /// Returns all limits, and whether each applies to many keys separately.
    pub(crate) fn limits(&self) -> Vec<(&Limit, bool)> {
        match self {
            Scope::All(limit) => vec![(limit, false)],
            Scope::Items(items) => items.iter().flat_map(|item| item.keys.limits()).collect(),
        }
    }

    /// Returns true if any limit needs the request's headers.
    pub(crate) fn needs_headers(&self) -> bool {
        let is_connection = |item: &Item| matches!(item.source, Source::Address(AddressSource::Connection));
        match self {
            Scope::All(_) => false,
            Scope::Items(items) => !items.iter().all(is_connection),
        }
    }

    /// Returns true if any limit needs the consumer.
    pub(crate) fn needs_consumer(&self) -> bool {
        match self {
            Scope::All(_) => false,
            Scope::Items(items) => items.iter().any(|item| item.source == Source::Consumer),
        }
    }

    /// Returns true if any limit needs the client's address.
    pub(crate) fn needs_address(&self) -> bool {
        match self {
            Scope::All(_) => false,
            Scope::Items(items) => items.iter().any(|item| matches!(item.source, Source::Address(_))),
        }
    }
}

impl<N: Names> Configuration for Config<N> {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let name = &fields.rule_name;
        let short = fields.limit_by_header.is_some()
            || fields.limit_by_param.is_some()
            || !fields.limit_keys.is_empty();
        let scope = match (fields.rule_items.is_empty(), short, fields.global_threshold) {
            (true, false, Some(quota)) => Scope::All(global(name, &quota.into())?),
            (true, true, None) => {
                let fields =
                    ItemFields::short(fields.limit_by_header, fields.limit_by_param, fields.limit_keys);
                Scope::Items(vec![Item::new(name, "", fields)?])
            }
            (false, false, None) => {
                let items = fields.rule_items.into_iter().enumerate();
                let item = |(index, fields)| Item::new(name, &format!("rule_items[{index}]."), fields);
                Scope::Items(items.map(item).collect::<Result<_, _>>()?)
            }
            (true, false, None) => {
                return Err(FieldError::new("", "has no limits: add `rule_items` or `global_threshold`"));
            }
            _ => {
                return Err(FieldError::new(
                    "",
                    "has several kinds of limits: keep `rule_items`, or `global_threshold`, or one `limit_by_header` \
                     or `limit_by_param` with its `limit_keys`",
                ));
            }
        };
        let service = fields.rate_limit_service;
        #[cfg(feature = "redis")]
        let (service, redis) = match (service, fields.redis) {
            (Some(_), Some(_)) => {
                return Err(FieldError::new(
                    "redis",
                    "and `rate_limit_service` both count: remove one of them",
                ));
            }
            (service, redis) => (service, redis),
        };
        #[cfg(feature = "redis")]
        let redis = redis.map(|fields| Store::redis(N::PLUGIN, fields, "redis")).transpose()?;
        #[cfg(not(feature = "redis"))]
        let redis = None;
        let store = match (service, redis) {
            (_, Some(redis)) => redis,
            (Some(service), None) => Store::service(N::PLUGIN, service, "rate_limit_service")?,
            (None, None) => Store::process(N::PLUGIN),
        };
        Ok(Config {
            store,
            scope,
            show_limit_quota_header: fields.show_limit_quota_header,
            rejected_code: fields.rejected_code,
            rejected_msg: fields.rejected_msg,
            dry_run: fields.dry_run,
            names: PhantomData,
        })
    }
}
