//! Cookies in a `cookie` header (RFC 6265, section 4.2.1).
//!
//! ```
//! use text::cookies;
//!
//! let header = b"a=1; token=x; b=2";
//! assert_eq!(cookies::values(header, b"token").collect::<Vec<_>>(), [b"x"]);
//! assert_eq!(cookies::without(header, b"token").as_deref(), Some(b"a=1; b=2".as_slice()));
//! assert_eq!(cookies::without(b"token=x", b"token"), None, "no cookie is left");
//! ```

use crate::split_pair;

/// Returns the values of a cookie, in order, as they were sent. Names are case-sensitive.
pub fn values<'a>(header: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    header.split(|byte| *byte == b';').filter_map(move |pair| {
        let (key, value) = split_pair(pair);
        (key.trim_ascii() == name).then(|| value.trim_ascii())
    })
}

/// Returns a header without a cookie, or `None` if no other is left.
pub fn without(header: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let others = header
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && split_pair(pair).0.trim_ascii() != name);
    let header = others.collect::<Vec<_>>().join(b"; ".as_slice());
    (!header.is_empty()).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive_and_trimmed() {
        let header = b"a=1; key=v=2 ;key ; Key=3;\tkey=4";
        let found: Vec<_> = values(header, b"key").collect();
        assert_eq!(found, [b"v=2".as_slice(), b"", b"4"]);
        assert_eq!(without(header, b"key").as_deref(), Some(b"a=1; Key=3".as_slice()));
        assert_eq!(without(b" ; key=1;", b"key"), None);
    }
}
