//! What an administrator asks for, as pure functions over bytes.

use text::{json, query};

use crate::config::Mode;

/// A change of a quota.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// The consumer.
    pub consumer: String,
    /// The quota, or what is added to it.
    pub value: i64,
}

/// Reads a change from a form.
pub fn change(form: &[u8], mode: Mode) -> Option<Change> {
    let name = if mode == Mode::Delta { "value" } else { "quota" };
    let consumer = field(&[b"?", form].concat(), "consumer")?;
    let value = field(&[b"?", form].concat(), name)?.trim().parse().ok()?;
    Some(Change { consumer, value })
}

/// Returns the only value of a parameter. Several are ambiguous.
pub fn field(path: &[u8], name: &str) -> Option<String> {
    let mut values = query::values(path, name.as_bytes());
    let (value, other) = (values.next()?, values.next());
    let value = String::from_utf8(value.into_owned()).ok()?;
    (other.is_none() && !value.is_empty()).then_some(value)
}

/// Returns the answer to a query.
pub fn answer(consumer: &str, quota: i64) -> String {
    format!("{{\"consumer\":{},\"quota\":{quota}}}", json::encode(consumer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_from_forms() {
        let expected = |consumer: &str, value| Some(Change { consumer: consumer.into(), value });
        for (form, change_read) in [
            ("consumer=a&quota=10", expected("a", 10)),
            ("quota=-5&consumer=a+b%26", expected("a b&", -5)),
            ("consumer=&quota=1", None),
            ("quota=1", None),
            ("consumer=a", None),
            ("consumer=a&quota=x", None),
            ("consumer=a&quota=99999999999999999999", None),
            ("consumer=a&consumer=b&quota=1", None),
            ("consumer=%ff&quota=1", None),
            ("", None),
        ] {
            assert_eq!(change(form.as_bytes(), Mode::Refresh), change_read, "{form}");
        }
        assert_eq!(change(b"consumer=a&value=1", Mode::Delta), expected("a", 1));
        assert_eq!(change(b"consumer=a&value=1", Mode::Refresh), None);
        assert_eq!(answer("a\"", -1), r#"{"consumer":"a\"","quota":-1}"#);
    }
}
