//! The configuration with its keys indexed.

use std::collections::HashMap;
use std::rc::Rc;

use auth::access::{self, Access, IfAuthenticated};
use auth::refusal::{Realm, challenge};
use auth::signatures::Algorithm;
use config::{Configuration, FieldError, HeaderName, NonEmptyString, RuleFields, Secret, Text};
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Who may send requests. Required.
    /// zh: 可以发送请求的消费者，必填
    #[serde(default)]
    consumers: Option<Vec<Consumer>>,
    /// How requests are signed, see [The signature](#the-signature).
    /// zh: 请求的签名方式，见[签名](#签名)
    #[serde(default)]
    protocol: Option<ProtocolName>,
    /// With `aliyun`: the largest difference between the time of a request (`date`, or else `x-ca-timestamp`) and that of the
    /// gateway, in seconds. Not checked if absent or 0.
    /// zh: 用于 `aliyun`：请求的时间（`date`，没有则 `x-ca-timestamp`）与网关时间允许的最大偏差，单位为秒。缺省或 0 表示不检查
    #[serde(default)]
    date_offset: Option<u32>,
    /// With `aliyun`: only the `first` of several parameters with one name is signed, as in Higress; with `reject`, such requests
    /// are refused.
    /// zh: 用于 `aliyun`：同名参数有多个时，只有 `first`（第一个）参与签名，与 Higress 相同；`reject` 则拒绝这样的请求
    #[serde(default)]
    repeated_parameters: Option<RepeatedParameters>,
    /// With `apisix`: the algorithms that clients may use, all if absent.
    /// zh: 用于 `apisix`：客户端可以使用的算法，缺省为全部
    #[serde(default)]
    allowed_algorithms: Option<Vec<AlgorithmName>>,
    /// With `apisix`: the largest difference between `date` and the time of the gateway, in seconds, 300 if absent. Not checked
    /// if 0.
    /// zh: 用于 `apisix`：`date` 与网关时间允许的最大偏差，单位为秒，缺省为 300，0 表示不检查
    #[serde(default)]
    clock_skew: Option<u32>,
    /// With `apisix`: headers that requests must have and sign, besides the method and path, and the date.
    /// zh: 用于 `apisix`：除方法、路径和日期之外，请求必须包含并参与签名的请求头
    #[serde(default)]
    signed_headers: Option<Vec<HeaderName>>,
    /// Requires a digest of the body: `content-md5` with `aliyun` (except for forms, whose parameters are signed), `digest` with
    /// `apisix`. `false` if absent.
    /// zh: 要求请求体的摘要：`aliyun` 为 `content-md5`（表单除外，其参数参与签名），`apisix` 为 `digest`。缺省为 false
    #[serde(default)]
    validate_request_body: Option<bool>,
    /// With `apisix`: removes `authorization` from requests that pass. `false` if absent.
    /// zh: 用于 `apisix`：从放行的请求中删除 `authorization`。缺省为 false
    #[serde(default)]
    hide_credentials: Option<bool>,
    /// With `apisix`: the name of the consumer of requests without a signature. They are refused if absent.
    /// zh: 用于 `apisix`：没有签名的请求所属的消费者名称；缺省时拒绝这些请求
    #[serde(default)]
    anonymous_consumer: Option<NonEmptyString>,
    /// With `true`, all requests need a signature of any consumer. With `false`, only those of rules with `allow` do. If absent:
    /// `true` without rules, `false` with rules.
    /// zh: 为 true 时，所有请求都需要任一消费者的签名；为 false 时，只有带 `allow` 的规则需要。缺省：没有规则时为 true，有规则时为 false
    #[serde(default)]
    global_auth: Option<bool>,
    /// In rules only: the consumers that may send requests.
    /// zh: 仅用于规则：可以发送请求的消费者
    #[serde(default)]
    allow: Option<Vec<NonEmptyString>>,
    /// A request that an earlier authentication plug-in has authenticated: `require` a signature as well (the default), or `skip` it.
    /// zh: 对于之前的认证插件已认证的请求：`require` 仍需签名，`skip` 则跳过；缺省为 `require`
    #[serde(default)]
    if_authenticated: Option<IfAuthenticated>,
    /// Authenticate CORS preflights, too. Browsers send these without signatures: write `false` if no plug-in before this one
    /// answers them. `true` if absent.
    /// zh: 对 CORS 预检请求也进行认证，缺省为 true。浏览器发送预检请求时不带签名：如果之前没有插件应答预检请求，请写 `false`
    #[serde(default)]
    run_on_preflight: Option<bool>,
    /// The realm in `WWW-Authenticate`, `MSE Gateway` if absent.
    /// zh: `WWW-Authenticate` 中的 realm，缺省为 `MSE Gateway`
    #[serde(default)]
    realm: Option<String>,
    /// Log and count refusals, but pass every request. A rule has the global value unless it sets its own.
    /// zh: 记录并统计拒绝，但放行所有请求。规则未设置时使用全局的值
    #[serde(default)]
    dry_run: Option<bool>,
}

/// A consumer.
#[configuration]
pub struct Consumer {
    /// Its name, which the upstream receives in `X-Mse-Consumer`; the key if absent.
    /// zh: 名称，上游在 `X-Mse-Consumer` 请求头中收到；缺省为 key
    #[serde(default)]
    name: Option<NonEmptyString>,
    /// With `aliyun`: its key, which requests contain.
    /// zh: 用于 `aliyun`：请求中包含的 key
    #[serde(default)]
    key: Option<Text>,
    /// With `aliyun`: the secret with which it signs.
    /// zh: 用于 `aliyun`：签名使用的密钥
    #[serde(default)]
    secret: Option<Secret>,
    /// With `apisix`: its key, which requests contain.
    /// zh: 用于 `apisix`：请求中包含的 key
    #[serde(default)]
    access_key: Option<Text>,
    /// With `apisix`: the secret with which it signs.
    /// zh: 用于 `apisix`：签名使用的密钥
    #[serde(default)]
    secret_key: Option<Secret>,
}

/// How requests are signed.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolName {
    /// As for Alibaba Cloud's API gateway, in headers `x-ca-…`.
    /// zh: 与阿里云 API 网关相同，使用 `x-ca-…` 请求头
    #[default]
    Aliyun,
    /// As for Apache APISIX, in the header `authorization`.
    /// zh: 与 Apache APISIX 相同，使用 `authorization` 请求头
    Apisix,
}

/// What to do with several parameters of one name.
#[configuration]
#[derive(Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedParameters {
    /// The first is signed.
    /// zh: 第一个参与签名
    First,
    /// The request is refused.
    /// zh: 拒绝请求
    Reject,
}

/// An algorithm, as clients write it.
#[configuration]
#[derive(Clone, Copy)]
pub enum AlgorithmName {
    /// HMAC with SHA-1.
    /// zh: 使用 SHA-1 的 HMAC
    #[serde(rename = "hmac-sha1")]
    Sha1,
    /// HMAC with SHA-256.
    /// zh: 使用 SHA-256 的 HMAC
    #[serde(rename = "hmac-sha256")]
    Sha256,
    /// HMAC with SHA-512.
    /// zh: 使用 SHA-512 的 HMAC
    #[serde(rename = "hmac-sha512")]
    Sha512,
}

/// The clock skew of `apisix` if absent, in seconds.
const CLOCK_SKEW: u32 = 300;

/// The keys and secrets of consumers.
pub struct Keys {
    numbers: HashMap<Vec<u8>, usize>,
    secrets: Vec<String>,
}

impl Keys {
    /// Returns the number of the consumer with a key.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.numbers.get(key).copied()
    }

    /// Returns the secret of a consumer.
    pub fn secret(&self, consumer: usize) -> &[u8] {
        self.secrets.get(consumer).map_or(&[], String::as_bytes)
    }
}

/// How requests are signed, with its settings.
#[derive(Clone)]
pub enum Protocol {
    /// As for Alibaba Cloud's API gateway.
    Aliyun(Aliyun),
    /// As for Apache APISIX.
    Apisix(Rc<Apisix>),
}

/// The settings of `aliyun`.
#[derive(Clone)]
pub struct Aliyun {
    /// The largest difference of times, in seconds.
    pub date_offset: Option<u32>,
    /// True if a body needs a digest.
    pub validate_request_body: bool,
    /// True if parameters must not be repeated.
    pub rejects_repeated_parameters: bool,
}

/// The settings of `apisix`.
pub struct Apisix {
    /// The algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// The largest difference of times, in seconds.
    pub clock_skew: Option<u32>,
    /// Headers that requests must have and sign.
    pub signed_headers: Vec<String>,
    /// True if a body needs a digest.
    pub validate_request_body: bool,
    /// True if `authorization` is removed.
    pub hide_credentials: bool,
    /// The number of the consumer of requests without a signature.
    pub anonymous: Option<usize>,
}

/// The configuration of a rule, or the global one.
pub struct Config {
    /// Who may pass.
    pub access: Access,
    /// How requests are signed.
    pub protocol: Protocol,
    /// The keys, shared by all rules.
    pub keys: Rc<Keys>,
    /// The value of `WWW-Authenticate`.
    pub challenge: Rc<str>,
}

impl Config {
    /// Returns true if bodies may be held.
    pub fn may_hold_bodies(&self) -> bool {
        match &self.protocol {
            Protocol::Aliyun(_) => true,
            Protocol::Apisix(apisix) => apisix.validate_request_body,
        }
    }

    /// Returns true if the time of a request is compared with that of the gateway.
    pub fn compares_times(&self) -> bool {
        match &self.protocol {
            Protocol::Aliyun(aliyun) => aliyun.date_offset.is_some(),
            Protocol::Apisix(apisix) => apisix.clock_skew.is_some(),
        }
    }

    /// Returns true if `authorization` is removed.
    pub fn hides_credentials(&self) -> bool {
        matches!(&self.protocol, Protocol::Apisix(apisix) if apisix.hide_credentials)
    }
}

impl Configuration for Config {
    type Fields = Fields;
    const RULES: RuleFields = RuleFields::Extend;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let consumers = fields.consumers.as_deref().ok_or_else(|| FieldError::missing("consumers"))?;
        let name = fields.protocol.unwrap_or_default();
        only_with(name, &fields)?;
        let (mut names, keys) = keys(name, consumers)?;
        let anonymous = fields.anonymous_consumer.clone().map(String::from).map(|anonymous| {
            names.iter().position(|name| *name == anonymous).unwrap_or_else(|| {
                names.push(anonymous);
                names.len() - 1
            })
        });
        let scheme = match name {
            ProtocolName::Aliyun => "HMAC",
            ProtocolName::Apisix => "Signature",
        };
        let challenge = challenge(scheme, &Realm::try_from(fields.realm.clone())?).into();
        let access = Access::global(names, access_fields(&fields))?;
        let protocol = match name {
            ProtocolName::Aliyun => Protocol::Aliyun(aliyun(&fields)),
            ProtocolName::Apisix => Protocol::Apisix(Rc::new(apisix(fields, anonymous)?)),
        };
        Ok(Config { access, protocol, keys: Rc::new(keys), challenge })
    }

    fn check_rule(&mut self, fields: Fields) -> Result<Self, FieldError> {
        let of_protocols = with_protocol(&fields).map(|(name, _, is_present)| (name, is_present));
        let others = [
            ("consumers", fields.consumers.is_some()),
            ("protocol", fields.protocol.is_some()),
            ("validate_request_body", fields.validate_request_body.is_some()),
            ("realm", fields.realm.is_some()),
        ];
        Ok(Config {
            access: self.access.rule(access_fields(&fields), &[&others[..], &of_protocols].concat())?,
            protocol: self.protocol.clone(),
            keys: self.keys.clone(),
            challenge: self.challenge.clone(),
        })
    }
}

fn access_fields(fields: &Fields) -> access::Fields {
    access::Fields {
        global_auth: fields.global_auth,
        allow: fields.allow.clone(),
        if_authenticated: fields.if_authenticated,
        run_on_preflight: fields.run_on_preflight,
        dry_run: fields.dry_run,
    }
}

/// The fields of one protocol only, and whether they are present.
fn with_protocol(fields: &Fields) -> [(&'static str, ProtocolName, bool); 7] {
    use ProtocolName::{Aliyun, Apisix};
    [
        ("date_offset", Aliyun, fields.date_offset.is_some()),
        ("repeated_parameters", Aliyun, fields.repeated_parameters.is_some()),
        ("allowed_algorithms", Apisix, fields.allowed_algorithms.is_some()),
        ("clock_skew", Apisix, fields.clock_skew.is_some()),
        ("signed_headers", Apisix, fields.signed_headers.is_some()),
        ("hide_credentials", Apisix, fields.hide_credentials.is_some()),
        ("anonymous_consumer", Apisix, fields.anonymous_consumer.is_some()),
    ]
}

fn only_with(protocol: ProtocolName, fields: &Fields) -> Result<(), FieldError> {
    let other = |(_, of, is_present): &(_, ProtocolName, bool)| *is_present && *of != protocol;
    let Some((name, ..)) = with_protocol(fields).into_iter().find(other) else { return Ok(()) };
    let message = match (protocol, name) {
        (ProtocolName::Aliyun, _) => "belongs to `protocol: apisix`: add that, or remove the field",
        (ProtocolName::Apisix, "date_offset") => "belongs to `protocol: aliyun`: write `clock_skew`",
        (ProtocolName::Apisix, _) => "belongs to `protocol: aliyun`: remove the field",
    };
    Err(FieldError::new(name, message))
}

/// Returns the names and the keys of consumers.
fn keys(protocol: ProtocolName, consumers: &[Consumer]) -> Result<(Vec<String>, Keys), FieldError> {
    let mut names = Vec::with_capacity(consumers.len());
    let mut keys = Keys { numbers: HashMap::new(), secrets: Vec::with_capacity(consumers.len()) };
    for (number, consumer) in consumers.iter().enumerate() {
        let error =
            |field: &str, message: &str| FieldError::new(format!("consumers[{number}]{field}"), message);
        let aliyun = (".key", &consumer.key, ".secret", &consumer.secret);
        let apisix = (".access_key", &consumer.access_key, ".secret_key", &consumer.secret_key);
        let (own, other) = match protocol {
            ProtocolName::Aliyun => (aliyun, apisix),
            ProtocolName::Apisix => (apisix, aliyun),
        };
        if other.1.is_some() || other.3.is_some() {
            let field = if other.1.is_some() { other.0 } else { other.2 };
            return Err(error(
                field,
                match protocol {
                    ProtocolName::Aliyun => {
                        "belongs to `protocol: apisix`: add that, or write `key` and `secret`"
                    }
                    ProtocolName::Apisix => {
                        "belongs to `protocol: aliyun`: write `access_key` and `secret_key`"
                    }
                },
            ));
        }
        let key = own.1.clone().map(String::from).unwrap_or_default();
        let secret = own.3.clone().map(String::from).unwrap_or_default();
        for (field, text) in [(own.0, &key), (own.2, &secret)] {
            if text.is_empty() {
                return Err(error(field, "is missing or empty: write the text that the client uses as well"));
            }
        }
        names.push(consumer.name.clone().map_or_else(|| key.clone(), String::from));
        if let Some(first) = keys.numbers.insert(key.into_bytes(), number) {
            return Err(error(own.0, &format!("is the same as consumers[{first}]{}: write another", own.0)));
        }
        keys.secrets.push(secret);
    }
    Ok((names, keys))
}

fn aliyun(fields: &Fields) -> Aliyun {
    Aliyun {
        date_offset: fields.date_offset.filter(|seconds| *seconds > 0),
        validate_request_body: fields.validate_request_body.unwrap_or_default(),
        rejects_repeated_parameters: fields.repeated_parameters == Some(RepeatedParameters::Reject),
    }
}

fn apisix(fields: Fields, anonymous: Option<usize>) -> Result<Apisix, FieldError> {
    let algorithms = match fields.allowed_algorithms {
        None => vec![Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512],
        Some(names) if names.is_empty() => {
            let message =
                "must not be empty: write for example [hmac-sha256], or remove the field to allow all";
            return Err(FieldError::new("allowed_algorithms", message));
        }
        Some(names) => names.into_iter().map(algorithm).collect(),
    };
    Ok(Apisix {
        algorithms,
        clock_skew: Some(fields.clock_skew.unwrap_or(CLOCK_SKEW)).filter(|seconds| *seconds > 0),
        signed_headers: fields
            .signed_headers
            .unwrap_or_default()
            .iter()
            .map(|name| name.to_string())
            .collect(),
        validate_request_body: fields.validate_request_body.unwrap_or_default(),
        hide_credentials: fields.hide_credentials.unwrap_or_default(),
        anonymous,
    })
}

fn algorithm(name: AlgorithmName) -> Algorithm {
    match name {
        AlgorithmName::Sha1 => Algorithm::Sha1,
        AlgorithmName::Sha256 => Algorithm::Sha256,
        AlgorithmName::Sha512 => Algorithm::Sha512,
    }
}
