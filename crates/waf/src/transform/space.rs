//! White space and comments.

/// White space, including the no-break space of Latin-1.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | 0xa0)
}

pub(super) fn compress(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut in_space = false;
    for byte in value {
        let space = is_space(*byte);
        match (space, in_space) {
            (true, true) => {}
            (true, false) => out.push(b' '),
            (false, _) => out.push(*byte),
        }
        in_space = space;
    }
    out
}

/// Removes what shells ignore in a command.
pub(super) fn cmd_line(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut in_space = false;
    for byte in value {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !in_space {
                    out.push(b' ');
                }
                in_space = true;
            }
            b'/' | b'(' => {
                if in_space {
                    out.pop();
                }
                in_space = false;
                out.push(*byte);
            }
            byte => {
                in_space = false;
                out.push(byte.to_ascii_lowercase());
            }
        }
    }
    out
}

/// Replaces each `/*…*/` by a space, also one without an end.
pub(super) fn replace_comments(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = find(rest, b"/*") {
        let (before, after) = rest.split_at(start);
        out.extend_from_slice(before);
        out.push(b' ');
        let inside = after.get(2..).unwrap_or_default();
        rest = find(inside, b"*/").and_then(|end| inside.get(end + 2..)).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

pub(super) fn remove_comments(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        let end = if rest.starts_with(b"/*") {
            Some((&b"*/"[..], 2))
        } else if rest.starts_with(b"<!--") {
            Some((&b"-->"[..], 4))
        } else if rest.starts_with(b"--") || first == b'#' {
            // To the end of the value.
            return out;
        } else {
            None
        };
        match end {
            Some((end, skip)) => {
                let inside = rest.get(skip..).unwrap_or_default();
                rest = find(inside, end).and_then(|at| inside.get(at + end.len()..)).unwrap_or_default();
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

pub(super) fn remove_comment_marks(value: &[u8]) -> Vec<u8> {
    let marks: [&[u8]; 6] = [b"/*", b"*/", b"<!--", b"-->", b"--", b"#"];
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        match marks.iter().find_map(|mark| rest.strip_prefix(*mark)) {
            Some(after) => rest = after,
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
