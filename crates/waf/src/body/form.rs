//! Cookies.

/// Splits a header with cookies. Their names and values are not decoded.
pub(crate) fn cookies(header: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    header
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii_start)
        .filter(|cookie| !cookie.is_empty())
        .map(|cookie| {
            let (name, value) = split_once(cookie, b'=').unwrap_or((cookie, b""));
            (name.to_vec(), value.to_vec())
        })
        .collect()
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_not_decoded() {
        let expected = [("a", "%31"), ("b", "2=3"), ("c", "")];
        let expected = expected.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        assert_eq!(cookies(b"a=%31; b=2=3;c; ;"), expected);
    }
}
