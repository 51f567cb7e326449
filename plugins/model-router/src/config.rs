//! The configuration with its key parsed and its expressions compiled.

use config::{Configuration, FieldError, HeaderValue, NonEmptyString, PathSuffix, SettableHeaderName};
use matcher::case::Case;
use matcher::regexes::Regexes;
use sdk::configuration;
use text::chat::{self, ModelKey};

/// The header of `autoRouting` without `modelToHeader`.
const AUTO_HEADER: &str = "x-higress-llm-model";

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// The key of the model in JSON, a path with dots such as `request.model`; in forms, the name of the field.
    /// zh: 模型在 JSON 中的键，可以是带点的路径，如 `request.model`；在表单中是字段的名称
    #[serde(default = "model", rename = "modelKey")]
    model_key: String,
    /// The header that gets the provider: what is before the first `/` of the model, which is removed from the body.
    /// zh: 设置为提供商的请求头：模型中第一个 `/` 之前的部分，并从请求体中删除
    #[serde(default, rename = "addProviderHeader")]
    add_provider_header: Option<SettableHeaderName>,
    /// The header that gets the model.
    /// zh: 设置为模型的请求头
    #[serde(default, rename = "modelToHeader")]
    model_to_header: Option<SettableHeaderName>,
    /// The ends of paths of requests that have a model; `*` is every path.
    /// zh: 包含模型的请求的路径后缀；`*` 表示所有路径
    #[serde(default = "chat::model_paths::<PathSuffix>", rename = "enableOnPathSuffix")]
    enable_on_path_suffix: Vec<PathSuffix>,
    /// Selects the model of requests for `higress/auto` by what the user writes, see [Automatic routing](#automatic-routing).
    /// zh: 根据用户消息为 `higress/auto` 的请求选择模型，见[自动路由](#自动路由)
    #[serde(default, rename = "autoRouting")]
    auto_routing: Option<AutoRouting>,
    /// Confirms that the gateway can hold headers until the body is complete, see [Holding headers](#holding-headers).
    /// zh: 确认网关能够在请求体完整之前持有请求头，见[持有请求头](#持有请求头)
    #[serde(default)]
    hold_headers: bool,
}

/// The selection of models by what the user writes.
#[configuration]
struct AutoRouting {
    /// Select models.
    /// zh: 是否启用
    #[serde(default)]
    enable: bool,
    /// The model if no rule matches. Without it, the request keeps its model.
    /// zh: 没有规则匹配时的模型；未设置时请求保留其模型
    #[serde(default, rename = "defaultModel")]
    default_model: Option<NonEmptyString>,
    /// Models, in order. The first whose expression matches is used.
    /// zh: 按顺序排列的模型，使用第一个匹配的
    #[serde(default)]
    rules: Vec<AutoRule>,
}

/// A model, and when it is used.
#[configuration]
struct AutoRule {
    /// A regular expression (RE2 syntax), which is searched in the last message of the user.
    /// zh: 正则表达式（RE2 语法），在用户的最后一条消息中搜索
    pattern: NonEmptyString,
    /// The model.
    /// zh: 模型
    model: NonEmptyString,
}

fn model() -> String {
    "model".into()
}

/// The configuration with its key parsed and its expressions compiled.
pub struct Config {
    /// Where requests have their model.
    pub key: ModelKey,
    /// The header of the provider.
    pub provider_header: Option<SettableHeaderName>,
    /// The header of the model.
    pub model_header: Option<SettableHeaderName>,
    /// The ends of paths.
    pub paths: Vec<PathSuffix>,
    /// The selection of models.
    pub auto: Option<Auto>,
}

/// The selection of models by what the user writes.
pub struct Auto {
    rules: Vec<(Regexes, String)>,
    default: Option<String>,
}

impl Auto {
    /// Returns the model for a text, which may be absent.
    pub fn model(&self, text: Option<&str>) -> Option<&str> {
        let found = text.and_then(|text| {
            self.rules.iter().find(|(pattern, _)| pattern.is_match(text.as_bytes())).map(|(_, model)| model)
        });
        found.or(self.default.as_ref()).map(String::as_str)
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let key = ModelKey::parse(&fields.model_key)
            .map_err(|error| FieldError::new("modelKey", error.to_string()))?;
        let auto = fields.auto_routing.filter(|auto| auto.enable).map(auto).transpose()?;
        let mut model_header = fields.model_to_header;
        if auto.is_some() && model_header.is_none() {
            model_header = SettableHeaderName::try_from(AUTO_HEADER.to_owned()).ok();
        }
        if model_header.is_none() && fields.add_provider_header.is_none() {
            let message = "sets no header: add `modelToHeader`, for example `x-higress-llm-model`, or `addProviderHeader`";
            return Err(FieldError::new("", message));
        }
        if model_header == fields.add_provider_header {
            let message = "is the same header as `modelToHeader`: write another name";
            return Err(FieldError::new("addProviderHeader", message));
        }
        if fields.enable_on_path_suffix.is_empty() {
            let message = "selects no request: write ends of paths, or `*` for every path";
            return Err(FieldError::new("enableOnPathSuffix", message));
        }
        if !fields.hold_headers {
            let message = "must be true, because the model arrives after the headers: set it if the gateway can hold headers; on \
                           others, requests would hang";
            return Err(FieldError::new("hold_headers", message));
        }
        Ok(Self {
            key,
            provider_header: fields.add_provider_header,
            model_header,
            paths: fields.enable_on_path_suffix,
            auto,
        })
    }
}

fn auto(fields: AutoRouting) -> Result<Auto, FieldError> {
    if fields.rules.is_empty() && fields.default_model.is_none() {
        let message = "selects no model: add `rules` or `defaultModel`";
        return Err(FieldError::new("autoRouting", message));
    }
    let mut rules = Vec::new();
    for (index, rule) in fields.rules.into_iter().enumerate() {
        let pattern = Regexes::new(&[&rule.pattern], Case::Sensitive)
            .map_err(|error| FieldError::new(format!("autoRouting.rules[{index}].pattern"), error.message))?;
        rules.push((pattern, name(rule.model, || format!("autoRouting.rules[{index}].model"))?));
    }
    let default = fields.default_model.map(|model| name(model, || "autoRouting.defaultModel".into()));
    Ok(Auto { rules, default: default.transpose()? })
}

/// Checks that a model can be the value of a header.
fn name(model: NonEmptyString, field: impl Fn() -> String) -> Result<String, FieldError> {
    let model = String::from(model);
    match HeaderValue::try_from(model.clone()) {
        Ok(_) => Ok(model),
        Err(message) => Err(FieldError::new(field(), message)),
    }
}
