//! What an operator configures, and the limits made from it.

use config::{Configuration, FieldError, NonEmptyString, RequestHeaderName, StatusCode};
use sdk::configuration;

mod item;
mod key;

pub use item::{AddressSource, Item, ItemFields, Keys, Pattern, Source};
pub use key::{KeyFields, Limit, QuotaFields};

/// The fields as they are written.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "redis": "remove it: requests are counted in the gateway's own memory",
    }))
)]
pub struct Fields {
    /// A name for these limits, see [What counts together](#what-counts-together).
    /// zh: 这些限额的名称，见[哪些一起计数](#哪些一起计数)
    #[serde(default)]
    rule_name: String,
    /// The limits; the first entry that is about a request decides alone.
    /// zh: 限额；第一个适用于请求的条目单独决定结果
    #[serde(default)]
    rule_items: Vec<ItemFields>,
    /// One limit for all requests together, instead of `rule_items`.
    /// zh: 所有请求共用一个限额，与 `rule_items` 二选一
    #[serde(default)]
    global_threshold: Option<QuotaFields>,
    /// Short for one entry of `rule_items`.
    /// zh: `rule_items` 只有一个条目时的简写
    #[serde(default)]
    limit_by_header: Option<RequestHeaderName>,
    /// Short for one entry of `rule_items`.
    /// zh: `rule_items` 只有一个条目时的简写
    #[serde(default)]
    limit_by_param: Option<NonEmptyString>,
    /// Short for one entry of `rule_items`.
    /// zh: `rule_items` 只有一个条目时的简写
    #[serde(default)]
    limit_keys: Vec<KeyFields>,
    /// Whether answers have `x-ratelimit-limit` and `x-ratelimit-remaining`.
    /// zh: 应答是否带 `x-ratelimit-limit` 和 `x-ratelimit-remaining`
    #[serde(default)]
    show_limit_quota_header: bool,
    /// Status of the answer to a request that is too much.
    /// zh: 拒绝请求时的状态码
    #[serde(default = "too_many_requests")]
    rejected_code: StatusCode,
    /// Body of that answer, sent as `text/plain`.
    /// zh: 拒绝请求时的正文，以 `text/plain` 发送
    #[serde(default = "too_many_requests_message")]
    rejected_msg: String,
    /// Decide, log and count, but let every request pass.
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

/// The configuration, ready for requests.
pub struct Config {
    /// Which requests have which limit.
    pub scope: Scope,
    /// Whether answers say how many requests are left.
    pub show_limit_quota_header: bool,
    /// The status of the answer to a request that is too much.
    pub rejected_code: StatusCode,
    /// The body of that answer.
    pub rejected_msg: String,
    /// Let every request pass all the same.
    pub dry_run: bool,
}

/// Which requests have which limit.
pub enum Scope {
    /// All of them together.
    All(Limit),
    /// Those that the first of these is about.
    Items(Vec<Item>),
}

impl Config {
    /// Whether any limit needs the request's headers.
    pub fn needs_headers(&self) -> bool {
        let is_connection = |item: &Item| matches!(item.source, Source::Address(AddressSource::Connection));
        match &self.scope {
            Scope::All(_) => false,
            Scope::Items(items) => !items.iter().all(is_connection),
        }
    }

    /// Whether any limit needs the client's address.
    pub fn needs_address(&self) -> bool {
        match &self.scope {
            Scope::All(_) => false,
            Scope::Items(items) => items.iter().any(|item| matches!(item.source, Source::Address(_))),
        }
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let name = &fields.rule_name;
        let short = fields.limit_by_header.is_some()
            || fields.limit_by_param.is_some()
            || !fields.limit_keys.is_empty();
        let scope = match (fields.rule_items.is_empty(), short, fields.global_threshold) {
            (true, false, Some(quota)) => Scope::All(Limit::global(name, quota)?),
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
                return Err(FieldError::new("", "limits nothing: add `rule_items` or `global_threshold`"));
            }
            _ => {
                return Err(FieldError::new(
                    "",
                    "has several kinds of limits: keep `rule_items`, or `global_threshold`, or one `limit_by_header` \
                     or `limit_by_param` with its `limit_keys`",
                ));
            }
        };
        Ok(Config {
            scope,
            show_limit_quota_header: fields.show_limit_quota_header,
            rejected_code: fields.rejected_code,
            rejected_msg: fields.rejected_msg,
            dry_run: fields.dry_run,
        })
    }
}
