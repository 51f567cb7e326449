//! Streams that have no end, whose bytes go on as they come: upgrades, tunnels and gRPC. What is no JSON passes. A value of
//! JSON is kept until it is whole, and looked at as any other body: a client could say of an ordinary request that it is
//! such a stream.

use crate::answer::{Denial, Shape};
use crate::config::Config;
use crate::form::{Form, form};
use crate::raw::Words;
use crate::whole::{Unreadable, Verdict};

/// The largest value. What is larger cannot be read.
const LARGEST: usize = 1 << 20;

/// How much of the start of a value is known before it is known what it is.
const START: usize = 64;

/// What has come of a stream.
#[derive(Default)]
pub struct Values {
    at: At,
    /// White space before a value, as much as tells its encoding; or the value as far as it has come.
    begun: Vec<u8>,
    /// Whether there has been a value.
    any: bool,
    /// Whether what cannot be read is refused.
    refuses: bool,
    words: Words,
}

#[derive(Default, Clone, Copy)]
enum At {
    /// Before a value.
    #[default]
    Start,
    Value(Nesting),
    /// In what is no JSON.
    Other,
}

/// Where in a value.
#[derive(Default, Clone, Copy)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// What goes on, and why nothing follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub denial: Option<Denial>,
    pub unreadable: bool,
    /// Whether anything was changed.
    pub masked: bool,
}

/// How a value is looked at.
type Look<'l> = dyn FnMut(&[u8]) -> Result<Verdict, Unreadable> + 'l;

impl Values {
    /// Of a request, in which what cannot be read is refused.
    pub fn of_request() -> Self {
        Self { refuses: true, ..Self::default() }
    }

    /// Takes what has arrived.
    pub fn push(&mut self, config: &Config, bytes: &[u8], ended: bool, look: &mut Look<'_>) -> Output {
        let mut output = Output::default();
        if config.raw {
            let cause = self.words.watch(config, bytes, ended);
            output.denial = cause.map(|cause| Denial { shape: Shape::Raw, cause });
        }
        let mut rest = bytes;
        while !rest.is_empty() && !self.stops(config, &output) {
            rest = match self.at {
                At::Other => {
                    output.bytes.extend_from_slice(rest);
                    &[]
                }
                At::Start => self.start(config, rest, &mut output),
                At::Value(nesting) => self.value(config, nesting, rest, &mut output, look),
            };
        }
        if ended && matches!(self.at, At::Value(_)) && !self.stops(config, &output) {
            self.finish(config, &mut output, look);
        }
        output
    }

    fn stops(&self, config: &Config, output: &Output) -> bool {
        !config.rules.dry_run && (output.denial.is_some() || (output.unreadable && self.refuses))
    }

    /// White space before a value, or the first bytes that say what this is.
    fn start<'b>(&mut self, config: &Config, bytes: &'b [u8], output: &mut Output) -> &'b [u8] {
        let before = self.begun.len();
        self.begun.extend_from_slice(bytes);
        let length = match form(&self.begun, false) {
            Form::Json => {
                let space = self.begun.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b);
                let space = space.count().saturating_sub(before);
                self.at = At::Value(Nesting::default());
                self.begun.clear();
                space
            }
            Form::Open => {
                let known = self.begun.len().saturating_sub(START) / 4 * 4;
                self.begun.drain(..known);
                bytes.len()
            }
            Form::Unreadable if config.request.any() => {
                self.unreadable(config, output);
                0
            }
            // Behind a value comes another one, or nothing.
            Form::Other if self.any && config.request.any() => {
                self.unreadable(config, output);
                0
            }
            Form::Unreadable | Form::Other => {
                self.at = At::Other;
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
        look: &mut Look<'_>,
    ) -> &'b [u8] {
        let end = bytes.iter().position(|byte| nesting.ends(*byte)).map(|end| end + 1);
        let (of_value, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or((bytes, &[]));
        self.begun.extend_from_slice(of_value);
        self.at = At::Value(nesting);
        if end.is_some() {
            self.finish(config, output, look);
        } else if self.begun.len() > LARGEST {
            self.unreadable(config, output);
        }
        rest
    }

    /// A value that is whole, or that has no end.
    fn finish(&mut self, config: &Config, output: &mut Output, look: &mut Look<'_>) {
        let Ok(verdict) = look(&self.begun) else { return self.unreadable(config, output) };
        let value = std::mem::take(&mut self.begun);
        (self.at, self.any) = (At::Start, true);
        output.denial = output.denial.or(verdict.denial);
        output.masked |= verdict.changed.is_some();
        if !self.stops(config, output) {
            output.bytes.extend(verdict.changed.unwrap_or(value));
        }
    }

    /// It goes on as it is, unless it is refused.
    fn unreadable(&mut self, config: &Config, output: &mut Output) {
        output.unreadable = true;
        let value = std::mem::take(&mut self.begun);
        if !self.stops(config, output) && matches!(self.at, At::Value(_)) {
            output.bytes.extend(value);
        }
        self.at = At::Other;
    }
}

impl Nesting {
    /// Whether a value ends with this byte.
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
