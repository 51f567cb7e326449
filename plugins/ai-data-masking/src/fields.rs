//! The fields of the document.

use std::num::NonZeroU16;

use config::{NonEmptyString, StatusCode};
use sdk::configuration;

/// The fields of a configuration.
#[configuration]
pub struct Fields {
    /// Inspect the texts of OpenAI's and Anthropic's APIs, see [Inspected texts](#inspected-texts).
    /// zh: 检查 OpenAI 和 Anthropic 接口中的文本，见[检查的内容](#检查的内容)
    #[serde(default = "yes")]
    pub deny_openai: bool,
    /// Inspect the strings selected by these JSONPaths ([RFC 9535](https://www.rfc-editor.org/rfc/rfc9535)).
    /// zh: 检查这些 JSONPath（[RFC 9535](https://www.rfc-editor.org/rfc/rfc9535)）选中的字符串
    #[serde(default)]
    pub deny_jsonpath: Vec<NonEmptyString>,
    /// Inspect whole bodies, see [Inspected texts](#inspected-texts).
    /// zh: 检查整个请求体和响应体，见[检查的内容](#检查的内容)
    #[serde(default)]
    pub deny_raw: bool,
    /// Deny the built-in words.
    /// zh: 拦截内置敏感词
    #[serde(default)]
    pub system_deny: bool,
    /// Categories of built-in words; all by default.
    /// zh: 内置敏感词的类别，默认为全部
    #[serde(default)]
    pub system_deny_categories: Vec<NonEmptyString>,
    /// Words to deny, see [Words](#words).
    /// zh: 要拦截的敏感词，见[敏感词](#敏感词)
    #[serde(default)]
    pub deny_words: Vec<NonEmptyString>,
    /// Status code of denials.
    /// zh: 拦截时响应的状态码
    #[serde(default = "ok")]
    pub deny_code: StatusCode,
    /// Message of the model in denials of API texts.
    /// zh: 接口中的文本被拦截时，模型回答的内容
    #[serde(default = "message")]
    pub deny_message: String,
    /// Body of denials of other texts.
    /// zh: 其他内容被拦截时响应的正文
    #[serde(default = "raw_message")]
    pub deny_raw_message: String,
    /// Content type of `deny_raw_message`.
    /// zh: `deny_raw_message` 的内容类型
    #[serde(default = "json")]
    pub deny_content_type: String,
    /// Expressions to mask, see [Masking](#masking).
    /// zh: 要脱敏的内容，见[脱敏](#脱敏)
    #[serde(default)]
    pub replace_roles: Vec<Role>,
    /// Maximum number of bytes of a stream to hold for a match, 16 to 4096.
    /// zh: 流式响应中为等待匹配最多保留的字节数，16 到 4096
    #[serde(default = "longest")]
    pub max_match_bytes: NonZeroU16,
    /// Hold headers until the decision on the body. Requires support by the gateway, see
    /// [Holding headers](#holding-headers).
    /// zh: 在对正文作出判定之前保留头部；需要网关支持，见[保留头部](#保留头部)
    #[serde(default)]
    pub hold_headers: bool,
    /// Log and count denials and refusals, but pass all messages. Matches are still masked.
    /// zh: 记录日志并计数，但放行所有消息；脱敏照常进行
    #[serde(default)]
    pub dry_run: bool,
}

/// An expression to mask and its replacement.
#[configuration]
pub struct Role {
    /// A regular expression ([RE2 syntax](https://github.com/google/re2/wiki/Syntax)); `%{NAME}` is a grok pattern.
    /// zh: 正则表达式（[RE2 语法](https://github.com/google/re2/wiki/Syntax)），`%{NAME}` 为 grok 模式
    pub regex: NonEmptyString,
    /// Kind of the replacement.
    /// zh: 替换的方式。
    #[serde(rename = "type", default)]
    pub kind: RoleType,
    /// Restore the original text where the response contains the replacement.
    /// zh: 响应中出现替换后的内容时还原为原文
    #[serde(default)]
    pub restore: bool,
    /// Replacement for `replace`. `$1` and `$name` are groups of the expression.
    /// zh: `replace` 时替换成的内容，`$1`、`$name` 为正则表达式的分组
    #[serde(default)]
    pub value: String,
}

/// The kind of a replacement.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RoleType {
    /// The text of `value`.
    /// zh: `value` 的内容
    #[default]
    Replace,
    /// The SHA-256 of the match, as 64 hexadecimal digits.
    /// zh: 匹配内容的 SHA-256，64 位十六进制数字
    Hash,
}

fn yes() -> bool {
    true
}

fn ok() -> StatusCode {
    StatusCode::OK
}

fn message() -> String {
    "提问或回答中包含敏感词，已被屏蔽".into()
}

fn raw_message() -> String {
    r#"{"errmsg":"提问或回答中包含敏感词，已被屏蔽"}"#.into()
}

fn json() -> String {
    "application/json".into()
}

fn longest() -> NonZeroU16 {
    const { NonZeroU16::new(256).unwrap() }
}
