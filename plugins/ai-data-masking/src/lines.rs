//! Responses of JSON lines. Each line is a separate document and is released as soon as it is complete.

use crate::config::Config;
use crate::denial::{Denial, Shape};
use crate::masks::Masks;
use crate::raw::Words;
use crate::stream::Output;
use crate::whole;

/// The maximum length of a line that is parsed as JSON. Longer ones are only searched for words.
const MAX_LINE: usize = 1 << 20;

/// State of a response.
#[derive(Default)]
pub struct Lines {
    line: Vec<u8>,
    /// True if the current line is too long, and only searched for words.
    passes: bool,
    words: Words,
    /// Number of malformed lines.
    pub unreadable: u32,
}

impl Lines {
    /// Processes the next bytes.
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
            let is_long = self.line.len() > MAX_LINE;
            if (is_end || is_long) && self.finish_line(config, masks, &mut output) {
                return output;
            }
            self.passes = is_long && !is_end;
        }
        if ended {
            self.finish_line(config, masks, &mut output);
        }
        output
    }

    /// Releases the line. Returns true if the response is denied.
    fn finish_line(&mut self, config: &Config, masks: &Masks, output: &mut Output) -> bool {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return false;
        }
        let verdict = whole::response(config, &line, masks).unwrap_or_else(|_| {
            self.unreadable += 1;
            whole::search_unparsed(&config.rules, &line)
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

/// Ends the response with a line that denies it.
fn deny(config: &Config, denial: Denial, mut output: Output) -> Output {
    output.bytes.extend(config.denials.body(denial.shape));
    output.bytes.push(b'\n');
    output.denial = Some(denial);
    output
}
