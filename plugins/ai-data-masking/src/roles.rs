//! Expressions to mask and their replacements.

use std::ops::Range;

use config::FieldError;
use matcher::replace::{Next, Replacer, SearchCache};
use sha2::{Digest, Sha256};

use crate::fields::{Role, RoleType};
use crate::masks::{self, Masks};

/// The compiled expressions.
pub struct Roles {
    replacer: Replacer,
    roles: Vec<Role>,
    /// True if any mask is restored in responses.
    pub restores: bool,
}

/// A replacement of a part of a text.
pub struct Edit {
    pub range: Range<usize>,
    pub text: String,
}

/// The next edit of an incomplete text.
pub enum NextEdit {
    None,
    Edit(Edit),
    /// The text that follows decides from here on.
    Open(usize),
}

impl Roles {
    /// Compiles `replace_roles`. Returns `None` if it is empty.
    pub fn new(roles: Vec<Role>) -> Result<Option<Self>, FieldError> {
        let field = |index: usize, name: &str, message: String| {
            FieldError::new(format!("replace_roles[{index}].{name}"), message)
        };
        let mut patterns = Vec::new();
        for (index, role) in roles.iter().enumerate() {
            let pattern = matcher::grok::expand(&role.regex)
                .map_err(|error| field(index, "regex", error.to_string()))?;
            if role.kind == RoleType::Hash && !role.value.is_empty() {
                let message = "has no effect with `type: hash`: remove it, or write `type: replace`";
                return Err(field(index, "value", message.into()));
            }
            if role.kind == RoleType::Replace && role.restore && role.value.is_empty() {
                let message = "is empty, so the original cannot be restored in the response: write a replacement, or \
                               `type: hash`";
                return Err(field(index, "value", message.into()));
            }
            patterns.push(pattern);
        }
        if patterns.is_empty() {
            return Ok(None);
        }
        let replacer =
            Replacer::new(&patterns).map_err(|error| field(error.index, "regex", error.message.clone()))?;
        for (index, role) in roles.iter().enumerate() {
            if let Some(name) = replacer.unknown_groups(index, &role.value).first() {
                let message = format!(
                    "the expression has no group `{name}`: write the name of a group, or `$$` for a dollar sign"
                );
                return Err(field(index, "value", message));
            }
        }
        let restores = roles.iter().any(|role| role.restore);
        Ok(Some(Self { replacer, roles, restores }))
    }

    /// Masks a text of a request and records the masks to restore.
    pub fn mask(&self, text: &str, masks: &mut Masks) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut from = 0;
        let mut seen = SearchCache::default();
        while let Next::Match { pattern, start, end } =
            self.replacer.find_again(&mut seen, text, from, true, 0)
        {
            let edit = self.edit(text, pattern, start..end);
            if self.roles.get(pattern).is_some_and(|role| role.restore) {
                masks.record(&edit.text, text.get(start..end).unwrap_or_default());
            }
            edits.push(edit);
            from = end;
        }
        edits
    }

    fn edit(&self, text: &str, pattern: usize, range: Range<usize>) -> Edit {
        let becomes = match self.roles.get(pattern) {
            Some(Role { kind: RoleType::Replace, value, .. }) => {
                self.replacer.expand(text, pattern, range.clone(), value)
            }
            _ => hash(text.get(range.clone()).unwrap_or_default()),
        };
        Edit { range, text: becomes }
    }
}

/// Search results ahead of the last edit in a text of a response. Searching again after each edit would take quadratic
/// time if many matches of one kind precede the first of another.
#[derive(Default)]
pub struct Ahead {
    found: Option<Next>,
    mask: Option<masks::Next>,
    seen: SearchCache,
}

impl Ahead {
    /// Returns the next edit from `from` on, the end of the previous one: a mask to restore or a match to mask. A mask takes
    /// precedence over a match at the same position. Only the last `max_match` bytes may be held.
    pub fn next(
        &mut self,
        roles: Option<&Roles>,
        masks: &Masks,
        text: &str,
        from: usize,
        ended: bool,
        max_match: usize,
    ) -> NextEdit {
        let Self { found, mask, seen } = self;
        let place = |next: &Next| match next {
            Next::None => text.len(),
            Next::Match { start, .. } | Next::Open { start } => *start,
        };
        let found =
            match found.filter(|found| place(found) >= from) {
                Some(found) => found,
                None => *found.insert(roles.map_or(Next::None, |roles| {
                    roles.replacer.find_again(seen, text, from, ended, max_match)
                })),
            };
        let mask = match mask.filter(|mask| mask.start().is_none_or(|start| start >= from)) {
            Some(mask) => mask,
            None => *mask.insert(masks.find(text, from, ended)),
        };
        match mask {
            masks::Next::Match { start, end } if start <= place(&found) => {
                let range = start..end;
                let original = text.get(range.clone()).and_then(|mask| masks.original(mask));
                NextEdit::Edit(Edit { range, text: original.unwrap_or_default().to_owned() })
            }
            masks::Next::Open { start } if start <= place(&found) => NextEdit::Open(start),
            _ => match (found, roles) {
                (Next::Match { pattern, start, end }, Some(roles)) => {
                    NextEdit::Edit(roles.edit(text, pattern, start..end))
                }
                (Next::Open { start }, _) => NextEdit::Open(start),
                _ => NextEdit::None,
            },
        }
    }
}

/// Returns all edits of a complete text of a response.
pub fn edits(roles: Option<&Roles>, masks: &Masks, text: &str) -> Vec<Edit> {
    let mut ahead = Ahead::default();
    let mut edits = Vec::new();
    let mut from = 0;
    while let NextEdit::Edit(edit) = ahead.next(roles, masks, text, from, true, 0) {
        from = edit.range.end;
        edits.push(edit);
    }
    edits
}

/// Applies edits to a text.
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut changed = String::with_capacity(text.len());
    let mut from = 0;
    for edit in edits {
        changed.push_str(text.get(from..edit.range.start).unwrap_or_default());
        changed.push_str(&edit.text);
        from = edit.range.end;
    }
    changed.push_str(text.get(from..).unwrap_or_default());
    changed
}

fn hash(text: &str) -> String {
    text::hex::encode(Sha256::digest(text))
}
