//! The new name of a model.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// New names of models. An empty one keeps the name.
#[derive(Debug, Default)]
pub struct Mapping {
    exact: BTreeMap<String, String>,
    /// Beginnings of names, the longest first. The empty one is that of `*`.
    prefixes: Vec<(String, String)>,
}

impl Mapping {
    /// Adds a name, a prefix that `*` follows, or `*`.
    pub fn add(&mut self, model: &str, new: String) -> Result<(), &'static str> {
        if model.strip_suffix('*').unwrap_or(model).contains('*') {
            return Err("has `*` before its end: write a name, or the beginning of names and one `*`");
        }
        match model.strip_suffix('*') {
            Some(prefix) => {
                self.prefixes.push((prefix.to_owned(), new));
                self.prefixes.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
            }
            None => {
                self.exact.insert(model.to_owned(), new);
            }
        }
        Ok(())
    }

    /// Returns the new name of a model, or `None` if it keeps its name. A request without a model has only that of `*`.
    pub fn new_name(&self, model: Option<&str>) -> Option<&str> {
        let name = model.unwrap_or_default();
        let by_prefix = || {
            let found = self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix.as_str()));
            found.map(|(_, new)| new)
        };
        let new = self.exact.get(name).filter(|_| model.is_some()).or_else(by_prefix)?;
        Some(new.as_str()).filter(|new| !new.is_empty() && Some(*new) != model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_entry_applies() {
        let mut mapping = Mapping::default();
        for (model, new) in
            [("a", "1"), ("a*", "2"), ("ab*", "3"), ("abc*", ""), ("", "4"), ("*", "5"), ("same", "same")]
        {
            mapping.add(model, new.to_owned()).unwrap();
        }
        for (model, new) in [
            (Some("a"), Some("1")),
            (Some("ax"), Some("2")),
            (Some("ab"), Some("3")),
            (Some("abcd"), None),
            (Some(""), Some("4")),
            (Some("b"), Some("5")),
            (Some("A"), Some("5")),
            (Some("same"), None),
            (Some("5"), None),
            (None, Some("5")),
        ] {
            assert_eq!(mapping.new_name(model), new, "{model:?}");
        }
        assert_eq!(Mapping::default().new_name(Some("a")), None);
        for wrong in ["a*b", "*a", "**", "a**"] {
            assert!(mapping.add(wrong, "a".to_owned()).is_err(), "{wrong}");
        }
    }
}
