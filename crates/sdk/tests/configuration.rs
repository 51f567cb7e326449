//! What a plug-in's types say about its configuration.

#![allow(clippy::panic, clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails may stop")]

use sdk::configuration;
use sdk::prelude::*;
use serde_json::json;

/// What an operator writes.
#[configuration]
#[derive(Debug, Default)]
#[allow(dead_code, reason = "only read")]
struct Described {
    /// Patterns, of which
    /// one is enough.
    ///
    /// zh: 模式，
    /// 满足其一即可，参见
    /// `mode`。
    #[serde(default)]
    patterns: Vec<config::NonEmptyString>,
    /// The status.
    #[serde(default = "forbidden")]
    status: Option<StatusCode>,
    /// How.
    /// zh: 方式。
    #[serde(default)]
    mode: Mode,
    /// Where it may go wrong: `"quoted"`.
    service: Option<Service>,
    #[serde(default)]
    services: Vec<Service>,
    limit: Option<u16>,
    header: Option<config::HeaderName>,
    other: Option<Mode>,
}

#[configuration]
#[derive(Debug, Default)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// The first.
    /// zh: 前者。
    #[default]
    Hold,
    /// The second.
    /// zh: 后者。
    Stream,
}

#[configuration]
#[derive(Debug, PartialEq)]
struct Service {
    /// Its "name".
    name: String,
}

fn forbidden() -> Option<StatusCode> {
    Some(StatusCode::FORBIDDEN)
}

#[test]
fn a_schema_has_descriptions_in_two_languages_ranges_defaults_and_words() {
    let schema = config::schema::of::<Described>();
    assert_eq!(
        schema,
        json!({
            "type": "object",
            "description": "What an operator writes.",
            "properties": {
                "patterns": {
                    "type": "array",
                    "items": { "type": "string", "minLength": 1 },
                    "default": [],
                    "description": "Patterns, of which one is enough.",
                    "x-description-i18n": { "zh-CN": "模式，满足其一即可，参见 `mode`。" },
                },
                "status": {
                    "type": "integer", "minimum": 200, "maximum": 599, "nullable": true, "default": 403,
                    "description": "The status.",
                },
                "mode": {
                    "type": "string",
                    "enum": ["hold", "stream"],
                    "default": "hold",
                    "description": "How. `hold`: The first; `stream`: The second.",
                    "x-description-i18n": { "zh-CN": "方式。`hold`：前者；`stream`：后者。" },
                },
                "service": {
                    "type": "object",
                    "nullable": true,
                    "description": "Where it may go wrong: `\"quoted\"`.",
                    "properties": { "name": { "type": "string", "description": "Its \"name\"." } },
                    "required": ["name"],
                },
                "services": {
                    "type": "array",
                    "default": [],
                    "items": {
                        "type": "object",
                        "properties": { "name": { "type": "string", "description": "Its \"name\"." } },
                        "required": ["name"],
                    },
                },
                "limit": { "type": "integer", "minimum": 0, "maximum": 65535, "nullable": true },
                "header": { "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "nullable": true },
                "other": {
                    "type": "string", "enum": ["hold", "stream"], "nullable": true,
                    "description": "`hold`: The first; `stream`: The second.",
                },
            },
        }),
        "{schema:#}"
    );
    let order: Vec<_> = schema["properties"].as_object().expect("has fields").keys().collect();
    assert_eq!(order[..3], ["patterns", "status", "mode"], "the fields keep their order");
}

struct WithSchema;

#[plugin]
impl Plugin for WithSchema {
    type Config = Described;
}

mod undescribed {
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Fields {
        pub limit: u32,
    }

    pub struct Config;

    impl Configuration for Config {
        type Fields = Fields;

        fn check(fields: Fields) -> Result<Self, FieldError> {
            if fields.limit > 10 { Err(FieldError::new("limit", "is too high")) } else { Ok(Config) }
        }
    }

    struct WithoutSchema;

    #[plugin]
    impl Plugin for WithoutSchema {
        type Config = Config;
    }
}

#[test]
fn a_plug_in_without_a_schema_can_be_checked() {
    assert!(description().schema.is_some());
    let description = undescribed::description();
    assert!(description.schema.is_none());
    assert_eq!((description.check)(br#"{"limit": 10}"#), Ok(()));
    let error = (description.check)(br#"{"limit": 11}"#).expect_err("too high");
    assert_eq!(error.to_string(), "limit: is too high");
}

#[test]
fn documents_are_checked_completely() {
    let check = description().check;
    assert_eq!(check(br#"{"patterns": ["a"], "_rules_": [{"_match_domain_": ["a.com"]}]}"#), Ok(()));
    for (document, path) in [
        (r#"{"patterns": [""]}"#, "patterns[0]"),
        (r#"{"pattern": []}"#, "pattern"),
        (r#"{"_rules_": [{"_match_domain_": ["a.*.com"]}]}"#, "_rules_[0]._match_domain_[0]"),
    ] {
        assert_eq!(check(document.as_bytes()).expect_err(document).path(), path, "{document}");
    }
}
