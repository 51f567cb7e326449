//! A text that arrives in fragments and is released as soon as later fragments cannot change it.
//!
//! First, masks are restored and matches are masked. Then the result is searched for denied words. Both steps hold the text
//! only from the position where an undecided mask, match or word begins.

use crate::config::Rules;
use crate::deny;
use crate::masks::Masks;
use crate::roles::{Ahead, NextEdit, Roles};

/// The number of released bytes to keep for word boundaries, `\b` and `^`.
const LOOKBEHIND: usize = 64;

/// The state of a text.
#[derive(Default)]
pub struct Window {
    /// The received text.
    received: Tail,
    /// The text for the client.
    visible: Tail,
}

/// The end of a text: the last released bytes, and the held ones from `from` on.
#[derive(Default)]
struct Tail {
    text: String,
    from: usize,
}

/// The result of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Released {
    /// The text to release.
    Text(String),
    /// A denied word was found; the field it comes from.
    Denied(&'static str),
}

impl Window {
    /// Processes the next fragment. It is the last one if `ended` is true. Without `roles`, nothing is masked.
    pub fn push(
        &mut self,
        rules: &Rules,
        roles: Option<&Roles>,
        masks: &Masks,
        fragment: &str,
        ended: bool,
    ) -> Released {
        self.received.text.push_str(fragment);
        let mut ahead = Ahead::default();
        loop {
            let Tail { text, from } = &mut self.received;
            match ahead.next(roles, masks, text, *from, ended, rules.max_match) {
                NextEdit::Edit(edit) => {
                    self.visible.text.push_str(text.get(*from..edit.range.start).unwrap_or_default());
                    self.visible.text.push_str(&edit.text);
                    *from = edit.range.end;
                }
                NextEdit::Open(start) => {
                    self.visible.text.push_str(self.received.release(start));
                    break;
                }
                NextEdit::None => {
                    let end = self.received.text.len();
                    self.visible.text.push_str(self.received.release(end));
                    break;
                }
            }
        }
        self.received.discard();
        let mut from = self.visible.from;
        let mut ahead = deny::Ahead::default();
        let end = loop {
            match rules.denied.find(&mut ahead, &self.visible.text, from, ended) {
                deny::Next::Word { cause, .. } if !rules.dry_run => return Released::Denied(cause),
                deny::Next::Word { end, cause, .. } => {
                    crate::denied_in_dry_run(cause);
                    from = end;
                }
                deny::Next::Open(start) => break start,
                deny::Next::None => break self.visible.text.len(),
            }
        };
        let text = self.visible.release(end).to_owned();
        self.visible.discard();
        Released::Text(text)
    }

    /// Returns the number of held bytes.
    pub fn held(&self) -> usize {
        self.received.held() + self.visible.held()
    }
}

impl Tail {
    /// Releases the text before `end`.
    fn release(&mut self, end: usize) -> &str {
        let start = self.from;
        self.from = end.max(start);
        self.text.get(start..self.from).unwrap_or_default()
    }

    fn held(&self) -> usize {
        self.text.len() - self.from
    }

    /// Discards released text that is no longer needed.
    fn discard(&mut self) {
        let start = self.from.saturating_sub(LOOKBEHIND);
        let start =
            (start..=self.from).find(|position| self.text.is_char_boundary(*position)).unwrap_or(self.from);
        self.text.drain(..start);
        self.from -= start;
    }
}
