//! Fenced blocks of Markdown, so that what READMEs show can be checked.

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of the file, from 1, on which its text begins.
    pub(crate) line: usize,
    /// The first word behind the fence.
    pub(crate) language: String,
    /// The rest behind the fence, which readers do not see.
    pub(crate) attributes: String,
    /// The text, without the indent of the fence.
    pub(crate) text: String,
}

/// The fenced blocks of a text, in order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &str, Block)> = None;
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        match &mut open {
            None if bare.starts_with("```") => {
                let fence = bare.len() - bare.trim_start_matches('`').len();
                let info = bare.get(fence..).unwrap_or_default().trim();
                let (language, attributes) = info.split_once(' ').unwrap_or((info, ""));
                let block = Block {
                    line: index + 2,
                    language: language.to_owned(),
                    attributes: attributes.trim().to_owned(),
                    text: String::new(),
                };
                open = Some((line.len() - bare.len(), bare.get(..fence).unwrap_or_default(), block));
            }
            None => {}
            Some((_, fence, _)) if bare.starts_with(*fence) && bare.trim_end_matches('`').is_empty() => {
                blocks.extend(open.take().map(|(_, _, block)| block));
            }
            Some((indent, _, block)) => {
                let spaces = line.len() - bare.len();
                block.text.push_str(line.get(spaces.min(*indent)..).unwrap_or_default());
                block.text.push('\n');
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_have_their_lines_and_what_is_behind_the_fence() {
        let text = "a\n```yaml in=rule_items\n- b\n```\n\n  ````text\n  ```\n    c\n  ````\n";
        let blocks = blocks(text);
        assert_eq!((blocks[0].line, blocks[0].language.as_str()), (3, "yaml"));
        assert_eq!((blocks[0].attributes.as_str(), blocks[0].text.as_str()), ("in=rule_items", "- b\n"));
        assert_eq!((blocks[1].line, blocks[1].text.as_str()), (7, "```\n  c\n"));
        assert_eq!(blocks.len(), 2);
    }
}
