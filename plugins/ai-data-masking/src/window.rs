//! A text that comes in pieces and goes on as soon as nothing that follows can change it.
//!
//! First masks are put back and matches are masked, then what the client would see is searched for denied words. Both
//! hold back only from where something has begun that what follows decides.

use crate::config::Rules;
use crate::deny;
use crate::masks::Masks;
use crate::roles::{Ahead, NextEdit, Roles};

/// How much of what has gone on is kept, for what looks behind: the ends of words, `\b`, `^`.
const BEHIND: usize = 64;

/// One text: of one choice, or of one field.
#[derive(Default)]
pub struct Window {
    /// What has come.
    came: Tail,
    /// What the client is to see.
    shown: Tail,
}

/// The end of a text: what has gone on of it, as far as it may be looked at, and what is held.
#[derive(Default)]
struct Tail {
    text: String,
    from: usize,
}

/// What becomes of a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// This goes on.
    Text(String),
    /// There is a denied word.
    Denied(&'static str),
}

impl Window {
    /// Takes the next piece, after which nothing comes if it has `ended`. Without `roles` nothing is masked.
    pub fn push(
        &mut self,
        rules: &Rules,
        roles: Option<&Roles>,
        masks: &Masks,
        piece: &str,
        ended: bool,
    ) -> Piece {
        self.came.text.push_str(piece);
        let mut ahead = Ahead::default();
        loop {
            let Tail { text, from } = &mut self.came;
            match ahead.next(roles, masks, text, *from, ended, rules.longest) {
                NextEdit::Edit(edit) => {
                    self.shown.text.push_str(text.get(*from..edit.range.start).unwrap_or_default());
                    self.shown.text.push_str(&edit.text);
                    *from = edit.range.end;
                }
                NextEdit::Open(start) => {
                    self.shown.text.push_str(self.came.go_on(start));
                    break;
                }
                NextEdit::None => {
                    let end = self.came.text.len();
                    self.shown.text.push_str(self.came.go_on(end));
                    break;
                }
            }
        }
        self.came.forget();
        let first = self.shown.from;
        let mut look = first;
        let mut ahead = deny::Ahead::default();
        let end = loop {
            match rules.denied.find(&mut ahead, &self.shown.text, look, ended) {
                deny::Next::Word { cause, .. } if !rules.dry_run => return Piece::Denied(cause),
                deny::Next::Word { end, cause, .. } => {
                    crate::denied_in_dry_run(cause);
                    look = end;
                }
                deny::Next::Open(start) => break start,
                deny::Next::None => break self.shown.text.len(),
            }
        };
        let text = self.shown.go_on(end).to_owned();
        self.shown.forget();
        Piece::Text(text)
    }

    /// How many bytes wait.
    pub fn held(&self) -> usize {
        self.came.held() + self.shown.held()
    }
}

impl Tail {
    /// Lets go of what is before `end`.
    fn go_on(&mut self, end: usize) -> &str {
        let start = self.from;
        self.from = end.max(start);
        self.text.get(start..self.from).unwrap_or_default()
    }

    fn held(&self) -> usize {
        self.text.len() - self.from
    }

    /// Drops what has gone on, as far as nothing looks back at it.
    fn forget(&mut self) {
        let start = self.from.saturating_sub(BEHIND);
        let start = (start..=self.from).find(|place| self.text.is_char_boundary(*place)).unwrap_or(self.from);
        self.text.drain(..start);
        self.from -= start;
    }
}
