//! The decision about a request, and what is reported of the rules that matched.

use seclang::{Disruptive, Program, Rule};
use waf::{Denial, Hit, Transaction};

/// The maximum number of hits that are reported.
const MAX_HITS: usize = 20;

/// The maximum length of the name of a variable, or of a value.
const MAX_TEXT: usize = 100;

/// A refusal, or what would be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The number of the rule.
    pub rule: u32,
    /// The status for the client.
    pub status: u16,
}

/// Where a decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the upstream has all of the request.
    Request,
    /// Before the client has the headers of the response.
    ResponseHeaders,
    /// When the client has them.
    ResponseBody,
}

/// Why a body was not inspected completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partial {
    /// Only its beginning was.
    Prefix,
    /// It is compressed.
    Encoded,
}

/// The bodies that were not inspected completely.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// That of the request.
    pub request: Option<Partial>,
    /// That of the response.
    pub response: Option<Partial>,
}

/// What is reported of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The decision; none if the request passes.
    pub decision: Option<Decision>,
    /// The score, if the rules compute one.
    pub score: u64,
    /// The score of the response.
    pub outbound: u64,
    /// The rules that matched and where, such as `942100@ARGS:q`.
    pub hits: Vec<String>,
    /// The groups of the rules that matched, each once.
    pub groups: Vec<&'static str>,
}

/// The groups of rules: `sqli` for the tag `attack-sqli`.
pub const GROUPS: [&str; 16] = [
    "deprecated-header",
    "disclosure",
    "fixation",
    "generic",
    "injection-generic",
    "injection-java",
    "injection-php",
    "lfi",
    "multipart-header",
    "protocol",
    "rce",
    "reputation-scanner",
    "rfi",
    "sqli",
    "ssrf",
    "xss",
];

/// The group of rules without a tag of the others.
pub const OTHER: &str = "other";

/// Reports a request. Without a denial, a rule that would have refused it decides, as in detection. The first matches, which have
/// been reported before, are only listed.
pub fn report(
    program: &Program<'_>,
    transaction: &Transaction,
    denial: Option<Denial>,
    log_values: bool,
    reported: usize,
) -> Report {
    let mut report = Report {
        decision: denial.map(|denial| Decision { rule: denial.rule, status: denial.status }),
        score: score(transaction, &["blocking_inbound_anomaly_score", "anomaly_score"]),
        outbound: score(transaction, &["blocking_outbound_anomaly_score", "outbound_anomaly_score"]),
        ..Report::default()
    };
    for (index, hit) in transaction.hits().iter().enumerate() {
        let is_new = index >= reported;
        let rule = program.rules.iter().find(|rule| rule.id == hit.rule && !rule.member);
        let denies = rule.is_some_and(|rule| rule.disruptive == Disruptive::Deny);
        if is_new && denies && report.decision.is_none() {
            let status = rule.and_then(|rule| rule.status).unwrap_or(403);
            report.decision = Some(Decision { rule: hit.rule, status });
        }
        // The rule that compares the score is not what was found.
        if !hit.log || (denies && hit.variable.starts_with("TX:")) {
            continue;
        }
        if report.hits.len() < MAX_HITS {
            report.hits.push(describe(hit, log_values));
        }
        let group = rule.map_or(OTHER, |rule| group(program, rule));
        if is_new && !report.groups.contains(&group) {
            report.groups.push(group);
        }
    }
    report
}

/// Returns the score of the rules that decide, by the names that releases have for it.
fn score(transaction: &Transaction, names: &[&str]) -> u64 {
    let texts = names.iter().filter_map(|name| str::from_utf8(transaction.tx(name)?).ok());
    texts.filter_map(|text| text.parse().ok()).max().unwrap_or_default()
}

fn group(program: &Program<'_>, rule: &Rule<'_>) -> &'static str {
    let mut groups = program.tags_of(rule).filter_map(|tag| {
        let name = tag.strip_prefix("attack-")?;
        GROUPS.iter().find(|group| **group == name).copied()
    });
    groups.next().unwrap_or(OTHER)
}

/// `942100@ARGS:q`, and the value if values are reported.
fn describe(hit: &Hit, log_values: bool) -> String {
    let mut text = hit.rule.to_string();
    if !hit.variable.is_empty() {
        text.push('@');
        push(&mut text, hit.variable.as_bytes());
    }
    if log_values && !hit.value.is_empty() {
        text.push('=');
        push(&mut text, &hit.value);
    }
    text
}

/// Adds bytes of a request with percent-encoding, so that they separate nothing in a log.
fn push(text: &mut String, bytes: &[u8]) {
    for byte in bytes.iter().take(MAX_TEXT) {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"_-.:/[]*".contains(byte) => {
                text.push(char::from(*byte))
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
}

impl Report {
    /// The text for the access log: `score=10,942100@ARGS:id,941100@ARGS:q`.
    pub fn line(&self, partial: Marks) -> String {
        let mut line = format!("score={}", self.score);
        if self.outbound > 0 {
            line.push_str(&format!(",outbound={}", self.outbound));
        }
        for (body, partial) in [("body", partial.request), ("response", partial.response)] {
            match partial {
                Some(Partial::Prefix) => line.push_str(&format!(",{body}=prefix")),
                Some(Partial::Encoded) => line.push_str(&format!(",{body}=encoded")),
                None => {}
            }
        }
        for hit in &self.hits {
            line.push(',');
            line.push_str(hit);
        }
        line
    }
}

/// Returns true for a content type whose charset is UTF-16, in which expressions would find nothing.
pub fn is_utf_16(content_type: &[u8]) -> bool {
    content_type.split(|byte| *byte == b';').skip(1).any(|parameter| {
        let parameter = parameter.trim_ascii().to_ascii_lowercase();
        let Some(value) = parameter.strip_prefix(b"charset=") else { return false };
        value.strip_prefix(b"\"").unwrap_or(value).starts_with(b"utf-16")
    })
}

/// Returns true if a text begins with the byte order mark of UTF-16, which browsers prefer to the charset.
pub fn has_mark_of_utf_16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xfe, 0xff, ..] | [0xff, 0xfe, ..])
}

/// Decodes UTF-16. Without a byte order mark, the order is the one in which most characters are of the first 256.
pub fn from_utf_16(bytes: &[u8]) -> Vec<u8> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let big_zeros = pairs.iter().filter(|[high, _]| *high == 0).count();
    let little_zeros = pairs.iter().filter(|[_, high]| *high == 0).count();
    let is_big = match pairs.first() {
        Some([0xfe, 0xff]) => true,
        Some([0xff, 0xfe]) => false,
        _ => big_zeros > little_zeros,
    };
    let unit = |pair: &[u8; 2]| if is_big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    let text: String = char::decode_utf16(pairs.iter().map(unit))
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.into_bytes()
}

/// Returns true if a request belongs to the share that is inspected. The time is part of what is drawn, so that clients cannot
/// choose an identifier that is not.
pub fn is_sampled(percentage: u8, nanoseconds: u64, id: &[u8]) -> bool {
    // FNV-1a; its low bits alone are not random enough.
    let bytes = nanoseconds.to_le_bytes();
    let hash = bytes.iter().chain(id).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ((hash >> 32) ^ hash) % 100 < u64::from(percentage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_sampled_requests_is_as_configured() {
        for percentage in [1, 10, 50, 99, 100] {
            let sampled = (0..20_000).filter(|time| is_sampled(percentage, time * 1_000_003, b"id")).count();
            let expected = usize::from(percentage) * 200;
            assert!(sampled.abs_diff(expected) < 300, "{percentage}: {sampled}");
        }
        let by_id = (0..20_000_u32).filter(|id| is_sampled(50, 7, &id.to_le_bytes())).count();
        assert!(by_id.abs_diff(10_000) < 300, "{by_id}");
    }

    #[test]
    fn utf_16_is_recognised_and_decoded() {
        for content_type in [
            "text/html;charset=utf-16",
            "text/html; a=b; Charset=\"UTF-16LE\"",
            "text/html ;charset=utf-16be",
        ] {
            assert!(is_utf_16(content_type.as_bytes()), "{content_type}");
        }
        for content_type in ["text/html", "text/html; charset=utf-8", "utf-16", "text/html; a=charset=utf-16"]
        {
            assert!(!is_utf_16(content_type.as_bytes()), "{content_type}");
        }
        let text = "a é 你 \u{1f600}";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [&little, &big] {
            assert_eq!(from_utf_16(bytes), text.as_bytes());
        }
        let marked = [&[0xfe, 0xff][..], &big, b"x"].concat();
        assert_eq!(from_utf_16(&marked), format!("\u{feff}{text}").as_bytes());
        // Half a surrogate.
        assert_eq!(from_utf_16(&[0xff, 0xfe, 0, 0xd8]), "\u{feff}\u{fffd}".as_bytes());
    }

    #[test]
    fn names_and_values_of_a_request_separate_nothing() {
        let hit = Hit {
            rule: 1,
            variable: "ARGS:a b,\n\"=".to_owned(),
            value: b"x y\xff".to_vec(),
            message: String::new(),
            data: String::new(),
            log: true,
        };
        assert_eq!(describe(&hit, false), "1@ARGS:a%20b%2C%0A%22%3D");
        assert_eq!(describe(&hit, true), "1@ARGS:a%20b%2C%0A%22%3D=x%20y%FF");
        let long = Hit { variable: "x".repeat(1000), ..hit };
        assert_eq!(describe(&long, false).len(), 2 + MAX_TEXT);
    }
}
