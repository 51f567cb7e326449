//! Fields as text, with their comments: read from a resource, and put back.

use resource::yaml::{self, Node};
use serde_json::Value;

use super::text::{Text, json, put, walk};
use super::{EditError, Place};

/// The text of a field as a document of its own, with its comments and without its indentation; `None` if the field is
/// absent or `null`. A text that does not mean the same by itself, because it has an alias of something outside, is written
/// anew.
///
/// # Errors
///
/// The text is not valid YAML, or has no such resource.
pub fn get_text(text: &str, place: Place, path: &[&str]) -> Result<Option<String>, EditError> {
    let documents = yaml::read(text)?;
    let root = place.resource(&documents)?;
    let Some(node) = walk(root, path) else { return Ok(None) };
    let value = node.to_json();
    if value.is_null() {
        return Ok(None);
    }
    let source = Text::new(text, place);
    if let Some(part) = part(&source, root, path, node)
        && yaml::read(&part).is_ok_and(|documents| json(&documents) == [value.clone()])
    {
        return Ok(Some(part));
    }
    Ok(Some(yaml::write(&value)?))
}

/// Replaces the value of a field by a text, whose comments are kept. An empty text removes the field.
///
/// # Errors
///
/// The text is not valid YAML, or the field cannot be changed separately.
pub fn set_text(text: &str, place: Place, path: &[&str], part: &str) -> Result<String, EditError> {
    let documents = yaml::read(part)?;
    let value = match documents.as_slice() {
        [] => Value::Null,
        [one] => one.to_json(),
        _ => return Err(EditError::Refused("holds several documents: write one".into())),
    };
    let mut changed = Text::new(text, place);
    if value.is_null() && part.trim().is_empty() {
        changed.unset(path)?;
        return Ok(changed.into_inner());
    }
    if let Some(replaced) = replaced(text, place, path, part)? {
        return Ok(replaced);
    }
    // Without a block, the value makes the place for the text.
    changed.set(path, &value)?;
    let plain = changed.into_inner();
    let with_comments = replaced(&plain, place, path, part)?;
    Ok(with_comments.unwrap_or(plain))
}

/// The lines of a block value, from the line after its key; or the value itself if it is in one line or in brackets.
fn part(source: &Text, root: &Node, path: &[&str], node: &Node) -> Option<String> {
    let (lines, indent) = match block(source, root, path, node) {
        Some(block) => block,
        None => {
            let own = node.span().of(source.as_str())?;
            return Some(format!("{own}\n"));
        }
    };
    let text = source.as_str().get(lines)?;
    let mut part = String::new();
    for line in text.lines() {
        let outside = line.chars().take(indent).take_while(|c| *c == ' ').count();
        part.push_str(line.get(outside..).unwrap_or_default());
        part.push('\n');
    }
    Some(part)
}

/// The bytes of the lines of a value in block style, and its indentation.
fn block(source: &Text, root: &Node, path: &[&str], node: &Node) -> Option<(std::ops::Range<usize>, usize)> {
    let text = source.as_str();
    let first = source.offset(node.span().start);
    if text.get(first..).is_some_and(|rest| rest.starts_with(['{', '['])) {
        return None;
    }
    let (key, parents) = path.split_last()?;
    let parent = walk(root, parents)?;
    let (_, key, _) = parent.fields().find(|(name, ..)| name == key)?;
    let key_line_end = line_end(text, source.offset(key.end));
    if first < key_line_end {
        return None;
    }
    // The span of a list may begin behind its first dash.
    let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let line = text.get(key_line_end..)?.lines().find(is_content)?;
    let indent = line.len() - line.trim_start().len();
    let mut end = line_end(text, source.offset(node.span().end).max(first));
    // Comments below belong to the value if they are indented like it.
    let mut at = end;
    while let Some(line) = text.get(at..).and_then(|rest| rest.split_inclusive('\n').next()) {
        let trimmed = line.trim_start();
        let own = line.len() - trimmed.len();
        if trimmed.is_empty() {
            at += line.len();
        } else if trimmed.starts_with('#') && own >= indent && indent >= key.start.column {
            at += line.len();
            end = at;
        } else {
            break;
        }
    }
    Some((key_line_end..end, indent))
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |end| at + end + 1)
}

/// The text with this part in place of the block of a field; `None` if that is not in block style.
fn replaced(text: &str, place: Place, path: &[&str], part: &str) -> Result<Option<String>, EditError> {
    let documents = yaml::read(text)?;
    let root = place.resource(&documents)?;
    let source = Text::new(text, place);
    let Some(node) = walk(root, path) else { return Ok(None) };
    let Some((lines, indent)) = block(&source, root, path, node) else { return Ok(None) };
    let mut written = String::new();
    for line in part.lines() {
        if !line.trim().is_empty() {
            written.push_str(&" ".repeat(indent));
            written.push_str(line);
        }
        written.push_str(source.line_end());
    }
    let mut changed = text.to_owned();
    changed.replace_range(lines, &written);
    let mut wanted = json(&documents);
    let value = yaml::read(part)?.first().map(Node::to_json).unwrap_or_default();
    put(place.value(&mut wanted)?, path, &value);
    let is = yaml::read(&changed).map(|documents| json(&documents));
    Ok(is.is_ok_and(|is| is == wanted).then_some(changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = "\
metadata: { name: a }
spec:
  # where it is
  url: file://a.wasm
  defaultConfig:
    # two words
    words: [a, b]   # here

    limit: 3
    # at the end
  # of the rules
  matchRules:
  - domain: [a.com]
    config: {x: 1}
";

    fn config() -> Vec<&'static str> {
        vec!["spec", "defaultConfig"]
    }

    #[test]
    fn a_part_keeps_its_comments_and_the_rest_its_own() {
        let part = get_text(RESOURCE, Place::default(), &config()).unwrap().unwrap();
        assert_eq!(part, "# two words\nwords: [a, b]   # here\n\nlimit: 3\n# at the end\n");
        assert_eq!(set_text(RESOURCE, Place::default(), &config(), &part).unwrap(), RESOURCE);
        let changed = part.replace("limit: 3", "limit: 4 # more\nlist:\n- 1");
        let text = set_text(RESOURCE, Place::default(), &config(), &changed).unwrap();
        let expected = RESOURCE.replace("    limit: 3\n", "    limit: 4 # more\n    list:\n    - 1\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn a_part_is_made_removed_and_taken_from_brackets() {
        let bare = "metadata: { name: a }\nspec:\n  url: x\n";
        let text = set_text(bare, Place::default(), &config(), "# why\na: 1\n").unwrap();
        assert!(text.contains("  defaultConfig:\n    # why\n    a: 1\n"), "{text}");
        assert_eq!(set_text(&text, Place::default(), &config(), "").unwrap(), bare);
        let path = ["spec", "matchRules", "[0]", "config"];
        assert_eq!(get_text(RESOURCE, Place::default(), &path).unwrap().unwrap(), "{x: 1}\n");
        let text = set_text(RESOURCE, Place::default(), &path, "x: 2\n").unwrap();
        assert_eq!(get_text(&text, Place::default(), &path).unwrap().unwrap(), "x: 2\n", "{text}");
        let list = get_text(RESOURCE, Place::default(), &["spec", "matchRules"]).unwrap().unwrap();
        assert_eq!(list, "- domain: [a.com]\n  config: {x: 1}\n");
        assert_eq!(get_text(bare, Place::default(), &config()).unwrap(), None);
    }

    #[test]
    fn an_alias_of_something_outside_is_written_out() {
        let text = "a: &a {b: 1}\nspec:\n  defaultConfig:\n    c: *a\n";
        assert_eq!(get_text(text, Place::default(), &config()).unwrap().unwrap(), "c:\n  b: 1\n");
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        assert!(set_text(RESOURCE, Place::default(), &config(), "a: [").is_err());
        assert!(set_text(RESOURCE, Place::default(), &config(), "a: 1\n---\nb: 1\n").is_err());
    }
}
