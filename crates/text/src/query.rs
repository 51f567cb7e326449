//! Parameters in the query of a request's path.
//!
//! ```
//! use text::query;
//!
//! let path = b"/items?key=a%20b&page=2&KEY=c&key=d";
//! let keys: Vec<_> = query::values(path, b"key").collect();
//! assert_eq!(keys, [b"a b".as_slice(), b"d"]);
//! assert_eq!(query::without(path, b"key"), b"/items?page=2&KEY=c");
//! ```

use std::borrow::Cow;

use crate::percent::decode_form;
use crate::split_pair;

/// Returns the part of a path before its query, and the query after the first `?`.
pub fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    (parts.next().unwrap_or_default(), parts.next())
}

/// Returns the parameters of a query, or of a form in a body, in order, as they were sent. Empty ones are left out.
///
/// ```
/// let pairs: Vec<_> = text::query::pairs(b"a=1&b&&=%20").collect();
/// assert_eq!(pairs, [(b"a".as_slice(), b"1".as_slice()), (b"b", b""), (b"", b"%20")]);
/// ```
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(split_pair)
}

/// Returns the values of a parameter, decoded, in order. Names are case-sensitive, and compared after decoding.
pub fn values<'a>(path: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> {
    values_between(path, name, b"&")
}

/// The same with other separators of parameters: some servers treat `;` as one.
pub fn values_between<'a>(
    path: &'a [u8],
    name: &'a [u8],
    separators: &'static [u8],
) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let query = split(path).1.unwrap_or_default();
    let pairs = query.split(|byte| separators.contains(byte));
    pairs.filter_map(move |pair| {
        let (key, value) = split_pair(pair);
        (*decode_form(key) == *name).then(|| decode_form(value))
    })
}

/// Returns a path without a parameter. The others stay as they are.
pub fn without(path: &[u8], name: &[u8]) -> Vec<u8> {
    let (before, Some(query)) = split(path) else { return path.to_vec() };
    let others = query.split(|byte| *byte == b'&').filter(|pair| *decode_form(split_pair(pair).0) != *name);
    let query = others.collect::<Vec<_>>().join(&b'&');
    match query.is_empty() {
        true => before.to_vec(),
        false => [before, b"?", &query].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<'a>(values: impl Iterator<Item = Cow<'a, [u8]>>) -> Vec<String> {
        values.map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
    }

    #[test]
    fn parameters_are_decoded() {
        let path = b"/a?k=1&K=2&x%6b=3&k=%41+b%2&%6B=&k&=k&kk=4?k=5";
        assert_eq!(all(values(path, b"k")), ["1", "A b%2", "", ""]);
        assert_eq!(all(values(path, b"xk")), ["3"]);
        assert_eq!(all(values(path, b"kk")), ["4?k=5"]);
        assert_eq!(all(values(path, b"none")), [""; 0]);
        assert_eq!(all(values(b"/k=1", b"k")), [""; 0]);
    }

    #[test]
    fn a_semicolon_may_separate_parameters() {
        let path = b"/a?x=1;k=2&k=3;y=4";
        assert_eq!(all(values(path, b"k")), ["3;y=4"]);
        assert_eq!(all(values_between(path, b"k", b"&;")), ["2", "3"]);
    }

    #[test]
    fn a_removed_parameter_leaves_the_others_as_they_are() {
        let rest = |path: &str| String::from_utf8(without(path.as_bytes(), b"k")).unwrap_or_default();
        for (path, expected) in [
            ("/a", "/a"),
            ("/a?", "/a"),
            ("/a?k=1", "/a"),
            ("/a?%6b=1&k", "/a"),
            ("/a?b=%20+&k=1&&c", "/a?b=%20+&&c"),
            ("/a?kk=1&K=2?k=3", "/a?kk=1&K=2?k=3"),
        ] {
            assert_eq!(rest(path), expected, "{path}");
        }
    }
}
