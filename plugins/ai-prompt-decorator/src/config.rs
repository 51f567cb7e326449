//! The configuration with its messages encoded and its expressions compiled.

use config::{Configuration, FieldError, NonEmptyString};
use matcher::replace::Replacer;
use sdk::configuration;

use crate::rules::{Message, Pattern, Replacement, VARIABLES};

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Messages before those of the request.
    /// zh: 插入到请求的消息之前的消息
    #[serde(default)]
    prepend: Vec<MessageFields>,
    /// Messages after those of the request.
    /// zh: 插入到请求的消息之后的消息
    #[serde(default)]
    append: Vec<MessageFields>,
    /// Texts to replace in all messages, in order.
    /// zh: 在所有消息中替换的文本，按顺序执行
    #[serde(default)]
    replace: Vec<ReplaceFields>,
}

/// A message.
#[configuration]
struct MessageFields {
    /// The role: `system`, `user`, `assistant` …
    /// zh: 角色：`system`、`user`、`assistant` 等
    role: NonEmptyString,
    /// The text. `${geo-country}`, `${geo-province}`, `${geo-city}` and `${geo-isp}` are the place of the client.
    /// zh: 内容。`${geo-country}`、`${geo-province}`、`${geo-city}` 和 `${geo-isp}` 是客户端的位置
    content: String,
}

/// A text to replace.
#[configuration]
struct ReplaceFields {
    /// The text that is replaced, or a regular expression (RE2 syntax) with `regex`.
    /// zh: 被替换的文本；设置 `regex` 时为正则表达式（RE2 语法）
    pattern: NonEmptyString,
    /// The new text. With `regex`, `$1` and `$name` are groups of the expression.
    /// zh: 新的文本。设置 `regex` 时，`$1`、`$name` 为正则表达式的分组
    replacement: String,
    /// Replace only in messages with this role.
    /// zh: 只在该角色的消息中替换
    #[serde(default)]
    on_role: String,
    /// `pattern` is a regular expression.
    /// zh: `pattern` 是正则表达式
    #[serde(default)]
    regex: bool,
}

/// The configuration with its messages parsed and its expressions compiled.
pub struct Config {
    /// Messages before those of the request.
    pub prepend: Vec<Message>,
    /// Messages after those of the request.
    pub append: Vec<Message>,
    /// Texts to replace, in order.
    pub replace: Vec<Replacement>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.prepend.is_empty() && fields.append.is_empty() && fields.replace.is_empty() {
            return Err(FieldError::new("", "changes nothing: add `prepend`, `append` or `replace`"));
        }
        let messages = |messages: Vec<MessageFields>| {
            messages.into_iter().map(|message| Message::new(message.role.into(), &message.content)).collect()
        };
        for (list, field) in [(&fields.prepend, "prepend"), (&fields.append, "append")] {
            for (index, message) in list.iter().enumerate() {
                check_variables(&message.content, || format!("{field}[{index}].content"))?;
            }
        }
        let replace = fields.replace.into_iter().enumerate();
        Ok(Self {
            prepend: messages(fields.prepend),
            append: messages(fields.append),
            replace: replace.map(|(index, fields)| replacement(index, fields)).collect::<Result<_, _>>()?,
        })
    }
}

/// Refuses misspelt variables, which would be sent as they are written.
fn check_variables(content: &str, field: impl Fn() -> String) -> Result<(), FieldError> {
    let names = content.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    match names.filter(|name| name.starts_with("geo-")).find(|name| !VARIABLES.contains(name)) {
        Some(name) => {
            let message = format!(
                "has `${{{name}}}`, which does not exist: write one of `${{{}}}`",
                VARIABLES.join("}`, `${")
            );
            Err(FieldError::new(field(), message))
        }
        None => Ok(()),
    }
}

fn replacement(index: usize, fields: ReplaceFields) -> Result<Replacement, FieldError> {
    let error = |field: &str, message| FieldError::new(format!("replace[{index}].{field}"), message);
    let pattern = if fields.regex {
        let replacer = Replacer::new(&[&fields.pattern]).map_err(|found| error("pattern", found.message))?;
        if let Some(group) = replacer.unknown_groups(0, &fields.replacement).first() {
            let message = format!(
                "has ${group}, a group that the expression does not have: write `$$` for a dollar sign"
            );
            return Err(error("replacement", message));
        }
        Pattern::Regex(Box::new(replacer))
    } else {
        Pattern::Text(fields.pattern.into())
    };
    let role = Some(fields.on_role).filter(|role| !role.is_empty());
    Ok(Replacement { pattern, new: fields.replacement, role })
}
