//! Header fields between a case and an HTTP/2 library.

use http::{HeaderMap, HeaderName, HeaderValue};

use engine::exchange::Header;

/// Header fields for HTTP/2.
pub(super) fn fields(headers: &[Header]) -> anyhow::Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name)?, HeaderValue::from_bytes(value)?);
    }
    Ok(map)
}

/// Header fields from HTTP/2, in order.
pub(super) fn list(headers: HeaderMap) -> Vec<Header> {
    let mut list: Vec<Header> = Vec::new();
    let mut last = None;
    // A further value of the same name comes without it.
    for (name, value) in headers {
        last = name.or(last);
        if let Some(name) = &last {
            list.push((name.as_str().into(), value.as_bytes().into()));
        }
    }
    list
}
