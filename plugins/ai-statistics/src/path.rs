//! Paths to values of bodies, as in gjson: keys and indexes separated by dots, and `@reverse` for indexes from the end.

use text::json::{self, DotPath, Paths, edit};

/// A path to a value.
#[derive(Debug, Default)]
pub struct ValuePath {
    /// The array of which an entry is counted from the end, and the index.
    from_end: Option<(DotPath, usize)>,
    /// The path in the document or in that entry; `None` for all of it.
    path: Option<DotPath>,
}

impl ValuePath {
    /// Parses a path.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let dot_path = |text: &str| DotPath::in_json(text).map_err(|error| error.to_string());
        let Some((array, rest)) = text.split_once(".@reverse.") else {
            return Ok(ValuePath { from_end: None, path: Some(dot_path(text)?) });
        };
        let (index, rest) = rest.split_once('.').map_or((rest, None), |(index, rest)| (index, Some(rest)));
        let index = index
            .parse()
            .map_err(|_| "has no index after `@reverse`: write `messages.@reverse.0` for the last entry")?;
        Ok(ValuePath { from_end: Some((dot_path(array)?, index)), path: rest.map(dot_path).transpose()? })
    }

    /// Returns the JSON of the value in a document, or `None` without one, for `null`, and if the document is not valid JSON.
    pub fn get(&self, document: &[u8]) -> Option<Vec<u8>> {
        let value = match &self.from_end {
            None => self.within(document)?,
            Some((array, index)) => {
                let array = edit::get(document, array).ok()??;
                self.within(entry(&array, *index)?)?
            }
        };
        (value != b"null").then_some(value)
    }

    fn within(&self, document: &[u8]) -> Option<Vec<u8>> {
        match &self.path {
            Some(path) => Some(edit::get(document, path).ok()??.into_owned()),
            None => Some(document.to_vec()),
        }
    }
}

/// Returns an entry of an array, counted from the end.
fn entry(array: &[u8], index: usize) -> Option<&[u8]> {
    thread_local! {
        static ENTRIES: Paths = Paths::new(&["$[0:]"]).unwrap_or_default();
    }
    let entries = ENTRIES.with(|paths| json::find(array, paths)).ok()?;
    let place = entries.len().checked_sub(index)?.checked_sub(1)?;
    array.get(entries.get(place)?.span.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_paths() {
        let document =
            br#"{"model":"m","messages":[{"content":"a"},{"content":[{"text":"b"}]}],"empty":[],"none":null}"#;
        let get = |path: &str| {
            let value = ValuePath::parse(path).unwrap().get(document);
            value.map(|value| String::from_utf8(value).unwrap())
        };
        for (path, value) in [
            ("model", Some("\"m\"")),
            ("messages.0.content", Some("\"a\"")),
            ("messages.@reverse.0.content", Some(r#"[{"text":"b"}]"#)),
            ("messages.@reverse.1.content", Some("\"a\"")),
            ("messages.@reverse.1", Some(r#"{"content":"a"}"#)),
            ("messages.@reverse.2.content", None),
            ("empty.@reverse.0", None),
            ("model.@reverse.0", None),
            ("none", None),
            ("other", None),
        ] {
            assert_eq!(get(path).as_deref(), value, "{path}");
        }
        assert_eq!(ValuePath::parse("model").unwrap().get(b"{"), None);
        assert!(ValuePath::parse("messages.@reverse.x").unwrap_err().contains("`messages.@reverse.0`"));
        assert!(ValuePath::parse("a.*").is_err());
    }
}
