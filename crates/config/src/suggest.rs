//! "Did you mean": the nearest known name to one that is not known.

use std::fmt::Write;

/// The message for a key that nobody knows.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    let mut message = String::from("is not a known field");
    if let Some(near) = nearest(key, known) {
        let _ = write!(message, ": did you mean `{near}`?");
    } else if known.is_empty() {
        message.push_str(": there are none, remove it");
    } else {
        let _ = write!(message, ": the fields are {}", list(known));
    }
    message
}

/// Names for a reader: `a`, `b` and `c`.
pub(crate) fn list(names: &[&str]) -> String {
    join(names, " and ")
}

/// Names for a reader who needs one of them: `a`, `b` or `c`.
pub(crate) fn any_of(names: &[&str]) -> String {
    join(names, " or ")
}

fn join(names: &[&str], last: &str) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let glue = match index {
            0 => "",
            _ if index + 1 == names.len() => last,
            _ => ", ",
        };
        let _ = write!(text, "{glue}`{name}`");
    }
    text
}

/// The known name that is nearest to `name`, where one is near enough to be what was meant. Case, dashes and
/// underscores do not count.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // A name that long is no slip of the pen, and the distance costs its length times the known one's.
    if name.len() > 64 {
        return None;
    }
    let near_enough = 1 + name.len() / 4;
    known
        .iter()
        .map(|known| (distance(&plain(name), &plain(known)), *known))
        .filter(|(distance, _)| *distance <= near_enough)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// `blockUrls`, `block-urls` and `Block_URLs` are all meant for `block_urls`.
fn plain(name: &str) -> Vec<u8> {
    name.bytes().filter(|byte| !b"_- ".contains(byte)).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Levenshtein's distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (byte_b, above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(byte_a != byte_b)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), edits, "{a} {b}");
            assert_eq!(distance(b.as_bytes(), a.as_bytes()), edits, "{b} {a}");
        }
    }

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let known = ["block_urls", "block_exact_urls", "blocked_code"];
        assert_eq!(nearest("block_url", &known), Some("block_urls"));
        assert_eq!(nearest("blockExactUrls", &known), Some("block_exact_urls"));
        assert_eq!(nearest("bloked_code", &known), Some("blocked_code"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest(&"b".repeat(100_000), &known), None);
    }
}
