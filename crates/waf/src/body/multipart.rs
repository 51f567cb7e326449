//! `multipart/form-data` as rules see it: every part with its headers, and everything that is not quite right.

/// A parsed body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Multipart {
    /// The parts in order.
    pub(crate) parts: Vec<Part>,
    /// The body cannot be read as its sender may have meant it.
    pub(crate) strict_error: bool,
    /// There is a line that begins like a boundary, but is not this one.
    pub(crate) unmatched_boundary: bool,
    /// The body cannot be parsed.
    pub(crate) error: Option<&'static str>,
}

/// A part of a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The name of the field.
    pub(crate) name: Vec<u8>,
    /// The name of the file, if it is one.
    pub(crate) file: Option<Vec<u8>>,
    /// The headers, as they were written.
    pub(crate) headers: Vec<Vec<u8>>,
    /// The content.
    pub(crate) content: Vec<u8>,
}

/// Returns the boundary of a content type.
fn boundary(content_type: &[u8]) -> Result<Vec<u8>, &'static str> {
    let lower = content_type.to_ascii_lowercase();
    let mut positions = lower.windows(9).enumerate().filter(|(_, window)| *window == b"boundary=");
    let at = positions.next().map(|(at, _)| at + 9).ok_or("multipart: the boundary is missing")?;
    if positions.next().is_some() {
        return Err("multipart: there are several boundaries");
    }
    let value = content_type.get(at..).unwrap_or_default();
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next().unwrap_or_default(),
        None => value.split(|byte| matches!(byte, b';' | b',' | b' ')).next().unwrap_or_default(),
    };
    match value.is_empty() || value.len() > 200 {
        true => Err("multipart: the boundary is empty or too long"),
        false => Ok(value.to_vec()),
    }
}

/// Parses a body.
pub(crate) fn parse(content_type: &[u8], body: &[u8]) -> Multipart {
    let mut result = Multipart::default();
    let boundary = match boundary(content_type) {
        Ok(boundary) => boundary,
        Err(error) => {
            result.error = Some(error);
            result.strict_error = true;
            return result;
        }
    };
    let delimiter = [b"--", boundary.as_slice()].concat();
    // The lines of the current part, and whether its headers have ended.
    let mut part: Option<(Part, bool)> = None;
    let mut finished = false;
    let mut line_end: &[u8] = b"";
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let (text, end) = match (text.strip_suffix(b"\r"), text.len() < line.len()) {
            (Some(text), true) => (text, &b"\r\n"[..]),
            (_, true) => (text, &b"\n"[..]),
            _ => (text, &b""[..]),
        };
        if let Some(after) = text.strip_prefix(delimiter.as_slice()) {
            let last = after.starts_with(b"--");
            let clean = if last { after == b"--" } else { after.is_empty() };
            if clean || after.trim_ascii().is_empty() || last {
                if end == b"\n" || !clean || finished {
                    result.strict_error = true;
                }
                result.parts.extend(part.take().map(|(part, _)| part));
                finished |= last;
                part = (!last).then(|| (Part::default(), false));
                line_end = b"";
                continue;
            }
            result.unmatched_boundary = true;
        } else if text.starts_with(b"--") && part.is_some() {
            result.unmatched_boundary |= text.len() > 3 && text.iter().all(|byte| byte.is_ascii_graphic());
        }
        match &mut part {
            // Text before the first part, and after the last one, is not part of a form.
            None => result.strict_error |= !text.is_empty(),
            Some((part, in_content)) if !*in_content => {
                if end == b"\n" {
                    result.strict_error = true;
                }
                match text.first() {
                    None => {
                        *in_content = true;
                        result.strict_error |= !headers(part);
                    }
                    // The continuation of a header.
                    Some(b' ' | b'\t') if !part.headers.is_empty() => {
                        result.strict_error = true;
                        if let Some(header) = part.headers.last_mut() {
                            header.extend_from_slice(text);
                        }
                    }
                    Some(_) => part.headers.push(text.to_vec()),
                }
            }
            Some((part, _)) => {
                part.content.extend_from_slice(line_end);
                part.content.extend_from_slice(text);
                line_end = end;
            }
        }
    }
    if !finished {
        result.error = Some("multipart: the last boundary is missing");
        result.strict_error = true;
    }
    if let Some((mut rest, in_content)) = part {
        if !in_content {
            headers(&mut rest);
        }
        result.parts.push(rest);
    }
    result
}

/// Reads the names of a part, and returns false if a header is not quite right.
fn headers(part: &mut Part) -> bool {
    let mut good = true;
    let mut disposition = false;
    for header in &part.headers {
        let Some(colon) = header.iter().position(|byte| *byte == b':') else {
            good = false;
            continue;
        };
        let (name, value) = header.split_at(colon);
        if !name.trim_ascii().eq_ignore_ascii_case(b"content-disposition") {
            continue;
        }
        good &= !disposition;
        disposition = true;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let Some(mut rest) = value
            .get(..9)
            .filter(|kind| kind.eq_ignore_ascii_case(b"form-data"))
            .and_then(|_| value.get(9..))
        else {
            good = false;
            continue;
        };
        loop {
            rest = rest.trim_ascii_start();
            let Some(after) = rest.strip_prefix(b";") else {
                good &= rest.is_empty();
                break;
            };
            let after = after.trim_ascii_start();
            if after.is_empty() {
                break;
            }
            let Some(equals) = after.iter().position(|byte| *byte == b'=') else {
                good = false;
                break;
            };
            let (key, value) = after.split_at(equals);
            let value = value.get(1..).unwrap_or_default().trim_ascii_start();
            let text = match value.split_first() {
                Some((b'"', quoted)) => {
                    let (text, length) = unquote(quoted);
                    good &= length.is_some();
                    rest = length.and_then(|length| quoted.get(length..)).unwrap_or_default();
                    text
                }
                _ => {
                    good &= !value.starts_with(b"'");
                    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
                    let (text, after) = value.split_at(end);
                    rest = after;
                    text.trim_ascii_end().to_vec()
                }
            };
            let key = key.trim_ascii();
            if key.eq_ignore_ascii_case(b"name") {
                good &= part.name.is_empty();
                part.name = text;
            } else if key.eq_ignore_ascii_case(b"filename") {
                good &= part.file.is_none();
                part.file = Some(text);
            } else if key.eq_ignore_ascii_case(b"filename*") {
                part.file.get_or_insert(text);
            } else {
                good = false;
            }
        }
    }
    good && disposition && !part.name.is_empty()
}

/// Reads up to the closing quote, and returns the length with it.
fn unquote(text: &[u8]) -> (Vec<u8>, Option<usize>) {
    let mut out = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (out, Some(at + 1)),
            b'\\' => match text.get(at + 1) {
                Some(next @ (b'"' | b'\\')) => {
                    out.push(*next);
                    bytes.next();
                }
                _ => out.push(b'\\'),
            },
            byte => out.push(*byte),
        }
    }
    (out, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Multipart {
        parse(b"multipart/form-data; boundary=x", body.as_bytes())
    }

    #[test]
    fn fields_and_files_are_read() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--x\r\n\
                    Content-Disposition: form-data; name=\"f\"; filename=\"a;\\\".txt\"\r\nContent-Type: text/plain\r\n\r\n\
                    \r\n--x--\r\n";
        let result = parsed(body);
        assert!(!result.strict_error && result.error.is_none() && !result.unmatched_boundary);
        let [field, file] = result.parts.as_slice() else { panic!("{result:?}") };
        assert_eq!(
            (field.name.as_slice(), field.content.as_slice(), &field.file),
            (&b"a"[..], &b"1\r\n2"[..], &None)
        );
        assert_eq!((file.name.as_slice(), file.file.as_deref()), (&b"f"[..], Some(&b"a;\".txt"[..])));
        assert_eq!(file.headers.len(), 2);
    }

    #[test]
    fn what_readers_understand_differently_is_an_error() {
        let head = "Content-Disposition: form-data; name=\"a\"";
        for body in [
            format!("--x\r\n{head}\r\n\r\n1\r\n"),
            format!("--x\n{head}\n\n1\n--x--\n"),
            format!("--x\r\n{head}; name=\"b\"\r\n\r\n1\r\n--x--\r\n"),
            format!("--x\r\n{head}\r\n{head}\r\n\r\n1\r\n--x--\r\n"),
            format!("--x\r\n{head};filename=\"a\r\n\r\n1\r\n--x--\r\n"),
            format!("p\r\n--x\r\n{head}\r\n\r\n1\r\n--x--\r\n"),
            format!("--x\r\n{head}\r\n\r\n1\r\n--x--\r\ne"),
            format!("--x\r\n{head}\r\n continued\r\n\r\n1\r\n--x--\r\n"),
            "--x\r\nContent-Disposition: form-data; name='a'\r\n\r\n1\r\n--x--\r\n".to_owned(),
            "--x\r\n\r\n1\r\n--x--\r\n".to_owned(),
        ] {
            assert!(parsed(&body).strict_error, "{body}");
        }
        assert!(parsed(&format!("--x\r\n{head}\r\n\r\n--xy\r\n--x--\r\n")).unmatched_boundary);
        for content_type in [
            "multipart/form-data",
            "multipart/form-data; boundary=a; boundary=b",
            "multipart/form-data; boundary=",
        ] {
            assert!(parse(content_type.as_bytes(), b"").error.is_some(), "{content_type}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_causes_a_panic(body in "(--x|--|\r\n|\n|a|:|;|\"|=|content-disposition: form-data; name=|\\\\| ){0,24}") {
            parsed(&body);
        }
    }
}
