//! Rules that are left out of some requests.

use matcher::path::RequestPath;
use seclang::{Action, Ctl, Directive, Program};

/// Rules by number or tag.
pub enum Rules {
    /// Ranges of numbers.
    Ids(Vec<(u32, u32)>),
    /// A tag.
    Tag(String),
}

impl Rules {
    /// Returns true if a program has one of them.
    pub fn is_in(&self, program: &Program<'_>) -> bool {
        program.rules.iter().any(|rule| match self {
            Self::Ids(ids) => ids.iter().any(|(first, last)| (*first..=*last).contains(&rule.id)),
            Self::Tag(tag) => program.tags_of(rule).any(|own| own == tag),
        })
    }
}

/// Parses a number, or a range.
pub fn ids(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let ids = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (ids.0 <= ids.1).then_some(ids)
}

/// Returns the change of the engine that leaves out rules, or a variable of them.
///
/// # Errors
///
/// The target is not a variable.
pub fn ctl(rules: Rules, target: Option<&str>) -> Result<Ctl<'static>, String> {
    let Some(target) = target else {
        return Ok(match rules {
            Rules::Ids(ids) => Ctl::RemoveById(ids),
            Rules::Tag(tag) => Ctl::RemoveByTag(tag.into()),
        });
    };
    // Through the parser of rules, so that a variable is written as in rules.
    let action = format!("id:1,ctl:ruleRemoveTargetById=1;{target}");
    let directive =
        Directive { name: "SecAction".to_owned(), words: vec![action], file: "exclude".into(), line: 1 };
    let compiled = seclang::compile(&[directive], &|name| Err(name.to_owned()));
    let actions = compiled.program.rules.into_iter().flat_map(|rule| rule.actions).collect::<Vec<_>>();
    match (compiled.errors.into_iter().next(), <[Action<'static>; 1]>::try_from(actions)) {
        (None, Ok([Action::Ctl(Ctl::RemoveTargetById(_, target))]))
            if target.usage == seclang::Use::Values =>
        {
            Ok(match rules {
                Rules::Ids(ids) => Ctl::RemoveTargetById(ids, target),
                Rules::Tag(tag) => Ctl::RemoveTargetByTag(tag.into(), target),
            })
        }
        (error, _) => {
            let reason = error.map(|error| format!(": {}", error.message)).unwrap_or_default();
            Err(format!("is not a variable{reason}: write one such as `ARGS:q`"))
        }
    }
}

/// Rules that are left out of requests for some paths.
pub struct Exclusion {
    path: Option<Path>,
    ctl: Ctl<'static>,
}

/// A path, or all paths below one.
enum Path {
    Exact(Vec<u8>),
    /// With the slash at the end.
    Below(Vec<u8>),
}

impl Exclusion {
    /// Leaves out rules, on all paths by default.
    pub fn new(path: Option<&str>, ctl: Ctl<'static>) -> Self {
        let path = path.map(|path| match path.strip_suffix('*') {
            Some(folder) if folder.ends_with('/') => Path::Below(folder.into()),
            _ => Path::Exact(path.into()),
        });
        Self { path, ctl }
    }

    /// Returns the change for a request. A path that servers may read differently has no exclusions but those of all paths.
    pub fn applies_to(&self, path: &RequestPath<'_>) -> Option<&Ctl<'static>> {
        let applies = self.path.as_ref().is_none_or(|own| {
            path.certainly_meets(|path| match own {
                Path::Exact(own) => path == own,
                Path::Below(folder) => path.starts_with(folder),
            })
        });
        applies.then_some(&self.ctl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_one_or_a_range() {
        assert_eq!(ids("942100"), Some((942_100, 942_100)));
        assert_eq!(ids("942100-942199"), Some((942_100, 942_199)));
        for text in ["", "a", "1-", "-1", "3-2", "1-2-3", "99999999999"] {
            assert_eq!(ids(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_applies_to_itself_or_to_all_below() {
        let applies = |own: &str, path: &str| {
            let exclusion = Exclusion::new(Some(own), Ctl::RemoveById(vec![(1, 1)]));
            exclusion.applies_to(&RequestPath::new(path.as_bytes())).is_some()
        };
        for (own, path) in
            [("/a", "/a"), ("/a", "/a?q=/b"), ("/a/*", "/a/b/c"), ("/a b", "/a%20b"), ("/*", "/")]
        {
            assert!(applies(own, path), "{own} {path}");
        }
        for (own, path) in [
            ("/a", "/a/"),
            ("/a", "/ab"),
            ("/a/*", "/a"),
            ("/a/*", "/ab"),
            ("/a/*", "/a/../b"),
            ("/a/*", "/a/%2e%2e/b"),
            ("/a/*", "/a/..;/b"),
            ("/a", "/%61"),
            ("/a*", "/ab"),
        ] {
            assert!(!applies(own, path), "{own} {path}");
        }
    }
}
