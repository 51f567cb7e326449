//! XML as rules see it: the text of all elements, and the values of all attributes.
//!
//! No entity is read from elsewhere, and those of a document type are not expanded, so no document can grow.

/// The texts of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Xml {
    /// The text of all elements, joined (`/*`).
    pub(crate) text: Vec<u8>,
    /// The value of each attribute (`//@*`).
    pub(crate) attributes: Vec<Vec<u8>>,
    /// What is wrong with the document.
    pub(crate) error: Option<&'static str>,
}

/// Parses a document. Texts before an error are kept.
pub(crate) fn parse(document: &[u8]) -> Xml {
    let mut xml = Xml::default();
    let mut open: Vec<&[u8]> = Vec::new();
    let mut rest = document;
    let mut elements = 0usize;
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        let (text, tag) = rest.split_at(at);
        decode(text, &mut xml.text);
        let end = if tag.starts_with(b"<!--") {
            find(tag, b"-->")
        } else if let Some(data) = tag.strip_prefix(b"<![CDATA[") {
            let length = find(data, b"]]>").map(|end| end - 3);
            xml.text.extend_from_slice(length.and_then(|length| data.get(..length)).unwrap_or(data));
            find(tag, b"]]>")
        } else if tag.starts_with(b"<?") {
            find(tag, b"?>")
        } else if tag.starts_with(b"<!") {
            doctype(tag)
        } else {
            let end = tag_end(tag);
            let inside = end.and_then(|end| tag.get(1..end - 1)).unwrap_or_default();
            match inside.strip_prefix(b"/") {
                Some(name) => {
                    if open.pop() != Some(name.trim_ascii()) {
                        xml.error = Some("XML has an end tag without its start");
                    }
                }
                None => {
                    elements += 1;
                    let closed = inside.strip_suffix(b"/");
                    let name = element(closed.unwrap_or(inside), &mut xml);
                    if closed.is_none() {
                        open.push(name);
                    }
                }
            }
            end
        };
        match end.and_then(|end| tag.get(end..)) {
            Some(after) => rest = after,
            None => {
                xml.error = Some("XML ends in a tag");
                rest = b"";
            }
        }
    }
    if !rest.trim_ascii().is_empty() || elements == 0 {
        xml.error = xml.error.or(Some("XML has text without an element"));
        decode(rest, &mut xml.text);
    }
    if !open.is_empty() {
        xml.error = xml.error.or(Some("XML has an element without an end"));
    }
    xml
}

/// Returns the position after `what`.
fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what).map(|at| at + what.len())
}

/// Returns the position after the `>` of a tag, which may be in quotes.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

/// Returns the position after a document type with its declarations.
fn doctype(tag: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in tag.iter().enumerate() {
        match byte {
            b'<' => depth += 1,
            b'>' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Reads the attributes of a start tag, and returns its name.
fn element<'a>(tag: &'a [u8], xml: &mut Xml) -> &'a [u8] {
    let end = tag.iter().position(u8::is_ascii_whitespace).unwrap_or(tag.len());
    let (name, mut rest) = tag.split_at(end);
    while let Some(at) = rest.iter().position(|byte| *byte == b'=') {
        let value = rest.get(at + 1..).unwrap_or_default().trim_ascii_start();
        let quoted = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''));
        let Some((quote, value)) = quoted else {
            xml.error = Some("XML has an attribute without quotes");
            return name;
        };
        let end = value.iter().position(|byte| byte == quote).unwrap_or(value.len());
        let attribute = rest.get(..at).unwrap_or_default().trim_ascii();
        // Declarations of namespaces are not attributes.
        if !attribute.starts_with(b"xmlns") {
            let mut text = Vec::new();
            decode(value.get(..end).unwrap_or_default(), &mut text);
            xml.attributes.push(text);
        }
        rest = value.get(end + 1..).unwrap_or_default();
    }
    name
}

/// Decodes the five entities of XML, and numbers.
fn decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let entity = (byte == b'&').then(|| after.iter().take(10).position(|byte| *byte == b';')).flatten();
        let decoded = entity.and_then(|end| {
            let name = std::str::from_utf8(after.get(..end)?).ok()?;
            let c = match name {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                name => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix('x') {
                        Some(digits) => u32::from_str_radix(digits, 16),
                        None => number.parse(),
                    };
                    char::from_u32(code.ok()?)?
                }
            };
            Some((c, end + 1))
        });
        match decoded {
            Some((c, length)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after.get(length..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> (String, Vec<String>, bool) {
        let xml = parse(document.as_bytes());
        let show = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        (show(&xml.text), xml.attributes.iter().map(show).collect(), xml.error.is_some())
    }

    #[test]
    fn texts_and_attributes_are_found() {
        let document = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x \"y\">]><a b='1&lt;' xmlns:q=\"u\"><!-- no -->t\
                        <c d = \"2>\"/>&#x41;<![CDATA[<raw>]]></a>\n";
        assert_eq!(texts(document), ("tA<raw>".into(), vec!["1<".into(), "2>".into()], false));
    }

    #[test]
    fn invalid_documents_keep_their_texts() {
        for (document, text) in [
            ("<a>x", "x"),
            ("<a>x</b>", "x"),
            ("x", "x"),
            ("<a>x</a>y", "xy"),
            ("<a b=1>x</a>", "x"),
            ("<a", ""),
            ("<a><![CDATA[x", "x"),
            ("", ""),
        ] {
            assert_eq!(texts(document), (text.into(), vec![], true), "{document}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_document_causes_a_panic(document in "(<|>|/|a|=|\"|'|!|\\[|\\]|-|\\?|CDATA|&|;|#| ){0,24}") {
            parse(document.as_bytes());
        }
    }
}
