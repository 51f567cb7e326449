//! The wording of documents, help texts, comments and messages, checked with the phrases of `.wording.yaml`.
//!
//! The file belongs to a repository, not to this tool: without it, nothing is checked.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use workspace::Workspace;
use workspace::git::git;

use crate::output::{BAD, styled};

const FILE: &str = ".wording.yaml";

/// The extensions of files with prose.
const EXTENSIONS: &[&str] = &["md", "rs", "template", "toml", "wat", "yaml", "yml"];

/// The contents of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wording {
    phrases: Vec<Phrase>,
    #[serde(default)]
    allow: Vec<Allowed>,
}

/// A phrase to avoid.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phrase {
    /// In lower case. Matches whole words in any case, with a plural `s`, also across the end of a line.
    phrase: String,
    /// What to write instead.
    write: String,
    /// Longer phrases that contain this one and are fine.
    #[serde(default)]
    except: Vec<String>,
}

/// A line in which a phrase is fine, for example because it is part of a format.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    /// The path of the file, from the root.
    file: String,
    /// A part of the line.
    line: String,
    #[expect(dead_code, reason = "for readers of the file")]
    reason: String,
}

/// Returns false, after printing the lines, if a file of the workspace contains a phrase to avoid.
pub(super) fn is_plain(workspace: &Workspace) -> Result<bool> {
    let file = workspace.root.join(FILE);
    if !file.is_file() {
        return Ok(true);
    }
    let text = fs::read_to_string(&file).with_context(|| format!("reading {FILE}"))?;
    let wording: Wording = serde_yaml::from_str(&text).with_context(|| format!("reading {FILE}"))?;
    let mut used = vec![false; wording.allow.len()];
    let mut good = true;
    let files = git(&workspace.root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    for name in files.split('\0').filter(|name| has_prose(name)) {
        // A file may have been deleted and not committed, or may not be a text.
        let Ok(text) = fs::read_to_string(workspace.root.join(name)) else { continue };
        let lines: Vec<&str> = text.lines().collect();
        for (index, phrase) in findings(&lines, &wording.phrases) {
            let line = lines.get(index).copied().unwrap_or_default();
            let is_allowed = |allowed: &Allowed| allowed.file == name && line.contains(&allowed.line);
            if let Some(allowed) = wording.allow.iter().position(is_allowed) {
                if let Some(used) = used.get_mut(allowed) {
                    *used = true;
                }
                continue;
            }
            good = false;
            let (error, number) = (styled(BAD, "error:"), index + 1);
            let Phrase { phrase, write, .. } = phrase;
            anstream::eprintln!("{error} {name}:{number}: `{phrase}`: write {write}\n    {}", line.trim());
        }
    }
    for (allowed, _) in wording.allow.iter().zip(used).filter(|(_, used)| !used) {
        good = false;
        let Allowed { file, line, .. } = allowed;
        anstream::eprintln!(
            "{} {FILE}: `allow` of `{line}` in {file} is not needed: remove it",
            styled(BAD, "error:")
        );
    }
    Ok(good)
}

fn has_prose(name: &str) -> bool {
    let path = Path::new(name);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_text = extension.is_some_and(|extension| EXTENSIONS.contains(&extension));
    name != FILE && (is_text || path.ends_with("Makefile"))
}

/// Returns the indexes of lines in which a phrase begins, with the phrase.
fn findings<'p>(lines: &[&str], phrases: &'p [Phrase]) -> Vec<(usize, &'p Phrase)> {
    let lines: Vec<String> = lines.iter().map(|line| prose(line).to_ascii_lowercase()).collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let at = |index: Option<usize>| index.and_then(|index| lines.get(index)).map_or("", String::as_str);
        // The line before may be a part of what is excepted.
        let (before, after) = (at(index.checked_sub(1)), at(Some(index + 1)));
        let joined = format!("{before} {line} {after}");
        let here = before.len() + 1..before.len() + 1 + line.len();
        for phrase in phrases {
            let is_here = |(at, _): &(usize, &str)| {
                here.contains(at) && is_word(&joined, *at, phrase) && !is_excepted(&joined, *at, phrase)
            };
            if joined.match_indices(&phrase.phrase).any(|found| is_here(&found)) {
                findings.push((index, phrase));
            }
        }
    }
    findings
}

/// Returns a line without indentation, comment markers and the backslash of a continued string.
fn prose(line: &str) -> &str {
    let line = line.trim().trim_start_matches(['/', '!', '#', '>', '*', '-', ';']).trim_start();
    line.strip_suffix('\\').unwrap_or(line).trim_end()
}

/// Returns true if a phrase found in a text consists of whole words, except for a plural `s`.
fn is_word(text: &str, at: usize, phrase: &Phrase) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let after = text.get(at + phrase.phrase.len()..).unwrap_or_default();
    let after = after.strip_prefix('s').unwrap_or(after);
    !before.is_some_and(is_letter) && !after.chars().next().is_some_and(is_letter)
}

fn is_excepted(text: &str, at: usize, phrase: &Phrase) -> bool {
    let end = at + phrase.phrase.len();
    phrase.except.iter().any(|except| {
        text.match_indices(except.as_str()).any(|(start, _)| start <= at && end <= start + except.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        let phrase = |phrase: &str, except: &[&str]| Phrase {
            phrase: phrase.into(),
            write: String::new(),
            except: except.iter().map(|except| (*except).to_owned()).collect(),
        };
        let phrases = [phrase("is grey", &["sky is grey", "is grey-green"]), phrase("half-way", &[])];
        let lines: Vec<&str> = text.lines().collect();
        findings(&lines, &phrases).into_iter().map(|(line, _)| line + 1).collect()
    }

    #[test]
    fn phrases_are_found_as_whole_words_in_any_case() {
        assert_eq!(found("This is grey.\nIt is greyish.\nIS GREY, this grey"), [1, 3]);
        assert_eq!(found("Half-ways, a half-way's\nbehalf-way, half-wayside"), [1]);
        assert!(found("#[plugin(half_ways)] half - way").is_empty());
    }

    #[test]
    fn phrases_are_found_across_lines_of_comments_and_strings() {
        assert_eq!(found("/// which is\n/// grey"), [1]);
        assert_eq!(found("    \"it is \\\n     grey\""), [1]);
        assert!(found("# it is\n# blue").is_empty());
    }

    #[test]
    fn longer_phrases_may_be_excepted() {
        assert_eq!(found("The sky is grey, and it is grey-green, but is grey"), [1]);
        assert!(found("The sky is grey\n// the sky\n// is grey").is_empty());
    }
}
