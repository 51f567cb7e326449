//! The configuration with its key parsed and its mapping sorted.

use std::collections::BTreeMap;

use config::{Configuration, FieldError, PathSuffix, Text};
use sdk::configuration;
use text::chat::{self, ModelKey};

use crate::rules::Mapping;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// The key of the model in JSON, a path with dots such as `request.model`; in forms, the name of the field.
    /// zh: 模型在 JSON 中的键，可以是带点的路径，如 `request.model`；在表单中是字段的名称
    #[serde(default = "model", rename = "modelKey")]
    model_key: String,
    /// New names of models, see [Mapping](#mapping).
    /// zh: 模型的新名称，见[映射](#映射)
    #[serde(default, rename = "modelMapping")]
    model_mapping: BTreeMap<String, Text>,
    /// The ends of paths of requests whose model is replaced; `*` is every path.
    /// zh: 替换模型的请求的路径后缀；`*` 表示所有路径
    #[serde(default = "chat::model_paths::<PathSuffix>", rename = "enableOnPathSuffix")]
    enable_on_path_suffix: Vec<PathSuffix>,
}

fn model() -> String {
    "model".into()
}

/// The configuration with its key parsed and its mapping sorted.
pub struct Config {
    /// Where requests have their model.
    pub key: ModelKey,
    /// New names.
    pub mapping: Mapping,
    /// The ends of paths.
    pub paths: Vec<PathSuffix>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let key = ModelKey::parse(&fields.model_key)
            .map_err(|error| FieldError::new("modelKey", error.to_string()))?;
        if fields.model_mapping.is_empty() {
            let message = "replaces nothing: add a model and its new name, for example `gpt-4o: qwen-max`";
            return Err(FieldError::new("modelMapping", message));
        }
        let mut mapping = Mapping::default();
        for (model, new) in fields.model_mapping {
            mapping
                .add(&model, new.into())
                .map_err(|message| FieldError::new(format!("modelMapping.{model}"), message))?;
        }
        if fields.enable_on_path_suffix.is_empty() {
            let message = "selects no request: write ends of paths, or `*` for every path";
            return Err(FieldError::new("enableOnPathSuffix", message));
        }
        Ok(Self { key, mapping, paths: fields.enable_on_path_suffix })
    }
}
