//! What a document says that a command prints, compared with what it prints.

/// A line with digests, times and ports replaced by words.
fn plain(line: &str) -> String {
    let mut words = Vec::new();
    let mut before = "";
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
        } else if before == "date:" {
            "DATE".to_owned()
        } else {
            (*part).to_owned()
        });
        before = part;
    }
    words.join(" ")
}

/// The first line of `expected` that `actual` does not have, behind those before it. `…` stands for any lines, and so
/// does what a document leaves out: headers that every gateway adds, for example.
pub(crate) fn missing(expected: &[String], actual: &str) -> Option<String> {
    let mut lines = actual.lines().map(plain);
    let is_elided = |line: &str| line.is_empty() || line == "…";
    expected
        .iter()
        .filter(|line| !is_elided(line.trim()))
        .find(|line| {
            let wanted = plain(line);
            !lines.by_ref().any(|line| match wanted.strip_suffix(" …") {
                Some(start) => line.starts_with(start),
                None => line == wanted,
            })
        })
        .cloned()
}

#[test]
fn lines_are_found_in_order_with_wildcards() {
    let actual = "HTTP/1.1 403 Forbidden\r\ndate: Mon, 1 Jan\r\nx: 1\r\n\r\nNot here.\ntook 12 ms at http://127.0.0.1:1234/a\n";
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(missing(&lines("HTTP/1.1 403 Forbidden\nx: 1\n\nNot here."), actual), None);
    assert_eq!(missing(&lines("…\ntook 375 ms at http://127.0.0.1:8080/a"), actual), None);
    assert_eq!(
        missing(&lines("x: 1\nHTTP/1.1 403 Forbidden"), actual).as_deref(),
        Some("HTTP/1.1 403 Forbidden")
    );
    assert_eq!(missing(&lines("x: 2"), actual).as_deref(), Some("x: 2"));
}
