//! The configuration with its extensions separated.

use config::{Configuration, FieldError, Text};
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Extensions of paths, separated by `|`: `jpg|png`. All paths if absent.
    /// zh: 路径的扩展名，用 `|` 分隔：`jpg|png`。缺省时匹配所有路径
    #[serde(default)]
    suffix: Option<String>,
    /// The lifetime in seconds, up to 9223372036; `max` for ten years, or `epoch` for none.
    /// zh: 缓存时间，单位为秒，最大 9223372036；`max` 代表十年，`epoch` 代表不缓存
    expires: Text,
}

/// The longest lifetime in Higress, 292 years.
const MAX_SECONDS: u64 = 9_223_372_036;

/// For how long a response may be stored.
#[derive(Debug, PartialEq)]
pub enum Lifetime {
    /// Never without asking.
    Epoch,
    /// Ten years.
    Max,
    /// This number of seconds.
    Seconds(u64),
}

/// The configuration with its extensions separated.
pub struct Config {
    /// Each with its dot. Empty: all paths.
    suffixes: Vec<String>,
    /// For how long a response may be stored.
    pub lifetime: Lifetime,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let mut suffixes = Vec::new();
        let list = fields.suffix.unwrap_or_default();
        for name in list.split('|').map(str::trim).filter(|_| !list.is_empty()) {
            let error = |message: &str| Err(FieldError::new("suffix", message));
            if name.is_empty() {
                return error("has an empty extension: write jpg|png, or remove the field for all paths");
            }
            if name.contains(['/', '?', '#', ',', ' ', '*']) {
                return error(
                    "has a character that extensions do not have: write them separated by `|`, as in jpg|png",
                );
            }
            suffixes.push(format!(".{}", name.strip_prefix('.').unwrap_or(name)));
        }
        Ok(Self { suffixes, lifetime: lifetime(&String::from(fields.expires))? })
    }
}

fn lifetime(text: &str) -> Result<Lifetime, FieldError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "max" => Ok(Lifetime::Max),
        "epoch" => Ok(Lifetime::Epoch),
        _ => match text.parse() {
            Ok(seconds) if digits && seconds <= MAX_SECONDS => Ok(Lifetime::Seconds(seconds)),
            _ => Err(FieldError::new(
                "expires",
                "is not a lifetime: write a number of seconds from 0 to 9223372036, max or epoch",
            )),
        },
    }
}

impl Config {
    /// Returns true if every path is covered.
    pub fn covers_all(&self) -> bool {
        self.suffixes.is_empty()
    }

    /// Returns true if the path of a request, which may have a query, has one of the extensions.
    pub fn covers(&self, path: &[u8]) -> bool {
        let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
        self.suffixes.iter().any(|suffix| path.ends_with(suffix.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_parsed() {
        assert_eq!(lifetime("0").unwrap(), Lifetime::Seconds(0));
        assert_eq!(lifetime("9223372036").unwrap(), Lifetime::Seconds(MAX_SECONDS));
        assert_eq!(lifetime("max").unwrap(), Lifetime::Max);
        assert_eq!(lifetime("epoch").unwrap(), Lifetime::Epoch);
        for text in ["", "-1", "+1", "1.5", "1h", "Max", "9223372037", "99999999999999999999", "true"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
