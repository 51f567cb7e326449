//! Bytes that are searched for denied words as they pass, whatever they are.

use crate::config::Config;
use crate::masks::Masks;
use crate::window::{Piece, Window};

/// What has come.
#[derive(Default)]
pub struct Words {
    window: Window,
    masks: Masks,
    /// The first bytes of a character.
    begun: Vec<u8>,
}

impl Words {
    /// Takes the next bytes, and appends those that no word can begin in to `out`; or says whose word is among them.
    pub fn push(
        &mut self,
        config: &Config,
        bytes: &[u8],
        ended: bool,
        out: &mut Vec<u8>,
    ) -> Option<&'static str> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let is_last = chunks.peek().is_none();
            let begun = is_last && !ended && may_go_on(chunk.invalid());
            // Nothing goes on over a byte that is no UTF-8.
            let cut = !begun && !chunk.invalid().is_empty();
            match self.window.push(&config.rules, None, &self.masks, chunk.valid(), cut || (is_last && ended))
            {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Denied(cause) => return Some(cause),
            }
            match begun {
                true => self.begun = chunk.invalid().to_vec(),
                false => out.extend_from_slice(chunk.invalid()),
            }
            if cut {
                self.window = Window::default();
            }
        }
        if all.is_empty() && ended {
            match self.window.push(&config.rules, None, &self.masks, "", true) {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Denied(cause) => return Some(cause),
            }
        }
        None
    }

    /// Takes bytes that go on at once: whose word ends among them, which then has not gone on whole.
    pub fn watch(&mut self, config: &Config, bytes: &[u8], ended: bool) -> Option<&'static str> {
        self.push(config, bytes, ended, &mut Vec::new())
    }

    /// How many bytes wait.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.begun.len() + self.window.held()
    }
}

/// Whether bytes that are no character could become one with more of them.
fn may_go_on(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
