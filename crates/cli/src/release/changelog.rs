//! CHANGELOG.md: an open section on top, followed by one for each release of a plug-in.
//!
//! An entry of a plug-in begins with its name, ``- `request-block`: …``. A release moves these entries from the open section
//! to their own. Entries about the SDK and the tools stay.

use anyhow::{Context, Result, bail};

const OPEN: &str = "## Unreleased";

/// Returns the text with the open entries of a plug-in as a release.
pub(super) fn release(text: &str, plugin: &str, version: &str, date: &str) -> Result<String> {
    let lines: Vec<&str> = text.lines().collect();
    let open = lines.iter().position(|line| line.trim_end() == OPEN);
    let open = open.with_context(|| format!("add the heading `{OPEN}` above unreleased entries"))?;
    let (before, rest) = lines.split_at(open + 1);
    let end = rest.iter().position(|line| line.starts_with("## ")).unwrap_or(rest.len());
    let (entries, after) = rest.split_at(end);
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    let mut is_ours = false;
    for line in entries {
        if line.starts_with("- ") {
            is_ours = line.starts_with(&format!("- `{plugin}`"));
        } else if line.trim().is_empty() {
            is_ours = false;
        }
        if is_ours { ours.push(*line) } else { others.push(*line) }
    }
    if ours.is_empty() {
        bail!("has no entry for {plugin}: describe its changes under `{OPEN}`, as in `- `{plugin}`: …`");
    }
    while others.last().is_some_and(|line| line.trim().is_empty()) {
        others.pop();
    }
    let heading = format!("## {plugin} {version} — {date}");
    let mut all = [before, &others].concat();
    all.extend(["", &heading, ""]);
    all.extend(ours);
    if !after.is_empty() {
        all.push("");
        all.extend(after);
    }
    Ok(all.join("\n") + "\n")
}

/// Returns the entries of a release, or `None` if the section is missing or empty.
pub(crate) fn section(text: &str, plugin: &str, version: &str) -> Option<String> {
    let heading = format!("## {plugin} {version} ");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&heading));
    lines.next()?;
    let body: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    let body = body.join("\n").trim().to_owned();
    (!body.is_empty()).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# Changes\n\nIntro.\n\n## Unreleased\n\n- `a`: one,\n  of two lines.\n- The SDK.\n- `ab`: other.\n- `a`: two.\n\n\
                          ## a 0.1.0 — 2026-01-01\n\n- `a`: old.\n";

    #[test]
    fn the_entries_of_one_plug_in_become_a_section() {
        let after = "# Changes\n\nIntro.\n\n## Unreleased\n\n- The SDK.\n- `ab`: other.\n\n## a 0.2.0 — 2026-02-03\n\n\
                     - `a`: one,\n  of two lines.\n- `a`: two.\n\n## a 0.1.0 — 2026-01-01\n\n- `a`: old.\n";
        assert_eq!(release(BEFORE, "a", "0.2.0", "2026-02-03").unwrap(), after);
        assert_eq!(section(after, "a", "0.2.0").unwrap(), "- `a`: one,\n  of two lines.\n- `a`: two.");
        assert_eq!(section(after, "a", "0.1.0").unwrap(), "- `a`: old.");
        assert_eq!(section(after, "a", "0.2"), None);
        let last = release(after, "ab", "1.0.0", "2026-02-03").unwrap();
        assert!(
            last.contains(
                "## Unreleased\n\n- The SDK.\n\n## ab 1.0.0 — 2026-02-03\n\n- `ab`: other.\n\n## a 0.2.0"
            ),
            "{last}"
        );
    }

    #[test]
    fn nothing_to_say_is_no_release() {
        let error = release(BEFORE, "c", "1.0.0", "d").unwrap_err().to_string();
        assert!(error.contains("has no entry for c"), "{error}");
        assert!(release("# Changes\n", "a", "1.0.0", "d").unwrap_err().to_string().contains("## Unreleased"));
        assert_eq!(section("## a 1.0.0 — d\n\n## b 1.0.0 — d\n", "a", "1.0.0"), None);
    }
}
