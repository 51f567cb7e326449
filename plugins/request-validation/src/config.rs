//! The configuration with compiled schemas.

use config::{Configuration, FieldError, StatusCode};
use json_schema::{Draft, Options, Schema};
use sdk::configuration;
use serde_json::Value;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// JSON Schema of the headers: an object of strings, with names in lower case. Repeated headers are one string, with
    /// commas.
    /// zh: 请求头的 JSON Schema：值为字符串的对象，名称为小写。重复的请求头以逗号合并为一个字符串
    #[serde(default)]
    header_schema: Option<Value>,
    /// JSON Schema of the body, which has to be JSON.
    /// zh: 请求体的 JSON Schema，请求体必须是 JSON
    #[serde(default)]
    body_schema: Option<Value>,
    /// Status code of the response to refused requests.
    /// zh: 拒绝请求时的状态码
    #[serde(default = "forbidden")]
    rejected_code: StatusCode,
    /// Body of the response to refused requests.
    /// zh: 拒绝请求时的响应体
    #[serde(default)]
    rejected_msg: String,
    /// Read schemas without `$schema` as draft 4, the base of Swagger 2.0.
    /// zh: 将没有 `$schema` 的 schema 按草案 4（Swagger 2.0 的基础）解析
    #[serde(default)]
    enable_swagger: bool,
    /// Read schemas without `$schema` as draft 7, which is the default.
    /// zh: 将没有 `$schema` 的 schema 按草案 7 解析，这是默认行为
    #[serde(default)]
    enable_oas3: bool,
    /// Add the value and the rule that it violates to the body of the response.
    /// zh: 在响应体中说明不符合的值和规则
    #[serde(default)]
    verbose: bool,
    /// Validate `format`: `date`, `time`, `date-time`, `email`, `hostname`, `ipv4`, `ipv6`, `uri` and `uuid`.
    /// zh: 校验 `format`：`date`、`time`、`date-time`、`email`、`hostname`、`ipv4`、`ipv6`、`uri` 和 `uuid`
    #[serde(default = "yes")]
    validate_formats: bool,
    /// Maximum size of a body in bytes. The body is held until it is validated, so the limit of the gateway applies too.
    /// zh: 请求体的最大字节数。请求体在校验前被持有，因此网关的限制同样有效
    #[serde(default = "mebibyte")]
    max_body_bytes: u32,
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

fn yes() -> bool {
    true
}

fn mebibyte() -> u32 {
    1 << 20
}

/// The configuration with compiled schemas.
pub struct Config {
    /// Validates headers.
    pub headers: Option<Schema>,
    /// Validates bodies.
    pub body: Option<Schema>,
    /// The maximum size of a body.
    pub max_body: usize,
    /// The status of a refusal.
    pub status: StatusCode,
    /// The body of a refusal.
    pub message: String,
    /// Add what is wrong to the body of a refusal.
    pub verbose: bool,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.header_schema.is_none() && fields.body_schema.is_none() {
            let message = "validates nothing: write a `body_schema` or a `header_schema`";
            return Err(FieldError::new("", message));
        }
        if fields.enable_swagger && fields.enable_oas3 {
            let message = "cannot be combined with `enable_swagger`: remove the one that the schemas are not written for";
            return Err(FieldError::new("enable_oas3", message));
        }
        let draft = if fields.enable_swagger { Draft::Draft4 } else { Draft::Draft7 };
        let options = Options { draft, formats: fields.validate_formats };
        let header_schema = fields.header_schema.map(|schema| read("header_schema", schema)).transpose()?;
        if let Some(schema) = &header_schema {
            check_names(schema)?;
            check_types(schema)?;
        }
        let body_schema = fields.body_schema.map(|schema| read("body_schema", schema)).transpose()?;
        let compiled = |field: &str, schema: Option<Value>| {
            let schema = schema.map(|schema| Schema::new(&schema, options)).transpose();
            schema.map_err(|error| FieldError::new(path(field, &error.place), error.message))
        };
        Ok(Self {
            headers: compiled("header_schema", header_schema)?,
            body: compiled("body_schema", body_schema)?,
            max_body: usize::try_from(fields.max_body_bytes).unwrap_or(usize::MAX),
            status: fields.rejected_code,
            message: fields.rejected_msg,
            verbose: fields.verbose,
        })
    }
}

/// A schema may be written as text.
fn read(field: &str, schema: Value) -> Result<Value, FieldError> {
    let schema = match schema {
        Value::String(text) => serde_json::from_str(&text).map_err(|error| {
            FieldError::new(field, format!("is not JSON: {error}: write the schema as an object"))
        })?,
        schema => schema,
    };
    if !schema.is_object() {
        return Err(FieldError::new(field, "must be a schema: write an object, such as `type: object`"));
    }
    Ok(schema)
}

/// The path of a place in a schema, as other fields have it: `body_schema.properties.name`.
fn path(field: &str, place: &str) -> String {
    let mut path = field.to_owned();
    for segment in place.split('/').skip(1) {
        if segment.bytes().all(|byte| byte.is_ascii_digit()) && !segment.is_empty() {
            path.push_str(&format!("[{segment}]"));
        } else {
            path.push('.');
            path.push_str(&segment.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

/// Returns true if a schema has types, and this is not one of them.
fn excludes(schema: &Value, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only != wanted,
        Some(Value::Array(types)) => types.iter().all(|one| one != wanted),
        _ => false,
    }
}

/// Refuses types that headers do not have, because every request with them would be refused.
fn check_types(schema: &Value) -> Result<(), FieldError> {
    if excludes(schema, "object") {
        let message = "is not the type of headers, so that every request would be refused: write `object`";
        return Err(FieldError::new("header_schema.type", message));
    }
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, property) in properties {
        if excludes(property, "string") {
            let message = "is not the type of a header: write `string`, and for a number `pattern`";
            return Err(FieldError::new(format!("header_schema.properties.{name}.type"), message));
        }
    }
    Ok(())
}

/// Refuses names that no header has, because a required one would refuse every request, and others would be ignored.
fn check_names(schema: &Value) -> Result<(), FieldError> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let required = required
        .enumerate()
        .filter_map(|(index, name)| Some((format!("header_schema.required[{index}]"), name.as_str()?)));
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let properties = properties.map(|(name, _)| (format!("header_schema.properties.{name}"), name.as_str()));
    for (path, name) in required.chain(properties) {
        let header = match name {
            "host" => ":authority".to_owned(),
            name => name.to_ascii_lowercase(),
        };
        if header != name {
            let message = format!("is not the name of a header in gateways: write `{header}`");
            return Err(FieldError::new(path, message));
        }
    }
    Ok(())
}
