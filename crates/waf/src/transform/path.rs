//! Paths without `.`, `..` and empty segments.

/// Removes them as far as possible: a relative path keeps the `..` at its beginning.
pub(super) fn normalize(value: &[u8]) -> Vec<u8> {
    let absolute = value.first() == Some(&b'/');
    let trailing = value.last() == Some(&b'/');
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in value.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => match segments.last() {
                Some(last) if *last != b".." => {
                    segments.pop();
                }
                _ if absolute => {}
                _ => segments.push(segment),
            },
            segment => segments.push(segment),
        }
    }
    let mut path = Vec::with_capacity(value.len());
    if absolute {
        path.push(b'/');
    }
    path.extend_from_slice(&segments.join(&b'/'));
    if trailing && !segments.is_empty() {
        path.push(b'/');
    }
    path
}
