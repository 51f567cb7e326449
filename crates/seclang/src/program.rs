//! The types of compiled rules. All texts are borrowed from the encoded bytes.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::filter::Filter;

/// The version of the encoding: a table of another version is refused.
const VERSION: u32 = 3;

/// Compiled rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Program<'a> {
    pub(crate) version: u32,
    /// The settings of the sources.
    #[serde(borrow)]
    pub settings: Settings<'a>,
    /// All rules in the order of the sources. The members of a chain follow its first rule.
    #[serde(borrow)]
    pub rules: Vec<Rule<'a>>,
    /// The operators of rules, each once.
    #[serde(borrow)]
    pub operators: Vec<Operator<'a>>,
    /// The lists of transformations of rules, each once.
    pub pipelines: Vec<Vec<Transformation>>,
    /// The tags of rules, each once.
    #[serde(borrow)]
    pub tags: Vec<Cow<'a, str>>,
    /// The names of the sources.
    #[serde(borrow)]
    pub files: Vec<Cow<'a, str>>,
}

/// Settings of a whole rule set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings<'a> {
    /// `SecRuleEngine`.
    pub engine: EngineMode,
    /// `SecRequestBodyAccess`.
    pub request_body: bool,
    /// `SecResponseBodyAccess`.
    pub response_body: bool,
    /// `SecRequestBodyLimit` in bytes.
    pub request_body_limit: Option<u64>,
    /// `SecResponseBodyLimit` in bytes.
    pub response_body_limit: Option<u64>,
    /// `SecRequestBodyLimitAction`: true for `Reject`.
    pub reject_larger: bool,
    /// `SecArgumentsLimit`: the arguments of a request that are read.
    pub arguments_limit: u32,
    /// `SecResponseBodyMimeType`.
    #[serde(borrow)]
    pub response_types: Vec<Cow<'a, str>>,
    /// `SecComponentSignature`.
    #[serde(borrow)]
    pub signature: Option<Cow<'a, str>>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            engine: EngineMode::On,
            request_body: true,
            response_body: false,
            request_body_limit: None,
            response_body_limit: None,
            reject_larger: true,
            arguments_limit: 1000,
            response_types: vec!["text/plain".into(), "text/html".into(), "text/xml".into()],
            signature: None,
        }
    }
}

/// A rule, or a member of a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule<'a> {
    /// Its number; that of the first rule in members of a chain.
    pub id: u32,
    /// From 1 to 5.
    pub phase: u8,
    /// The index of its source in [`Program::files`].
    pub file: u16,
    /// Its line.
    pub line: u32,
    /// The variables that it looks at.
    #[serde(borrow)]
    pub targets: Vec<Target<'a>>,
    /// Its operator in [`Program::operators`].
    pub operator: u16,
    /// True if it matches where the operator does not.
    pub negated: bool,
    /// Its transformations in [`Program::pipelines`].
    pub pipeline: u16,
    /// True if the next rule must match, too.
    pub chained: bool,
    /// True for each rule of a chain except the first.
    pub member: bool,
    /// True if the operator is applied after every transformation (`multiMatch`).
    pub multi_match: bool,
    /// True if captures are stored in `TX.0` to `TX.9`.
    pub capture: bool,
    /// False for `nolog`: the rule does not appear among the hits.
    pub log: bool,
    /// The decision of a match.
    pub disruptive: Disruptive,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Changes of variables, and others.
    #[serde(borrow)]
    pub actions: Vec<Action<'a>>,
    /// The index of the rule where execution continues after a match (`skipAfter`, `skip`).
    pub continue_at: Option<u32>,
    /// `msg`.
    #[serde(borrow)]
    pub message: Option<Template<'a>>,
    /// `logdata`.
    #[serde(borrow)]
    pub data: Option<Template<'a>>,
    /// `severity`.
    pub severity: Option<Severity>,
    /// Indices in [`Program::tags`].
    pub tags: Vec<u16>,
}

/// A variable of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target<'a> {
    /// The collection, or the single variable.
    pub collection: Collection,
    /// Which of its values.
    #[serde(borrow)]
    pub selector: Selector<'a>,
    /// How it is used.
    pub usage: Use,
}

/// The use of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Use {
    /// Its values are compared.
    Values,
    /// The number of its values is compared (`&`).
    Count,
    /// Its values are left out (`!`).
    Exclude,
}

/// The selected values of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Selector<'a> {
    /// All values.
    All,
    /// The values of a name. Case does not matter.
    #[serde(borrow)]
    Name(Cow<'a, str>),
    /// The values of names that match an expression.
    #[serde(borrow)]
    Regex(Cow<'a, str>),
}

/// A text with macros.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Template<'a> {
    /// Its parts in order.
    #[serde(borrow)]
    pub parts: Vec<Part<'a>>,
}

impl Template<'_> {
    /// Returns the text of a template without macros.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Part<'a> {
    /// A constant text.
    #[serde(borrow)]
    Text(Cow<'a, str>),
    /// A variable.
    #[serde(borrow)]
    Macro(Macro<'a>),
    /// A property of the rule: `%{rule.id}`.
    #[serde(borrow)]
    Rule(Cow<'a, str>),
}

/// A variable in a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Macro<'a> {
    /// Its collection.
    pub collection: Collection,
    /// Its name in the collection, in lower case.
    #[serde(borrow)]
    pub key: Option<Cow<'a, str>>,
}

macro_rules! names {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal $(| $other:literal)*),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type { $(#[doc = concat!("`", $name, "`.")] $variant),* }

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the one with this name. Case does not matter.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) $(|| name.eq_ignore_ascii_case($other))* {
                    return Some(Self::$variant);
                })*
                None
            }

            /// Returns its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

names! {
    /// A collection of values, or a single one.
    Collection {
        Args = "ARGS",
        ArgsNames = "ARGS_NAMES",
        ArgsGet = "ARGS_GET",
        ArgsGetNames = "ARGS_GET_NAMES",
        ArgsPost = "ARGS_POST",
        ArgsPostNames = "ARGS_POST_NAMES",
        ArgsCombinedSize = "ARGS_COMBINED_SIZE",
        AuthType = "AUTH_TYPE",
        Duration = "DURATION",
        Env = "ENV",
        Files = "FILES",
        FilesNames = "FILES_NAMES",
        FilesSizes = "FILES_SIZES",
        FilesCombinedSize = "FILES_COMBINED_SIZE",
        FilesTmpContent = "FILES_TMP_CONTENT",
        FullRequest = "FULL_REQUEST",
        FullRequestLength = "FULL_REQUEST_LENGTH",
        Geo = "GEO",
        Global = "GLOBAL",
        InboundDataError = "INBOUND_DATA_ERROR",
        Ip = "IP",
        MatchedVar = "MATCHED_VAR",
        MatchedVarName = "MATCHED_VAR_NAME",
        MatchedVars = "MATCHED_VARS",
        MatchedVarsNames = "MATCHED_VARS_NAMES",
        MultipartFilename = "MULTIPART_FILENAME",
        MultipartName = "MULTIPART_NAME",
        MultipartPartHeaders = "MULTIPART_PART_HEADERS",
        MultipartStrictError = "MULTIPART_STRICT_ERROR",
        MultipartUnmatchedBoundary = "MULTIPART_UNMATCHED_BOUNDARY",
        OutboundDataError = "OUTBOUND_DATA_ERROR",
        PathInfo = "PATH_INFO",
        QueryString = "QUERY_STRING",
        RemoteAddr = "REMOTE_ADDR",
        RemoteHost = "REMOTE_HOST",
        RemotePort = "REMOTE_PORT",
        RemoteUser = "REMOTE_USER",
        RequestBodyError = "REQBODY_ERROR",
        RequestBodyErrorMessage = "REQBODY_ERROR_MSG",
        RequestBodyProcessor = "REQBODY_PROCESSOR",
        RequestBasename = "REQUEST_BASENAME",
        RequestBody = "REQUEST_BODY",
        RequestBodyLength = "REQUEST_BODY_LENGTH",
        RequestCookies = "REQUEST_COOKIES",
        RequestCookiesNames = "REQUEST_COOKIES_NAMES",
        RequestFilename = "REQUEST_FILENAME",
        RequestHeaders = "REQUEST_HEADERS",
        RequestHeadersNames = "REQUEST_HEADERS_NAMES",
        RequestLine = "REQUEST_LINE",
        RequestMethod = "REQUEST_METHOD",
        RequestProtocol = "REQUEST_PROTOCOL",
        RequestUri = "REQUEST_URI",
        RequestUriRaw = "REQUEST_URI_RAW",
        ResponseBody = "RESPONSE_BODY",
        ResponseContentLength = "RESPONSE_CONTENT_LENGTH",
        ResponseContentType = "RESPONSE_CONTENT_TYPE",
        ResponseHeaders = "RESPONSE_HEADERS",
        ResponseHeadersNames = "RESPONSE_HEADERS_NAMES",
        ResponseProtocol = "RESPONSE_PROTOCOL",
        ResponseStatus = "RESPONSE_STATUS",
        Resource = "RESOURCE",
        ServerAddr = "SERVER_ADDR",
        ServerName = "SERVER_NAME",
        ServerPort = "SERVER_PORT",
        Session = "SESSION",
        SessionId = "SESSIONID",
        StatusLine = "STATUS_LINE",
        Time = "TIME",
        TimeDay = "TIME_DAY",
        TimeEpoch = "TIME_EPOCH",
        TimeHour = "TIME_HOUR",
        TimeMin = "TIME_MIN",
        TimeMon = "TIME_MON",
        TimeSec = "TIME_SEC",
        TimeWday = "TIME_WDAY",
        TimeYear = "TIME_YEAR",
        Tx = "TX",
        UniqueId = "UNIQUE_ID",
        UrlencodedError = "URLENCODED_ERROR",
        User = "USER",
        UserId = "USERID",
        WebAppId = "WEBAPPID",
        Xml = "XML",
    }
}

names! {
    /// A change of a value before it is compared.
    Transformation {
        Base64Decode = "base64Decode",
        Base64DecodeExt = "base64DecodeExt",
        Base64Encode = "base64Encode",
        CmdLine = "cmdLine",
        CompressWhitespace = "compressWhitespace",
        CssDecode = "cssDecode",
        EscapeSeqDecode = "escapeSeqDecode",
        HexDecode = "hexDecode",
        HexEncode = "hexEncode",
        HtmlEntityDecode = "htmlEntityDecode",
        JsDecode = "jsDecode",
        Length = "length",
        Lowercase = "lowercase",
        Md5 = "md5",
        NormalizePath = "normalizePath" | "normalisePath",
        NormalizePathWin = "normalizePathWin" | "normalisePathWin",
        RemoveComments = "removeComments",
        RemoveCommentsChar = "removeCommentsChar",
        RemoveNulls = "removeNulls",
        RemoveWhitespace = "removeWhitespace",
        ReplaceComments = "replaceComments",
        ReplaceNulls = "replaceNulls",
        Sha1 = "sha1",
        SqlHexDecode = "sqlHexDecode",
        Trim = "trim",
        TrimLeft = "trimLeft",
        TrimRight = "trimRight",
        Uppercase = "uppercase",
        UrlDecode = "urlDecode",
        UrlDecodeUni = "urlDecodeUni",
        UrlEncode = "urlEncode",
        Utf8ToUnicode = "utf8toUnicode",
    }
}

names! {
    /// The severity of a rule.
    Severity {
        Emergency = "EMERGENCY" | "0",
        Alert = "ALERT" | "1",
        Critical = "CRITICAL" | "2",
        Error = "ERROR" | "3",
        Warning = "WARNING" | "4",
        Notice = "NOTICE" | "5",
        Info = "INFO" | "6",
        Debug = "DEBUG" | "7",
    }
}

names! {
    /// The mode of the engine.
    EngineMode {
        On = "On",
        Off = "Off",
        DetectionOnly = "DetectionOnly",
    }
}

names! {
    /// The parser of a body.
    Processor {
        Urlencoded = "URLENCODED",
        Multipart = "MULTIPART",
        Xml = "XML",
        Json = "JSON",
    }
}

/// The comparison of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operator<'a> {
    /// `@rx`, with its filter once it is known.
    Rx(#[serde(borrow)] Cow<'a, str>, Option<Filter>),
    /// `@rx` with macros.
    #[serde(borrow)]
    RxTemplate(Template<'a>),
    /// `@pm`, `@pmFromFile`: phrases in lower case, separated by line ends, and their filter. Case does not matter.
    Pm(#[serde(borrow)] Cow<'a, str>, Filter),
    /// `@streq`.
    #[serde(borrow)]
    StrEq(Template<'a>),
    /// `@contains`, `@strmatch`.
    #[serde(borrow)]
    Contains(Template<'a>),
    /// `@containsWord`.
    #[serde(borrow)]
    ContainsWord(Template<'a>),
    /// `@beginsWith`.
    #[serde(borrow)]
    BeginsWith(Template<'a>),
    /// `@endsWith`.
    #[serde(borrow)]
    EndsWith(Template<'a>),
    /// `@within`.
    #[serde(borrow)]
    Within(Template<'a>),
    /// `@eq`.
    #[serde(borrow)]
    Eq(Template<'a>),
    /// `@ge`.
    #[serde(borrow)]
    Ge(Template<'a>),
    /// `@gt`.
    #[serde(borrow)]
    Gt(Template<'a>),
    /// `@le`.
    #[serde(borrow)]
    Le(Template<'a>),
    /// `@lt`.
    #[serde(borrow)]
    Lt(Template<'a>),
    /// `@ipMatch`, `@ipMatchFromFile`: networks.
    #[serde(borrow)]
    IpMatch(Vec<Cow<'a, str>>),
    /// `@detectSQLi`.
    DetectSqli,
    /// `@detectXSS`.
    DetectXss,
    /// `@validateByteRange`: permitted ranges.
    ValidateByteRange(Vec<(u8, u8)>),
    /// `@validateUrlEncoding`.
    ValidateUrlEncoding,
    /// `@validateUtf8Encoding`.
    ValidateUtf8Encoding,
    /// `@unconditionalMatch`, and `SecAction`.
    Always,
    /// `@noMatch`.
    Never,
}

/// The decision of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disruptive {
    /// Execution continues.
    Pass,
    /// The request is refused.
    Deny,
    /// All other rules are skipped.
    Allow,
    /// The rest of the phase is skipped.
    AllowPhase,
    /// The rest of the request phases is skipped.
    AllowRequest,
}

/// An action that does not decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action<'a> {
    /// `setvar`.
    #[serde(borrow)]
    SetVar(SetVar<'a>),
    /// `ctl`.
    #[serde(borrow)]
    Ctl(Ctl<'a>),
}

/// A change of a variable of the transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SetVar<'a> {
    /// The variable gets a value.
    Assign(#[serde(borrow)] Template<'a>, #[serde(borrow)] Template<'a>),
    /// A number is added.
    Add(#[serde(borrow)] Template<'a>, #[serde(borrow)] Template<'a>),
    /// A number is subtracted.
    Subtract(#[serde(borrow)] Template<'a>, #[serde(borrow)] Template<'a>),
    /// The variable is removed.
    #[serde(borrow)]
    Unset(Template<'a>),
}

/// A change of the engine for the rest of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ctl<'a> {
    /// `ruleEngine`.
    Engine(EngineMode),
    /// `requestBodyAccess`.
    RequestBodyAccess(bool),
    /// `responseBodyAccess`.
    ResponseBodyAccess(bool),
    /// `forceRequestBodyVariable`.
    ForceRequestBody(bool),
    /// `requestBodyProcessor`.
    Processor(Processor),
    /// `ruleRemoveById`: ranges of numbers.
    RemoveById(Vec<(u32, u32)>),
    /// `ruleRemoveByTag`.
    #[serde(borrow)]
    RemoveByTag(Cow<'a, str>),
    /// `ruleRemoveByMsg`.
    #[serde(borrow)]
    RemoveByMessage(Cow<'a, str>),
    /// `ruleRemoveTargetById`.
    RemoveTargetById(Vec<(u32, u32)>, #[serde(borrow)] Target<'a>),
    /// `ruleRemoveTargetByTag`.
    RemoveTargetByTag(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Target<'a>),
    /// `ruleRemoveTargetByMsg`.
    RemoveTargetByMessage(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Target<'a>),
}

/// The error for bytes that are not a table of this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError(String);

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid table of rules: {}", self.0)
    }
}

impl std::error::Error for TableError {}

impl<'a> Program<'a> {
    pub(crate) fn new() -> Self {
        Self { version: VERSION, ..Self::default() }
    }

    /// Encodes the program.
    ///
    /// # Errors
    ///
    /// If the encoder fails, which no program of the compiler causes.
    pub fn encode(&self) -> Result<Vec<u8>, TableError> {
        postcard::to_allocvec(self).map_err(|error| TableError(error.to_string()))
    }

    /// Decodes a program, which borrows its texts from `bytes`.
    ///
    /// # Errors
    ///
    /// If the bytes are not a table, or one of another version.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, TableError> {
        let (version, _) =
            postcard::take_from_bytes::<u32>(bytes).map_err(|error| TableError(error.to_string()))?;
        if version != VERSION {
            return Err(TableError(format!("version {version}, expected {VERSION}: build it again")));
        }
        postcard::from_bytes(bytes).map_err(|error| TableError(error.to_string()))
    }

    /// Removes what rules would write into a log (`logdata`). For engines whose log has no such texts: captures that nothing else
    /// reads are spared.
    pub fn remove_data(&mut self) {
        self.rules.iter_mut().for_each(|rule| rule.data = None);
    }

    /// Removes the rules of later phases, with the operators that no other rule has. For engines that end before them.
    pub fn remove_phases_after(&mut self, last: u8) {
        let mut kept = 0_u32;
        let mut indices = Vec::with_capacity(self.rules.len() + 1);
        for rule in &self.rules {
            indices.push(kept);
            kept += u32::from(rule.phase <= last);
        }
        indices.push(kept);
        self.rules.retain(|rule| rule.phase <= last);
        let all = std::mem::take(&mut self.operators);
        let mut moved: Vec<Option<u16>> = vec![None; all.len()];
        for rule in &mut self.rules {
            let at = |index: u32| indices.get(usize::try_from(index).ok()?).copied();
            rule.continue_at = rule.continue_at.and_then(at);
            let old = usize::from(rule.operator);
            let (Some(operator), Some(new)) = (all.get(old), moved.get_mut(old)) else { continue };
            rule.operator = *new.get_or_insert_with(|| {
                self.operators.push(operator.clone());
                // There are not more than before.
                u16::try_from(self.operators.len() - 1).unwrap_or(u16::MAX)
            });
        }
    }

    /// Returns the tags of a rule.
    pub fn tags_of(&self, rule: &Rule<'_>) -> impl Iterator<Item = &str> {
        rule.tags.iter().filter_map(|tag| self.tags.get(usize::from(*tag))).map(AsRef::as_ref)
    }
}
