//! The configuration with its paths, expressions and values checked.

use config::{
    Configuration, FieldError, HeaderName, HeaderValue, RequestHeaderName, SettableHeaderName, Text,
};
use matcher::template::Template;
use sdk::{configuration, names};
use text::json::edit::Retain;
use text::json::{self, DotPath, Paths};

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Changes of requests, in order.
    /// zh: 对请求的修改，按顺序执行
    #[serde(default, rename = "reqRules")]
    req_rules: Vec<RuleFields>,
    /// Changes of responses, in order.
    /// zh: 对响应的修改，按顺序执行
    #[serde(default, rename = "respRules")]
    resp_rules: Vec<RuleFields>,
    /// Select the route again after a request has changed. Gateways always do, so `false` is refused.
    /// zh: 请求修改后重新选择路由。网关总会这样做，因此不接受 `false`
    #[serde(default = "yes")]
    reroute: bool,
    /// Hold headers until the body is complete, which rules that copy from a body to headers or the query need. Requires support
    /// by the gateway, see [Holding headers](#holding-headers).
    /// zh: 在请求体完整之前持有请求头，从请求体复制到请求头或查询参数的规则需要它。需要网关支持，见[持有请求头](#持有请求头)
    #[serde(default)]
    hold_headers: bool,
}

fn yes() -> bool {
    true
}

/// Changes of one kind.
#[configuration]
struct RuleFields {
    /// What is done.
    /// zh: 操作
    operate: Operate,
    /// With `map`: where values are copied from. The target itself if absent.
    /// zh: 用于 `map`：值的来源，缺省为目标自身
    #[serde(default, rename = "mapSource")]
    map_source: Option<Part>,
    /// Changes of headers.
    /// zh: 对请求头或响应头的修改
    #[serde(default)]
    headers: Vec<Item>,
    /// Changes of query parameters, in requests.
    /// zh: 对查询参数的修改，仅用于请求
    #[serde(default)]
    querys: Vec<Item>,
    /// Changes of the body.
    /// zh: 对请求体或响应体的修改
    #[serde(default)]
    body: Vec<Item>,
}

/// What is done.
#[configuration]
#[derive(Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "lowercase")]
enum Operate {
    /// Removes `key`.
    /// zh: 删除 `key`
    Remove,
    /// Gives the values of `oldKey` the name `newKey`.
    /// zh: 把 `oldKey` 改名为 `newKey`
    Rename,
    /// Gives `key` the value `newValue`.
    /// zh: 把 `key` 的值设为 `newValue`
    Replace,
    /// Adds `key` with `value` if there is none.
    /// zh: `key` 不存在时添加，值为 `value`
    Add,
    /// Adds `appendValue` to the values of `key`.
    /// zh: 在 `key` 的值之后追加 `appendValue`
    Append,
    /// Copies the values of `fromKey` to `toKey`.
    /// zh: 把 `fromKey` 的值复制到 `toKey`
    Map,
    /// Keeps some values of `key`, by `strategy`.
    /// zh: 按 `strategy` 保留 `key` 的部分值
    Dedupe,
}

/// A part of a message.
#[configuration]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Headers.
    /// zh: 请求头或响应头
    Headers,
    /// Query parameters.
    /// zh: 查询参数
    Querys,
    /// The body.
    /// zh: 请求体或响应体
    Body,
}

/// A change. Which fields it has follows from `operate`.
#[configuration]
struct Item {
    /// The name, or the path in JSON.
    /// zh: 名称，JSON 中为路径
    #[serde(default)]
    key: Option<String>,
    /// With `rename`: the name before.
    /// zh: 用于 `rename`：原名称
    #[serde(default, rename = "oldKey")]
    old_key: Option<String>,
    /// With `rename`: the name after.
    /// zh: 用于 `rename`：新名称
    #[serde(default, rename = "newKey")]
    new_key: Option<String>,
    /// With `replace`: the value.
    /// zh: 用于 `replace`：新值
    #[serde(default, rename = "newValue")]
    new_value: Option<Text>,
    /// With `add`: the value.
    /// zh: 用于 `add`：值
    #[serde(default)]
    value: Option<Text>,
    /// With `append`: the value.
    /// zh: 用于 `append`：追加的值
    #[serde(default, rename = "appendValue")]
    append_value: Option<Text>,
    /// With `map`: the name to copy from.
    /// zh: 用于 `map`：来源名称
    #[serde(default, rename = "fromKey")]
    from_key: Option<String>,
    /// With `map`: the name to copy to.
    /// zh: 用于 `map`：目标名称
    #[serde(default, rename = "toKey")]
    to_key: Option<String>,
    /// With `dedupe`: which values are kept. `RETAIN_FIRST` if absent.
    /// zh: 用于 `dedupe`：保留哪些值，缺省为 `RETAIN_FIRST`
    #[serde(default)]
    strategy: Option<Strategy>,
    /// The type of the value in JSON. `string` if absent.
    /// zh: 值在 JSON 中的类型，缺省为 `string`
    #[serde(default)]
    value_type: Option<ValueType>,
    /// Apply the change only to requests whose host matches this regular expression (RE2 syntax), with its groups (`$1`) in the
    /// value.
    /// zh: 仅用于域名匹配该正则表达式（RE2 语法）的请求，其分组（`$1`）可用于值
    #[serde(default)]
    host_pattern: Option<String>,
    /// The same with the path and its query. Without effect if there is a `host_pattern`.
    /// zh: 同上，匹配路径及查询参数。设置 `host_pattern` 时不起作用
    #[serde(default)]
    path_pattern: Option<String>,
}

/// Which values are kept.
#[configuration]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Strategy {
    /// Each value once.
    /// zh: 每个值保留一次
    RetainUnique,
    /// The last value.
    /// zh: 最后一个值
    RetainLast,
    /// The first value.
    /// zh: 第一个值
    RetainFirst,
    /// The part of the first value before its first comma.
    /// zh: 第一个值中第一个逗号之前的部分
    SplitAndRetainFirst,
    /// The part of the last value after its last comma.
    /// zh: 最后一个值中最后一个逗号之后的部分
    SplitAndRetainLast,
}

/// The type of a value in JSON.
#[configuration]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// A JSON document: an object, an array, or any other.
    /// zh: JSON 文档：对象、数组或其他
    Object,
    /// `true` or `false`.
    /// zh: `true` 或 `false`
    Boolean,
    /// A number.
    /// zh: 数字
    Number,
    /// A string.
    /// zh: 字符串
    String,
}

impl Strategy {
    /// Which of several values are kept.
    pub fn retain(self) -> Retain {
        match self {
            Self::RetainUnique => Retain::Unique,
            Self::RetainLast | Self::SplitAndRetainLast => Retain::Last,
            Self::RetainFirst | Self::SplitAndRetainFirst => Retain::First,
        }
    }

    /// Returns the part of a value that is kept, if values are split.
    pub fn part(self, value: &[u8]) -> Option<&[u8]> {
        let mut parts = value.split(|byte| *byte == b',');
        match self {
            Self::SplitAndRetainFirst => parts.next().map(<[u8]>::trim_ascii),
            Self::SplitAndRetainLast => parts.next_back().map(<[u8]>::trim_ascii),
            _ => None,
        }
    }
}

/// A name, and for bodies the same as a path.
pub struct Name {
    /// The name.
    pub plain: Vec<u8>,
    /// The path in JSON; absent if it is not of a body.
    pub path: Option<DotPath>,
}

/// A value.
pub enum Value {
    /// Always the same.
    Fixed(Vec<u8>),
    /// With groups of the host.
    Host(Template),
    /// With groups of the path.
    Path(Template),
}

impl Value {
    /// Returns the value for a request with this host and path, or `None` if its pattern does not match.
    pub fn expand(&self, host: &[u8], path: &[u8]) -> Option<Vec<u8>> {
        match self {
            Value::Fixed(value) => Some(value.clone()),
            Value::Host(template) => template.expand(host),
            Value::Path(template) => template.expand(path),
        }
    }
}

/// A change.
pub enum Action {
    /// Removes a name.
    Remove(Name),
    /// Gives values another name.
    Rename(Name, Name),
    /// Sets a value.
    Replace(Name, Value, ValueType),
    /// Sets a value if there is none.
    Add(Name, Value, ValueType),
    /// Adds a value.
    Append(Name, Value, ValueType),
    /// Copies values from a part.
    Map(Part, Name, Name),
    /// Keeps some values.
    Dedupe(Name, Strategy),
}

/// A change of a part of a message.
pub struct Step {
    /// The part that is changed.
    pub target: Part,
    /// The change.
    pub action: Action,
}

impl Step {
    /// Returns true if it copies from a body to another part, which is only possible while headers are held.
    pub fn needs_held_headers(&self) -> bool {
        self.target != Part::Body && matches!(self.action, Action::Map(Part::Body, ..))
    }
}

/// The configuration of one direction.
#[derive(Default)]
pub struct Steps {
    /// Changes, in order.
    pub steps: Vec<Step>,
    /// True if any of them needs the body.
    pub body: bool,
    /// True if headers are held until the body is complete.
    pub hold: bool,
}

/// The configuration with its paths, expressions and values checked.
pub struct Config {
    /// Changes of requests.
    pub request: Steps,
    /// Changes of responses.
    pub response: Steps,
    /// True if a value of a body or a response depends on the request's host or path.
    has_late_patterns: bool,
}

impl Config {
    /// Returns true if the host and the path of a request are needed after its headers.
    pub fn keeps_request(&self) -> bool {
        self.has_late_patterns
    }
}

/// The direction of a message.
#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Request,
    Response,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.req_rules.is_empty() && fields.resp_rules.is_empty() {
            return Err(FieldError::new("", "changes nothing: add `reqRules` or `respRules`"));
        }
        if !fields.reroute {
            let message = "cannot be false, because gateways select the route again whenever a request changes: remove it, and \
                           let routes depend on what does not change";
            return Err(FieldError::new("reroute", message));
        }
        let hold = fields.hold_headers;
        let request = steps("reqRules", Direction::Request, fields.req_rules, hold)?;
        let response = steps("respRules", Direction::Response, fields.resp_rules, hold)?;
        if hold && !request.hold && !response.hold {
            let message =
                "has no effect, because no rule copies from a body to headers or the query: remove it";
            return Err(FieldError::new("hold_headers", message));
        }
        let has_pattern = |step: &Step| {
            let (Action::Replace(_, value, _) | Action::Add(_, value, _) | Action::Append(_, value, _)) =
                &step.action
            else {
                return false;
            };
            !matches!(value, Value::Fixed(_))
        };
        let late = request.steps.iter().filter(|step| step.target == Part::Body).chain(&response.steps);
        let has_late_patterns = late.into_iter().any(has_pattern);
        Ok(Self { request, response, has_late_patterns })
    }
}

fn steps(list: &str, direction: Direction, rules: Vec<RuleFields>, hold: bool) -> Result<Steps, FieldError> {
    let mut all = Steps::default();
    for (index, rule) in rules.into_iter().enumerate() {
        let place = format!("{list}[{index}]");
        let RuleFields { operate, map_source, headers, querys, body } = rule;
        if map_source.is_some() && operate != Operate::Map {
            let message = "has no effect without `operate: map`: remove it";
            return Err(FieldError::new(format!("{place}.mapSource"), message));
        }
        if direction == Direction::Response && (!querys.is_empty() || map_source == Some(Part::Querys)) {
            let message = "has query parameters, which responses do not have: write the rule into `reqRules`, or remove them";
            return Err(FieldError::new(place, message));
        }
        if headers.is_empty() && querys.is_empty() && body.is_empty() {
            let message = "changes nothing: add `headers`, `querys` or `body`";
            return Err(FieldError::new(place, message));
        }
        for (part, name, items) in [
            (Part::Headers, "headers", headers),
            (Part::Querys, "querys", querys),
            (Part::Body, "body", body),
        ] {
            for (index, item) in items.into_iter().enumerate() {
                let item = Reader { place: format!("{place}.{name}[{index}]"), part, direction, item };
                let action = item.action(operate, map_source.unwrap_or(part))?;
                let step = Step { target: part, action };
                if step.needs_held_headers() {
                    if !hold {
                        let message = "copies from the body, which arrives after the headers: set `hold_headers: true` if the \
                                       gateway can hold headers";
                        return Err(FieldError::new(format!("{place}.mapSource"), message));
                    }
                    all.hold = true;
                }
                all.body |= part == Part::Body || matches!(step.action, Action::Map(Part::Body, ..));
                all.steps.push(step);
            }
        }
    }
    Ok(all)
}

/// Reads a change.
struct Reader {
    place: String,
    part: Part,
    direction: Direction,
    item: Item,
}

impl Reader {
    fn action(mut self, operate: Operate, source: Part) -> Result<Action, FieldError> {
        self.refuse_others(operate)?;
        let item = &mut self.item;
        let (key, old_key, new_key) = (item.key.take(), item.old_key.take(), item.new_key.take());
        let (from_key, to_key) = (item.from_key.take(), item.to_key.take());
        let values = (item.new_value.take(), item.value.take(), item.append_value.take());
        let kind = item.value_type.unwrap_or(ValueType::String);
        Ok(match operate {
            Operate::Remove => Action::Remove(self.name("key", key)?),
            Operate::Rename => Action::Rename(self.name("oldKey", old_key)?, self.name("newKey", new_key)?),
            Operate::Replace => {
                Action::Replace(self.name("key", key)?, self.value("newValue", values.0, kind)?, kind)
            }
            Operate::Add => Action::Add(self.name("key", key)?, self.value("value", values.1, kind)?, kind),
            Operate::Append => {
                Action::Append(self.name("key", key)?, self.value("appendValue", values.2, kind)?, kind)
            }
            Operate::Map => {
                Action::Map(source, self.source_name(source, from_key)?, self.name("toKey", to_key)?)
            }
            Operate::Dedupe => {
                let strategy = self.item.strategy.unwrap_or(Strategy::RetainFirst);
                Action::Dedupe(self.name("key", key)?, strategy)
            }
        })
    }

    /// Refuses fields of other operations, which would have no effect.
    fn refuse_others(&self, operate: Operate) -> Result<(), FieldError> {
        use Operate::{Add, Append, Dedupe, Map, Remove, Rename, Replace};
        let item = &self.item;
        let has_value = [Replace, Add, Append];
        let fields: [(&str, bool, &[Operate]); 12] = [
            ("key", item.key.is_some(), &[Remove, Replace, Add, Append, Dedupe]),
            ("oldKey", item.old_key.is_some(), &[Rename]),
            ("newKey", item.new_key.is_some(), &[Rename]),
            ("newValue", item.new_value.is_some(), &[Replace]),
            ("value", item.value.is_some(), &[Add]),
            ("appendValue", item.append_value.is_some(), &[Append]),
            ("fromKey", item.from_key.is_some(), &[Map]),
            ("toKey", item.to_key.is_some(), &[Map]),
            ("strategy", item.strategy.is_some(), &[Dedupe]),
            // A type may be written beside every operation, as Higress's console does.
            ("value_type", false, &[]),
            ("host_pattern", item.host_pattern.is_some(), &has_value),
            ("path_pattern", item.path_pattern.is_some(), &has_value),
        ];
        for (name, is_set, operations) in fields {
            if is_set && !operations.contains(&operate) {
                let operate = format!("{operate:?}").to_lowercase();
                let message = format!("has no effect with `operate: {operate}`: remove it");
                return Err(self.error(name, message));
            }
        }
        Ok(())
    }

    fn error(&self, field: &str, message: impl Into<String>) -> FieldError {
        FieldError::new(format!("{}.{field}", self.place), message)
    }

    fn required(&self, field: &str, text: Option<String>) -> Result<String, FieldError> {
        match text {
            Some(text) if text.is_empty() => Err(self.error(field, "must not be empty: write a name")),
            Some(text) => Ok(text),
            None => Err(self.error(field, "is missing: add it")),
        }
    }

    /// The name of what is changed.
    fn name(&self, field: &str, text: Option<String>) -> Result<Name, FieldError> {
        let text = self.required(field, text)?;
        match self.part {
            Part::Headers => {
                let name = match self.direction {
                    Direction::Request => SettableHeaderName::try_from(text).map(|name| name.to_string()),
                    Direction::Response => HeaderName::try_from(text)
                        .and_then(|name| names::check_response(&name).map(|()| name.to_string())),
                };
                let name = name.map_err(|message| self.error(field, message))?;
                Ok(Name { plain: name.into_bytes(), path: None })
            }
            Part::Querys => Ok(Name { plain: text.into_bytes(), path: None }),
            Part::Body => self.body_name(field, text),
        }
    }

    /// The name of what is read.
    fn source_name(&self, source: Part, text: Option<String>) -> Result<Name, FieldError> {
        const FIELD: &str = "fromKey";
        let text = self.required(FIELD, text)?;
        match source {
            Part::Headers => {
                let name = match self.direction {
                    Direction::Request => RequestHeaderName::try_from(text).map(|name| name.to_string()),
                    Direction::Response => HeaderName::try_from(text).map(|name| name.to_string()),
                };
                let name = name.map_err(|message| self.error(FIELD, message))?;
                Ok(Name { plain: name.into_bytes(), path: None })
            }
            Part::Querys => Ok(Name { plain: text.into_bytes(), path: None }),
            Part::Body => self.body_name(FIELD, text),
        }
    }

    fn body_name(&self, field: &str, text: String) -> Result<Name, FieldError> {
        let path = DotPath::parse(&text).map_err(|error| self.error(field, error.to_string()))?;
        Ok(Name { plain: text.into_bytes(), path: Some(path) })
    }

    fn value(&self, field: &str, text: Option<Text>, kind: ValueType) -> Result<Value, FieldError> {
        let Some(text) = text.map(String::from) else { return Err(self.error(field, "is missing: add it")) };
        if self.part == Part::Headers {
            HeaderValue::try_from(text.clone()).map_err(|message| self.error(field, message))?;
        }
        let template = |pattern: &str, name: &str| {
            Template::new(pattern, &text).map_err(|message| {
                let field = if message.starts_with("has ") { field } else { name };
                self.error(field, message)
            })
        };
        match (&self.item.host_pattern, &self.item.path_pattern) {
            (Some(pattern), _) => Ok(Value::Host(template(pattern, "host_pattern")?)),
            (None, Some(pattern)) => Ok(Value::Path(template(pattern, "path_pattern")?)),
            (None, None) => {
                if self.part == Part::Body && encode(text.as_bytes(), kind).is_none() {
                    let message = "is not a value of its `value_type`: write for example 12 for a number, true for a boolean, \
                                   or {\"a\": 1} for an object";
                    return Err(self.error(field, message));
                }
                Ok(Value::Fixed(text.into_bytes()))
            }
        }
    }
}

/// Returns a value as JSON, or `None` if it is not of this type.
pub fn encode(value: &[u8], kind: ValueType) -> Option<Vec<u8>> {
    let text = value.trim_ascii();
    let is_json = || json::find(text, &Paths::default()).is_ok();
    match kind {
        ValueType::String => Some(json::encode(&String::from_utf8_lossy(value)).into_bytes()),
        ValueType::Boolean => matches!(text, b"true" | b"false").then(|| text.to_vec()),
        ValueType::Number => {
            let is_number = matches!(text.first(), Some(b'-' | b'0'..=b'9')) && is_json();
            is_number.then(|| text.to_vec())
        }
        ValueType::Object => is_json().then(|| text.to_vec()),
    }
}
