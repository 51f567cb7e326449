//! The configuration with one answer for each status.

use config::{Configuration, FieldError, HeaderValue, NonEmptyString, SettableHeaderName, StatusCode, Text};
use sdk::{Reply, configuration};
use text::json::{self, Paths};

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Several responses, instead of the fields below.
    /// zh: 多个响应，代替下面的字段
    #[serde(default)]
    rules: Option<Vec<Rule>>,
    /// Status code of the response. `200` if absent.
    /// zh: 响应的状态码，缺省为 `200`
    #[serde(default)]
    status_code: Option<StatusCode>,
    /// Headers of the response, each as `name=value`.
    /// zh: 响应头，格式为 `名称=值`
    #[serde(default)]
    headers: Vec<NonEmptyString>,
    /// Body of the response.
    /// zh: 响应体
    #[serde(default)]
    body: Option<String>,
    /// Replace only responses with these statuses: `429`, or `4xx`. If empty, every request is answered.
    /// zh: 只替换这些状态码的响应：`429` 或 `4xx`。为空时应答所有请求
    #[serde(default)]
    enable_on_status: Vec<Text>,
}

/// A response, and the statuses for which it is sent.
#[configuration]
#[derive(Default)]
pub struct Rule {
    /// Status code of the response. `200` if absent.
    /// zh: 响应的状态码，缺省为 `200`
    #[serde(default)]
    status_code: Option<StatusCode>,
    /// Headers of the response, each as `name=value`.
    /// zh: 响应头，格式为 `名称=值`
    #[serde(default)]
    headers: Vec<NonEmptyString>,
    /// Body of the response.
    /// zh: 响应体
    #[serde(default)]
    body: Option<String>,
    /// Replace only responses with these statuses: `429`, or `4xx`. If empty, every request is answered.
    /// zh: 只替换这些状态码的响应：`429` 或 `4xx`。为空时应答所有请求
    #[serde(default)]
    enable_on_status: Vec<Text>,
}

/// The configuration with one answer for each status.
pub struct Config {
    /// When a response is sent.
    pub when: When,
}

/// When a response is sent.
pub enum When {
    /// For every request.
    Request(Answer),
    /// Instead of responses with certain statuses.
    Status(Statuses),
}

/// The answers, by the status that they replace.
pub struct Statuses {
    answers: Vec<Answer>,
    /// The number of the answer for each of the [`FINAL`] statuses.
    by_status: Vec<Option<usize>>,
}

/// Statuses that end a request. Those below are interim responses, or switch protocols.
const FINAL: std::ops::Range<u16> = 200..600;

/// A response that is ready to be sent.
pub struct Answer {
    status: StatusCode,
    headers: Vec<(SettableHeaderName, HeaderValue)>,
    body: String,
    /// Its place in the configuration.
    cause: String,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let Fields { rules, status_code, headers, body, enable_on_status } = fields;
        let is_flat =
            status_code.is_some() || !headers.is_empty() || body.is_some() || !enable_on_status.is_empty();
        let rules = match rules {
            Some(_) if is_flat => {
                let message = "cannot be combined with fields of one response: write `status_code`, `headers`, `body` and \
                               `enable_on_status` into an entry of `rules`";
                return Err(FieldError::new("rules", message));
            }
            Some(rules) if rules.is_empty() => {
                return Err(FieldError::new("rules", "must not be empty: write at least one response"));
            }
            Some(rules) => {
                rules.into_iter().enumerate().map(|(index, rule)| (format!("rules[{index}]"), rule)).collect()
            }
            None if is_flat => {
                vec![(String::new(), Rule { status_code, headers, body, enable_on_status })]
            }
            None => {
                let message =
                    "would answer every request with an empty 200: write `status_code: 200` if it should";
                return Err(FieldError::new("", message));
            }
        };
        let when = match rules.iter().find(|(_, rule)| rule.enable_on_status.is_empty()) {
            None => When::Status(Statuses::new(rules)?),
            Some((path, _)) if rules.len() > 1 => {
                let message = "is empty, so the upstream would never be asked and other rules have no effect: write the \
                               statuses, for example [2xx, 3xx, 4xx, 5xx] for all that no other rule names, or remove the \
                               other rules";
                return Err(FieldError::new(field(path, "enable_on_status"), message));
            }
            Some(_) => {
                let mut answers = rules.into_iter().map(|(path, rule)| Answer::new(path, rule));
                When::Request(answers.next().unwrap_or_else(|| Answer::new(String::new(), Rule::default()))?)
            }
        };
        Ok(Self { when })
    }
}

/// The path of a field of a rule.
fn field(rule: &str, name: &str) -> String {
    if rule.is_empty() { name.to_owned() } else { format!("{rule}.{name}") }
}

impl Statuses {
    fn new(rules: Vec<(String, Rule)>) -> Result<Self, FieldError> {
        let mut patterns: Vec<(Pattern, usize)> = Vec::new();
        let mut answers = Vec::with_capacity(rules.len());
        for (number, (path, rule)) in rules.into_iter().enumerate() {
            let place = field(&path, "enable_on_status");
            for (index, text) in rule.enable_on_status.iter().enumerate() {
                let pattern = Pattern::parse(&String::from(text.clone()))
                    .map_err(|message| FieldError::in_list(&place, index, message))?;
                if patterns.iter().any(|(known, _)| *known == pattern) {
                    let message = "is listed twice, and only one response can be sent: remove one";
                    return Err(FieldError::in_list(&place, index, message));
                }
                patterns.push((pattern, number));
            }
            answers.push(Answer::new(path, rule)?);
        }
        // The sort is stable: equally specific patterns keep the order of the document.
        patterns.sort_by_key(|(pattern, _)| pattern.wildcards());
        let answer = |status| patterns.iter().find(|(pattern, _)| pattern.matches(status));
        let by_status = FINAL.map(|status| answer(status).map(|(_, number)| *number)).collect();
        Ok(Self { answers, by_status })
    }

    /// Returns the answer that replaces responses with this status.
    pub fn answer(&self, status: u16) -> Option<&Answer> {
        let index = usize::from(status.checked_sub(FINAL.start)?);
        self.answers.get((*self.by_status.get(index)?)?)
    }
}

/// A status, some of whose digits may be any.
#[derive(PartialEq)]
struct Pattern([Option<u16>; 3]);

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const INVALID: &str = "must be a status from 200 to 599: write for example 429, or 4xx for a class";
        let mut digits = [None; 3];
        if text.len() != digits.len() {
            return Err(INVALID);
        }
        for (digit, byte) in digits.iter_mut().zip(text.bytes()) {
            *digit = match byte {
                b'x' | b'X' => None,
                b'0'..=b'9' => Some(u16::from(byte - b'0')),
                _ => return Err(INVALID),
            };
        }
        let pattern = Self(digits);
        if pattern.wildcards() == digits.len() {
            return Err("matches every response: write the classes, for example [4xx, 5xx]");
        }
        if !FINAL.into_iter().any(|status| pattern.matches(status)) {
            return Err(INVALID);
        }
        Ok(pattern)
    }

    fn wildcards(&self) -> usize {
        self.0.iter().filter(|digit| digit.is_none()).count()
    }

    fn matches(&self, status: u16) -> bool {
        let digits = [status / 100, status / 10 % 10, status % 10];
        self.0.iter().zip(digits).all(|(wanted, digit)| wanted.is_none_or(|wanted| wanted == digit))
    }
}

impl Answer {
    fn new(path: String, rule: Rule) -> Result<Self, FieldError> {
        let status = rule.status_code.unwrap_or(StatusCode::OK);
        let body = rule.body.unwrap_or_default();
        if !body.is_empty() && matches!(status.get(), 204 | 205 | 304) {
            let message = "is sent without a body, whose end clients would not find: remove `body`, or write another status";
            return Err(FieldError::new(field(&path, "status_code"), message));
        }
        let place = field(&path, "headers");
        let mut headers = Vec::with_capacity(rule.headers.len() + 1);
        let mut typed = false;
        for (index, line) in rule.headers.iter().enumerate() {
            let error = |message: &str| FieldError::in_list(&place, index, message);
            let (name, value) = line.split_once('=').ok_or_else(|| {
                error("has no `=`: write name=value, for example Location=https://example.com")
            })?;
            if name.trim().eq_ignore_ascii_case("content-length") {
                continue; // Computed, as in Higress.
            }
            let name = SettableHeaderName::try_from(name.trim().to_owned()).map_err(error)?;
            let is_type = &*name == "content-type";
            if is_type && typed {
                return Err(error("is listed twice, and a response has one type: remove one"));
            }
            typed |= is_type;
            headers.push((name, HeaderValue::try_from(value.trim().to_owned()).map_err(error)?));
        }
        if !typed && !body.is_empty() {
            let name = SettableHeaderName::try_from("content-type".to_owned());
            let value = HeaderValue::try_from(content_type(&body).to_owned());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.push((name, value));
            }
        }
        let cause = if path.is_empty() { "the only response".to_owned() } else { path };
        Ok(Self { status, headers, body, cause })
    }

    /// Returns true if it has this header.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| &**known == name)
    }

    /// The response.
    pub fn reply(&self, details: &'static str) -> Reply {
        let reply =
            Reply::new(self.status).details(details).cause(self.cause.as_str()).body(self.body.as_str());
        self.headers.iter().fold(reply, |reply, (name, value)| reply.header(&**name, &**value))
    }
}

/// The type of a body that no header names.
fn content_type(body: &str) -> &'static str {
    match json::find(body.as_bytes(), &Paths::default()) {
        Ok(_) => "application/json; charset=utf-8",
        Err(_) => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_their_statuses() {
        for (text, status, expected) in [
            ("404", 404, true),
            ("404", 403, false),
            ("4xx", 404, true),
            ("4XX", 499, true),
            ("4xx", 500, false),
            ("40x", 409, true),
            ("40x", 410, false),
            ("x04", 304, true),
            ("5x3", 503, true),
            ("5x3", 504, false),
        ] {
            assert_eq!(Pattern::parse(text).unwrap().matches(status), expected, "{text} {status}");
        }
        for text in ["", "4", "40", "4040", "xxx", "101", "1xx", "600", "0xx", "4yx", "-40", "40\u{660}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_type_of_a_body_follows_from_its_content() {
        for (body, json) in [
            ("{\"a\":1}", true),
            (" [1] ", true),
            ("null", true),
            ("\"a\"", true),
            ("{a:1}", false),
            ("<p>", false),
            ("{} {}", false),
        ] {
            assert_eq!(content_type(body).starts_with("application/json"), json, "{body}");
        }
    }
}
