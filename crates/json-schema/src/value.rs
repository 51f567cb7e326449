//! A document that is validated, and its numbers.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A JSON value. Unlike `serde_json::Value`, it borrows strings, and its members have numbers.
#[derive(Debug, Clone)]
pub enum Json<'d> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Cow<'d, str>),
    /// An array.
    Array(Vec<Json<'d>>),
    /// An object. Its members are sorted by name, and names are unique.
    Object(Vec<(Cow<'d, str>, Json<'d>)>),
}

/// The maximum depth of arrays and objects in each other.
const MAX_LEVELS: u8 = 64;

/// A number.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Negative(i64),
    /// Any other number.
    Float(f64),
}

impl<'d> Json<'d> {
    /// Parses a document.
    ///
    /// # Errors
    ///
    /// It is not valid JSON, an object has two members of one name, or arrays and objects are nested more than 64 levels deep.
    pub fn parse(text: &'d [u8]) -> Result<Self, NotJson> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let document = Any { levels: MAX_LEVELS }.deserialize(&mut reader);
        let document = document.and_then(|document| reader.end().map(|()| document));
        document.map_err(|error| NotJson(error.to_string()))
    }

    /// Returns a member of an object.
    pub(crate) fn member<'j>(members: &'j [(Cow<'d, str>, Self)], name: &str) -> Option<(usize, &'j Self)> {
        let index = members.binary_search_by(|(other, _)| other.as_ref().cmp(name)).ok()?;
        members.get(index).map(|(_, value)| (index, value))
    }

    /// An object of strings.
    pub fn strings(pairs: impl IntoIterator<Item = (Cow<'d, str>, Cow<'d, str>)>) -> Self {
        let mut members: Vec<_> =
            pairs.into_iter().map(|(name, value)| (name, Json::String(value))).collect();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        members.dedup_by(|(a, _), (b, _)| a == b);
        Json::Object(members)
    }
}

/// The error for a text that is not a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotJson(String);

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotJson {}

/// Reads a value with at most so many levels of arrays and objects, because reading them is recursive, and the stack of a
/// plug-in is small.
#[derive(Clone, Copy)]
struct Any {
    levels: u8,
}

impl Any {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels }),
            None => Err(E::custom("arrays and objects are nested too deeply")),
        }
    }
}

impl<'d> DeserializeSeed<'d> for Any {
    type Value = Json<'d>;

    fn deserialize<D: Deserializer<'d>>(self, deserializer: D) -> Result<Json<'d>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'d> Visitor<'d> for Any {
    type Value = Json<'d>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'d>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'d>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'d>, E> {
        Ok(Json::Number(Number::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'d>, E> {
        Ok(Json::Number(Number::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'d>, E> {
        Ok(Json::Number(Number::Float(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'d str) -> Result<Json<'d>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'d>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut entries: A) -> Result<Json<'d>, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(value) = entries.next_element_seed(inner)? {
            array.push(value);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'d>>(self, mut entries: A) -> Result<Json<'d>, A::Error> {
        let inner = self.inner()?;
        let mut members = Vec::new();
        while let Some(Name(name)) = entries.next_key()? {
            members.push((name, entries.next_value_seed(inner)?));
        }
        members.sort_by(|(a, _): &(Cow<'_, str>, _), (b, _)| a.cmp(b));
        // Of two members, services choose differently, so one that was not validated could be used.
        if members.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
            return Err(A::Error::custom("an object has two members of one name"));
        }
        Ok(Json::Object(members))
    }
}

/// The name of a member, borrowed if it has no escapes.
struct Name<'d>(Cow<'d, str>);

impl<'d> Deserialize<'d> for Name<'d> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'d> Visitor<'d> for Text {
            type Value = Name<'d>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'d str) -> Result<Name<'d>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'d>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl From<&Value> for Json<'static> {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => Json::Number(Number::from(number)),
            Value::String(text) => Json::String(Cow::Owned(text.clone())),
            Value::Array(entries) => Json::Array(entries.iter().map(Json::from).collect()),
            Value::Object(members) => {
                let mut members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| (Cow::Owned(name.clone()), Json::from(value)))
                    .collect();
                members.sort_by(|(a, _): &(Cow<'_, str>, _), (b, _)| a.cmp(b));
                Json::Object(members)
            }
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        u64::try_from(value).map_or(Number::Negative(value), Number::Unsigned)
    }
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Number::Unsigned(number),
            (None, Some(number)) => Number::from(number),
            (None, None) => Number::Float(number.as_f64().unwrap_or_default()),
        }
    }
}

impl Number {
    /// The whole part, and the rest. Parts beyond an `i128` are larger than every whole number, and need not be exact.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the rest is the second part, and the cast saturates"
    )]
    fn parts(self) -> (i128, f64) {
        match self {
            Number::Unsigned(value) => (value.into(), 0.0),
            Number::Negative(value) => (value.into(), 0.0),
            Number::Float(value) => (value.trunc() as i128, value.fract() + 0.0),
        }
    }

    /// Returns true for whole numbers, also if they are written as `1.0`.
    pub(crate) fn is_integer(self) -> bool {
        match self {
            Number::Float(value) => value.fract() == 0.0,
            Number::Unsigned(_) | Number::Negative(_) => true,
        }
    }

    /// Compares exactly: as floats, two whole numbers beyond 2^53 would equal a third one, and not each other.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        // JSON has no NaN, and -0 is 0.
        if let (Number::Float(a), Number::Float(b)) = (self, other) {
            return (a + 0.0).total_cmp(&(b + 0.0));
        }
        let ((a, a_rest), (b, b_rest)) = (self.parts(), other.parts());
        a.cmp(&b).then(a_rest.total_cmp(&b_rest))
    }

    /// Returns true if this is a multiple of `divisor`, computed with decimals: 0.0075 is one of 0.0001.
    pub(crate) fn is_multiple_of(self, divisor: Self) -> bool {
        let ((a, a_exponent), (b, b_exponent)) = (self.decimal(), divisor.decimal());
        if b == 0 {
            return false;
        }
        let distance = a_exponent - b_exponent;
        if distance < 0 {
            // Mantissas do not end with zeros, so only 0 divides by a power of ten here.
            let scaled = 10_u64.checked_pow(distance.unsigned_abs()).and_then(|power| b.checked_mul(power));
            return a == 0 || scaled.is_some_and(|scaled| a % scaled == 0);
        }
        // Squares and multiplies: the distance may be above 600.
        let product =
            |x: u64, y: u64| u64::try_from(u128::from(x) * u128::from(y) % u128::from(b)).unwrap_or_default();
        let (mut rest, mut power, mut left) = (a % b, 10 % b, distance);
        while left > 0 && rest > 0 {
            if left % 2 == 1 {
                rest = product(rest, power);
            }
            power = product(power, power);
            left /= 2;
        }
        rest == 0
    }

    /// The digits without those zeros at the end, and the power of ten.
    fn decimal(self) -> (u64, i32) {
        let (mut digits, mut exponent) = match self {
            Number::Unsigned(value) => (value, 0),
            Number::Negative(value) => (value.unsigned_abs(), 0),
            Number::Float(value) => {
                let text = format!("{:e}", value.abs());
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
                let digits = format!("{whole}{fraction}").parse().unwrap_or_default();
                let fraction = i32::try_from(fraction.len()).unwrap_or_default();
                (digits, exponent.parse().unwrap_or(0) - fraction)
            }
        };
        while digits != 0 && digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        (digits, if digits == 0 { 0 } else { exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_computed_with_decimals() {
        let float = Number::Float;
        for (a, b, is_multiple) in [
            (float(0.0075), float(0.0001), true),
            (float(0.007_51), float(0.0001), false),
            (float(1e308), float(0.5), true),
            (float(1e308), float(3.0), false),
            (float(4.5), float(1.5), true),
            (float(0.3), float(0.1), true),
            (Number::Unsigned(u64::MAX), Number::Unsigned(5), true),
            (Number::Unsigned(u64::MAX), float(0.5), true),
            (Number::Negative(-7), Number::Unsigned(7), true),
            (Number::Unsigned(0), float(0.01), true),
            (Number::Unsigned(1), Number::Unsigned(10), false),
            (Number::Unsigned(1), float(1e300), false),
            (float(1e308), float(1e-308), true),
            (float(1e308), Number::Unsigned(u64::MAX), false),
            (float(1.5e308), Number::Unsigned(u64::MAX - 1), false),
            (float(7e300), Number::Unsigned(14), true),
            (float(7e300), Number::Unsigned(21), false),
        ] {
            assert_eq!(a.is_multiple_of(b), is_multiple, "{a:?} {b:?}");
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        let (one, float) = (Number::Unsigned(1), Number::Float);
        assert_eq!(one.compare(float(1.0)), Ordering::Equal);
        assert_eq!(Number::Unsigned(0).compare(float(-0.0)), Ordering::Equal);
        assert_eq!(Number::Unsigned(u64::MAX).compare(Number::Unsigned(u64::MAX - 1)), Ordering::Greater);
        assert_eq!(Number::Negative(-1).compare(Number::Unsigned(u64::MAX)), Ordering::Less);
        assert_eq!(float(1.5).compare(Number::Unsigned(2)), Ordering::Less);
        assert_eq!(float(-1.5).compare(Number::Negative(-1)), Ordering::Less);
        assert_eq!(float(1e300).compare(float(1e301)), Ordering::Less);
    }

    #[test]
    fn whole_numbers_and_others_compare_exactly() {
        let at = 1_u64 << 53;
        let sorted = [
            Number::Float(-1e300),
            Number::Float(-9_223_372_036_854_777_856.0),
            Number::Negative(i64::MIN),
            Number::Negative(i64::MIN + 1),
            Number::Float(-0.5),
            Number::Unsigned(0),
            Number::Float(5e-324),
            Number::Unsigned(at),
            Number::Unsigned(at + 1),
            Number::Unsigned(at + 2),
            Number::Unsigned(u64::MAX - 1),
            Number::Unsigned(u64::MAX),
            Number::Float(18_446_744_073_709_551_616.0),
            Number::Float(1e300),
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(a.compare(*b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
        assert_eq!(Number::Unsigned(at).compare(Number::Float(9_007_199_254_740_992.0)), Ordering::Equal);
    }

    #[test]
    fn a_document_with_duplicate_names_is_invalid() {
        assert!(Json::parse(br#"{"a": 1, "b": {"a": 2}}"#).is_ok());
        for text in [r#"{"a": 1, "a": 1}"#, r#"[{"b": 1, "a": 1, "\u0062": 1}]"#, "{", "", "1 2", "nul"] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Json::parse(&[b'"', 0xff, b'"']).is_err());
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(nested(64).as_bytes()).is_ok());
        assert!(Json::parse(nested(65).as_bytes()).is_err());
        assert!(Json::parse("[".repeat(100_000).as_bytes()).is_err());
    }
}
