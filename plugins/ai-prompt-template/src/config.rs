//! The configuration with its templates encoded.

use std::collections::BTreeMap;

use config::{Configuration, FieldError, Json, NonEmptyString};
use sdk::configuration;

use crate::rules::Template;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Templates of requests.
    /// zh: 请求的模板
    templates: Vec<TemplateFields>,
}

/// A template.
#[configuration]
struct TemplateFields {
    /// The name by which requests select it.
    /// zh: 请求选择模板时使用的名称
    name: NonEmptyString,
    /// The body, an object such as `{ model: …, messages: […] }`. `{{name}}` in its texts is a property of the request.
    /// zh: 请求体，如 `{ model: …, messages: […] }` 的对象。其文本中的 `{{名称}}` 是请求的属性
    template: Json,
}

/// The templates by name.
pub struct Config {
    /// The templates by name.
    pub templates: BTreeMap<String, Template>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.templates.is_empty() {
            return Err(FieldError::new(
                "templates",
                "must not be empty: add a template with `name` and `template`",
            ));
        }
        let mut templates = BTreeMap::new();
        for (index, fields) in fields.templates.into_iter().enumerate() {
            if !matches!(fields.template, Json::Object(_)) {
                let message = "must be an object: write the body of a request, with `model` and `messages`";
                return Err(FieldError::new(format!("templates[{index}].template"), message));
            }
            let template = Template::new(&fields.template).map_err(|name| {
                let message = format!(
                    "has `{{{{{name}}}}}`, and spaces are part of a name: write `{{{{{}}}}}`",
                    name.trim()
                );
                FieldError::new(format!("templates[{index}].template"), message)
            })?;
            if templates.insert(String::from(fields.name), template).is_some() {
                let message = "is the name of an earlier template: write another name";
                return Err(FieldError::new(format!("templates[{index}].name"), message));
            }
        }
        Ok(Self { templates })
    }
}
