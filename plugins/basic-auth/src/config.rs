//! The configuration with its user names and passwords indexed.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::rc::Rc;

use auth::access::{self, Access, IfAuthenticated};
use auth::base64;
use auth::credentials::Credentials;
use auth::passwords::{Hash, Passwords};
use auth::refusal::{Realm, challenge};
use config::{Configuration, FieldError, NonEmptyString, RuleFields, Secret};
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Who may send requests. Required.
    /// zh: 可以发送请求的消费者，必填
    #[serde(default)]
    consumers: Option<Vec<Consumer>>,
    /// The passwords in `consumers` are [hashes](#password-hashes).
    /// zh: `consumers` 中的密码是[哈希](#密码哈希)
    #[serde(default)]
    encrypted: Option<bool>,
    /// With `encrypted`: the number of hashes that each worker computes per second, 4 if absent. Requests beyond get a 429.
    /// zh: 用于 `encrypted`：每个工作线程每秒计算的哈希数量，缺省为 4，超出的请求收到 429
    #[serde(default)]
    max_hashes_per_second: Option<NonZeroU16>,
    /// With `true`, all requests need a password of any consumer. With `false`, only those of rules with `allow` do. If absent:
    /// `true` without rules, `false` with rules.
    /// zh: 为 true 时，所有请求都需要任一消费者的密码；为 false 时，只有带 `allow` 的规则需要。缺省：没有规则时为 true，有规则时为 false
    #[serde(default)]
    global_auth: Option<bool>,
    /// In rules only: the consumers that may send requests.
    /// zh: 仅用于规则：可以发送请求的消费者
    #[serde(default)]
    allow: Option<Vec<NonEmptyString>>,
    /// A request that an earlier authentication plug-in has authenticated: `require` a password as well (the default), or `skip` it.
    /// zh: 对于之前的认证插件已认证的请求：`require` 仍需密码，`skip` 则跳过；缺省为 `require`
    #[serde(default)]
    if_authenticated: Option<IfAuthenticated>,
    /// Authenticate CORS preflights, too. Browsers send these without passwords: write `false` if no plug-in before this one
    /// answers them. `true` if absent.
    /// zh: 对 CORS 预检请求也进行认证，缺省为 true。浏览器发送预检请求时不带密码：如果之前没有插件应答预检请求，请写 `false`
    #[serde(default)]
    run_on_preflight: Option<bool>,
    /// The realm in `WWW-Authenticate`, `MSE Gateway` if absent. Browsers show it when they ask for a password.
    /// zh: `WWW-Authenticate` 中的 realm，缺省为 `MSE Gateway`，浏览器询问密码时显示
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
    /// Its name, which the upstream receives in `X-Mse-Consumer`.
    /// zh: 名称，上游在 `X-Mse-Consumer` 请求头中收到
    name: NonEmptyString,
    /// Its user name and password, `user:password`, also in Base64. The password may contain colons.
    /// zh: 用户名和密码，`user:password`，也可以是它的 Base64 编码。密码可以包含冒号
    #[serde(default)]
    credential: Option<Secret>,
    /// Its user names and passwords, if it has several.
    /// zh: 多个用户名和密码
    #[serde(default)]
    credentials: Vec<Secret>,
}

/// The number of hashes per second, if absent.
const MAX_HASHES_PER_SECOND: u16 = 4;

/// The users of consumers.
pub struct Users {
    /// Their passwords.
    pub verifier: Verifier,
    /// The value of `WWW-Authenticate`.
    pub challenge: String,
}

/// The passwords of users.
pub enum Verifier {
    /// Texts `user:password`.
    Plain(Credentials),
    /// Hashes, and the consumer of each.
    Hashed(Box<Passwords>, Vec<usize>),
}

/// The configuration of a rule, or the global one.
pub struct Config {
    /// Who may pass.
    pub access: Access,
    /// The users, shared by all rules.
    pub users: Rc<Users>,
}

impl Configuration for Config {
    type Fields = Fields;
    const RULES: RuleFields = RuleFields::Extend;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let consumers = fields.consumers.as_deref().ok_or_else(|| FieldError::missing("consumers"))?;
        let names = consumers.iter().map(|consumer| String::from(consumer.name.clone()));
        let access = Access::global(names, access_fields(&fields))?;
        let credentials = credentials(consumers)?;
        let verifier = match fields.encrypted {
            Some(true) => hashed(&credentials, fields.max_hashes_per_second)?,
            _ if fields.max_hashes_per_second.is_some() => {
                let message = "has no effect without `encrypted: true`: add that, or remove the field";
                return Err(FieldError::new("max_hashes_per_second", message));
            }
            _ => plain(&credentials)?,
        };
        let challenge = challenge("Basic", &Realm::try_from(fields.realm)?);
        Ok(Config { access, users: Rc::new(Users { verifier, challenge }) })
    }

    fn check_rule(&mut self, fields: Fields) -> Result<Self, FieldError> {
        let global = [
            ("consumers", fields.consumers.is_some()),
            ("encrypted", fields.encrypted.is_some()),
            ("max_hashes_per_second", fields.max_hashes_per_second.is_some()),
            ("realm", fields.realm.is_some()),
        ];
        Ok(Config { access: self.access.rule(access_fields(&fields), &global)?, users: self.users.clone() })
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

/// A user name and password, and where they are configured.
struct Credential {
    path: String,
    consumer: usize,
    text: String,
}

impl Credential {
    fn error(&self, message: impl Into<String>) -> FieldError {
        FieldError::new(&*self.path, message)
    }
}

/// Collects the credentials of all consumers.
fn credentials(consumers: &[Consumer]) -> Result<Vec<Credential>, FieldError> {
    let mut credentials = Vec::new();
    for (number, consumer) in consumers.iter().enumerate() {
        let path = format!("consumers[{number}]");
        let before = credentials.len();
        let one = consumer.credential.iter().map(|secret| (format!("{path}.credential"), secret));
        let several = consumer.credentials.iter().enumerate();
        let several = several.map(|(index, secret)| (format!("{path}.credentials[{index}]"), secret));
        credentials.extend(one.chain(several).map(|(path, secret)| Credential {
            path,
            consumer: number,
            text: String::from(secret.clone()),
        }));
        if credentials.len() == before {
            return Err(FieldError::new(path, "has no password: add `credential: user:password`"));
        }
    }
    Ok(credentials)
}

fn plain(credentials: &[Credential]) -> Result<Verifier, FieldError> {
    let pairs: Vec<Vec<u8>> = credentials.iter().map(plain_pair).collect::<Result<_, _>>()?;
    let entries =
        pairs.iter().zip(credentials).map(|(pair, credential)| (pair.as_slice(), credential.consumer));
    let found = Credentials::new(entries).map_err(|duplicate| {
        let credential = |number: usize| credentials.get(number).map_or("", |credential| &*credential.path);
        let first = credential(duplicate.first);
        FieldError::new(credential(duplicate.second), format!("is the same as {first}: write another"))
    })?;
    Ok(Verifier::Plain(found))
}

/// Returns the bytes that a client sends.
fn plain_pair(credential: &Credential) -> Result<Vec<u8>, FieldError> {
    let text = match credential.text.contains(':') {
        true => credential.text.clone().into_bytes(),
        // Also accepted by Higress.
        false => base64::decode(credential.text.as_bytes()).unwrap_or_default(),
    };
    let mut parts = text.splitn(2, |byte| *byte == b':');
    match (parts.next(), parts.next()) {
        (_, None) => Err(credential.error("must be a user name and a password: write `user:password`")),
        (_, Some([])) => Err(credential.error("has an empty password: write one after the colon")),
        (_, Some(password)) if str::from_utf8(password).is_ok_and(Hash::is_hash) => Err(credential
            .error("has a password hash as the password: add `encrypted: true` to the global fields")),
        _ => Ok(text),
    }
}

fn hashed(credentials: &[Credential], max_per_second: Option<NonZeroU16>) -> Result<Verifier, FieldError> {
    let max_per_second = max_per_second.map_or(MAX_HASHES_PER_SECOND, NonZeroU16::get);
    let mut users = Vec::with_capacity(credentials.len());
    let mut known = HashMap::new();
    for credential in credentials {
        let Some((user, hash)) = credential.text.split_once(':') else {
            return Err(credential.error("must be a user name and a password hash: write `user:hash`"));
        };
        if let Some(first) = known.insert(&credential.text, &credential.path) {
            return Err(credential.error(format!("is the same as {first}: write another")));
        }
        let hash = Hash::parse(hash).map_err(|error| credential.error(error.to_string()))?;
        users.push((user, hash));
    }
    let owners = credentials.iter().map(|credential| credential.consumer).collect();
    let passwords = Passwords::new(max_per_second.into(), users);
    Ok(Verifier::Hashed(Box::new(passwords), owners))
}
