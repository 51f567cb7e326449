//! Paths: models of servers against the judgement of what they make of a path.

use matcher::path::RequestPath;
use proptest::prelude::*;

/// What a server makes of a path before it routes: its segments.
type Server = fn(&[u8]) -> Vec<Vec<u8>>;

/// Parameters go first, then one decoding, then dots: Tomcat.
fn tomcat(path: &[u8]) -> Vec<Vec<u8>> {
    let without_parameters: Vec<&[u8]> = path
        .split(|&byte| byte == b'/')
        .map(|segment| segment.split(|&byte| byte == b';').next().unwrap())
        .collect();
    resolve(&decode(&without_parameters.join(&b'/')), b"/")
}

/// The fragment goes first, then one decoding, then dots and double slashes: nginx.
fn nginx(path: &[u8]) -> Vec<Vec<u8>> {
    let path = path.split(|&byte| byte == b'#').next().unwrap();
    resolve(&decode(path), b"/")
}

/// A decoding ends at NUL: what is written in C.
fn c_string(path: &[u8]) -> Vec<Vec<u8>> {
    let decoded = decode(path);
    resolve(decoded.split(|&byte| byte == 0).next().unwrap(), b"/")
}

/// Decodes twice, as a proxy before a server does, and takes parameters out in between.
fn twice(path: &[u8]) -> Vec<Vec<u8>> {
    tomcat(&decode(path))
}

/// Backslashes separate, and `%uXXXX` and overlong UTF-8 are decoded: IIS, older ones too.
fn iis(path: &[u8]) -> Vec<Vec<u8>> {
    let mut text = Vec::new();
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [b'u', b'0', b'0', high, low, after @ ..]) => {
                text.extend(decode(&[b'%', *high, *low]));
                rest = after;
            }
            _ => text.push(byte),
        }
    }
    let text = decode(&text);
    let mut wide = Vec::new();
    let mut rest = text.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (0xc0 | 0xc1, [low, after @ ..]) => {
                wide.push((byte << 6) | (low & 0x3f));
                rest = after;
            }
            _ => wide.push(byte),
        }
    }
    resolve(&wide, b"/\\")
}

/// Nothing is decoded or resolved: routes of Express.
fn express(path: &[u8]) -> Vec<Vec<u8>> {
    decode(path).split(|&byte| byte == b'/').skip(1).map(<[u8]>::to_vec).collect()
}

const SERVERS: [Server; 6] = [tomcat, nginx, c_string, twice, iis, express];

/// Decodes percent-encoding, and leaves what is malformed as it is.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if text[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(text[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// Segments without empty ones, `.` and `..`; the last may be empty.
fn resolve(path: &[u8], separators: &[u8]) -> Vec<Vec<u8>> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    let parts: Vec<&[u8]> = path.split(|byte| separators.contains(byte)).collect();
    for (index, part) in parts.iter().enumerate() {
        match *part {
            b".." => drop(segments.pop()),
            b"." => {}
            b"" if index + 1 != parts.len() => {}
            part => segments.push(part.to_vec()),
        }
    }
    segments
}

/// Paths made of what attackers write.
fn attack() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: [&str; 44] = [
        "/", "/", "/", "a", "admin", "public", ".css", ".", "..", ";", ";x=1", "%3b", "%2e", "%2E", "%2f",
        "%5c", "\\", "//", "%00", "%25", "%252e", "%252f", "%c0%af", "%c0%ae", "%u002f", "%u002e", "%", "%2",
        "%61", "A", "#", "%23", "%3f", " ", "%20", "\t", "%0a", ":", "$DATA", "@", "%40", "\u{e9}", "%c3%a9",
        "http:",
    ];
    let bytes = prop_oneof![
        8 => prop::sample::select(PARTS.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    (any::<bool>(), prop::collection::vec(bytes, 0..8)).prop_map(|(slash, parts)| {
        let mut path = if slash { b"/".to_vec() } else { Vec::new() };
        path.extend(parts.concat());
        path
    })
}

fn plain() -> impl Strategy<Value = String> {
    "(/[a-z0-9_~@=-]{1,4}(\\.[a-z0-9]{1,3})?){1,4}"
}

/// A way to write `path` that the servers of the last lines of the table take for the same.
fn spelling(path: &str, upper: bool, end: &str) -> String {
    let path = if upper { path.to_ascii_uppercase() } else { path.to_owned() };
    path + end
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn servers_agree_on_paths_that_are_not_ambiguous(path in attack()) {
        let path = path.split(|&byte| byte == b'?').next().unwrap();
        let request = RequestPath::new(path);
        if !request.is_ambiguous() && path.starts_with(b"/") {
            let segments = express(path);
            for server in SERVERS {
                prop_assert_eq!(&server(path), &segments, "{}", path.escape_ascii());
            }
        }
    }

    #[test]
    fn no_server_leaves_a_certain_prefix(path in attack(), query in "(\\?.*)?") {
        let mut target = path.clone();
        target.extend(query.as_bytes());
        let inside = |path: &[u8]| path == b"/public" || path.starts_with(b"/public/");
        let path = path.split(|&byte| byte == b'?').next().unwrap();
        if RequestPath::new(&target).certainly_meets(inside) {
            for server in SERVERS {
                let segments = server(path);
                prop_assert_eq!(&*segments[0], b"public", "{}", path.escape_ascii());
            }
        }
    }

    #[test]
    fn no_server_has_an_impossible_reading(path in attack()) {
        let path = path.split(|&byte| byte == b'?').next().unwrap();
        let below = |path: &[u8]| path.starts_with(b"/admin/");
        if SERVERS.iter().any(|server| server(path).first().is_some_and(|first| first.eq_ignore_ascii_case(b"admin"))) {
            prop_assert!(RequestPath::new(path).possibly_meets(below), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn certain_is_possible(path in attack(), part in attack()) {
        let part = part.to_ascii_lowercase();
        let path = path.to_ascii_lowercase();
        let request = RequestPath::new(&path);
        for meets in [
            &(|path: &[u8]| path == part) as &dyn Fn(&[u8]) -> bool,
            &|path: &[u8]| path.starts_with(&part),
            &|path: &[u8]| path.ends_with(&part),
        ] {
            prop_assert!(!request.certainly_meets(meets) || request.possibly_meets(meets), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn plain_paths_have_one_reading(path in plain(), other in plain(), query in "(\\?.{0,4})?") {
        let target = path.clone() + &query;
        let request = RequestPath::new(target.as_bytes());
        prop_assert!(!request.is_ambiguous());
        prop_assert!(request.certainly_meets(|text| text == path.as_bytes()));
        prop_assert_eq!(request.certainly_meets(|text| text == other.as_bytes()), path == other);
        prop_assert_eq!(
            request.certainly_meets(|text| text.starts_with(other.as_bytes())),
            path.starts_with(&other)
        );
    }

    #[test]
    fn lenient_spellings_are_possible(
        path in plain(),
        upper in any::<bool>(),
        end in prop::sample::select(vec!["", "/", ".", ".json", "%20", ".json/", "%20.", "?x"]),
    ) {
        let spelling = spelling(&path, upper, end);
        prop_assert!(RequestPath::new(spelling.as_bytes()).possibly_meets(|text| text == path.as_bytes()), "{spelling}");
        let child = format!("{path}/zzzzzz");
        prop_assert!(!RequestPath::new(child.as_bytes()).possibly_meets(|text| text == path.as_bytes()));
    }
}
