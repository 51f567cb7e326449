//! References of schemas (RFC 3986, section 5.2). Nothing is ever fetched: a reference is the name of a part of the schema.

/// Resolves a reference against a base, and returns the URI without its fragment, and the fragment.
pub(crate) fn resolve(base: &str, reference: &str) -> (String, String) {
    let (reference, fragment) = split(reference, '#');
    (join(base, reference), fragment.unwrap_or_default().to_owned())
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// The parts of a URI without a fragment.
struct Parts<'u> {
    scheme: Option<&'u str>,
    authority: Option<&'u str>,
    path: &'u str,
    query: Option<&'u str>,
}

impl<'u> Parts<'u> {
    fn of(uri: &'u str) -> Self {
        let (rest, query) = split(uri, '?');
        let is_scheme = |text: &str| {
            text.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        };
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Self { scheme, authority, path, query }
    }
}

fn join(base: &str, reference: &str) -> String {
    let (base, other) = (Parts::of(base), Parts::of(reference));
    let (scheme, authority, path, query);
    if other.scheme.is_some() {
        (scheme, authority, path, query) =
            (other.scheme, other.authority, other.path.to_owned(), other.query);
    } else {
        scheme = base.scheme;
        if other.authority.is_some() {
            (authority, path, query) = (other.authority, without_dots(other.path), other.query);
        } else {
            authority = base.authority;
            if other.path.is_empty() {
                (path, query) = (base.path.to_owned(), other.query.or(base.query));
            } else if other.path.starts_with('/') {
                (path, query) = (without_dots(other.path), other.query);
            } else {
                let folder = match base.path.rfind('/') {
                    Some(end) => base.path.get(..=end).unwrap_or_default(),
                    None if base.authority.is_some() => "/",
                    None => "",
                };
                (path, query) = (without_dots(&format!("{folder}{}", other.path)), other.query);
            }
        }
    }
    let mut uri = String::new();
    if let Some(scheme) = scheme {
        uri.push_str(scheme);
        uri.push(':');
    }
    if let Some(authority) = authority {
        uri.push_str("//");
        uri.push_str(authority);
    }
    uri.push_str(&path);
    if let Some(query) = query {
        uri.push('?');
        uri.push_str(query);
    }
    uri
}

fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_with_dots = false;
    for segment in path.split('/') {
        ends_with_dots = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                if segments.len() > 1 {
                    segments.pop();
                }
            }
            segment => segments.push(segment),
        }
    }
    if ends_with_dots {
        segments.push("");
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn references_are_resolved_as_in_rfc_3986() {
        let base = "http://a/b/c/d;p?q";
        for (reference, uri) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
        ] {
            assert_eq!(resolve(base, reference).0, uri, "{reference}");
        }
        assert_eq!(resolve("", "#/a/b"), (String::new(), "/a/b".to_owned()));
        assert_eq!(resolve("urn:x:y", "#c"), ("urn:x:y".to_owned(), "c".to_owned()));
        assert_eq!(resolve("", "item.json#c"), ("item.json".to_owned(), "c".to_owned()));
    }
}
