//! "Did you mean": the known name that is most similar to an unknown one.

use std::fmt::Write;

/// Returns the error for an unknown key.
pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    let mut message = String::from("is not a known field");
    if let Some(near) = nearest(key, known) {
        let _ = write!(message, ": did you mean `{near}`?");
    } else if known.is_empty() {
        message.push_str(": remove it, there are no fields");
    } else {
        let _ = write!(message, ": the fields are {}", list(known));
    }
    message
}

/// Formats names: `a`, `b` and `c`.
pub(crate) fn list(names: &[&str]) -> String {
    join(names, " and ")
}

/// Formats alternative names: `a`, `b` or `c`.
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

/// Returns the known name that is most similar to `name`, if one is similar enough. Case, dashes and underscores are ignored.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // A name of this length is not a typo, and the cost of a distance is the product of the lengths.
    if name.len() > 64 {
        return None;
    }
    let near_enough = 1 + name.len() / 4;
    known
        .iter()
        .map(|known| (distance(&plain(name), &plain(known)), *known))
        .filter(|(distance, _)| *distance <= near_enough)
        // Of two names of a field, the one that is written alike.
        .min_by_key(|(near, known)| (*near, distance(name.as_bytes(), known.as_bytes())))
        .map(|(_, known)| known)
}

/// Normalizes a name: `blockUrls`, `block-urls` and `Block_URLs` are the same as `block_urls`.
fn plain(name: &str) -> Vec<u8> {
    name.bytes().filter(|byte| !b"_- ".contains(byte)).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Returns the Levenshtein distance.
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
    fn typos_find_a_name_and_other_names_do_not() {
        let known = ["block_urls", "block_exact_urls", "blocked_code"];
        assert_eq!(nearest("block_url", &known), Some("block_urls"));
        assert_eq!(nearest("blockExactUrls", &known), Some("block_exact_urls"));
        assert_eq!(nearest("bloked_code", &known), Some("blocked_code"));
        assert_eq!(
            nearest("block_exact_url", &["blockExactUrls", "block_exact_urls"]),
            Some("block_exact_urls")
        );
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest(&"b".repeat(100_000), &known), None);
    }
}
