//! Texts with macros: `%{TX.anomaly_score}`.

use std::borrow::Cow;

use crate::program::{Collection, Macro, Part, Template};

/// Parses a text with macros. A macro of an unknown variable is an error.
pub(crate) fn parse(text: &str) -> Result<Template<'static>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("%{") {
        let (before, after) = rest.split_at(start);
        let Some(end) = after.find('}') else { break };
        let name = after.get(2..end).unwrap_or_default();
        if !before.is_empty() {
            parts.push(Part::Text(Cow::Owned(before.to_owned())));
        }
        let (collection, key) = match name.split_once(['.', ':']) {
            Some((collection, key)) => (collection, Some(key)),
            None => (name, None),
        };
        if collection.eq_ignore_ascii_case("rule") {
            parts.push(Part::Rule(Cow::Owned(key.unwrap_or_default().to_ascii_lowercase())));
        } else {
            let collection = Collection::from_name(collection)
                .ok_or_else(|| format!("`%{{{name}}}` is not a known variable"))?;
            let key = key.map(|key| Cow::Owned(key.to_ascii_lowercase()));
            parts.push(Part::Macro(Macro { collection, key }));
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    if !rest.is_empty() {
        parts.push(Part::Text(Cow::Owned(rest.to_owned())));
    }
    Ok(Template { parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_are_separated_from_text() {
        let template = parse("a%{TX.Score}b%{MATCHED_VAR}").unwrap();
        assert_eq!(
            template.parts,
            [
                Part::Text("a".into()),
                Part::Macro(Macro { collection: Collection::Tx, key: Some("score".into()) }),
                Part::Text("b".into()),
                Part::Macro(Macro { collection: Collection::MatchedVar, key: None }),
            ]
        );
        assert_eq!(parse("100% {x}").unwrap().as_text(), Some("100% {x}"));
        assert_eq!(parse("").unwrap().as_text(), Some(""));
        assert!(parse("%{NOWHERE.x}").unwrap_err().contains("NOWHERE"));
    }
}
