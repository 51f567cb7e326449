//! The places of a request that hold a content.

use std::fmt;

use crate::ByteString;
use crate::exchange::Request;

/// Where the content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A parameter of the query, or several if it contains `&`.
    Query,
    /// The path.
    Path,
    /// A header that many look at.
    Header(&'static str),
    /// A body of this kind.
    Body(Body),
}

/// The kinds of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Form,
    /// A string in JSON.
    JsonString,
    /// Any elements of an array.
    Json,
    Xml,
    /// The value of a field.
    Multipart,
    Text,
}

/// Separates the parts of a body.
const BOUNDARY: &str = "boundary-of-parts";

impl Place {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::Query,
        Self::Path,
        Self::Header("user-agent"),
        Self::Header("cookie"),
        Self::Body(Body::Form),
        Self::Body(Body::JsonString),
        Self::Body(Body::Json),
        Self::Body(Body::Xml),
        Self::Body(Body::Multipart),
        Self::Body(Body::Text),
    ];

    /// The request with this content, of which as much is taken as fits into `size` bytes with the encoding of the place.
    pub(super) fn fill(self, request: &Request, content: &[u8], size: usize) -> Request {
        let mut request = request.clone();
        match self {
            Self::Query => {
                let (path, _) = split(&request.path);
                request.path = [path, b"?q=", &visible(content, size)].concat().into();
            }
            Self::Path => {
                let (path, query) = split(&request.path);
                let path = path.strip_suffix(b"/").unwrap_or(path);
                request.path = [path, b"/", &visible(content, size), query].concat().into();
            }
            Self::Header(name) => {
                let mut value = content.to_vec();
                value.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
                set(&mut request, name, value.trim_ascii().into());
            }
            Self::Body(kind) => {
                let body = kind.body(content, size);
                request.headers.retain(|(name, _)| !crate::cuts::frames(name));
                set(&mut request, "content-type", kind.content_type().as_bytes().into());
                if [b"GET".as_slice(), b"HEAD"].contains(&&*request.method) {
                    request.method = "POST".into();
                }
                request.body = Some(body.into());
            }
        }
        request
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query => f.write_str("query"),
            Self::Path => f.write_str("path"),
            Self::Header(name) => f.write_str(name),
            Self::Body(Body::JsonString) => f.write_str("string in JSON"),
            Self::Body(kind) => {
                write!(f, "body of {}", kind.content_type().split(';').next().unwrap_or_default())
            }
        }
    }
}

impl Body {
    fn content_type(self) -> String {
        match self {
            Self::Form => "application/x-www-form-urlencoded".to_owned(),
            Self::JsonString | Self::Json => "application/json".to_owned(),
            Self::Xml => "application/xml".to_owned(),
            Self::Multipart => format!("multipart/form-data; boundary={BOUNDARY}"),
            Self::Text => "text/plain".to_owned(),
        }
    }

    fn body(self, content: &[u8], size: usize) -> Vec<u8> {
        match self {
            Self::Form => {
                // Words are separated by `+` there.
                let encoded = content.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte });
                b"q=".iter().copied().chain(encoded).collect()
            }
            Self::JsonString => {
                let text = String::from_utf8_lossy(content).into_owned();
                let encoded = fitting(&text, size, |text| serde_json::Value::from(text).to_string());
                format!(r#"{{"q":{encoded}}}"#).into_bytes()
            }
            // Prose is one element; what is not valid is the plug-in's to refuse.
            Self::Json if is_prose(content) => Self::JsonString.body(content, size),
            Self::Json => [b"[", content, b"]"].concat(),
            Self::Xml => [b"<q>", content, b"</q>"].concat(),
            Self::Multipart => {
                let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n");
                [head.as_bytes(), content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
            }
            Self::Text => content.to_vec(),
        }
    }
}

fn is_prose(content: &[u8]) -> bool {
    content.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b' ')
}

/// Path and query, the latter with its `?`.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().position(|byte| *byte == b'?').unwrap_or(path.len()))
}

/// Up to `size` bytes of a target, in which everything that a client may not send is escaped.
fn visible(content: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size);
    for byte in content {
        match byte {
            b' ' => out.push(b'+'),
            b'#' | b'?' | 0..=b' ' | 127.. => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out.truncate(size);
    out
}

/// The encoding of as much of a text as fits.
fn fitting(text: &str, size: usize, encode: impl Fn(&str) -> String) -> String {
    let mut encoded = encode(text);
    let mut length = text.len();
    while encoded.len() > size + 2 && length > 0 {
        length = (length * size / encoded.len()).min(length - 1);
        encoded = encode(text.get(..text.floor_char_boundary(length)).unwrap_or_default());
    }
    encoded
}

fn set(request: &mut Request, name: &str, value: ByteString) {
    request.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name.as_bytes()));
    request.headers.push((name.into(), value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_encoded_as_its_place_asks() {
        let request = Request { path: "/a?b=c".into(), ..Request::default() };
        let fill = |place: Place, content: &[u8]| place.fill(&request, content, 10);
        assert_eq!(&*fill(Place::Query, b"a b#\xff&c").path, b"/a?q=a+b%23%FF&c".get(..15).unwrap());
        assert_eq!(&*fill(Place::Path, b"x/../y").path, b"/a/x/../y?b=c");
        let header = fill(Place::Header("cookie"), b" a\r\nb\0c ");
        assert_eq!(header.headers, [("cookie".into(), "abc".into())]);
        let body = |kind| {
            let filled = fill(Place::Body(kind), b"a b\"<\n");
            assert_eq!(&*filled.method, b"POST");
            String::from_utf8(filled.body.unwrap().to_vec()).unwrap()
        };
        assert_eq!(body(Body::Form), "q=a+b\"<\n");
        assert_eq!(body(Body::JsonString), r#"{"q":"a b\"<\n"}"#);
        assert_eq!(body(Body::Json), "[a b\"<\n]");
        assert_eq!(body(Body::Xml), "<q>a b\"<\n</q>");
        assert_eq!(body(Body::Text), "a b\"<\n");
        assert!(body(Body::Multipart).contains("\r\n\r\na b\"<\n\r\n--boundary-of-parts--\r\n"));
    }

    #[test]
    fn what_grows_in_its_encoding_is_cut() {
        let filled = Place::Body(Body::JsonString).fill(&Request::default(), &[b'\n'; 100], 100);
        let body = filled.body.unwrap();
        assert!((90..=110).contains(&body.len()), "{}", body.len());
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        assert_eq!(Place::Query.fill(&Request::default(), &[0; 100], 99).path.len(), 1 + 3 + 99);
    }
}
