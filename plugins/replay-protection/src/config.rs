//! The configuration.

use std::num::NonZeroU32;

use config::{Configuration, FieldError, HeaderName, StatusCode};
use sdk::configuration;

/// The fields of the document.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "redis": "on Higress and MSE, the module of `cargo xtask build replay-protection --gateway higress` has this field; \
                  elsewhere, remove it: nonces are stored in the memory of each gateway process",
    }))
)]
pub struct Fields {
    /// Refuse requests without a nonce.
    /// zh: 是否拒绝没有 nonce 的请求
    #[serde(default = "yes")]
    force_nonce: bool,
    /// Header with the nonce. `X-Higress-Nonce` if absent.
    /// zh: 携带 nonce 的请求头，缺省为 `X-Higress-Nonce`
    #[serde(default)]
    nonce_header: Option<HeaderName>,
    /// Seconds in which a nonce cannot be used again, at most a day.
    /// zh: nonce 在多少秒内不能再次使用，至多一天
    #[serde(default = "nonce_ttl")]
    nonce_ttl: NonZeroU32,
    /// Minimum length of a nonce in bytes.
    /// zh: nonce 的最小长度，单位字节
    #[serde(default = "nonce_min_length")]
    nonce_min_length: NonZeroU32,
    /// Maximum length of a nonce in bytes.
    /// zh: nonce 的最大长度，单位字节
    #[serde(default = "nonce_max_length")]
    nonce_max_length: NonZeroU32,
    /// Refuse nonces that are not valid Base64, in the standard alphabet and with padding.
    /// zh: 是否拒绝不是有效 Base64（标准字母表，带填充）的 nonce
    #[serde(default)]
    validate_base64: bool,
    /// Who must not use a nonce twice, see [Scope](#scope).
    /// zh: nonce 在什么范围内不能重复，见[范围](#范围)
    #[serde(default)]
    per: Scope,
    /// Status code of the response to a request whose nonce was used before.
    /// zh: nonce 重复时的状态码
    #[serde(default = "too_many_requests")]
    reject_code: StatusCode,
    /// Body of that response, sent as `text/plain`.
    /// zh: nonce 重复时的正文，以 `text/plain` 发送
    #[serde(default = "reject_msg")]
    reject_msg: String,
    /// The Redis server in which nonces are stored, on Higress and MSE.
    /// zh: 在 Higress 和 MSE 上存储 nonce 的 Redis
    #[cfg(feature = "redis")]
    #[serde(default)]
    redis: Option<sdk::quota::RedisSeenFields>,
    /// Log and count decisions, but pass every request.
    /// zh: 判定、记录日志并计数，但放行所有请求
    #[serde(default)]
    dry_run: bool,
}

/// Who must not use a nonce twice.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All clients together.
    /// zh: 所有客户端共同
    #[default]
    Gateway,
    /// Each consumer on its own.
    /// zh: 每个消费者各自
    Consumer,
}

fn yes() -> bool {
    true
}

fn nonce_ttl() -> NonZeroU32 {
    const { NonZeroU32::new(900).unwrap() }
}

fn nonce_min_length() -> NonZeroU32 {
    const { NonZeroU32::new(8).unwrap() }
}

fn nonce_max_length() -> NonZeroU32 {
    const { NonZeroU32::new(128).unwrap() }
}

fn too_many_requests() -> StatusCode {
    StatusCode::TOO_MANY_REQUESTS
}

fn reject_msg() -> String {
    "Replay Attack Detected".into()
}

/// The longest time for which nonces are stored.
const MAX_TTL: u32 = 86_400;

/// The validated configuration.
pub struct Config {
    /// Refuse requests without a nonce.
    pub force_nonce: bool,
    /// Header with the nonce.
    pub nonce_header: String,
    /// Seconds in which a nonce cannot be used again.
    pub nonce_ttl: u32,
    /// The lengths of nonces.
    pub lengths: std::ops::RangeInclusive<usize>,
    /// Refuse nonces that are not valid Base64.
    pub validate_base64: bool,
    /// Who must not use a nonce twice.
    pub per: Scope,
    /// Status code of the response to a request whose nonce was used before.
    pub reject_code: StatusCode,
    /// Body of that response.
    pub reject_msg: String,
    /// The Redis server in which nonces are stored.
    #[cfg(feature = "redis")]
    pub redis: Option<sdk::quota::RedisSeen>,
    /// Pass every request.
    pub dry_run: bool,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let (shortest, longest) = (fields.nonce_min_length.get(), fields.nonce_max_length.get());
        if shortest > longest {
            return Err(FieldError::new(
                "nonce_max_length",
                format!("is less than `nonce_min_length`, so no nonce is valid: write at least {shortest}"),
            ));
        }
        if fields.validate_base64 && longest < 4 {
            let message =
                "is less than the length of any text in Base64, so no nonce is valid: write at least 4";
            return Err(FieldError::new("nonce_max_length", message));
        }
        if fields.nonce_ttl.get() > MAX_TTL {
            return Err(FieldError::new("nonce_ttl", format!("must be at most {MAX_TTL}, a day")));
        }
        Ok(Config {
            force_nonce: fields.force_nonce,
            nonce_header: fields.nonce_header.as_deref().unwrap_or("x-higress-nonce").to_owned(),
            nonce_ttl: fields.nonce_ttl.get(),
            lengths: shortest as usize..=longest as usize,
            validate_base64: fields.validate_base64,
            per: fields.per,
            reject_code: fields.reject_code,
            reject_msg: fields.reject_msg,
            #[cfg(feature = "redis")]
            redis: fields.redis.map(|redis| sdk::quota::RedisSeen::new("replay-protection", redis)),
            dry_run: fields.dry_run,
        })
    }
}
