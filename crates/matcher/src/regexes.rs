//! Sets of regular expressions, which are searched anywhere in a text, as a whole or in chunks.
//!
//! The syntax is RE2's, like in Go and C++ plug-ins. The cost of a search is constant per byte and automaton, whatever the text:
//! there is no backtracking. Expressions share automata if that is safe.

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

/// The maximum size of an NFA in bytes. The cost per byte grows with it, so expressions such as `(\pL{50}){50}` are rejected.
pub(crate) const NFA_BYTES: usize = 1 << 20;

/// The maximum depth of nested groups, because parsing and compiling are recursive, and the stack of a plug-in is small.
const MAX_DEPTH: u32 = 50;

/// A set of regular expressions.
pub struct Regexes {
    engines: Vec<Engine>,
    identity: Identity,
}

/// The error for an invalid expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexError {
    /// Its position in the list.
    pub index: usize,
    /// What is wrong with it and what to write instead.
    pub message: String,
}

/// The progress of a search of [`Regexes`] in a text.
///
/// It belongs to the set that it is first used with. With another set it starts over.
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

    /// Returns the number of an expression that matches anywhere in `text`.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        self.engines.iter().find_map(|engine| {
            let mut position = engine.start();
            engine.feed(&mut position, text).or_else(|| engine.finish(&mut position))
        })
    }

    /// Returns true if any expression matches anywhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// Creates a scanner for a text in chunks.
    pub fn scanner(&self) -> RegexScanner {
        RegexScanner::default()
    }
}

impl RegexScanner {
    /// Searches the next chunk of the text, and returns the number of an expression that has matched so far.
    ///
    /// A match is reported with its last byte, unless it depends on the following text (`$`, `\b`) or the cache of the engine
    /// is full. It is then reported with the next byte, or by [`finish`](Self::finish).
    pub fn feed(&mut self, regexes: &Regexes, chunk: &[u8]) -> Option<usize> {
        self.belong_to(regexes);
        let mut both = regexes.engines.iter().zip(&mut self.positions);
        self.found = self.found.or_else(|| both.find_map(|(engine, position)| engine.feed(position, chunk)));
        self.found
    }

    /// Ends the text, and returns the same as [`Regexes::find`] for all of it.
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

/// Returns true if the first characters of an expression show that it cannot match a text that begins with `first`: `^admin`
/// matches no path. Other expressions are not analysed.
pub fn begins_otherwise(pattern: &str, first: char) -> bool {
    let mut characters = pattern.chars();
    let anchor = characters.next() == Some('^');
    let other = characters.next().is_some_and(|letter| letter.is_alphanumeric() && letter != first);
    let optional = matches!(characters.next(), Some('*' | '?' | '{'));
    anchor && other && !optional && !pattern.contains('|')
}

fn compile(hirs: &[&Hir]) -> Result<NFA, String> {
    // Expressions that fit separately also fit together.
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
