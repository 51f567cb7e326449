//! The configuration: which rules apply, what they are told, and which of them are left out where.

use config::{Configuration, FieldError, NonEmptyString, Text};
use sdk::configuration;
use seclang::{Ctl, EngineMode};
use std::cell::Cell;
use std::rc::Rc;
use waf::Waf;

use crate::exclusion::{self, Exclusion};
use crate::packages::{self, Application};
use crate::rule_set::{self, RuleSet};

/// The size up to which bodies are inspected, unless it is configured.
const MAX_BODY: u32 = 1 << 20;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// `block` refuses attacks, `detect` only reports them. Required unless there is `useCRS` or `secRules`, which then say
    /// what happens, as in Higress.
    /// zh: `block` 拒绝攻击请求，`detect` 只上报。除非设置了 `useCRS` 或 `secRules`（此时与 Higress 相同，由它们决定），否则必填
    #[serde(default)]
    mode: Option<Mode>,
    /// The paranoia level of the rules that decide, from 1 to 4: more attacks are recognised, and more harmless requests
    /// refused.
    /// zh: 参与判定的规则的偏执级别，1 到 4：级别越高识别的攻击越多，误报也越多
    #[serde(default = "one")]
    paranoia_level: u8,
    /// The paranoia level up to which rules report, at least `paranoia_level`, which is the default. What the higher levels
    /// find is reported without a decision.
    /// zh: 上报规则的偏执级别，不低于 `paranoia_level`（默认值）。更高级别的命中只上报，不参与判定
    #[serde(default)]
    detection_paranoia_level: Option<u8>,
    /// The score from which a request is refused. A critical rule adds 5.
    /// zh: 拒绝请求的分数阈值。一条严重级别的规则计 5 分
    #[serde(default = "five")]
    inbound_threshold: u32,
    /// The score from which a response is refused. A rule about disclosed data adds 4 or 5. See [Responses](#responses).
    /// zh: 拒绝响应的分数阈值。一条数据泄露规则计 4 或 5 分。见[响应](#响应)
    #[serde(default = "four")]
    outbound_threshold: u32,
    /// The share of the requests that is inspected, from 1 to 100, to begin with in detection. All others pass.
    /// zh: 检测的请求比例，1 到 100，用于逐步启用；其余请求直接放行
    #[serde(default = "hundred")]
    sampling_percentage: u8,
    /// Rules that are left out, see [Exclusions](#exclusions).
    /// zh: 排除的规则，见[排除规则](#排除规则)
    #[serde(default)]
    exclude: Vec<Exclude>,
    /// Exclusions for applications, see [Exclusions](#exclusions).
    /// zh: 针对应用的排除规则，见[排除规则](#排除规则)
    #[serde(default)]
    exclude_packages: Vec<ExcludePackage>,
    /// Methods that requests may have. By default those of the rules: GET, HEAD, POST and OPTIONS. **APIs with PUT, PATCH or
    /// DELETE need this.**
    /// zh: 允许的请求方法，默认为规则中的 GET、HEAD、POST 和 OPTIONS。**使用 PUT、PATCH 或 DELETE 的 API 需要设置**
    #[serde(default)]
    allowed_methods: Vec<NonEmptyString>,
    /// Content types that bodies may have. By default those of the rules: forms, JSON and XML.
    /// zh: 允许的请求体类型，默认为规则中的表单、JSON 和 XML
    #[serde(default)]
    allowed_content_types: Vec<NonEmptyString>,
    /// The number of bytes of a body up to which it is inspected; 1048576 by default. It should not exceed what the gateway
    /// buffers, see [Bodies](#bodies).
    /// zh: 检测请求体的最大字节数，默认 1048576。不应超过网关的缓冲限制，见[请求体](#请求体)
    #[serde(default)]
    max_body_bytes: Option<u32>,
    /// What happens to larger bodies; `reject` by default.
    /// zh: 更大的请求体如何处理，默认 `reject`
    #[serde(default)]
    on_larger: Option<OnLarger>,
    /// Inspect responses: their headers, and their bodies up to this number of bytes if they are text; `0`, the default, does not.
    /// See [Responses](#responses).
    /// zh: 检测响应：响应头，以及文本响应体的前若干字节；默认 `0`，即不检测。见[响应](#响应)
    #[serde(default)]
    max_response_body_bytes: Option<u32>,
    /// Hold the headers of a request until its body has been inspected, and those of a response. Requires support by the gateway,
    /// see [Bodies](#bodies).
    /// zh: 在检测完请求体之前持有请求头，响应同理。需要网关支持，见[请求体](#请求体)
    #[serde(default)]
    hold_headers: bool,
    /// Directives of SecLang after the built-in rules, one or more in each entry. `secRules` is an alias.
    /// zh: 在内置规则之后的 SecLang 指令，每项一条或多条。也可写作 `secRules`
    #[serde(default, alias = "secRules")]
    sec_rules: Vec<NonEmptyString>,
    /// Apply the built-in rules, as in Higress. By default, they apply if there is a `mode`. `use_crs` is an alias.
    /// zh: 与 Higress 相同：是否应用内置规则。默认在设置了 `mode` 时应用。也可写作 `use_crs`
    #[serde(default, rename = "useCRS", alias = "use_crs")]
    use_crs: Option<bool>,
    /// Report the values that rules matched, too. They may contain passwords and personal data.
    /// zh: 同时上报规则匹配到的值，其中可能包含密码和个人数据
    #[serde(default)]
    log_values: bool,
}

/// Whether attacks are refused.
#[configuration]
#[derive(Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are refused.
    /// zh: 拒绝
    Block,
    /// They are reported, and pass.
    /// zh: 上报并放行
    Detect,
}

/// What happens to bodies that are too large to be inspected.
#[configuration]
#[derive(Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum OnLarger {
    /// They are refused with status 413.
    /// zh: 以 413 拒绝
    Reject,
    /// The first bytes are inspected, and the rest passes. An attacker can hide behind them.
    /// zh: 只检测开头部分，其余放行。攻击者可以利用这一点
    InspectPrefix,
}

/// The exclusions for an application.
#[configuration]
pub struct ExcludePackage {
    /// The application.
    /// zh: 应用
    name: PackageName,
    /// The folder of the application, such as `/blog`; by default, it is the whole host.
    /// zh: 应用所在的目录，如 `/blog`；默认为整个域名
    #[serde(default)]
    path: Option<NonEmptyString>,
}

/// An application.
#[configuration]
#[derive(Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum PackageName {
    /// WordPress: its editors, its customizer, and passwords.
    /// zh: WordPress：编辑器、自定义器和密码
    Wordpress,
    /// Nextcloud: WebDAV, files, texts, notes, and passwords.
    /// zh: Nextcloud：WebDAV、文件、文本、笔记和密码
    Nextcloud,
}

/// A rule that is left out.
#[configuration]
pub struct Exclude {
    /// The number of a rule, or a range such as `942100-942199`. Set either `rule` or `tag`.
    /// zh: 规则编号，或范围如 `942100-942199`。`rule` 与 `tag` 只能设置一个
    #[serde(default)]
    rule: Option<Text>,
    /// All rules with this tag, such as `attack-sqli`.
    /// zh: 带有此标签的所有规则，如 `attack-sqli`
    #[serde(default)]
    tag: Option<NonEmptyString>,
    /// Only this variable is left out, such as `ARGS:q` or `REQUEST_COOKIES:/^consent_/`.
    /// zh: 只排除此变量，如 `ARGS:q` 或 `REQUEST_COOKIES:/^consent_/`
    #[serde(default)]
    target: Option<NonEmptyString>,
    /// Only on this path, or on all paths below with `/*` at the end.
    /// zh: 只对此路径生效；以 `/*` 结尾时对其下的所有路径生效
    #[serde(default)]
    path: Option<NonEmptyString>,
    /// The reason, for whoever reads the configuration later.
    /// zh: 原因，供以后阅读配置的人参考
    why: NonEmptyString,
}

fn one() -> u8 {
    1
}

fn four() -> u32 {
    4
}

fn five() -> u32 {
    5
}

fn hundred() -> u8 {
    100
}

/// The configuration with its rules.
pub struct Config {
    /// The rules.
    pub waf: Rc<Waf>,
    /// The mode of the engine, if it is not what the directives say.
    pub engine: Option<EngineMode>,
    /// What the rules are told, by the names of their variables.
    pub variables: Vec<(&'static str, String)>,
    /// The rules that are left out.
    pub exclusions: Vec<Exclusion>,
    /// The size up to which bodies are inspected.
    pub max_body: usize,
    /// Larger bodies are refused.
    pub rejects_larger: bool,
    /// There are rules about responses.
    pub inspects_responses: bool,
    /// The size up to which the bodies of responses are inspected; 0 if they are not.
    pub max_response_body: usize,
    /// Headers wait for the body.
    pub hold_headers: bool,
    /// The share of the requests that is inspected.
    pub sampling: u8,
    /// Values are reported.
    pub log_values: bool,
    /// What is logged when the configuration takes effect.
    pub notes: Vec<String>,
    /// The engine knows which rules requests reach.
    pub is_warm: Cell<bool>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let includes_rules = fields.use_crs.unwrap_or(fields.mode.is_some());
        if !includes_rules && fields.sec_rules.is_empty() {
            let message = "inspects nothing: write `mode: detect`, or `mode: block` to refuse attacks";
            let field = if fields.use_crs.is_some() { "useCRS" } else { "" };
            return Err(FieldError::new(field, message));
        }
        let has_mode = fields.mode.is_some();
        let responses = fields.max_response_body_bytes.map(|bytes| bytes > 0);
        let RuleSet { waf, mut notes, max_response_body: by_rules } =
            rule_set::load(includes_rules, has_mode, responses, &fields.sec_rules)?;
        let inspects_responses = waf.program().rules.iter().any(|rule| (3..=4).contains(&rule.phase));
        let max_response_body = match fields.max_response_body_bytes {
            _ if !inspects_responses => 0,
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            None => by_rules,
        };
        if responses == Some(true) && !inspects_responses {
            notes
                .push("max_response_body_bytes has no effect: there are no rules about responses".to_owned());
        }
        let settings = &waf.program().settings;
        let max_body = match fields.max_body_bytes {
            Some(0) => {
                let message =
                    "inspects no body: write a number of bytes, or `SecRequestBodyAccess Off` in `sec_rules`";
                return Err(FieldError::new("max_body_bytes", message));
            }
            Some(bytes) => bytes,
            None => settings
                .request_body_limit
                .and_then(|bytes| u32::try_from(bytes).ok())
                .filter(|bytes| *bytes > 0)
                .unwrap_or(MAX_BODY),
        };
        let mut exclusions = Vec::new();
        for (index, package) in fields.exclude_packages.iter().enumerate() {
            let path = package.path.as_deref().unwrap_or("/");
            let folder = path.trim_end_matches('/');
            if !path.starts_with('/') || folder.contains(['*', '?', '#']) {
                let message = "is not a folder: write one that begins with `/`, such as `/blog`";
                return Err(FieldError::new(format!("exclude_packages[{index}].path"), message));
            }
            let application = match package.name {
                PackageName::Wordpress => Application::WordPress,
                PackageName::Nextcloud => Application::Nextcloud,
            };
            exclusions.extend(packages::exclusions(application, folder)?);
        }
        let own = fields
            .exclude
            .into_iter()
            .enumerate()
            .map(|(index, exclude)| exclusion(index, exclude, &waf, &mut notes))
            .collect::<Result<Vec<_>, _>>()?;
        exclusions.extend(own);
        Ok(Self {
            engine: fields.mode.map(|mode| match mode {
                Mode::Block => EngineMode::On,
                Mode::Detect => EngineMode::DetectionOnly,
            }),
            variables: {
                let mut variables = variables(
                    fields.paranoia_level,
                    fields.detection_paranoia_level,
                    fields.inbound_threshold,
                    &fields.allowed_methods,
                    &fields.allowed_content_types,
                )?;
                if fields.outbound_threshold == 0 {
                    let message = "would refuse every response: write 4, or more";
                    return Err(FieldError::new("outbound_threshold", message));
                }
                if inspects_responses {
                    let threshold = fields.outbound_threshold.to_string();
                    variables.push(("outbound_anomaly_score_threshold", threshold));
                }
                // Setting one costs every request.
                variables.retain(|(name, _)| waf.reads_tx(name));
                variables
            },
            exclusions,
            max_body: usize::try_from(max_body).unwrap_or(usize::MAX),
            rejects_larger: match fields.on_larger {
                Some(on_larger) => on_larger == OnLarger::Reject,
                None => settings.reject_larger,
            },
            inspects_responses,
            max_response_body,
            hold_headers: fields.hold_headers,
            sampling: match fields.sampling_percentage {
                percentage @ 1..=100 => percentage,
                _ => {
                    let message = "is not a share of the requests: write a number from 1 to 100";
                    return Err(FieldError::new("sampling_percentage", message));
                }
            },
            log_values: fields.log_values,
            notes,
            is_warm: Cell::new(false),
            waf,
        })
    }
}

/// What the rules are told. The names are those of CRS 4, and of 3.3 where they differ.
fn variables(
    level: u8,
    detection: Option<u8>,
    threshold: u32,
    methods: &[NonEmptyString],
    content_types: &[NonEmptyString],
) -> Result<Vec<(&'static str, String)>, FieldError> {
    let is_level = |level: u8| (1..=4).contains(&level);
    if !is_level(level) {
        return Err(FieldError::new("paranoia_level", "is not a level: write a number from 1 to 4"));
    }
    let detection = detection.unwrap_or(level);
    if !is_level(detection) || detection < level {
        let message = format!("is not a level from `paranoia_level`: write a number from {level} to 4");
        return Err(FieldError::new("detection_paranoia_level", message));
    }
    if threshold == 0 {
        return Err(FieldError::new("inbound_threshold", "would refuse every request: write 5, or more"));
    }
    let (level, detection) = (level.to_string(), detection.to_string());
    let mut variables = vec![
        ("blocking_paranoia_level", level.clone()),
        ("detection_paranoia_level", detection.clone()),
        ("paranoia_level", level),
        ("executing_paranoia_level", detection),
        ("inbound_anomaly_score_threshold", threshold.to_string()),
    ];
    if !methods.is_empty() {
        for (index, method) in methods.iter().enumerate() {
            if !method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
                let message = "is not a method: write one in each entry, such as `PUT`";
                return Err(FieldError::in_list("allowed_methods", index, message));
            }
        }
        variables.push(("allowed_methods", join(methods, "", "").to_ascii_uppercase()));
    }
    if !content_types.is_empty() {
        for (index, content_type) in content_types.iter().enumerate() {
            let is_token = |byte: u8| byte.is_ascii_graphic() && !b"|;,\"".contains(&byte);
            if !content_type.contains('/') || !content_type.bytes().all(is_token) {
                let message =
                    "is not a content type: write one without parameters, such as `application/json`";
                return Err(FieldError::in_list("allowed_content_types", index, message));
            }
        }
        variables.push(("allowed_request_content_type", join(content_types, "|", "|").to_ascii_lowercase()));
    }
    Ok(variables)
}

fn join(entries: &[NonEmptyString], before: &str, after: &str) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| format!("{before}{}{after}", &**entry)).collect();
    entries.join(" ")
}

fn exclusion(
    index: usize,
    exclude: Exclude,
    waf: &Waf,
    notes: &mut Vec<String>,
) -> Result<Exclusion, FieldError> {
    let at = |field: &str, message: String| FieldError::new(format!("exclude[{index}]{field}"), message);
    if exclude.why.trim().is_empty() {
        return Err(at(".why", "must not be empty: write why these requests are harmless".to_owned()));
    }
    let rules = match (exclude.rule, &exclude.tag) {
        (Some(rule), None) => {
            let rule = String::from(rule);
            let ids = exclusion::ids(&rule).ok_or_else(|| {
                at(
                    ".rule",
                    "is not a number of a rule: write one such as 942100, or 942100-942199".to_owned(),
                )
            })?;
            exclusion::Rules::Ids(vec![ids])
        }
        (None, Some(tag)) => exclusion::Rules::Tag(tag.to_string()),
        (None, None) => return Err(at("", "excludes nothing: write `rule` or `tag`".to_owned())),
        (Some(_), Some(_)) => {
            return Err(at(".tag", "cannot be combined with `rule`: remove one".to_owned()));
        }
    };
    if !rules.is_in(waf.program()) {
        notes.push(format!("exclude[{index}] has no effect: this module has no such rule"));
    }
    let target = exclude.target.as_deref();
    let ctl: Ctl<'static> = exclusion::ctl(rules, target).map_err(|message| at(".target", message))?;
    let path = exclude.path.as_deref();
    if path.is_some_and(|path| !path.starts_with('/')) {
        return Err(at(".path", "is not a path: write one that begins with `/`".to_owned()));
    }
    if path.is_some_and(|path| path.contains(['?', '#'])) {
        return Err(at(".path", "has a query, which is not compared: write the path alone".to_owned()));
    }
    if path.is_some_and(|path| path.strip_suffix("/*").unwrap_or(path).contains('*')) {
        let message = "has a `*`, which stands for all paths below only after the last `/`: write for example `/admin/*`";
        return Err(at(".path", message.to_owned()));
    }
    Ok(Exclusion::new(path, ctl))
}

#[cfg(test)]
mod tests {
    use marketplace::tune::Tuner;
    use waf::Request;

    use super::*;
    use crate::rules::{self, Marks};

    /// Returns whether a request is refused, and its report.
    fn inspect(config: &Config, uri: &str) -> (bool, String) {
        let mut transaction = crate::begin(config, uri.as_bytes(), false);
        let headers: &[(&[u8], &[u8])] =
            &[(b"host", b"example.com"), (b"user-agent", b"Mozilla/5.0"), (b"accept", b"*/*")];
        let uri = uri.as_bytes();
        let request = Request { method: b"GET", uri, protocol: b"HTTP/1.1", headers, ..Request::default() };
        let denial = transaction.request_headers(&request).or_else(|| transaction.request_body(b""));
        let is_denied = denial.is_some();
        let report = rules::report(config.waf.program(), &transaction, denial, false, 0);
        (is_denied, report.line(Marks::default()))
    }

    #[test]
    fn proposals_of_tune_are_accepted_and_exclude_what_was_reported() {
        let block = |document: serde_json::Value| {
            let mut document = document;
            document["mode"] = "block".into();
            Config::check(serde_json::from_value(document).unwrap())
                .map_err(|error| error.to_string())
                .unwrap()
        };
        let attack = "%3Cscript%3Ealert(1)%3C/script%3E";
        let long = "n".repeat(150);
        for (path, name) in [
            ("/search", "q"),
            ("/a%20b/c", "x%20y%2C%22%7C'"),
            ("/items/17", "json.a[0].b"),
            ("/x", long.as_str()),
        ] {
            let uri = format!("{path}?{name}={attack}");
            let (is_denied, line) = inspect(&block(serde_json::json!({})), &uri);
            assert!(is_denied, "{uri}");
            let mut tuner = Tuner::default();
            let log = serde_json::json!({ "path": uri, "waf": line }).to_string();
            tuner.read("access.log", log.as_bytes()).unwrap();
            let tuning = tuner.finish(1);
            assert_eq!(tuning.skipped, [], "{line}");
            let config = block(tuning.configuration());
            assert_eq!(inspect(&config, &uri), (false, "score=0".to_owned()), "{line}");
            assert!(inspect(&config, &format!("/elsewhere?{name}={attack}")).0, "{uri}");
            assert!(inspect(&config, &format!("{path}?other={attack}")).0, "{uri}");
        }
    }

    #[test]
    fn packages_are_valid_in_any_folder() {
        for name in ["wordpress", "nextcloud"] {
            for path in ["/", "/a", "/a/b/"] {
                let document = serde_json::json!({ "mode": "detect", "exclude_packages": [{ "name": name, "path": path }] });
                let config = Config::check(serde_json::from_value(document).unwrap());
                assert!(config.is_ok_and(|config| config.exclusions.len() > 20), "{name} {path}");
            }
        }
    }
}
