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

/// What is reported of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The decision; none if the request passes.
    pub decision: Option<Decision>,
    /// The score, if the rules compute one.
    pub score: u64,
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

/// Reports a request. Without a denial, a rule that would have refused it decides, as in detection.
pub fn report(
    program: &Program<'_>,
    transaction: &Transaction,
    denial: Option<Denial>,
    log_values: bool,
) -> Report {
    let mut report = Report {
        decision: denial.map(|denial| Decision { rule: denial.rule, status: denial.status }),
        score: score(transaction),
        ..Report::default()
    };
    for hit in transaction.hits() {
        let rule = program.rules.iter().find(|rule| rule.id == hit.rule && !rule.member);
        let denies = rule.is_some_and(|rule| rule.disruptive == Disruptive::Deny);
        if denies && report.decision.is_none() {
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
        if !report.groups.contains(&group) {
            report.groups.push(group);
        }
    }
    report
}

/// Returns the score of the rules that decide.
fn score(transaction: &Transaction) -> u64 {
    let names = ["blocking_inbound_anomaly_score", "anomaly_score"];
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
    pub fn line(&self, is_prefix: bool) -> String {
        let mut line = format!("score={}", self.score);
        if is_prefix {
            line.push_str(",body=prefix");
        }
        for hit in &self.hits {
            line.push(',');
            line.push_str(hit);
        }
        line
    }
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
