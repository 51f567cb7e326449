//! The `differences` of `plugin.yaml`: their fields and test cases exist.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use resource::MANIFEST;
use resource::yaml::{self, Fault};
use serde_json::Value;
use workspace::Plugin;
use workspace::schema::fields;

use crate::commands::config::print;
use crate::output::{BAD, styled};

/// Returns false, after printing the problems, if a difference names a field or a case that does not exist.
pub(super) fn are_valid(plugin: &Plugin, schema: &Value) -> Result<bool> {
    let differences = plugin.manifest()?.differences;
    if differences.is_empty() {
        return Ok(true);
    }
    let file = plugin.folder.join("tests/cases.yaml");
    let cases = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let cases = names(&cases).with_context(|| format!("reading {}", file.display()))?;
    let fields = fields(schema);
    let mut problems = Vec::new();
    for (index, difference) in differences.iter().enumerate() {
        if let Some(field) = &difference.field
            && !fields.iter().any(|known| known.path == *field)
        {
            let message =
                "is not a field of the plug-in: write its path, for example `rules[].name`".to_owned();
            problems.push((format!("differences[{index}].field"), message));
        }
        if !cases.contains(&difference.case) {
            let message =
                "is not the name of a case in tests/cases.yaml: add the case, or write its name".to_owned();
            problems.push((format!("differences[{index}].case"), message));
        }
    }
    let file = plugin.manifest_file();
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    if let Some(document) = yaml::read(&text)?.first() {
        for (path, message) in &problems {
            let fault = Fault::at(&text, document, path.as_str(), message.as_str());
            print(&fault, &styled(BAD, "error:"), &plugin.shown.join(MANIFEST).display().to_string());
        }
    }
    Ok(problems.is_empty())
}

/// Returns the names of the cases in a file.
fn names(text: &str) -> Result<BTreeSet<String>> {
    let documents: Value = serde_yaml::from_str(text)?;
    let cases = documents.get("cases").and_then(Value::as_array).into_iter().flatten();
    Ok(cases.filter_map(|case| Some(case.get("name")?.as_str()?.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_of_cases_are_read() {
        let names =
            names("cases:\n- name: a, b\n  config: &c { x: 1 }\n- { name: 'c', config: *c }\n").unwrap();
        assert!(names.iter().eq(["a, b", "c"]), "{names:?}");
    }
}
