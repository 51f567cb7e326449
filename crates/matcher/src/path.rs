//! Request paths, and how servers interpret them, for all plug-ins that decide by path.
//!
//! A plug-in compares a path with its rules, and the upstream then interprets the same path in its own way. If the two differ,
//! clients can choose a spelling to bypass a rule: `/admin;.css` ends with `.css` here and is `/admin` in Tomcat.
//!
//! # Interpretations
//!
//! In their default settings, unless a cell says otherwise; *kept*: the characters are part of a segment's name.
//! Spring stands for Spring MVC behind Tomcat; its `StrictHttpFirewall` (Spring Security) refuses what is marked †.
//! Express matches routes against the path as it came and decodes parameters, while its `express.static` decodes and
//! resolves like a file server. Where a version of a server is named, others differ.
//!
//! | spelling | Tomcat | Spring | nginx (`location`) | Go `ServeMux` | Node, Express | IIS, ASP.NET | here |
//! |---|---|---|---|---|---|---|---|
//! | `/a;x/b`, in any segment | `/a/b` | `/a/b` † | kept | kept | kept | kept | ambiguous |
//! | `/a%3bx` | `;x` kept | † | `;x` kept | `;x` kept | kept | `;x` kept | ambiguous |
//! | `/./`, `/../` | resolved | † | resolved; `proxy_pass` may send it on as it came | redirect to the resolved path | kept | resolved | ambiguous |
//! | `/%2e%2e/`, `/.%2E/` | resolved | † | resolved | redirect | kept; resolved for files | resolved | ambiguous |
//! | `/..;/` | resolved as `..` | † | kept | kept | kept | kept | ambiguous |
//! | `//` | one `/` | † | one `/` (`merge_slashes`) | redirect to one `/` | kept | one `/` for files | ambiguous |
//! | `\` | 400, or `/` where it is allowed | † | kept; `/` on Windows | kept | kept; `/` in `new URL` | `/` | ambiguous |
//! | `%5c` | 400, or `/` where it is allowed | † | `\` kept; `/` on Windows | `\` kept | kept | `/` | ambiguous |
//! | `%2f` | 400, or `/` where it is allowed | † | `/` | `/` before Go 1.22, then kept | kept; `/` inside a parameter | `/` | ambiguous |
//! | `%00`, other control characters | 400 | † | 400 for NUL, others decoded | decoded | decoded | 400 | ambiguous |
//! | overlong UTF-8, `%c0%af` | U+FFFD or 400 | as Tomcat | bytes kept | bytes kept | 400 | 400; `/` in IIS 4 and 5 | ambiguous |
//! | `%252e` | `%2e` kept | † | `%2e` kept | `%2e` kept | kept | 404 (`allowDoubleEscaping`: `%2e`) | ambiguous |
//! | `%u002f`, `%zz`, `%` alone | 400 | 400 | 400 | 400 | 400 when decoded | `%u002f` is `/` | ambiguous |
//! | `%61` and other letters, digits, `-`, `_`, `~` | decoded | decoded | decoded | decoded | kept; decoded for files | decoded | ambiguous |
//! | `%3f`, `%23` | `?`, `#` kept | as Tomcat | kept; a second server may see a query | kept | kept | 400 for `?` | ambiguous |
//! | `#` | 400 | 400 | cut off | kept | cut off | | ambiguous |
//! | `http://host/path` (absolute form) | path taken out | path taken out | path taken out | path taken out | kept in `req.url` | path taken out | ambiguous |
//! | `/a..`, `/a...` | kept | kept | kept; `/static../x` leaves an `alias` without `/` | kept | kept | dots dropped by Windows | ambiguous |
//! | segments of nothing but dots and spaces | kept | kept | kept | kept | kept | dropped by Windows | ambiguous |
//! | `/a:$i30:$INDEX_ALLOCATION`, `::$DATA` | kept | kept | 404 on Windows | kept | kept | a stream of NTFS: `/a` | ambiguous |
//! | `/a.`, `/a%20` | kept | kept | kept | kept | kept | `/a` for files | possible reading |
//! | `/A` for `/a` | kept | kept | kept; `/a` for `location ~*` | kept | `/a` | `/a` | possible reading |
//! | `/a/` for `/a`, and the reverse | redirect for folders | `/a` before Spring 6 | redirect for folders | redirect to `/a/` where that is registered | `/a` | `/a` (ASP.NET routing) | possible reading |
//! | `/a.json` for `/a` | kept | `/a` before Spring 5.3 | kept | kept | kept | kept (`/a` in Rails) | possible reading |
//! | `%20`, `%40` and other escapes of what separates nothing | decoded | decoded | decoded | decoded | kept; decoded in a parameter | decoded | one reading |
//! | `%e4%bd%a0`: UTF-8 | decoded | decoded | decoded | decoded | kept; decoded in a parameter | decoded | one reading |
//! | UTF-8 that is not escaped | 400 | 400 | kept | kept | each byte a Latin-1 character | UTF-8 | one reading |
//!
//! The last line is one reading although Node differs: its characters are none that separate, so the path stays below
//! the same ASCII segments. The query begins at the first `?` in every server, and is not part of the path.
//!
//! What no path shows: `PATH_INFO` (`/a.php/x.css` runs `a.php`), formats behind a dot (`/admin.css` may be `/admin`
//! in Rails), short names of Windows (`/SECRET~1`), headers that replace the path (`X-Original-URL`), and what the
//! gateway's own routes rewrite. A rule that lets something through by the end of a path trusts an upstream in these.
//!
//! # Which question to ask
//!
//! - A rule that lets a request through needs [`RequestPath::certainly_meets`]: an ambiguous path never does.
//! - A rule that stops a request, or has it looked at, needs [`RequestPath::possibly_meets`]: an ambiguous path
//!   always does, and so does every path that some server takes for one that meets it.
//!
//! ```
//! use matcher::path::RequestPath;
//!
//! let public = |path: &[u8]| path.starts_with(b"/public/");
//! assert!(RequestPath::new(b"/public/a%20b?x=/../").certainly_meets(public));
//! assert!(!RequestPath::new(b"/public/..;/admin").certainly_meets(public));
//!
//! let admin = |path: &[u8]| path == b"/admin";
//! for path in ["/admin", "/ADMIN/", "/admin.json", "/admin;x", "/x/../admin"] {
//!     assert!(RequestPath::new(path.as_bytes()).possibly_meets(admin));
//! }
//! assert!(!RequestPath::new(b"/administrator").possibly_meets(admin));
//! ```

use std::borrow::Cow;
use std::cell::OnceCell;

/// The path of a request, with what servers may make of it.
#[derive(Debug)]
pub struct RequestPath<'a> {
    /// As it came.
    raw: &'a [u8],
    /// Without percent-encoding; `None` if servers differ on what the path means.
    decoded: Option<Cow<'a, [u8]>>,
    /// What lenient servers make of it, see [`lenient`]; computed at the first use.
    lenient: OnceCell<Vec<Vec<u8>>>,
}

impl<'a> RequestPath<'a> {
    /// Takes the path from a request's `:path`, which may have a query. Allocates nothing for a path without
    /// percent-encoding.
    #[must_use]
    pub fn new(target: &'a [u8]) -> Self {
        let raw = without_query(target);
        RequestPath { raw, decoded: decode(raw), lenient: OnceCell::new() }
    }

    /// Returns true if servers differ on which segments the path has.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.decoded.is_none()
    }

    /// Returns true if the path meets a condition in every server: it is not ambiguous, and `meets` holds for it
    /// as it came or with its percent-encoding decoded.
    pub fn certainly_meets(&self, mut meets: impl FnMut(&[u8]) -> bool) -> bool {
        match &self.decoded {
            None => false,
            Some(Cow::Borrowed(_)) => meets(self.raw),
            Some(Cow::Owned(decoded)) => meets(self.raw) || meets(decoded),
        }
    }

    /// Returns true if the path may meet a condition in some server: it is ambiguous, or `meets` holds for one of
    /// its readings. These are in ASCII lower case, so `meets` must not depend on case.
    pub fn possibly_meets(&self, mut meets: impl FnMut(&[u8]) -> bool) -> bool {
        let Some(decoded) = &self.decoded else { return true };
        if !self.raw.starts_with(b"/") {
            return meets(self.raw);
        }
        let lenient = self.lenient.get_or_init(|| lenient(self.raw, decoded));
        lenient.iter().any(|with_slash| {
            let without = with_slash.strip_suffix(b"/").unwrap_or(with_slash);
            meets(with_slash) || meets(without) || without_extension(without).is_some_and(&mut meets)
        })
    }
}

/// The part of `:path` before the query.
#[must_use]
pub fn without_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|&byte| byte == b'?');
    end.and_then(|end| target.get(..end)).unwrap_or(target)
}

/// Decodes a path, or returns `None` if it is ambiguous.
fn decode(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(segments) = path.strip_prefix(b"/") else {
        // `CONNECT` has no path, and `OPTIONS *` is about no resource.
        return (path.is_empty() || path == b"*").then_some(Cow::Borrowed(path));
    };
    let (mut before, mut plain) = (b'/', true);
    for &byte in segments {
        if before == b'/' && byte == b'/' {
            return None;
        }
        plain &= !matches!(byte, 0..=b' ' | b'#' | b'%' | b'.' | b':' | b';' | b'\\' | 0x7f..);
        before = byte;
    }
    if plain {
        return Some(Cow::Borrowed(path));
    }
    if segments.split(|&byte| byte == b'/').any(has_ambiguous_end) {
        return None;
    }
    let decoded = decode_escapes(path)?;
    // Streams of NTFS: `::$DATA`, `:$i30:$INDEX_ALLOCATION`.
    let names_stream = decoded.windows(2).any(|pair| pair == b":$");
    (!names_stream && std::str::from_utf8(&decoded).is_ok()).then_some(decoded)
}

/// Returns true for a segment that is, or ends with, dots that a server may resolve or drop: `.`, `..`, `a..`, and
/// nothing but dots and encoded spaces.
fn has_ambiguous_end(segment: &[u8]) -> bool {
    let name = without_windows_end(segment);
    let end = segment.get(name.len()..).unwrap_or_default();
    !end.is_empty() && (name.is_empty() || end.windows(2).any(|pair| pair == b".."))
}

/// A segment without the dots and encoded spaces at its end, which Windows drops.
fn without_windows_end(mut segment: &[u8]) -> &[u8] {
    while let Some(rest) = segment.strip_suffix(b".").or_else(|| segment.strip_suffix(b"%20")) {
        segment = rest;
    }
    segment
}

/// Decodes percent-encoding, or returns `None` if it hides a character that separates, one that needs no encoding
/// (RFC 3986, section 2.3), a control character or another escape, if it is malformed, or if such a character is
/// there without encoding.
fn decode_escapes(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let separates = |byte: u8| byte.is_ascii_control() || matches!(byte, b'#' | b';' | b'\\');
    if path.iter().any(|&byte| separates(byte) || byte == b' ') {
        return None;
    }
    if !path.contains(&b'%') {
        return Some(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (&[high, low], after) = rest.split_first_chunk()?;
        rest = after;
        let byte = hexadecimal(high)? * 16 + hexadecimal(low)?;
        if separates(byte) || byte.is_ascii_alphanumeric() || b"-._~/%?".contains(&byte) {
            return None;
        }
        decoded.push(byte);
    }
    Some(Cow::Owned(decoded))
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The readings of a path that is not ambiguous: as it came, decoded, and without what Windows drops from the end of
/// segments; each once, in lower case, with a `/` behind it.
fn lenient(raw: &[u8], decoded: &[u8]) -> Vec<Vec<u8>> {
    let mut readings: Vec<Vec<u8>> = Vec::with_capacity(1);
    let mut add = |mut reading: Vec<u8>| {
        reading.make_ascii_lowercase();
        if !reading.ends_with(b"/") {
            reading.push(b'/');
        }
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    };
    let with_room = |path: &[u8]| {
        let mut copy = Vec::with_capacity(path.len() + 1);
        copy.extend_from_slice(path);
        copy
    };
    add(with_room(raw));
    if raw.len() != decoded.len() {
        add(with_room(decoded));
    }
    let segments = || raw.split(|&byte| byte == b'/');
    if segments().any(|segment| without_windows_end(segment).len() != segment.len()) {
        let trimmed = segments().map(without_windows_end).collect::<Vec<_>>().join(&b'/');
        if let Some(trimmed) = decode_escapes(&trimmed) {
            add(trimmed.into_owned());
        }
    }
    readings
}

/// A path without the extension of its last segment; `None` if it has none.
fn without_extension(path: &[u8]) -> Option<&[u8]> {
    let dot = path.iter().rposition(|&byte| byte == b'.')?;
    let (stem, extension) = path.split_at_checked(dot)?;
    (!extension.contains(&b'/') && !stem.ends_with(b"/")).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ambiguous(path: &str) -> bool {
        RequestPath::new(path.as_bytes()).is_ambiguous()
    }

    fn possibly(path: &str, other: &str) -> bool {
        RequestPath::new(path.as_bytes()).possibly_meets(|path| path == other.as_bytes())
    }

    fn certainly(path: &str, other: &str) -> bool {
        RequestPath::new(path.as_bytes()).certainly_meets(|path| path == other.as_bytes())
    }

    /// The lines of the table in the module's documentation.
    #[test]
    fn spellings_that_servers_read_differently_are_ambiguous() {
        for (what, paths) in [
            ("parameters", &["/a;", "/a;x", "/a;x/b", "/;x/a", "/a/b;x=1;y", "/..;/a", "/a/..;x=1/b"][..]),
            ("encoded semicolons", &["/a%3bx", "/a%3Bx/b", "/..%3b/a"]),
            ("dots", &["/.", "/..", "/./a", "/a/.", "/a/./b", "/a/../b", "/a/.."]),
            ("encoded dots", &["/%2e", "/%2E%2e/a", "/.%2e/a", "/%2e./a", "/a%2ejson"]),
            ("more dots", &["/...", "/a/..../b", "/static../x", "/a..", "/a...", "/a..%20"]),
            ("dots and spaces", &["/%20", "/a/%20/b", "/.%20/a", "/..%20/a", "/%20./a", "/.%20.", "/%20."]),
            ("slashes", &["//", "//a", "/a//b", "/a//", "//host/a"]),
            ("backslashes", &["/a\\b", "\\a", "/a/..\\b", "/\\host", "/%5c", "/a%5Cb"]),
            ("encoded slashes", &["/a%2fb", "/a%2Fb", "/..%2fa"]),
            (
                "control characters",
                &["/a\0", "/a\r\nb", "/a\tb", "/a b", "/a\x7f", "/%00", "/a%00.css", "/%0a", "/%7F"],
            ),
            ("encoded characters that need no encoding", &["/%61", "/%5a", "/%30", "/%2d", "/%5F", "/%7e"]),
            ("two encodings", &["/%25", "/%252e%252e/a", "/a%25%32%66b", "/%2525"]),
            (
                "malformed escapes",
                &["/%", "/a%", "/a%4", "/%zz", "/%u002f", "/a%u002e", "/%/a", "/%2", "/%%41"],
            ),
            (
                "overlong and other invalid UTF-8",
                &["/%c0%af", "/%c0%ae", "/%e0%80%af", "/%e9", "/%ff", "/%ed%a0%80"],
            ),
            ("delimiters", &["/a#b", "/a#", "/a%23b", "/a%3fb", "/a%3F.css"]),
            ("streams of NTFS", &["/a::$DATA", "/a:$i30:$INDEX_ALLOCATION/b", "/a%3a%3a$DATA", "/a:%24DATA"]),
            (
                "other forms of a target",
                &["http://host/a", "https://host", "host:443", "a", "*/a", "%2fa", ";/a"],
            ),
        ] {
            for path in paths {
                assert!(is_ambiguous(path), "{what}: {path:?}");
                assert!(!certainly(path, path), "{what}: {path:?}");
                assert!(possibly(path, "/secret"), "{what}: {path:?}");
            }
        }
        for bytes in [&b"/\xff"[..], b"/\xc0\xaf", b"/a\xe9", b"/\xed\xa0\x80", b"/\xe4%bd"] {
            assert!(RequestPath::new(bytes).is_ambiguous(), "{bytes:?}");
        }
    }

    #[test]
    fn ordinary_paths_are_what_they_are() {
        for path in [
            "",
            "*",
            "/",
            "/a",
            "/a/",
            "/a/b/c",
            "/index.html",
            "/.well-known/acme",
            "/a.b/..c/d.e.f",
            "/.a/.b",
            "/v1/users:batchGet",
            "/docs/std::vector",
            "/a@b,c=d&e+f!g$h'i(j)*k~l-m_n",
            "/a\"<>{}|^`b[0]",
            "/1.2.3",
            "/a%20b",
            "/%20a",
            "/%e4%bd%a0%E5%A5%BD",
            "/你好",
            "/jane%40example.com",
            "/a%2Cb%3A%26%3d%2b%21%28%22",
            "/caf%c3%a9",
            "/$a:b",
            "/a$:",
        ] {
            assert!(!is_ambiguous(path), "{path:?}");
            assert!(certainly(path, path), "{path:?}");
            let lower = path.to_ascii_lowercase();
            assert!(possibly(path, &lower), "{path:?}");
        }
    }

    #[test]
    fn a_query_is_not_part_of_the_path() {
        for target in ["/a?", "/a?b", "/a?/../;%2e#", "/a??x", "/a?x\\"] {
            assert!(certainly(target, "/a"), "{target}");
        }
        assert!(is_ambiguous("/a;?b"));
        assert!(certainly("?a", ""));
    }

    #[test]
    fn escapes_are_compared_as_they_came_and_decoded() {
        for (path, same) in [("/a%20b", "/a b"), ("/%E4%bd%a0", "/你"), ("/jane%40a.org", "/jane@a.org")] {
            assert!(certainly(path, path) && certainly(path, same), "{path}");
            assert!(possibly(path, &path.to_ascii_lowercase()) && possibly(path, same), "{path}");
        }
        assert!(!certainly("/a%20b", "/a%20c"));
    }

    #[test]
    fn what_some_server_takes_for_a_path_possibly_meets_it() {
        for (path, read_as) in [
            ("/admin", "/admin"),
            ("/ADMIN", "/admin"),
            ("/admin/", "/admin"),
            ("/admin", "/admin/"),
            ("/Admin.JSON", "/admin"),
            ("/admin.json/", "/admin"),
            ("/admin.", "/admin"),
            ("/admin.", "/admin."),
            ("/admin%20", "/admin"),
            ("/admin%20.", "/admin"),
            ("/x./admin/y", "/x/admin/y"),
            ("/x%20./Admin.", "/x/admin"),
            ("/a%40b/", "/a@b"),
            ("/a%40b.", "/a@b"),
            ("/", "/"),
        ] {
            assert!(possibly(path, read_as), "{path} {read_as}");
            assert!(path == read_as || !certainly(path, read_as), "{path} {read_as}");
        }
        for (path, other) in [
            ("/administrator", "/admin"),
            ("/admin/x", "/admin"),
            ("/x.y/admin", "/x"),
            ("/.admin", "/"),
            ("/a/.admin", "/a/"),
            ("/a", "/a//"),
            ("*", "/"),
            ("", "/"),
            ("*", "/*"),
        ] {
            assert!(!possibly(path, other), "{path} {other}");
        }
    }
}
