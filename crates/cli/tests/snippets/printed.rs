//! What a document says that a command prints, compared with what it prints.

/// A line with digests, times and ports replaced by words.
fn plain(line: &str) -> String {
    if line.trim_start().starts_with("date: ") {
        return "date: DATE".into();
    }
    let mut words = Vec::new();
    let parts: Vec<&str> = line.split_whitespace().collect();
    for (index, part) in parts.iter().enumerate() {
        let next = parts.get(index + 1).copied().unwrap_or_default();
        let number = part.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',') && !part.is_empty();
        let unit = next.trim_end_matches([',', '.', ':', ';']);
        words.push(if number && ["µs", "ms", "s"].contains(&unit) {
            "TIME".to_owned()
        } else if let Some((start, _)) = part.split_once("sha256:") {
            format!("{start}sha256:DIGEST")
        } else if let Some((start, rest)) = part.split_once("127.0.0.1:") {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{start}127.0.0.1:PORT{rest}")
        } else {
            (*part).to_owned()
        });
    }
    words.join(" ")
}

/// Whether a line stands for any lines.
fn is_elision(line: &str) -> bool {
    ["…", "..."].contains(&line.trim())
}

/// Whether a gateway adds this header to every response, so that a document may leave it out.
fn is_of_every_response(line: &str) -> bool {
    ["date: ", "server: ", "x-envoy-upstream-service-time: "].iter().any(|name| line.starts_with(name))
}

/// Whether `line` is what a document shows, of which ` …` stands for the rest.
fn is_like(line: &str, shown: &str) -> bool {
    let (line, shown) = (plain(line), plain(shown));
    match shown.strip_suffix(" …").or_else(|| shown.strip_suffix(" ...")) {
        Some(start) => line.starts_with(start),
        None => line == shown,
    }
}

/// The lines of `expected` that `actual` does not have one right behind the other, and after those before them. A line
/// `…` or `...` stands for any lines.
pub(crate) fn missing(expected: &[String], actual: &str) -> Option<String> {
    let leaves_out = |line: &&str| {
        is_of_every_response(line) && !expected.iter().any(|shown| is_of_every_response(shown.trim()))
    };
    let actual: Vec<&str> = actual.lines().filter(|line| !leaves_out(line)).collect();
    let mut rest = actual.as_slice();
    for part in expected.split(|line| is_elision(line)) {
        let is_blank = |line: &String| line.trim().is_empty();
        let (Some(first), Some(last)) =
            (part.iter().position(|line| !is_blank(line)), part.iter().rposition(|line| !is_blank(line)))
        else {
            continue;
        };
        let part = &part[first..=last];
        let found = rest
            .windows(part.len())
            .position(|lines| lines.iter().zip(part).all(|(line, shown)| is_like(line, shown)));
        let Some(at) = found else { return Some(part.join("\n")) };
        rest = &rest[at + part.len()..];
    }
    None
}

#[test]
fn lines_are_found_in_order_with_wildcards() {
    let actual = "HTTP/1.1 403 Forbidden\r\nx: 1\r\ndate: Mon, 1 Jan\r\ny: 2\r\n\r\nNot here.\n\
                  took 12 ms at http://127.0.0.1:1234/a\n";
    let missing = |text: &str| missing(&text.lines().map(str::to_owned).collect::<Vec<_>>(), actual);
    assert_eq!(missing("HTTP/1.1 403 Forbidden\nx: 1\ny: 2\n\nNot here."), None);
    assert_eq!(missing("x: 1\ndate: Tue, 2 Feb\ny: 2"), None);
    assert_eq!(missing("…\ntook 375 ms at http://127.0.0.1:8080/a"), None);
    assert_eq!(missing("HTTP/1.1 …\n  ...\ny: 2\n\nNot here."), None);
    assert_eq!(missing("HTTP/1.1 403 Forbidden\ny: 2").as_deref(), Some("HTTP/1.1 403 Forbidden\ny: 2"));
    assert_eq!(missing("y: 2\nNot here.").as_deref(), Some("y: 2\nNot here."), "a line between them");
    assert_eq!(missing("y: 2\n…\nx: 1").as_deref(), Some("x: 1"));
    assert_eq!(missing("x: 2").as_deref(), Some("x: 2"));
}
