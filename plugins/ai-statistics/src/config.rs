//! The configuration, with the paths of its attributes parsed.

use std::num::NonZeroU32;

use config::{Configuration, FieldError, HeaderName, NonEmptyString, PathSuffix, Text};
use sdk::configuration;
use text::chat;

use crate::path::ValuePath;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// What the access log or a trace shows in addition.
    /// zh: 访问日志或链路追踪中另外记录的内容
    #[serde(default)]
    attributes: Vec<AttributeFields>,
    /// Ignore the model and the tokens that the server reports: only attributes report them.
    /// zh: 忽略服务端报告的模型和令牌数，只由 `attributes` 提供
    #[serde(default)]
    disable_openai_usage: bool,
    /// The length in characters to which values of attributes are shortened.
    /// zh: 属性值的最大字符数，超出部分被截断
    #[serde(default = "default_length")]
    value_length_limit: NonZeroU32,
    /// Ends of the paths of requests that are counted. `*`: all paths.
    /// zh: 统计的请求路径的后缀；`*` 为所有路径
    #[serde(default = "chat::token_paths::<PathSuffix>")]
    enable_path_suffixes: Vec<PathSuffix>,
    /// Content types of responses that are read, without parameters: JSON or events.
    /// zh: 读取的响应的内容类型，不含参数：JSON 或事件流
    #[serde(default = "default_types")]
    enable_content_types: Vec<NonEmptyString>,
}

/// An attribute.
#[configuration]
struct AttributeFields {
    /// Its name. `question`, `answer`, `reasoning_tokens`, `cached_tokens`, `input_token_details` and `output_token_details` need no source.
    /// zh: 名称；`question`、`answer`、`reasoning_tokens`、`cached_tokens`、`input_token_details` 和 `output_token_details` 无需来源
    key: NonEmptyString,
    /// Where its value comes from.
    /// zh: 值的来源
    #[serde(default)]
    value_source: Option<Source>,
    /// The value itself, the name of the header, or the path in the body.
    /// zh: 固定值、请求头或响应头的名称，或正文中的路径
    #[serde(default)]
    value: Option<Text>,
    /// The value if there is none.
    /// zh: 没有值时使用的值
    #[serde(default)]
    default_value: Option<Text>,
    /// Which events the value of a stream comes from: required for `response_streaming_body`.
    /// zh: 流式响应中取哪些事件的值；`response_streaming_body` 必填
    #[serde(default)]
    rule: Option<Rule>,
    /// Show it in the access log.
    /// zh: 是否记录在访问日志中
    #[serde(default)]
    apply_to_log: bool,
    /// Show it in the trace (Higress only).
    /// zh: 是否记录在链路追踪中（仅 Higress）
    #[serde(default)]
    apply_to_span: bool,
    /// Its name in the trace.
    /// zh: 在链路追踪中的名称
    #[serde(default)]
    trace_span_key: Option<NonEmptyString>,
    /// Show it as a property of its own instead of a part of `ai_log`.
    /// zh: 作为单独的属性，而不是 `ai_log` 的一部分
    #[serde(default)]
    as_separate_log_field: bool,
}

/// The source of a value.
#[configuration]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `value` itself.
    /// zh: `value` 本身
    FixedValue,
    /// A header of the request.
    /// zh: 请求头
    RequestHeader,
    /// The body of the request.
    /// zh: 请求正文
    RequestBody,
    /// A header of the response.
    /// zh: 响应头
    ResponseHeader,
    /// The body of a response that is not a stream.
    /// zh: 非流式响应的正文
    ResponseBody,
    /// The events of a stream.
    /// zh: 流式响应的事件
    ResponseStreamingBody,
}

/// The events that a value comes from.
#[configuration]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The first that has it.
    /// zh: 第一个含有该值的事件
    First,
    /// The last that has it.
    /// zh: 最后一个含有该值的事件
    Replace,
    /// All, joined.
    /// zh: 所有事件的值依次拼接
    Append,
}

fn default_length() -> NonZeroU32 {
    const { NonZeroU32::new(4000).unwrap() }
}

fn default_types() -> Vec<NonEmptyString> {
    let types = ["text/event-stream", "application/json"];
    types.into_iter().filter_map(|kind| NonEmptyString::try_from(kind.to_owned()).ok()).collect()
}

/// The validated configuration.
pub struct Config {
    /// Sources of attributes. Several may have the same key.
    pub attributes: Vec<Attribute>,
    /// The model and the tokens of the server count.
    pub reads_usage: bool,
    /// The maximum length of a value, in characters.
    pub max_length: usize,
    suffixes: Vec<String>,
    types: Vec<String>,
}

/// A source of an attribute.
pub struct Attribute {
    /// Its name.
    pub key: String,
    /// Where its value comes from.
    pub source: Source,
    /// The value itself, or the name of a header in lower case.
    pub value: String,
    /// The path in a body.
    pub path: ValuePath,
    /// The events of a stream.
    pub rule: Rule,
    /// The value if there is none.
    pub default: Option<String>,
    /// It is part of `ai_log`.
    pub in_log: bool,
    /// The name of its own property in the access log.
    pub separate: Option<String>,
    /// The property for the trace.
    pub span: Option<String>,
}

impl Config {
    /// Returns true if requests with this path are counted.
    pub fn counts(&self, path: &[u8]) -> bool {
        self.suffixes.iter().any(|suffix| suffix == "*" || chat::path_ends_with(path, suffix))
    }

    /// Returns true if responses with this content type are read.
    pub fn reads(&self, content_type: &[u8]) -> bool {
        let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        self.types.iter().any(|kind| media.eq_ignore_ascii_case(kind.as_bytes()))
    }

    /// Returns true if an attribute has this source.
    pub fn has(&self, source: Source) -> bool {
        self.attributes.iter().any(|attribute| attribute.source == source)
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let mut attributes = Vec::new();
        for (index, fields) in fields.attributes.into_iter().enumerate() {
            expand(fields, &format!("attributes[{index}]"), &mut attributes)?;
        }
        for (index, kind) in fields.enable_content_types.iter().enumerate() {
            if kind.contains([';', ' '])
                || !(chat::is_json(kind.as_bytes()) || chat::is_events(kind.as_bytes()))
            {
                return Err(FieldError::in_list(
                    "enable_content_types",
                    index,
                    "is not read: write `application/json`, another type that ends in `+json`, or `text/event-stream`",
                ));
            }
        }
        let suffixes: Vec<String> = fields.enable_path_suffixes.into_iter().map(Into::into).collect();
        Ok(Config {
            attributes,
            reads_usage: !fields.disable_openai_usage,
            max_length: usize::try_from(fields.value_length_limit.get()).unwrap_or(usize::MAX),
            // As in Higress, an empty list does not exclude anything.
            suffixes: if suffixes.is_empty() { vec!["*".into()] } else { suffixes },
            types: fields.enable_content_types.into_iter().map(Into::into).collect(),
        })
    }
}

/// A source, the path in it, and the events of a stream.
type Place = (Source, &'static str, Rule);

/// The sources of attributes that need none, in each protocol.
const BUILT_IN: [(&str, &[Place]); 6] = {
    use Rule::{Append, Replace};
    use Source::{RequestBody, ResponseBody, ResponseStreamingBody as Stream};
    [
        (
            "question",
            &[(RequestBody, "messages.@reverse.0.content", Replace), (RequestBody, "input", Replace)],
        ),
        (
            "answer",
            &[
                (ResponseBody, "choices.0.message.content", Replace),
                (ResponseBody, "content.0.text", Replace),
                (Stream, "choices.0.delta.content", Append),
                (Stream, "delta.text", Append),
            ],
        ),
        (
            "reasoning_tokens",
            &[
                (ResponseBody, "usage.completion_tokens_details.reasoning_tokens", Replace),
                (Stream, "usage.completion_tokens_details.reasoning_tokens", Replace),
            ],
        ),
        (
            "cached_tokens",
            &[
                (ResponseBody, "usage.prompt_tokens_details.cached_tokens", Replace),
                (Stream, "usage.prompt_tokens_details.cached_tokens", Replace),
            ],
        ),
        (
            "input_token_details",
            &[
                (ResponseBody, "usage.prompt_tokens_details", Replace),
                (Stream, "usage.prompt_tokens_details", Replace),
            ],
        ),
        (
            "output_token_details",
            &[
                (ResponseBody, "usage.completion_tokens_details", Replace),
                (Stream, "usage.completion_tokens_details", Replace),
            ],
        ),
    ]
};

/// Adds the sources of an attribute.
fn expand(fields: AttributeFields, at: &str, attributes: &mut Vec<Attribute>) -> Result<(), FieldError> {
    let field = |name: &str| format!("{at}.{name}");
    let key: String = fields.key.into();
    if !fields.apply_to_log && fields.as_separate_log_field {
        return Err(FieldError::new(
            field("as_separate_log_field"),
            "has no effect without `apply_to_log: true`: add it, or remove this",
        ));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if fields.as_separate_log_field && !key.bytes().all(is_name) {
        return Err(FieldError::new(
            field("key"),
            "cannot be named in a log format: write letters, digits, `_`, `.` and `-`",
        ));
    }
    let span = fields.trace_span_key.map_or_else(|| key.clone(), Into::into);
    let attribute = |source, value: &str, rule| {
        let path = match source {
            Source::FixedValue | Source::RequestHeader | Source::ResponseHeader => ValuePath::default(),
            _ => ValuePath::parse(value).map_err(|error| FieldError::new(field("value"), error))?,
        };
        Ok(Attribute {
            key: key.clone(),
            source,
            value: match source {
                Source::RequestHeader | Source::ResponseHeader => {
                    // Pseudo-headers can be read as well.
                    HeaderName::try_from(value.trim_start_matches(':').to_owned())
                        .map_err(|error| FieldError::new(field("value"), error))?;
                    value.to_ascii_lowercase()
                }
                _ => value.to_owned(),
            },
            path,
            rule,
            default: fields.default_value.clone().map(Into::into),
            in_log: fields.apply_to_log && !fields.as_separate_log_field,
            separate: fields.as_separate_log_field.then(|| key.clone()),
            span: fields.apply_to_span.then(|| format!("trace_span_tag.{span}")),
        })
    };
    let value = fields.value.map(String::from).filter(|value| !value.is_empty());
    match (fields.value_source, value) {
        (Some(Source::ResponseStreamingBody), Some(_)) if fields.rule.is_none() => Err(FieldError::new(
            field("rule"),
            "is missing: write `first`, `replace` or `append`, because a stream has many events",
        )),
        (Some(source), Some(value)) => {
            if source != Source::ResponseStreamingBody && fields.rule.is_some() {
                return Err(FieldError::new(
                    field("rule"),
                    "is only valid with `value_source: response_streaming_body`: remove it",
                ));
            }
            attributes.push(attribute(source, &value, fields.rule.unwrap_or(Rule::Replace))?);
            Ok(())
        }
        (Some(_), None) => Err(FieldError::new(
            field("value"),
            "is missing: write the value, the name of the header, or the path in the body",
        )),
        (None, Some(_)) => Err(FieldError::new(
            field("value_source"),
            "is missing: write `fixed_value`, `request_header`, `request_body`, `response_header`, `response_body` or \
             `response_streaming_body`",
        )),
        (None, None) => match BUILT_IN.iter().find(|(name, _)| *name == key) {
            Some((_, sources)) => {
                for (source, path, rule) in *sources {
                    attributes.push(attribute(*source, path, *rule)?);
                }
                Ok(())
            }
            None => Err(FieldError::new(
                field("value_source"),
                "is missing: only `question`, `answer`, `reasoning_tokens`, `cached_tokens`, `input_token_details` and \
                 `output_token_details` need none",
            )),
        },
    }
}
