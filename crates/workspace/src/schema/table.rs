//! The table of fields in a README, in the language of the README.

use serde_json::{Map, Value};

use super::{Field, TRANSLATIONS, fields};

/// The language of a README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Chinese.
    Chinese,
}

impl Language {
    /// Returns the text in this language.
    #[must_use]
    pub fn either<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }

    /// The README that is written in it.
    #[must_use]
    pub fn readme(self) -> &'static str {
        self.either("README.md", "README.zh.md")
    }
}

/// The table, or the fields that say nothing in that language. Lists whose entries have the same fields as those
/// of a list above refer to it.
///
/// # Errors
///
/// The fields without a description in that language.
pub fn table(schema: &Value, language: Language) -> Result<String, Vec<String>> {
    let fields = fields(schema);
    if fields.is_empty() {
        return Ok(language.either("There are no fields.\n", "没有字段。\n").into());
    }
    let head = language.either("| field | type | default | meaning |", "| 字段 | 类型 | 默认值 | 说明 |");
    let mut table = format!("{head}\n|---|---|---|---|\n");
    let mut silent = Vec::new();
    let mut entries: Vec<(&Value, &str)> = Vec::new();
    let mut told: Option<String> = None;
    for field in &fields {
        if told.as_ref().is_some_and(|list| field.path.starts_with(list)) {
            continue;
        }
        let Some(meaning) = description(field.schema, language) else {
            silent.push(field.path.clone());
            continue;
        };
        let mut meaning = meaning.to_owned();
        if let Some(items) = field.schema.get("items").filter(|items| items["properties"].is_object()) {
            match entries.iter().find(|(same, _)| *same == items) {
                Some((_, path)) => {
                    meaning += &language.either(
                        format!(" Entries as in `{path}`."),
                        format!("{}条目同 `{path}`", if meaning.ends_with('。') { "" } else { "。" }),
                    );
                    told = Some(format!("{}[].", field.path));
                }
                None => entries.push((items, &field.path)),
            }
        }
        let (kind, default) = (kind(field.schema, language), default(field, language));
        let cells = [format!("`{}`", field.path), kind, default, meaning];
        let cells = cells.map(|cell| cell.replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|"));
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    if silent.is_empty() { Ok(table) } else { Err(silent) }
}

fn description(schema: &Map<String, Value>, language: Language) -> Option<&str> {
    let text =
        language.either(schema.get("description"), schema.get(TRANSLATIONS).and_then(|all| all.get("zh-CN")));
    text.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The type in words: `list of strings`, `whole number, 200 to 599`.
fn kind(schema: &Map<String, Value>, language: Language) -> String {
    let items = || schema.get("items").and_then(Value::as_object);
    let values = || schema.get("additionalProperties").and_then(Value::as_object);
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> =
            words.iter().map(|word| format!("`{}`", word.as_str().unwrap_or_default())).collect();
        let (last, others) =
            words.split_last().map(|(last, others)| (last.as_str(), others)).unwrap_or_default();
        return match others {
            [] => last.to_owned(),
            _ => format!(
                "{}{}{last}",
                others.join(language.either(", ", "、")),
                language.either(" or ", " 或 ")
            ),
        };
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => language.either("string", "字符串").into(),
        Some("boolean") => language.either("boolean", "布尔值").into(),
        Some("integer") => language.either("whole number", "整数").to_owned() + &range(schema, language),
        Some("number") => language.either("number", "数字").to_owned() + &range(schema, language),
        Some("array") => match items() {
            Some(items) => language.either(
                format!("list of {}", plural(&kind(items, language))),
                in_list(&kind(items, language)),
            ),
            None => language.either("list", "列表").into(),
        },
        Some("object") => match values() {
            Some(values) => language.either(
                format!("object of {}", plural(&kind(values, language))),
                format!("值为{}的对象", kind(values, language)),
            ),
            None => language.either("object", "对象").into(),
        },
        _ => alternatives(schema, language),
    }
}

/// `string or whole number`, where a field may be of several types.
fn alternatives(schema: &Map<String, Value>, language: Language) -> String {
    let of = |key: &str| schema.get(key).and_then(Value::as_array);
    let kinds: Vec<String> = of("anyOf")
        .or_else(|| of("oneOf"))
        .into_iter()
        .flatten()
        .filter_map(|schema| Some(kind(schema.as_object()?, language)))
        .collect();
    if kinds.is_empty() {
        return language.either("anything", "任意").into();
    }
    kinds.join(language.either(" or ", "或"))
}

/// `字符串列表`, `整数列表，不小于 1`.
fn in_list(kind: &str) -> String {
    match kind.split_once('，') {
        Some((name, range)) => format!("{name}列表，{range}"),
        None => format!("{kind}列表"),
    }
}

/// `strings`, `whole numbers, 1 or more`.
fn plural(kind: &str) -> String {
    match kind.split_once(',') {
        _ if kind.starts_with('`') => kind.to_owned(),
        Some((name, range)) => format!("{}, {}", plural(name), range.trim_start()),
        None => match kind.split_once(' ') {
            // `lists of strings`
            Some((first, rest)) if rest.starts_with("of ") => format!("{first}s {rest}"),
            _ => format!("{kind}s"),
        },
    }
}

fn range(schema: &Map<String, Value>, language: Language) -> String {
    let bound = |key: &str| schema.get(key).map(ToString::to_string);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => {
            language.either(format!(", {least} to {most}"), format!("，{least} 到 {most}"))
        }
        (Some(least), None) => language.either(format!(", {least} or more"), format!("，不小于 {least}")),
        (None, Some(most)) => language.either(format!(", {most} at most"), format!("，不大于 {most}")),
        (None, None) => String::new(),
    }
}

fn default(field: &Field<'_>, language: Language) -> String {
    match field.schema.get("default") {
        Some(Value::String(text)) if !text.is_empty() => format!("`{text}`"),
        Some(value) => format!("`{value}`"),
        None if field.required => language.either("required", "必填").into(),
        None => "–".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        let zh = |text: &str| json!({ "zh-CN": text });
        let limit = || {
            json!({
                "type": "object",
                "properties": { "a": { "type": "boolean", "description": "whether", TRANSLATIONS: zh("是否") } },
            })
        };
        json!({
            "type": "object",
            "properties": {
                "words": {
                    "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [],
                    "description": "a | b\nc", TRANSLATIONS: zh("词"),
                },
                "code": {
                    "type": "integer", "minimum": 200, "maximum": 599, "default": 403,
                    "description": "status", TRANSLATIONS: zh("状态码"),
                },
                "mode": {
                    "type": "string", "enum": ["a", "b", "c"], "default": "a",
                    "description": "how", TRANSLATIONS: zh("方式"),
                },
                "items": {
                    "type": "array", "description": "some", TRANSLATIONS: zh("若干"),
                    "items": {
                        "type": "object",
                        "properties": {
                            "key": {
                                "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }],
                                "description": "which", TRANSLATIONS: zh("哪个"),
                            },
                            "numbers": {
                                "type": "array", "items": { "type": "integer", "minimum": 1 },
                                "description": "how many", TRANSLATIONS: zh("多少"),
                            },
                            "limits": {
                                "type": "array", "description": "limits", TRANSLATIONS: zh("限额"), "items": limit(),
                            },
                        },
                        "required": ["key"],
                    },
                },
                "more_limits": {
                    "type": "array", "description": "others", TRANSLATIONS: zh("其他。"), "items": limit(),
                },
                "add": {
                    "type": "object", "additionalProperties": { "type": "string" }, "default": {},
                    "description": "more", TRANSLATIONS: zh("更多"),
                },
            },
            "required": ["items"],
        })
    }

    #[test]
    fn fields_stand_in_a_table() {
        assert_eq!(
            table(&schema(), Language::English).unwrap(),
            "\
| field | type | default | meaning |
|---|---|---|---|
| `words` | list of strings | `[]` | a \\| b c |
| `code` | whole number, 200 to 599 | `403` | status |
| `mode` | `a`, `b` or `c` | `a` | how |
| `items` | list of objects | required | some |
| `items[].key` | string or whole number, 0 or more | required | which |
| `items[].numbers` | list of whole numbers, 1 or more | – | how many |
| `items[].limits` | list of objects | – | limits |
| `items[].limits[].a` | boolean | – | whether |
| `more_limits` | list of objects | – | others Entries as in `items[].limits`. |
| `add` | object of strings | `{}` | more |
"
        );
        assert_eq!(
            table(&schema(), Language::Chinese).unwrap(),
            "\
| 字段 | 类型 | 默认值 | 说明 |
|---|---|---|---|
| `words` | 字符串列表 | `[]` | 词 |
| `code` | 整数，200 到 599 | `403` | 状态码 |
| `mode` | `a`、`b` 或 `c` | `a` | 方式 |
| `items` | 对象列表 | 必填 | 若干 |
| `items[].key` | 字符串或整数，不小于 0 | 必填 | 哪个 |
| `items[].numbers` | 整数列表，不小于 1 | – | 多少 |
| `items[].limits` | 对象列表 | – | 限额 |
| `items[].limits[].a` | 布尔值 | – | 是否 |
| `more_limits` | 对象列表 | – | 其他。条目同 `items[].limits` |
| `add` | 值为字符串的对象 | `{}` | 更多 |
"
        );
    }

    #[test]
    fn fields_that_say_nothing_are_named() {
        let mut schema = schema();
        schema["properties"]["code"].as_object_mut().unwrap().remove(TRANSLATIONS);
        assert!(table(&schema, Language::English).is_ok());
        assert_eq!(table(&schema, Language::Chinese), Err(vec!["code".to_owned()]));
    }
}
