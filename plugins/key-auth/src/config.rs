//! The configuration with its credentials indexed.

use std::rc::Rc;

use auth::access::{self, Access, IfAuthenticated};
use auth::credentials::Credentials;
use auth::refusal::{Realm, challenge};
use config::{Configuration, FieldError, HeaderName, NonEmptyString, RuleFields, Secret};
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Who may send requests. Required.
    /// zh: 可以发送请求的消费者，必填
    #[serde(default)]
    consumers: Option<Vec<Consumer>>,
    /// Names of the headers and query parameters that contain a key. Required, unless every consumer has its own.
    /// zh: 包含密钥的请求头和查询参数的名称；必填，除非每个消费者都有自己的 `keys`
    #[serde(default)]
    keys: Option<Vec<NonEmptyString>>,
    /// Look for keys in headers. If only one of `in_header` and `in_query` is present, the other is the opposite; without
    /// both, both are true.
    /// zh: 在请求头中查找密钥。`in_header` 与 `in_query` 只写一个时，另一个取相反值；都不写时，两者均为 true
    #[serde(default)]
    in_header: Option<bool>,
    /// Look for keys in the query.
    /// zh: 在查询参数中查找密钥
    #[serde(default)]
    in_query: Option<bool>,
    /// With `true`, all requests need a key of any consumer. With `false`, only those of rules with `allow` do. If absent: `true`
    /// without rules, `false` with rules.
    /// zh: 为 true 时，所有请求都需要任一消费者的密钥；为 false 时，只有带 `allow` 的规则需要。缺省：没有规则时为 true，有规则时为 false
    #[serde(default)]
    global_auth: Option<bool>,
    /// In rules only: the consumers that may send requests.
    /// zh: 仅用于规则：可以发送请求的消费者
    #[serde(default)]
    allow: Option<Vec<NonEmptyString>>,
    /// A request that an earlier authentication plug-in has authenticated: `require` a key as well (the default), or `skip` it.
    /// zh: 对于之前的认证插件已认证的请求：`require` 仍需密钥，`skip` 则跳过；缺省为 `require`
    #[serde(default)]
    if_authenticated: Option<IfAuthenticated>,
    /// Authenticate CORS preflights, too. Browsers send these without keys: write `false` if no plug-in before this one
    /// answers them. `true` if absent.
    /// zh: 对 CORS 预检请求也进行认证，缺省为 true。浏览器发送预检请求时不带密钥：如果之前没有插件应答预检请求，请写 `false`
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
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "key": "write it as `credential`",
        "api_key": "write it as `credential`",
    }))
)]
pub struct Consumer {
    /// Its name, which the upstream receives in `X-Mse-Consumer`.
    /// zh: 名称，上游在 `X-Mse-Consumer` 请求头中收到
    name: NonEmptyString,
    /// Its key.
    /// zh: 密钥
    #[serde(default)]
    credential: Option<Secret>,
    /// Its keys, if it has several.
    /// zh: 多个密钥
    #[serde(default)]
    credentials: Vec<Secret>,
    /// Headers and query parameters of this consumer, instead of the global `keys`.
    /// zh: 该消费者的请求头和查询参数，代替全局的 `keys`
    #[serde(default)]
    keys: Option<Vec<NonEmptyString>>,
    /// As the global field, for `keys` of this consumer.
    /// zh: 同全局字段，用于该消费者的 `keys`
    #[serde(default)]
    in_header: Option<bool>,
    /// As the global field, for `keys` of this consumer.
    /// zh: 同全局字段，用于该消费者的 `keys`
    #[serde(default)]
    in_query: Option<bool>,
}

/// A place of keys.
#[derive(PartialEq)]
pub enum Source {
    /// A header.
    Header(String),
    /// A query parameter.
    Query(String),
}

/// The keys of consumers, and where requests have them.
pub struct Keys {
    /// All places, the global ones first.
    pub sources: Vec<Source>,
    /// The keys.
    pub credentials: Credentials,
    /// The value of `WWW-Authenticate`.
    pub challenge: String,
    /// The places of each consumer, as numbers of `sources`; `None` for the global ones.
    own: Vec<Option<Vec<usize>>>,
    /// The number of global places.
    global: usize,
}

impl Keys {
    /// Returns true if a consumer's keys are accepted in a place.
    pub fn accepts(&self, consumer: usize, source: usize) -> bool {
        match self.own.get(consumer) {
            Some(Some(own)) => own.contains(&source),
            Some(None) => source < self.global,
            None => false,
        }
    }
}

/// The configuration of a rule, or the global one.
pub struct Config {
    /// Who may pass.
    pub access: Access,
    /// The keys, shared by all rules.
    pub keys: Rc<Keys>,
}

impl Configuration for Config {
    type Fields = Fields;
    const RULES: RuleFields = RuleFields::Extend;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let consumers = fields.consumers.as_deref().ok_or_else(|| FieldError::missing("consumers"))?;
        let names = consumers.iter().map(|consumer| String::from(consumer.name.clone()));
        let access = Access::global(names, access_fields(&fields))?;
        Ok(Config { access, keys: Rc::new(keys(&fields, consumers)?) })
    }

    fn check_rule(&mut self, fields: Fields) -> Result<Self, FieldError> {
        let global = [
            ("consumers", fields.consumers.is_some()),
            ("keys", fields.keys.is_some()),
            ("in_header", fields.in_header.is_some()),
            ("in_query", fields.in_query.is_some()),
            ("realm", fields.realm.is_some()),
        ];
        Ok(Config { access: self.access.rule(access_fields(&fields), &global)?, keys: self.keys.clone() })
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

fn keys(fields: &Fields, consumers: &[Consumer]) -> Result<Keys, FieldError> {
    let mut sources = Vec::new();
    if let Some(keys) = &fields.keys {
        add_sources(&mut sources, "", keys, fields.in_header, fields.in_query)?;
    }
    let global = sources.len();
    let mut own = Vec::with_capacity(consumers.len());
    let mut credentials = Vec::new();
    for (number, consumer) in consumers.iter().enumerate() {
        let path = format!("consumers[{number}]");
        own.push(match &consumer.keys {
            Some(keys) => {
                let path = format!("{path}.");
                Some(add_sources(&mut sources, &path, keys, consumer.in_header, consumer.in_query)?)
            }
            None if fields.keys.is_none() => return Err(FieldError::missing("keys")),
            None => {
                let unused = [("in_header", consumer.in_header), ("in_query", consumer.in_query)];
                if let Some((field, _)) = unused.into_iter().find(|(_, value)| value.is_some()) {
                    return Err(FieldError::new(
                        format!("{path}.{field}"),
                        "has no effect without `keys` in the consumer: add them, or remove the field",
                    ));
                }
                None
            }
        });
        add_credentials(&mut credentials, &path, number, consumer)?;
    }
    let entries = credentials.iter().map(|(_, owner, text)| (text.as_bytes(), *owner));
    let found = Credentials::new(entries).map_err(|duplicate| {
        let place = |number: usize| credentials.get(number).map_or("", |(path, ..)| path);
        let first = place(duplicate.first);
        FieldError::new(place(duplicate.second), format!("is the same as {first}: write another"))
    })?;
    let realm = Realm::try_from(fields.realm.clone())?;
    Ok(Keys { sources, credentials: found, challenge: challenge("Key", &realm), own, global })
}

/// Adds the places of `keys`, and returns their numbers. `path` is that of the object with the fields.
fn add_sources(
    sources: &mut Vec<Source>,
    path: &str,
    keys: &[NonEmptyString],
    in_header: Option<bool>,
    in_query: Option<bool>,
) -> Result<Vec<usize>, FieldError> {
    if keys.is_empty() {
        return Err(FieldError::new(
            format!("{path}keys"),
            "must not be empty: write for example [x-api-key]",
        ));
    }
    let (in_header, in_query) = match (in_header, in_query) {
        (None, None) => (true, true),
        (Some(header), None) => (header, !header),
        (None, Some(query)) => (!query, query),
        (Some(header), Some(query)) => (header, query),
    };
    if !in_header && !in_query {
        let message =
            "and `in_query` are both false, so there is no place for keys: write true for one of them";
        return Err(FieldError::new(format!("{path}in_header"), message));
    }
    let mut numbers = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        if in_header {
            let name = HeaderName::try_from(String::from(key.clone()))
                .map_err(|message| FieldError::in_list(&format!("{path}keys"), index, message))?;
            numbers.push(add(sources, Source::Header(name.to_string())));
        }
        if in_query {
            numbers.push(add(sources, Source::Query(String::from(key.clone()))));
        }
    }
    Ok(numbers)
}

/// Adds a place, unless it is there already, and returns its number.
fn add(sources: &mut Vec<Source>, source: Source) -> usize {
    sources.iter().position(|known| *known == source).unwrap_or_else(|| {
        sources.push(source);
        sources.len() - 1
    })
}

/// Adds the keys of a consumer, with their paths.
fn add_credentials(
    credentials: &mut Vec<(String, usize, String)>,
    path: &str,
    number: usize,
    consumer: &Consumer,
) -> Result<(), FieldError> {
    let before = credentials.len();
    let one = consumer.credential.iter().map(|secret| (format!("{path}.credential"), secret));
    let several = consumer.credentials.iter().enumerate();
    let several = several.map(|(index, secret)| (format!("{path}.credentials[{index}]"), secret));
    for (path, secret) in one.chain(several) {
        let text = String::from(secret.clone());
        if text.is_empty() {
            return Err(FieldError::new(path, "must not be empty: write the key"));
        }
        credentials.push((path, number, text));
    }
    match credentials.len() == before {
        true => Err(FieldError::new(path, "has no key: add `credential`")),
        false => Ok(()),
    }
}
