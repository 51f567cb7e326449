//! Variables of rules: `ARGS|!ARGS:/^x/|&REQUEST_HEADERS:Host`.

use std::borrow::Cow;

use crate::program::{Collection, Selector, Target, Use};

/// Parses a list of variables.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Target<'static>>, String> {
    split(text).into_iter().map(parse_one).collect()
}

/// Splits at `|` and `,` outside of expressions between slashes.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut in_regex, mut escaped, mut after_colon) = (0, false, false, false);
    for (at, c) in text.char_indices() {
        match c {
            // `XML:/*` is an XPath.
            '/' if !in_regex && after_colon => in_regex = !starts_xml(text.get(start..).unwrap_or_default()),
            '/' if in_regex && !escaped => {
                // The end of an expression is followed by the end of the variable.
                let rest = text.get(at + 1..).unwrap_or_default();
                in_regex = !(rest.is_empty() || rest.starts_with(['|', ',', '\'']));
            }
            '|' | ',' if !in_regex => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
        escaped = in_regex && c == '\\' && !escaped;
        after_colon = c == ':' || (after_colon && c == '\'');
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn starts_xml(text: &str) -> bool {
    text.trim_start_matches(['&', '!', ' ']).get(..4).is_some_and(|name| name.eq_ignore_ascii_case("xml:"))
}

/// Parses one variable.
pub(crate) fn parse_one(text: &str) -> Result<Target<'static>, String> {
    let text = text.trim();
    let (usage, rest) = match (text.strip_prefix('&'), text.strip_prefix('!')) {
        (Some(rest), _) => (Use::Count, rest),
        (_, Some(rest)) => (Use::Exclude, rest),
        _ => (Use::Values, text),
    };
    let (name, key) = match rest.split_once([':', '.']) {
        Some((name, key)) => (name, Some(key)),
        None => (rest, None),
    };
    let collection = Collection::from_name(name.trim())
        .ok_or_else(|| format!("`{}` is not a known variable", name.trim()))?;
    let key = key.map(|key| key.trim().trim_matches('\''));
    let selector = match key {
        None => Selector::All,
        Some(key) if collection == Collection::Xml => xml(key)?,
        Some(key) => match key.strip_prefix('/').and_then(|key| key.strip_suffix('/')) {
            Some("") => return Err(format!("`{text}`: the expression is empty")),
            Some(expression) => Selector::Regex(Cow::Owned(expression.to_owned())),
            None if key.is_empty() => return Err(format!("`{text}`: the name after `:` is empty")),
            None => Selector::Name(Cow::Owned(key.to_owned())),
        },
    };
    Ok(Target { collection, selector, usage })
}

fn xml(path: &str) -> Result<Selector<'static>, String> {
    match path {
        "/*" | "//*" | "//@*" | "/@*" => Ok(Selector::Name(Cow::Owned(path.to_owned()))),
        _ => Err(format!(
            "`XML:{path}`: only `/*` (all text) and `//@*` (all attributes) of XPath are supported"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_expressions_do_not_separate() {
        let list = "REQUEST_COOKIES|!REQUEST_COOKIES:/__utm|a,b/|&ARGS:x|XML:/*|TX:'/^p_/'|XML://@*";
        let targets = parse_list(list).unwrap();
        let regex = |text: &str| Selector::Regex(Cow::Owned(text.to_owned()));
        let name = |text: &str| Selector::Name(Cow::Owned(text.to_owned()));
        let expected = [
            (Collection::RequestCookies, Selector::All, Use::Values),
            (Collection::RequestCookies, regex("__utm|a,b"), Use::Exclude),
            (Collection::Args, name("x"), Use::Count),
            (Collection::Xml, name("/*"), Use::Values),
            (Collection::Tx, regex("^p_"), Use::Values),
            (Collection::Xml, name("//@*"), Use::Values),
        ];
        let found: Vec<_> =
            targets.into_iter().map(|target| (target.collection, target.selector, target.usage)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn unknown_variables_and_paths_are_errors() {
        assert_eq!(parse_list("ARGS|ARG").unwrap_err(), "`ARG` is not a known variable");
        assert!(parse_list("XML:/a/b").unwrap_err().contains("XPath"));
        assert!(parse_list("ARGS:").unwrap_err().contains("empty"));
    }
}
