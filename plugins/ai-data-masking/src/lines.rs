//! Responses that are lines of JSON, each of which is a text of its own and goes on as soon as it is there.

use crate::answer::{Denial, Shape};
use crate::config::Config;
use crate::masks::Masks;
use crate::raw::Words;
use crate::stream::Output;
use crate::whole;

/// The longest line that is looked at as JSON. A longer one is looked at as it is.
const LONGEST: usize = 1 << 20;

/// One response.
#[derive(Default)]
pub struct Lines {
    line: Vec<u8>,
    /// Whether the line at hand is too long, and goes on as it is but for words.
    passes: bool,
    words: Words,
    /// Lines that could not be read.
    pub unreadable: u32,
}

impl Lines {
    /// Takes what has arrived.
    pub fn push(&mut self, config: &Config, masks: &Masks, bytes: &[u8], ended: bool) -> Output {
        let mut output = Output::default();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let is_end = part.ends_with(b"\n");
            if self.passes {
                self.passes = !is_end;
                if let Some(cause) = self.words.watch(config, part, is_end) {
                    return deny(config, Denial { shape: Shape::Raw, cause }, output);
                }
                output.bytes.extend_from_slice(part);
                continue;
            }
            self.line.extend_from_slice(part);
            let is_long = self.line.len() > LONGEST;
            if (is_end || is_long) && self.line_of(config, masks, &mut output) {
                return output;
            }
            self.passes = is_long && !is_end;
        }
        if ended {
            self.line_of(config, masks, &mut output);
        }
        output
    }

    /// Lets the line go on. True when the response is denied.
    fn line_of(&mut self, config: &Config, masks: &Masks, output: &mut Output) -> bool {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return false;
        }
        let verdict = whole::response(config, &line, masks).unwrap_or_else(|_| {
            self.unreadable += 1;
            whole::unread(&config.rules, &line)
        });
        match verdict.denial {
            Some(denial) if config.rules.dry_run => crate::denied_in_dry_run(denial.cause),
            Some(denial) => {
                *output = deny(config, denial, std::mem::take(output));
                return true;
            }
            None => {}
        }
        output.bytes.extend(verdict.changed.unwrap_or(line));
        false
    }
}

/// Ends the response with a line.
fn deny(config: &Config, denial: Denial, mut output: Output) -> Output {
    output.bytes.extend(config.answers.body(denial.shape));
    output.bytes.push(b'\n');
    output.denial = Some(denial);
    output
}
