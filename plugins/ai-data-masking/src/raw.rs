//! Searches passing bytes of any format for denied words.

use crate::config::Config;
use crate::masks::Masks;
use crate::window::{Released, Window};

/// State of the search.
#[derive(Default)]
pub struct Words {
    window: Window,
    masks: Masks,
    /// Bytes of an incomplete character.
    incomplete: Vec<u8>,
}

impl Words {
    /// Processes the next bytes. Appends those that cannot be part of a word to `out`, or returns the field of a denied word.
    pub fn push(
        &mut self,
        config: &Config,
        bytes: &[u8],
        ended: bool,
        out: &mut Vec<u8>,
    ) -> Option<&'static str> {
        let mut all = std::mem::take(&mut self.incomplete);
        all.extend_from_slice(bytes);
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let is_last = chunks.peek().is_none();
            let is_open = is_last && !ended && is_incomplete(chunk.invalid());
            // Invalid UTF-8 separates texts.
            let cut = !is_open && !chunk.invalid().is_empty();
            match self.window.push(&config.rules, None, &self.masks, chunk.valid(), cut || (is_last && ended))
            {
                Released::Text(text) => out.extend_from_slice(text.as_bytes()),
                Released::Denied(cause) => return Some(cause),
            }
            match is_open {
                true => self.incomplete = chunk.invalid().to_vec(),
                false => out.extend_from_slice(chunk.invalid()),
            }
            if cut {
                self.window = Window::default();
            }
        }
        if all.is_empty() && ended {
            match self.window.push(&config.rules, None, &self.masks, "", true) {
                Released::Text(text) => out.extend_from_slice(text.as_bytes()),
                Released::Denied(cause) => return Some(cause),
            }
        }
        None
    }

    /// Processes bytes that are released immediately. Returns the field of a denied word that ends among them.
    pub fn watch(&mut self, config: &Config, bytes: &[u8], ended: bool) -> Option<&'static str> {
        self.push(config, bytes, ended, &mut Vec::new())
    }

    /// Returns the number of held bytes.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.incomplete.len() + self.window.held()
    }
}

/// Returns true if invalid bytes may be an incomplete character.
fn is_incomplete(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}
