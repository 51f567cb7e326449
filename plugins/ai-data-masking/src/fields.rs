//! What an operator writes: the fields as they stand in the document.

use std::num::NonZeroU16;

use config::{NonEmptyString, StatusCode};
use sdk::configuration;

/// The fields of a configuration.
#[configuration]
pub struct Fields {
    /// Look at the texts of OpenAI's and Anthropic's APIs, see [What is looked at](#what-is-looked-at).
    /// zh: 检查 OpenAI 和 Anthropic 接口中的文本，见[检查的内容](#检查的内容)
    #[serde(default = "yes")]
    pub deny_openai: bool,
    /// Look at the strings that these JSONPaths ([RFC 9535](https://www.rfc-editor.org/rfc/rfc9535)) name.
    /// zh: 检查这些 JSONPath（[RFC 9535](https://www.rfc-editor.org/rfc/rfc9535)）所指的字符串
    #[serde(default)]
    pub deny_jsonpath: Vec<NonEmptyString>,
    /// Look at whole bodies, see [What is looked at](#what-is-looked-at).
    /// zh: 检查整个请求体和响应体，见[检查的内容](#检查的内容)
    #[serde(default)]
    pub deny_raw: bool,
    /// Deny the built-in words.
    /// zh: 拦截内置敏感词
    #[serde(default)]
    pub system_deny: bool,
    /// Which categories of them; without, all.
    /// zh: 内置敏感词的类别，不写则为全部
    #[serde(default)]
    pub system_deny_categories: Vec<NonEmptyString>,
    /// Words that are denied, see [Words](#words).
    /// zh: 要拦截的敏感词，见[敏感词](#敏感词)
    #[serde(default)]
    pub deny_words: Vec<NonEmptyString>,
    /// Status of the answer to what is denied.
    /// zh: 拦截时应答的状态码
    #[serde(default = "ok")]
    pub deny_code: StatusCode,
    /// What the model seems to say instead, for texts of OpenAI's API.
    /// zh: OpenAI 接口被拦截时，模型“回答”的内容
    #[serde(default = "message")]
    pub deny_message: String,
    /// The answer for all other texts.
    /// zh: 其他内容被拦截时的应答
    #[serde(default = "raw_message")]
    pub deny_raw_message: String,
    /// Its content type.
    /// zh: 该应答的内容类型
    #[serde(default = "json")]
    pub deny_content_type: String,
    /// What is masked, see [Masking](#masking).
    /// zh: 要脱敏的内容，见[脱敏](#脱敏)
    #[serde(default)]
    pub replace_roles: Vec<Role>,
    /// How many bytes of a stream an expression can make wait, 16 to 4096.
    /// zh: 流式响应中，正则表达式最多可以让多少字节等待，16 到 4096
    #[serde(default = "longest")]
    pub max_match_bytes: NonZeroU16,
    /// Hold headers until the verdict on the body. Only where the gateway can, see
    /// [Headers that are held](#headers-that-are-held).
    /// zh: 在对正文得出结论之前保留头部，仅在网关支持时可用，见[保留头部](#保留头部)
    #[serde(default)]
    pub hold_headers: bool,
    /// Log and count what would be denied or refused, and let it pass. Matches are masked all the same.
    /// zh: 只记录日志并计数，放行要拦截或拒绝的内容；脱敏照常进行
    #[serde(default)]
    pub dry_run: bool,
}

/// What is masked, and how.
#[configuration]
pub struct Role {
    /// A regular expression ([RE2 syntax](https://github.com/google/re2/wiki/Syntax)); `%{NAME}` is a grok pattern.
    /// zh: 正则表达式（[RE2 语法](https://github.com/google/re2/wiki/Syntax)），`%{NAME}` 为 grok 模式
    pub regex: NonEmptyString,
    /// What a match becomes.
    /// zh: 匹配的内容变成什么
    #[serde(rename = "type", default)]
    pub kind: RoleType,
    /// Put the original back where the response has what the match became.
    /// zh: 响应中出现脱敏后的内容时还原
    #[serde(default)]
    pub restore: bool,
    /// What stands in a match's place, for `replace`: `$1` and `$name` are groups of the expression.
    /// zh: `replace` 时替换成的内容，`$1`、`$name` 为正则表达式的分组
    #[serde(default)]
    pub value: String,
}

/// What a match becomes.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RoleType {
    /// The text of `value`.
    /// zh: `value` 的内容
    #[default]
    Replace,
    /// Its SHA-256, as 64 hexadecimal digits.
    /// zh: 它的 SHA-256，64 位十六进制数字
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
