//! Rules that requests have matched, as a firewall reports them in access logs: read, and counted by rule, variable and path.
//!
//! A report is a text such as `score=10,942100@ARGS:id,941100@ARGS:q`. Everything in it, and every path, may come from an
//! attacker, so the lengths and the number of entries are bounded. Values are not read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The property with the report, which is `%FILTER_STATE(wasm.waf:PLAIN)%` in Envoy's access logs.
pub const PROPERTY: &str = "waf";

/// The maximum length of the name of a variable in a report, in bytes: longer ones are cut there.
pub const MAX_VARIABLE: usize = 100;

/// The maximum number of rules in a report.
const MAX_RULES: usize = 20;

/// The maximum length of a path, in bytes.
const MAX_PATH: usize = 1024;

/// The minimum length of a name of hexadecimal digits that is an identifier.
const HEX: usize = 8;

/// The rules that a request has matched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RequestMatches {
    /// The score of the request, or that of the response if it is higher.
    pub score: u64,
    /// The rules with their variables, each once.
    pub rules: Vec<RuleMatch>,
}

/// A rule that a request has matched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RuleMatch {
    /// The number of the rule.
    pub rule: u32,
    /// The variable, such as `ARGS:q`; empty if it is not reported.
    pub variable: String,
}

impl RequestMatches {
    /// Reads a report; `None` if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let score = parts.next()?.strip_prefix("score=")?.parse().ok()?;
        let mut matches = Self { score, rules: Vec::new() };
        for part in parts {
            if let Some((name, value)) = part.split_once('=')
                && matches!(name, "body" | "response" | "outbound")
            {
                if let ("outbound", Ok(score)) = (name, value.parse()) {
                    matches.score = matches.score.max(score);
                }
                continue;
            }
            // With `log_values`, the value follows. It is not read.
            let part = part.split('=').next()?;
            let (rule, variable) = part.split_once('@').unwrap_or((part, ""));
            let mut variable = decode(variable)?;
            variable.truncate(MAX_VARIABLE);
            // A name may be cut inside a character.
            let variable = String::from_utf8_lossy(&variable).into_owned();
            let rule = RuleMatch { rule: rule.parse().ok()?, variable };
            if matches.rules.len() < MAX_RULES && !matches.rules.contains(&rule) {
                matches.rules.push(rule);
            }
        }
        Some(matches)
    }
}

/// Decodes percent-encoding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(bytes)
}

/// Returns the path of a request without its query, decoded as exclusions are written. The scheme and host of a URL are left out.
#[must_use]
pub fn path(target: &str) -> Option<String> {
    let target = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    let path = target.split(['?', '#']).next()?;
    if !path.starts_with('/') {
        return None;
    }
    let decoded = decode(path).and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.filter(|path| !path.chars().any(|c| c.is_control() || c == '\u{fffd}'));
    Some(decoded.unwrap_or_else(|| path.to_owned()))
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The rule and the variable.
    pub rule: RuleMatch,
    /// The path, in which `*` stands for everything from the first identifier; none if the log has no paths.
    pub path: Option<String>,
}

/// The requests that have matched a rule at a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Their number.
    pub requests: u64,
    /// The highest score of such a request.
    pub score: u64,
    /// The time of the last one, in RFC 3339; empty if it is not known.
    pub last: String,
}

impl Count {
    /// Adds other requests.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.score = self.score.max(other.score);
        if other.last > self.last {
            self.last = other.last;
        }
    }
}

/// The rules that requests have matched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matches {
    /// The number of requests.
    pub requests: u64,
    /// Those that have matched a rule.
    pub matched: u64,
    /// The number of matches that are not counted by place: an exclusion cannot name their path, or others are more frequent.
    pub others: u64,
    /// The numbers by place.
    #[serde(serialize_with = "as_list", deserialize_with = "from_list")]
    pub counts: BTreeMap<Place, Count>,
}

impl Matches {
    /// Counts a request with its path, in at most `max` places: for a new one, the least frequent is given up.
    ///
    /// # Errors
    ///
    /// The reason why the path cannot be listed.
    pub fn add(
        &mut self,
        found: Option<&RequestMatches>,
        path: Option<&str>,
        time: &str,
        max: usize,
    ) -> Result<(), &'static str> {
        self.requests += 1;
        let Some(found) = found.filter(|found| !found.rules.is_empty()) else { return Ok(()) };
        self.matched += 1;
        let wrong = match path {
            Some(path) if path.contains(['*', '?', '#']) => {
                Some("a path with `*`, `?` or `#`, which an exclusion cannot name")
            }
            Some(path) if path.len() > MAX_PATH => Some("a path that is too long"),
            Some(path) if !path.starts_with('/') => Some("a request without a path"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.others += found.rules.len() as u64;
            return Err(wrong);
        }
        let path = path.map(without_identifiers);
        for rule in &found.rules {
            let place = Place { rule: rule.clone(), path: path.clone() };
            if !self.counts.contains_key(&place) && self.counts.len() >= max {
                self.forget();
            }
            let count = Count { requests: 1, score: found.score, last: time.to_owned() };
            self.counts.entry(place).or_default().add(count);
        }
        Ok(())
    }

    /// Gives up the place with the fewest requests, the one that has not matched for the longest time first.
    fn forget(&mut self) {
        let least = self.counts.iter().min_by_key(|(_, count)| (count.requests, count.last.as_str()));
        if let Some(place) = least.map(|(place, _)| place.clone())
            && let Some(count) = self.counts.remove(&place)
        {
            self.others += count.requests;
        }
    }
}

/// JSON has no objects with such keys.
fn as_list<S: Serializer>(counts: &BTreeMap<Place, Count>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(counts)
}

fn from_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Place, Count>, D::Error> {
    Ok(Vec::deserialize(deserializer)?.into_iter().collect())
}

/// Returns the path up to its first identifier, which `*` replaces: `/items/17` and `/items/18` are both `/items/*`.
fn without_identifiers(path: &str) -> String {
    let mut start = String::new();
    for segment in path.split_inclusive('/') {
        if start.len() > 1 && is_identifier(segment.trim_end_matches('/')) {
            start.push('*');
            return start;
        }
        start.push_str(segment);
    }
    path.to_owned()
}

/// Returns true for numbers, UUIDs and digests.
fn is_identifier(segment: &str) -> bool {
    let has_digit = segment.bytes().any(|byte| byte.is_ascii_digit());
    let is_number = segment.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    has_digit && (is_number || (is_hex && segment.len() >= HEX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-01-01T00:00:00.000Z";

    fn places(matches: &Matches) -> Vec<String> {
        let text = |(place, count): (&Place, &Count)| {
            let path = place.path.as_deref().unwrap_or("-");
            format!("{} {} {} {path}", count.requests, place.rule.rule, place.rule.variable)
        };
        matches.counts.iter().map(text).collect()
    }

    fn add(matches: &mut Matches, report: &str, path: &str) -> Result<(), &'static str> {
        matches.add(RequestMatches::parse(report).as_ref(), Some(path), TIME, 3)
    }

    #[test]
    fn reports_are_bounded_and_have_no_values() {
        let long = format!("score=5,outbound=9,body=prefix,1@ARGS:{}", "x".repeat(5000));
        let found = RequestMatches::parse(&long).unwrap();
        assert_eq!((found.score, found.rules[0].variable.len()), (9, MAX_VARIABLE));
        // A character that is cut in two makes it no shorter, so it is still known as cut.
        let odd = format!("score=5,1@ARGS:{}%C3%A9", "x".repeat(94));
        let variable = &RequestMatches::parse(&odd).unwrap().rules[0].variable;
        assert!(variable.len() >= MAX_VARIABLE && variable.ends_with('\u{fffd}'), "{variable}");
        let many: String = (0..1000).map(|rule| format!(",{rule}@ARGS:a")).collect();
        assert_eq!(RequestMatches::parse(&format!("score=5{many}")).unwrap().rules.len(), MAX_RULES);
        let valued = RequestMatches::parse("score=5,1@ARGS:a=secret,1@ARGS:a=other").unwrap();
        assert_eq!(valued.rules, [RuleMatch { rule: 1, variable: "ARGS:a".into() }]);
        for wrong in ["", "-", "score=", "score=x", "score=5,x@ARGS:a", "score=5,1@%", "score=5,1@%zz"] {
            assert_eq!(RequestMatches::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn requests_are_counted_by_rule_variable_and_path() {
        let mut matches = Matches::default();
        add(&mut matches, "score=5,1@ARGS:a", "/items/17").unwrap();
        add(&mut matches, "score=9,1@ARGS:a", "/items/18").unwrap();
        add(&mut matches, "score=0", "/").unwrap();
        add(&mut matches, "-", "/").unwrap();
        assert_eq!(places(&matches), ["2 1 ARGS:a /items/*"]);
        assert_eq!((matches.requests, matches.matched, matches.others), (4, 2, 0));
        let count = matches.counts.values().next().unwrap();
        assert_eq!((count.score, count.last.as_str()), (9, TIME));
        let text = serde_json::to_string(&matches).unwrap();
        assert_eq!(serde_json::from_str::<Matches>(&text).unwrap(), matches);
    }

    #[test]
    fn a_path_that_no_exclusion_names_is_counted_with_the_others() {
        let mut matches = Matches::default();
        for path in ["/a*", "/a?", "/#", "", "*", &format!("/{}", "x".repeat(MAX_PATH))] {
            assert!(add(&mut matches, "score=5,1@ARGS:a,2@ARGS:a", path).is_err(), "{path}");
        }
        assert_eq!((matches.matched, matches.others, matches.counts.len()), (6, 12, 0));
    }

    #[test]
    fn a_flood_leaves_what_is_frequent_and_does_not_keep_out_what_is_new() {
        let mut matches = Matches::default();
        for _ in 0..3 {
            add(&mut matches, "score=5,1@ARGS:a", "/").unwrap();
        }
        for rule in 100..200 {
            add(&mut matches, &format!("score=5,{rule}@ARGS:x"), "/").unwrap();
        }
        assert_eq!(places(&matches)[0], "3 1 ARGS:a /");
        assert_eq!((matches.counts.len(), matches.others), (3, 98));
        add(&mut matches, "score=5,7@ARGS:new", "/").unwrap();
        assert!(places(&matches).contains(&"1 7 ARGS:new /".to_owned()), "{:?}", places(&matches));
    }
}
