//! Operators: `@rx`, `!@pmFromFile files.data`.

use std::borrow::Cow;

use crate::compile::ReadFile;
use crate::filter::Filter;
use crate::program::{Operator, Part};
use crate::template;

/// Parses an operator, and returns true with it if it is negated.
pub(crate) fn parse(text: &str, read: &ReadFile<'_>) -> Result<(Operator<'static>, bool), String> {
    let text = text.trim();
    let (negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let Some(rest) = rest.strip_prefix('@') else {
        return Ok((rx(rest)?, negated));
    };
    let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let operator = match name.to_ascii_lowercase().as_str() {
        "rx" => rx(argument)?,
        "pm" => phrases(argument.split_whitespace()),
        "pmfromfile" | "pmf" => phrases(lines(&read_all(argument, read)?)),
        "streq" => Operator::StrEq(template::parse(argument)?),
        "contains" | "strmatch" => Operator::Contains(template::parse(argument)?),
        "containsword" => Operator::ContainsWord(template::parse(argument)?),
        "beginswith" => Operator::BeginsWith(template::parse(argument)?),
        "endswith" => Operator::EndsWith(template::parse(argument)?),
        "within" => Operator::Within(template::parse(argument)?),
        "eq" => Operator::Eq(template::parse(argument.trim())?),
        "ge" => Operator::Ge(template::parse(argument.trim())?),
        "gt" => Operator::Gt(template::parse(argument.trim())?),
        "le" => Operator::Le(template::parse(argument.trim())?),
        "lt" => Operator::Lt(template::parse(argument.trim())?),
        "ipmatch" => Operator::IpMatch(networks(argument.split(','))),
        "ipmatchfromfile" | "ipmatchf" => Operator::IpMatch(networks(lines(&read_all(argument, read)?))),
        "detectsqli" => Operator::DetectSqli,
        "detectxss" => Operator::DetectXss,
        "validatebyterange" => Operator::ValidateByteRange(byte_ranges(argument)?),
        "validateurlencoding" => Operator::ValidateUrlEncoding,
        "validateutf8encoding" => Operator::ValidateUtf8Encoding,
        "unconditionalmatch" => Operator::Always,
        "nomatch" => Operator::Never,
        _ => return Err(format!("`@{name}` is not supported")),
    };
    if let Operator::Pm(phrases, _) = &operator
        && phrases.is_empty()
    {
        return Err(format!("`@{name}` has no phrases"));
    }
    Ok((operator, negated))
}

/// Reads files, separated by white space. Their names may be in quotes.
fn read_all(names: &str, read: &ReadFile<'_>) -> Result<String, String> {
    let mut text = String::new();
    for name in names.split_whitespace() {
        text.push_str(&read(name.trim_matches('"'))?);
        text.push('\n');
    }
    Ok(text)
}

fn rx(pattern: &str) -> Result<Operator<'static>, String> {
    let parsed = match pattern.contains("%{") {
        true => template::parse(pattern)?,
        false => return Ok(Operator::Rx(Cow::Owned(pattern.to_owned()), None)),
    };
    Ok(match parsed.parts.iter().any(|part| !matches!(part, Part::Text(_))) {
        true => Operator::RxTemplate(parsed),
        false => Operator::Rx(Cow::Owned(pattern.to_owned()), None),
    })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn phrases<'a>(phrases: impl Iterator<Item = &'a str>) -> Operator<'static> {
    let mut all: Vec<_> = phrases.map(str::to_ascii_lowercase).collect();
    all.sort_unstable();
    all.dedup();
    let filter = Filter::of_phrases(all.iter().map(String::as_str));
    Operator::Pm(Cow::Owned(all.join("\n")), filter)
}

fn networks<'a>(networks: impl Iterator<Item = &'a str>) -> Vec<Cow<'static, str>> {
    networks
        .map(str::trim)
        .filter(|network| !network.is_empty())
        .map(|network| Cow::Owned(network.to_owned()))
        .collect()
}

fn byte_ranges(text: &str) -> Result<Vec<(u8, u8)>, String> {
    let number = |text: &str| {
        text.trim().parse::<u8>().map_err(|_| format!("`{text}` is not a byte: write numbers from 0 to 255"))
    };
    text.split(',')
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(first)?, number(last)?);
            match first <= last {
                true => Ok((first, last)),
                false => Err(format!("`{range}` is reversed: write the smaller byte first")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Result<String, String> {
        match name {
            "words.data" => Ok("# comment\nWget\n\n curl \nwget\n".to_owned()),
            name => Err(format!("{name} cannot be read")),
        }
    }

    fn operator(text: &str) -> Result<(Operator<'static>, bool), String> {
        parse(text, &read)
    }

    #[test]
    fn operators_are_typed() {
        assert_eq!(operator("a|b"), Ok((Operator::Rx("a|b".into(), None), false)));
        assert_eq!(operator("!@rx ^a$"), Ok((Operator::Rx("^a$".into(), None), true)));
        assert_eq!(operator("@rx  a"), Ok((Operator::Rx(" a".into(), None), false)));
        assert!(matches!(operator("@rx ^%{tx.x}$"), Ok((Operator::RxTemplate(_), false))));
        let phrases = Operator::Pm("curl\nwget".into(), Filter::of_phrases(["curl", "wget"].into_iter()));
        assert_eq!(operator("@pmFromFile words.data"), Ok((phrases, false)));
        let ranges = Operator::ValidateByteRange(vec![(9, 9), (32, 126)]);
        assert_eq!(operator("@validateByteRange 9, 32-126"), Ok((ranges, false)));
    }

    #[test]
    fn errors_say_what_to_write() {
        assert_eq!(operator("@rxx a").unwrap_err(), "`@rxx` is not supported");
        assert_eq!(operator("@pmFromFile a.data").unwrap_err(), "a.data cannot be read");
        assert!(operator("@validateByteRange 1-300").unwrap_err().contains("0 to 255"));
        assert!(operator("@validateByteRange 9-1").unwrap_err().contains("reversed"));
        assert_eq!(operator("@pm").unwrap_err(), "`@pm` has no phrases");
    }
}
