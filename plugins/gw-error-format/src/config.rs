//! The configuration with its statuses parsed.

use std::collections::BTreeMap;

use config::{Configuration, FieldError, HeaderValue, SettableHeaderName, StatusCode, Text};
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Errors, and what to respond with instead. The first that matches applies.
    /// zh: 错误及其替换内容，第一个匹配的规则生效
    rules: Vec<RuleFields>,
    /// Headers of rewritten errors, each as `name: value`.
    /// zh: 改写后的错误的响应头，每项为 `名称: 值`
    #[serde(default)]
    set_header: Vec<BTreeMap<String, HeaderValue>>,
}

/// An error, and what to respond with instead.
#[configuration]
struct RuleFields {
    /// The error.
    /// zh: 错误
    r#match: MatchFields,
    /// What to respond with instead.
    /// zh: 替换内容
    replace: ReplaceFields,
}

/// An error of the gateway.
#[configuration]
struct MatchFields {
    /// Status code of the error.
    /// zh: 错误的状态码
    statuscode: Text,
    /// The whole body of the error. If absent, every error with this status matches.
    /// zh: 错误的完整响应体。缺省时匹配该状态码的所有错误
    #[serde(default)]
    responsebody: Option<String>,
}

/// What to respond with.
#[configuration]
struct ReplaceFields {
    /// Status code of the response.
    /// zh: 响应的状态码
    statuscode: Text,
    /// Body of the response. If absent, the body stays as it is.
    /// zh: 响应体。缺省时保持原响应体
    #[serde(default)]
    responsebody: Option<String>,
}

/// An error, and what to respond with instead.
pub struct Rule {
    status: StatusCode,
    body: Option<String>,
    /// Status code of the response.
    pub new_status: StatusCode,
    /// Body of the response.
    pub new_body: Option<String>,
}

/// The configuration with its statuses parsed.
pub struct Config {
    /// In order.
    pub rules: Vec<Rule>,
    /// Headers of rewritten errors.
    pub headers: Vec<(SettableHeaderName, HeaderValue)>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.rules.is_empty() {
            return Err(FieldError::new("rules", "must not be empty: write at least one error"));
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(fields.rules.len());
        for (index, rule) in fields.rules.into_iter().enumerate() {
            let field = |name: &str| format!("rules[{index}].{name}");
            let rule = Rule {
                status: status(&field("match.statuscode"), rule.r#match.statuscode)?,
                body: rule.r#match.responsebody,
                new_status: status(&field("replace.statuscode"), rule.replace.statuscode)?,
                new_body: rule.replace.responsebody,
            };
            if rule.new_body.as_ref().is_some_and(|body| !body.is_empty())
                && matches!(rule.new_status.get(), 204 | 205 | 304)
            {
                let message = "is sent without a body: remove `responsebody`, or write another status";
                return Err(FieldError::new(field("replace.statuscode"), message));
            }
            if let Some(other) = rules.iter().position(|other| other.covers(&rule)) {
                let message = format!(
                    "is never reached, because rules[{other}] applies to the same errors: remove one"
                );
                return Err(FieldError::new(format!("rules[{index}]"), message));
            }
            if let Some(other) = rules.iter().position(|other| other.conflicts(&rule)) {
                let message = format!(
                    "has the status and the length of that of rules[{other}], and the status of a response is sent before \
                     its body can be compared: write the same `replace.statuscode` in both"
                );
                return Err(FieldError::new(field("match.responsebody"), message));
            }
            rules.push(rule);
        }
        let mut headers = Vec::new();
        for (index, entry) in fields.set_header.into_iter().enumerate() {
            for (name, value) in entry {
                let name = SettableHeaderName::try_from(name)
                    .map_err(|message| FieldError::in_list("set_header", index, message))?;
                headers.push((name, value));
            }
        }
        Ok(Self { rules, headers })
    }
}

fn status(path: &str, text: Text) -> Result<StatusCode, FieldError> {
    let code = String::from(text).parse::<u32>().ok().map(StatusCode::try_from);
    code.and_then(Result::ok)
        .ok_or_else(|| FieldError::new(path, "must be a status from 200 to 599: write for example 503"))
}

impl Rule {
    /// Returns true if the rule applies to an error with this status and length of the body.
    pub fn fits(&self, status: u16, length: Option<usize>) -> bool {
        let fits = |body: &String| length.is_none_or(|length| length == body.len());
        self.status.get() == status && self.body.as_ref().is_none_or(fits)
    }

    /// Returns true if this is the body of the error.
    pub fn matches(&self, body: &[u8]) -> bool {
        self.body.as_ref().is_none_or(|known| known.as_bytes() == body)
    }

    /// Returns true if the rule applies to every error that a later one applies to.
    fn covers(&self, later: &Self) -> bool {
        self.status == later.status && (self.body.is_none() || self.body == later.body)
    }

    /// Returns true if a body decides which of two rules applies, but its length does not.
    fn conflicts(&self, later: &Self) -> bool {
        let (Some(body), Some(other)) = (&self.body, &later.body) else { return false };
        self.status == later.status
            && body.len() == other.len()
            && body != other
            && self.new_status != later.new_status
    }
}
