//! Sets of regular expressions, searched for anywhere in a text, whole or in chunks.
//!
//! The syntax is RE2's, which users of the Go and C++ gateways write. A search costs a constant time per byte
//! and automaton, whatever the text: nothing backtracks. Expressions share automata as far as that is safe.

use std::fmt;

use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use crate::case::Case;
use crate::identity::Identity;

mod engine;
mod group;
mod impossible;
mod re2;
#[cfg(test)]
mod tests;

use engine::{Engine, Position};
use group::Groups;

/// An automaton before determinisation takes at most this many bytes: an expression such as
/// `(\pL{50}){50}` is refused, since what it costs per byte grows with it.
pub(crate) const NFA_BYTES: usize = 1 << 20;

/// Groups in groups, at most: parsing and compiling recurse, on a stack that in a plug-in is small.
const MAX_DEPTH: u32 = 50;

/// A set of regular expressions.
pub struct Regexes {
    engines: Vec<Engine>,
    identity: Identity,
}

/// Why an expression is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexError {
    /// Its position in the list.
    pub index: usize,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

/// How far one text has been searched for [`Regexes`].
///
/// It belongs to the set that it is first fed with; fed with another one, it starts afresh.
#[derive(Clone, Default)]
pub struct RegexScanner {
    set: Option<Identity>,
    /// One for each engine of the set.
    positions: Vec<Position>,
    found: Option<usize>,
}

/// Checks one expression as [`Regexes::new`] does.
///
/// # Errors
///
/// What is wrong with it and what to write instead.
pub fn check(pattern: &str) -> Result<(), String> {
    compile(&[&parse(pattern, Case::Sensitive)?]).map(drop)
}

impl Regexes {
    /// Compiles `patterns`, numbered from 0.
    ///
    /// # Errors
    ///
    /// The first pattern that is empty, not RE2 syntax, or too large.
    pub fn new(patterns: &[impl AsRef<str>], case: Case) -> Result<Self, RegexError> {
        let mut engines = Vec::new();
        let mut groups = Groups::default();
        for (index, pattern) in patterns.iter().enumerate() {
            let error = |message| RegexError { index, message };
            let hir = parse(pattern.as_ref(), case).map_err(error)?;
            let bytes = compile(&[&hir]).map_err(error)?.memory_usage();
            if let Some(full) = groups.add(index, hir, bytes) {
                engines.push(full.engine().map_err(error)?);
            }
        }
        for group in groups.into_rest() {
            let index = patterns.len().saturating_sub(1);
            engines.push(group.engine().map_err(|message| RegexError { index, message })?);
        }
        Ok(Self { engines, identity: Identity::new() })
    }

    /// The number of an expression that matches somewhere in `text`.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        self.engines.iter().find_map(|engine| {
            let mut position = engine.start();
            engine.feed(&mut position, text).or_else(|| engine.finish(&mut position))
        })
    }

    /// Whether any expression matches somewhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// A scanner at the beginning of a text that comes in chunks.
    pub fn scanner(&self) -> RegexScanner {
        RegexScanner::default()
    }
}

impl RegexScanner {
    /// Searches the next chunk of the text, and gives the number of an expression that has matched so far.
    ///
    /// A match is known with the byte after it or with [`finish`](Self::finish) at the latest. Unless it depends
    /// on what follows (`$`, `\b`), or the engine has just run out of room, it is known with its last byte.
    pub fn feed(&mut self, regexes: &Regexes, chunk: &[u8]) -> Option<usize> {
        self.belong_to(regexes);
        let mut both = regexes.engines.iter().zip(&mut self.positions);
        self.found = self.found.or_else(|| both.find_map(|(engine, position)| engine.feed(position, chunk)));
        self.found
    }

    /// The text has ended: gives what [`Regexes::find`] would for all of it.
    pub fn finish(&mut self, regexes: &Regexes) -> Option<usize> {
        self.belong_to(regexes);
        let mut both = regexes.engines.iter().zip(&mut self.positions);
        self.found = self.found.or_else(|| both.find_map(|(engine, position)| engine.finish(position)));
        self.found
    }

    fn belong_to(&mut self, regexes: &Regexes) {
        if self.set != Some(regexes.identity) {
            let positions = regexes.engines.iter().map(Engine::start).collect();
            *self = Self { set: Some(regexes.identity), positions, found: None };
        }
    }
}

pub(crate) fn parse(pattern: &str, case: Case) -> Result<Hir, String> {
    if pattern.is_empty() {
        return Err(
            "it is empty and would match every text: write an expression, or remove the entry".to_owned()
        );
    }
    let translated = re2::translate(pattern)?;
    let hir = ParserBuilder::new()
        .utf8(false)
        .case_insensitive(case == Case::Insensitive)
        .nest_limit(MAX_DEPTH)
        .build()
        .parse(&translated)
        .map_err(|error| match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            error => error.to_string(),
        })?;
    if impossible::is_impossible(&hir) {
        return Err("it never matches: write `^` only where a text begins and `$` only where it ends, `\\^` and `\\$` for \
                    these characters, and no empty class"
            .to_owned());
    }
    Ok(hir)
}

/// Whether an expression is found in no text that begins with `first`, as its first characters tell: `^admin` is in
/// no path. Other expressions are not looked into.
pub fn begins_otherwise(pattern: &str, first: char) -> bool {
    let mut characters = pattern.chars();
    let anchor = characters.next() == Some('^');
    let other = characters.next().is_some_and(|letter| letter.is_alphanumeric() && letter != first);
    let optional = matches!(characters.next(), Some('*' | '?' | '{'));
    anchor && other && !optional && !pattern.contains('|')
}

fn compile(hirs: &[&Hir]) -> Result<NFA, String> {
    // What fits one by one fits together.
    let limit = if hirs.len() > 1 { 2 * NFA_BYTES } else { NFA_BYTES };
    let config =
        thompson::Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(limit));
    thompson::Compiler::new().configure(config).build_many_from_hir(hirs).map_err(|error| {
        match error.size_limit() {
            Some(_) => {
                "it is too large once its repetitions are written out: write smaller counts, `*` or `+` \
                        for large ones, or split it into several expressions"
                    .to_owned()
            }
            None => error.to_string(),
        }
    })
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expression {}: {}", self.index, self.message)
    }
}

impl std::error::Error for RegexError {}
