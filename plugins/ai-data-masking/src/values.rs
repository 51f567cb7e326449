//! Open-ended streams, which are passed on as they arrive: upgrades, tunnels and gRPC. A JSON value is held until it is
//! complete and inspected like any other body, since a client can declare an ordinary request as such a stream. Other data
//! passes.

use crate::config::Config;
use crate::denial::{Denial, Shape};
use crate::form::{Form, form};
use crate::raw::Words;
use crate::whole::{Unreadable, Verdict};

/// The maximum size of a value. Larger ones are unreadable.
const MAX_VALUE: usize = 1 << 20;

/// The number of bytes kept to detect the start of a value.
const SNIFF_BYTES: usize = 64;

/// State of a stream.
#[derive(Default)]
pub struct Values {
    at: Position,
    /// Whitespace before a value, as needed to detect its encoding; or an incomplete value.
    pending: Vec<u8>,
    /// True if there has been a value.
    any: bool,
    /// True to refuse unreadable data.
    refuses: bool,
    words: Words,
}

#[derive(Default, Clone, Copy)]
enum Position {
    /// Before a value.
    #[default]
    Start,
    Value(Nesting),
    /// In other data.
    Other,
}

/// The position in a value.
#[derive(Default, Clone, Copy)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// Released bytes, and the reason to stop.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub denial: Option<Denial>,
    pub unreadable: bool,
    /// True if anything was masked.
    pub masked: bool,
}

/// Inspects a value.
type Inspect<'l> = dyn FnMut(&[u8]) -> Result<Verdict, Unreadable> + 'l;

impl Values {
    /// Creates the state of a request, in which unreadable data is refused.
    pub fn of_request() -> Self {
        Self { refuses: true, ..Self::default() }
    }

    /// Processes the next bytes.
    pub fn push(&mut self, config: &Config, bytes: &[u8], ended: bool, inspect: &mut Inspect<'_>) -> Output {
        let mut output = Output::default();
        if config.raw {
            let cause = self.words.watch(config, bytes, ended);
            output.denial = cause.map(|cause| Denial { shape: Shape::Raw, cause });
        }
        let mut rest = bytes;
        while !rest.is_empty() && !self.stops(config, &output) {
            rest = match self.at {
                Position::Other => {
                    output.bytes.extend_from_slice(rest);
                    &[]
                }
                Position::Start => self.start(config, rest, &mut output),
                Position::Value(nesting) => self.value(config, nesting, rest, &mut output, inspect),
            };
        }
        if ended && matches!(self.at, Position::Value(_)) && !self.stops(config, &output) {
            self.finish(config, &mut output, inspect);
        }
        output
    }

    fn stops(&self, config: &Config, output: &Output) -> bool {
        !config.rules.dry_run && (output.denial.is_some() || (output.unreadable && self.refuses))
    }

    /// Processes whitespace before a value, or the first bytes of one.
    fn start<'b>(&mut self, config: &Config, bytes: &'b [u8], output: &mut Output) -> &'b [u8] {
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let length = match form(&self.pending, false) {
            Form::Json => {
                let space =
                    self.pending.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b);
                let space = space.count().saturating_sub(before);
                self.at = Position::Value(Nesting::default());
                self.pending.clear();
                space
            }
            Form::Open => {
                let known = self.pending.len().saturating_sub(SNIFF_BYTES) / 4 * 4;
                self.pending.drain(..known);
                bytes.len()
            }
            Form::Unreadable if config.request.any() => {
                self.unreadable(config, output);
                0
            }
            // A value is followed by another one, or nothing.
            Form::Other if self.any && config.request.any() => {
                self.unreadable(config, output);
                0
            }
            Form::Unreadable | Form::Other => {
                self.at = Position::Other;
                bytes.len()
            }
        };
        let (space, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        output.bytes.extend_from_slice(space);
        rest
    }

    fn value<'b>(
        &mut self,
        config: &Config,
        mut nesting: Nesting,
        bytes: &'b [u8],
        output: &mut Output,
        inspect: &mut Inspect<'_>,
    ) -> &'b [u8] {
        let end = bytes.iter().position(|byte| nesting.ends(*byte)).map(|end| end + 1);
        let (part, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        self.pending.extend_from_slice(part);
        self.at = Position::Value(nesting);
        if end.is_some() {
            self.finish(config, output, inspect);
        } else if self.pending.len() > MAX_VALUE {
            self.unreadable(config, output);
        }
        rest
    }

    /// Inspects a value that is complete or ended.
    fn finish(&mut self, config: &Config, output: &mut Output, inspect: &mut Inspect<'_>) {
        let Ok(verdict) = inspect(&self.pending) else { return self.unreadable(config, output) };
        let value = std::mem::take(&mut self.pending);
        (self.at, self.any) = (Position::Start, true);
        output.denial = output.denial.or(verdict.denial);
        output.masked |= verdict.changed.is_some();
        if !self.stops(config, output) {
            output.bytes.extend(verdict.changed.unwrap_or(value));
        }
    }

    /// Refuses unreadable data, or releases it unchanged.
    fn unreadable(&mut self, config: &Config, output: &mut Output) {
        output.unreadable = true;
        let value = std::mem::take(&mut self.pending);
        if !self.stops(config, output) && matches!(self.at, Position::Value(_)) {
            output.bytes.extend(value);
        }
        self.at = Position::Other;
    }
}

impl Nesting {
    /// Returns true if the value ends with this byte.
    fn ends(&mut self, byte: u8) -> bool {
        match (self.in_string, byte) {
            (true, _) if self.escaped => self.escaped = false,
            (true, b'\\') => self.escaped = true,
            (_, b'"') => self.in_string = !self.in_string,
            (false, b'{' | b'[') => self.depth += 1,
            (false, b'}' | b']') => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}
