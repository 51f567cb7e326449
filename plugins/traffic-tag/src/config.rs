//! The configuration with its conditions checked and its weights summed.

use config::{
    Configuration, FieldError, HeaderValue, NonEmptyString, RequestHeaderName, SettableHeaderName, Text,
};
use matcher::case::Case;
use matcher::regexes::Regexes;
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Groups of conditions. The first one that a request meets sets its header.
    /// zh: 条件组。请求满足的第一组设置其请求头
    #[serde(default, rename = "conditionGroups")]
    condition_groups: Vec<ConditionGroup>,
    /// Shares of the requests that meet no group of conditions.
    /// zh: 不满足任何条件组的请求的分配比例
    #[serde(default, rename = "weightGroups")]
    weight_groups: Vec<WeightGroup>,
    /// With `weightGroups`: what identifies a client, so that its requests have the same share. Without it, or in a request
    /// that does not have it, the share is random.
    /// zh: 用于 `weightGroups`：标识客户端的内容，同一客户端的请求得到相同的分配。未设置或请求中没有时随机分配
    #[serde(default)]
    hash_on: Option<HashOn>,
    /// The header of requests that meet no condition and have no share.
    /// zh: 既不满足条件也没有分配到的请求的请求头
    #[serde(default, rename = "defaultTagKey")]
    default_tag_key: Option<SettableHeaderName>,
    /// Its value.
    /// zh: 该请求头的值
    #[serde(default, rename = "defaultTagVal")]
    default_tag_val: Option<HeaderValue>,
}

/// A header, and the conditions for it.
#[configuration]
struct ConditionGroup {
    /// The header to set.
    /// zh: 要设置的请求头
    #[serde(rename = "headerName")]
    header_name: SettableHeaderName,
    /// Its value.
    /// zh: 该请求头的值
    #[serde(rename = "headerValue")]
    header_value: HeaderValue,
    /// Whether a request must meet all conditions or one of them.
    /// zh: 请求须满足所有条件，还是任一条件
    logic: Logic,
    /// The conditions.
    /// zh: 条件
    conditions: Vec<ConditionFields>,
}

/// How many conditions of a group must be met.
#[configuration]
#[derive(Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Logic {
    /// All.
    /// zh: 所有
    And,
    /// One.
    /// zh: 任一
    Or,
}

/// A condition.
#[configuration]
struct ConditionFields {
    /// The part of the request that is compared.
    /// zh: 比较请求的哪一部分
    #[serde(rename = "conditionType")]
    condition_type: Source,
    /// The name of the header, parameter or cookie.
    /// zh: 请求头、参数或 Cookie 的名称
    key: NonEmptyString,
    /// The comparison.
    /// zh: 比较方式
    operator: Operator,
    /// What it is compared with: several values for `in` and `not_in`, none for `exists` and `not_exists`, one for others.
    /// zh: 比较的值：`in` 和 `not_in` 可以有多个，`exists` 和 `not_exists` 没有，其他为一个
    #[serde(default)]
    value: Vec<Text>,
}

/// What identifies a client.
#[configuration]
struct HashOn {
    /// The part of the request.
    /// zh: 请求的哪一部分
    #[serde(rename = "type")]
    source: Source,
    /// The name of the header, parameter or cookie.
    /// zh: 请求头、参数或 Cookie 的名称
    key: NonEmptyString,
}

/// A part of a request.
#[configuration]
#[derive(Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// A header.
    /// zh: 请求头
    Header,
    /// A parameter of the query.
    /// zh: 查询参数
    Parameter,
    /// A cookie.
    /// zh: Cookie
    Cookie,
}

/// A comparison.
#[configuration]
#[derive(Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Operator {
    /// The values are equal.
    /// zh: 相等
    Equal,
    /// They are not equal.
    /// zh: 不相等
    NotEqual,
    /// The request's value begins with the configured one.
    /// zh: 请求的值以配置的值开头
    Prefix,
    /// It is one of the configured ones.
    /// zh: 是配置的值之一
    In,
    /// It is none of them.
    /// zh: 不是其中任何一个
    NotIn,
    /// The regular expression (RE2 syntax) matches anywhere in it.
    /// zh: 正则表达式（RE2 语法）匹配其任意部分
    Regex,
    /// Its hash is in this percentage of all hashes.
    /// zh: 其哈希值在该百分比之内
    Percentage,
    /// The request has it.
    /// zh: 请求中存在
    Exists,
    /// The request does not have it.
    /// zh: 请求中不存在
    NotExists,
}

/// A header, and the share of requests that get it.
#[configuration]
struct WeightGroup {
    /// The header to set.
    /// zh: 要设置的请求头
    #[serde(rename = "headerName")]
    header_name: SettableHeaderName,
    /// Its value.
    /// zh: 该请求头的值
    #[serde(rename = "headerValue")]
    header_value: HeaderValue,
    /// The percentage of requests. The sum of all is at most 100.
    /// zh: 请求的百分比，总和不超过 100
    weight: u8,
}

/// A header to set.
#[derive(Debug, PartialEq)]
pub struct Tag {
    /// Its name.
    pub name: SettableHeaderName,
    /// Its value.
    pub value: HeaderValue,
}

/// A value of a request.
#[derive(Debug, PartialEq)]
pub enum Key {
    /// Of a header.
    Header(RequestHeaderName),
    /// Of a parameter.
    Parameter(String),
    /// Of a cookie.
    Cookie(String),
}

/// The comparison of a value.
pub enum Test {
    /// It is one of these.
    In(Vec<String>),
    /// It is none of these.
    NotIn(Vec<String>),
    /// It begins with this.
    Prefix(String),
    /// This matches in it.
    Regex(Regexes),
    /// Its hash, from 0 to 99, is less.
    Percentage(u64),
    /// It is there.
    Exists,
    /// It is not.
    NotExists,
}

/// A condition.
pub struct Condition {
    /// What is compared.
    pub key: Key,
    /// How.
    pub test: Test,
}

/// A header, and the conditions for it.
pub struct Group {
    /// The header.
    pub tag: Tag,
    /// How many conditions must be met.
    pub logic: Logic,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// The configuration with its conditions checked and its weights summed.
pub struct Config {
    /// Groups of conditions, in order.
    pub groups: Vec<Group>,
    /// Headers, each with the sum of its weight and those before it.
    pub weights: Vec<(u64, Tag)>,
    /// What identifies a client.
    pub hash_on: Option<Key>,
    /// The header of other requests.
    pub default: Option<Tag>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let default = match (fields.default_tag_key, fields.default_tag_val) {
            (Some(name), Some(value)) => Some(Tag { name, value }),
            (None, None) => None,
            (Some(_), None) => {
                let message =
                    "is missing, and `defaultTagKey` has no effect without it: add it, or remove both";
                return Err(FieldError::new("defaultTagVal", message));
            }
            (None, Some(_)) => {
                let message =
                    "is missing, and `defaultTagVal` has no effect without it: add it, or remove both";
                return Err(FieldError::new("defaultTagKey", message));
            }
        };
        if fields.condition_groups.is_empty() && fields.weight_groups.is_empty() && default.is_none() {
            let message = "sets no header: add `conditionGroups`, `weightGroups`, or `defaultTagKey` and `defaultTagVal`";
            return Err(FieldError::new("", message));
        }
        let mut groups = Vec::with_capacity(fields.condition_groups.len());
        for (index, group) in fields.condition_groups.into_iter().enumerate() {
            let place = format!("conditionGroups[{index}].conditions");
            if group.conditions.is_empty() {
                return Err(FieldError::new(
                    place,
                    "must not be empty: add a condition, or remove the group",
                ));
            }
            let conditions = group.conditions.into_iter().enumerate();
            let conditions =
                conditions.map(|(index, fields)| condition(&format!("{place}[{index}]"), fields));
            groups.push(Group {
                tag: Tag { name: group.header_name, value: group.header_value },
                logic: group.logic,
                conditions: conditions.collect::<Result<_, _>>()?,
            });
        }
        let mut sum = 0;
        let mut weights = Vec::with_capacity(fields.weight_groups.len());
        for (index, group) in fields.weight_groups.into_iter().enumerate() {
            sum += u64::from(group.weight);
            if sum > 100 {
                let message = "makes the sum of all weights more than 100: write smaller percentages";
                return Err(FieldError::new(format!("weightGroups[{index}].weight"), message));
            }
            weights.push((sum, Tag { name: group.header_name, value: group.header_value }));
        }
        let hash_on = match fields.hash_on {
            Some(_) if weights.is_empty() => {
                let message = "has no effect without `weightGroups`: add them, or remove the field";
                return Err(FieldError::new("hash_on", message));
            }
            Some(hash_on) => Some(key("hash_on.key", hash_on.source, hash_on.key)?),
            None => None,
        };
        Ok(Self { groups, weights, hash_on, default })
    }
}

fn key(path: &str, source: Source, name: NonEmptyString) -> Result<Key, FieldError> {
    let name = String::from(name);
    Ok(match source {
        Source::Header => {
            Key::Header(RequestHeaderName::try_from(name).map_err(|message| FieldError::new(path, message))?)
        }
        Source::Parameter => Key::Parameter(name),
        Source::Cookie if !name.bytes().all(|byte| byte.is_ascii_graphic() && !b"=;,\"".contains(&byte)) => {
            let message = "is not the name of a cookie: write it without its value, for example `user`";
            return Err(FieldError::new(path, message));
        }
        Source::Cookie => Key::Cookie(name),
    })
}

fn condition(path: &str, fields: ConditionFields) -> Result<Condition, FieldError> {
    let key = key(&format!("{path}.key"), fields.condition_type, fields.key)?;
    let field = format!("{path}.value");
    let mut values: Vec<String> = fields.value.into_iter().map(String::from).collect();
    let error = |message: String| Err(FieldError::new(field.as_str(), message));
    let operator = fields.operator;
    match (operator, values.len()) {
        (Operator::Exists | Operator::NotExists, 0) => {}
        (Operator::Exists | Operator::NotExists, _) => {
            return error("has no effect on `exists` and `not_exists`: remove it".to_owned());
        }
        (Operator::In | Operator::NotIn, 1..) | (_, 1) => {}
        (_, 0) => return error("must not be empty: write what the value is compared with".to_owned()),
        _ => {
            return error(
                "has several values, and only `in` and `not_in` compare with several: keep one".to_owned(),
            );
        }
    }
    // Gateways remove spaces around values, and refuse control characters.
    let is_sent = |value: &String| {
        value.trim_ascii() == value && !value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control())
    };
    if fields.condition_type == Source::Header
        && matches!(operator, Operator::In | Operator::Equal)
        && !values.iter().all(is_sent)
    {
        return error("is the value of no header: remove spaces and line breaks around it".to_owned());
    }
    let mut one = || values.pop().unwrap_or_default();
    let test = match operator {
        Operator::In | Operator::Equal => Test::In(values),
        Operator::NotIn | Operator::NotEqual => Test::NotIn(values),
        Operator::Prefix => match one() {
            prefix if prefix.is_empty() => {
                return error("is empty and every value begins with it: write `operator: exists`".to_owned());
            }
            prefix => Test::Prefix(prefix),
        },
        Operator::Regex => match Regexes::new(&[one()], Case::Sensitive) {
            Ok(regex) => Test::Regex(regex),
            Err(problem) => return error(problem.message),
        },
        Operator::Percentage => match one().parse() {
            Ok(percentage @ 0..=100) => Test::Percentage(percentage),
            _ => return error("is not a percentage: write a whole number from 0 to 100".to_owned()),
        },
        Operator::Exists => Test::Exists,
        Operator::NotExists => Test::NotExists,
    };
    Ok(Condition { key, test })
}
