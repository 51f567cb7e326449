//! Proposes exclusions for the plug-in `waf` from what its rules have matched.
//!
//! The plug-in reports matches in access logs and in the trace of a request. [`gateway::matches`] counts them by rule, variable and
//! path; here, logs are read, and exclusions are proposed for what was counted.
//!
//! Everything in a log may come from an attacker: proposals are for people to review, and a line of text with several reports is
//! left out, because a header may contain one of them.

mod line;
mod paths;

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use gateway::matches::{Count, Matches, Place};
use serde_json::{Value, json};

use line::Found;

/// Rules that a field of the configuration is made for, with its name: those of the Core Rule Set, and the plug-in's own.
const FIELDS: [(u32, &str); 4] = [
    (911_100, "allowed_methods"),
    (7_000_100, "allowed_methods"),
    (920_420, "allowed_content_types"),
    (7_000_101, "allowed_content_types"),
];

/// Reads logs and traces.
#[derive(Debug, Default)]
pub struct Tuner {
    field: Option<String>,
    skipped: Vec<Skipped>,
    matches: Matches,
}

/// A line that is not readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The reason.
    pub reason: String,
}

/// A proposed exclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The number of the rule.
    pub rule: u32,
    /// The variable; none if an exclusion cannot name it.
    pub target: Option<String>,
    /// The path, or the folder with `/*`; none if the log has no paths.
    pub path: Option<String>,
    /// The number of requests that matched.
    pub requests: u64,
    /// The highest score of such a request.
    pub score: u64,
    /// The time of the last one, in RFC 3339; empty if it is not known.
    pub last: String,
}

/// What logs and traces say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// The number of requests.
    pub requests: u64,
    /// Those with a match.
    pub matched: u64,
    /// The proposals, those with most requests first.
    pub proposals: Vec<Proposal>,
    /// Fields of the configuration that are better than an exclusion, with the number of requests.
    pub fields: Vec<(&'static str, u64)>,
    /// Lines that are not readable.
    pub skipped: Vec<Skipped>,
}

impl Tuner {
    /// Reads the matches in JSON logs from the field of this name; by default, from those whose name contains `waf`.
    #[must_use]
    pub fn new(field: Option<&str>) -> Self {
        Self { field: field.map(str::to_owned), ..Self::default() }
    }

    /// Reads a file: an access log, whose lines are JSON or text, or the trace of a request.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn read(&mut self, file: &str, mut reader: impl BufRead) -> io::Result<()> {
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim();
            // A trace is one document of many lines.
            if text == "{" {
                let mut rest = b"{\n".to_vec();
                reader.read_to_end(&mut rest)?;
                self.document(file, number, &rest);
                break;
            }
            if !text.is_empty() {
                self.line(file, number, text);
            }
        }
        Ok(())
    }

    fn document(&mut self, file: &str, line: usize, bytes: &[u8]) {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(document) => self.add(file, line, line::in_json(&document, self.field.as_deref())),
            Err(error) => {
                self.skip(file, line + error.line().saturating_sub(1), format!("invalid JSON: {error}"));
            }
        }
    }

    fn line(&mut self, file: &str, number: usize, text: &str) {
        if !text.starts_with('{') {
            return self.add(file, number, line::in_text(text));
        }
        match serde_json::from_str::<Value>(text) {
            Ok(document) => self.add(file, number, line::in_json(&document, self.field.as_deref())),
            Err(error) => self.skip(file, number, format!("invalid JSON: {error}")),
        }
    }

    fn add(&mut self, file: &str, line: usize, found: Result<Option<Found>, String>) {
        let found = match found {
            Ok(found) => found,
            Err(reason) => return self.skip(file, line, reason),
        };
        let (found, path) = found.map_or((None, None), |(found, path)| (Some(found), path));
        if let Err(reason) = self.matches.add(found.as_ref(), path.as_deref(), "", usize::MAX) {
            self.skip(file, line, reason.to_owned());
        }
    }

    fn skip(&mut self, file: &str, line: usize, reason: String) {
        self.skipped.push(Skipped { file: file.to_owned(), line, reason });
    }

    /// Returns proposals for what at least so many requests matched.
    #[must_use]
    pub fn finish(self, min_requests: u64) -> Tuning {
        Tuning { skipped: self.skipped, ..Tuning::new(self.matches, min_requests) }
    }
}

impl Proposal {
    /// Returns the entry of `exclude`.
    #[must_use]
    pub fn entry(&self) -> Value {
        let mut entry = serde_json::Map::new();
        entry.insert("rule".to_owned(), self.rule.into());
        for (name, value) in [("target", &self.target), ("path", &self.path)] {
            if let Some(value) = value {
                entry.insert(name.to_owned(), value.as_str().into());
            }
        }
        let requests = if self.requests == 1 { "request" } else { "requests" };
        let (count, score) = (self.requests, self.score);
        entry.insert(
            "why".to_owned(),
            format!("TODO: why this is harmless ({count} {requests}, scores up to {score})").into(),
        );
        Value::Object(entry)
    }
}

impl Tuning {
    /// Returns proposals for what at least so many requests matched.
    #[must_use]
    pub fn new(matches: Matches, min_requests: u64) -> Self {
        let mut tuning = Self { requests: matches.requests, matched: matches.matched, ..Self::default() };
        let mut fields: BTreeMap<&'static str, u64> = BTreeMap::new();
        // By rule and target: the paths.
        let mut rules: BTreeMap<_, BTreeMap<_, Count>> = BTreeMap::new();
        for (Place { rule, path }, count) in matches.counts {
            match FIELDS.iter().find(|(own, _)| *own == rule.rule) {
                Some((_, field)) => *fields.entry(field).or_default() += count.requests,
                None => {
                    let paths = rules.entry((rule.rule, line::target(&rule.variable))).or_default();
                    paths.entry(path).or_default().add(count);
                }
            }
        }
        for ((rule, target), paths) in rules {
            let frequent =
                paths::merge(paths).into_iter().filter(|(_, count)| count.requests >= min_requests);
            tuning.proposals.extend(frequent.map(|(path, Count { requests, score, last })| Proposal {
                rule,
                target: target.clone(),
                path,
                requests,
                score,
                last,
            }));
        }
        tuning.fields = fields.into_iter().collect();
        // Stable, so that equal ones stay in the order of rules.
        tuning.proposals.sort_by_key(|proposal| std::cmp::Reverse(proposal.requests));
        tuning
    }

    /// Returns a configuration with the proposals, which the plug-in accepts.
    #[must_use]
    pub fn configuration(&self) -> Value {
        let entries: Vec<Value> = self.proposals.iter().map(Proposal::entry).collect();
        json!({ "mode": "detect", "exclude": entries })
    }
}

#[cfg(test)]
mod tests;
