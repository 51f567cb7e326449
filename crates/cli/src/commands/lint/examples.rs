//! The configurations in a plug-in's READMEs, validated by the plug-in.
//!
//! A YAML block is a complete configuration, unless the info string of its fence, which readers do not see, declares that it
//! extends the first one of the README: `in=FIELD` is the value of a field, `with-first` are additional fields.

use std::fs;

use anyhow::{Context, Result};
use resource::yaml::{self, Fault};
use serde_json::{Map, Value};
use workspace::Plugin;
use workspace::describe::{Describer, Refusal};

use crate::commands::config::print;
use crate::markdown::{Block, blocks};
use crate::output::{BAD, styled};

/// Returns false, after printing the errors, if the plug-in rejects a configuration of its READMEs.
pub(super) fn are_accepted(plugin: &Plugin, describer: &Describer) -> Result<bool> {
    let mut good = true;
    let mut files: Vec<_> = fs::read_dir(&plugin.folder)
        .with_context(|| format!("reading {}", plugin.folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.starts_with("README") && name.ends_with(".md"))
        .collect();
    files.sort();
    for name in files {
        let file = plugin.folder.join(&name);
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let mut first = None;
        for block in blocks(&text).iter().filter(|block| block.language == "yaml") {
            for mut fault in refused(block, &mut first, describer)? {
                fault.line += block.line - 1;
                // The excerpt has the line number of the block, not of the file.
                fault.excerpt = None;
                print(&fault, &styled(BAD, "error:"), &plugin.shown.join(&name).display().to_string());
                good = false;
            }
        }
    }
    Ok(good)
}

/// Returns the errors of a block.
fn refused(
    block: &Block,
    first: &mut Option<Map<String, Value>>,
    describer: &Describer,
) -> Result<Vec<Fault>> {
    let at_start = |message: String| {
        let start = yaml::Position { line: 1, column: 1 };
        Fault::new("", yaml::Span { start, end: start }, "", message)
    };
    let value: Value = match serde_yaml::from_str(&block.text) {
        Ok(value) => value,
        Err(error) => return Ok(vec![at_start(format!("invalid YAML: {error}"))]),
    };
    let document = match whole(&block.attributes, value, first.as_ref()) {
        Ok(document) => document,
        Err(message) => return Ok(vec![at_start(message)]),
    };
    first.get_or_insert_with(|| document.clone());
    let documents = yaml::read(&block.text)?;
    let fault = |refusal: Refusal| {
        let path = match block.attributes.strip_prefix("in=") {
            Some(field) => refusal.path.strip_prefix(field).unwrap_or(&refusal.path).to_owned(),
            None => refusal.path,
        };
        match documents.first() {
            Some(document) => Fault::at(&block.text, document, path, refusal.message),
            None => at_start(refusal.message),
        }
    };
    Ok(describer.check(&Value::Object(document))?.into_iter().map(fault).collect())
}

/// Returns the complete configuration of a block.
fn whole(
    attributes: &str,
    value: Value,
    first: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, String> {
    let continued = || {
        let first = first.ok_or("extends a configuration, but is the first one")?;
        Ok::<_, String>(first.clone())
    };
    match (attributes, value) {
        ("", Value::Object(fields)) => Ok(fields),
        ("", _) => {
            Err("is not a whole configuration: write ```yaml in=FIELD where it continues the first one"
                .into())
        }
        ("with-first", Value::Object(fields)) => {
            let mut all = continued()?;
            all.extend(fields);
            Ok(all)
        }
        (attributes, value) => match attributes.strip_prefix("in=") {
            Some(field) => {
                let mut all = continued()?;
                all.insert(field.to_owned(), value);
                Ok(all)
            }
            None => Err(format!("`{attributes}` is not known here: write in=FIELD or with-first")),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::whole;

    #[test]
    fn blocks_continue_the_first_one() {
        let first = json!({ "a": 1, "items": [1] });
        let first = first.as_object();
        assert_eq!(json!(whole("", json!({ "b": 2 }), first).unwrap()), json!({ "b": 2 }));
        assert_eq!(json!(whole("in=items", json!([2]), first).unwrap()), json!({ "a": 1, "items": [2] }));
        assert_eq!(
            json!(whole("with-first", json!({ "b": 2 }), first).unwrap()),
            json!({ "a": 1, "b": 2, "items": [1] })
        );
        assert!(whole("", json!([2]), first).unwrap_err().contains("in=FIELD"));
        assert!(whole("in=items", json!([2]), None).unwrap_err().contains("is the first one"));
        assert!(whole("other", json!([2]), first).unwrap_err().contains("is not known here"));
    }
}
