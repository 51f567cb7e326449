//! Contents as recipes: a few pieces, some of them repeated until the content has its size. What is slow is mostly slow in its
//! repetition, and a recipe is short enough to be read.

use std::fmt;

use super::super::material::EDGES;
use crate::Random;
use engine::Shown;

/// The most pieces of a recipe.
const MOST_PIECES: usize = 6;

/// The longest piece.
const LONGEST: usize = 400;

/// Bytes that parsers look for.
const SIGNS: &[u8] = b"<>\"'`&=;:,.-+/\\()[]{}|$%#@!?*~^_ \t\n\r\0aAxX0e19";

/// A content of any size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    bytes: Vec<u8>,
    /// Whether it is repeated, in an equal share of what the others leave.
    repeated: bool,
}

impl Recipe {
    /// A recipe of words.
    pub(super) fn new(words: &[Vec<u8>], random: &mut Random) -> Self {
        let mut recipe = Self(Vec::new());
        for _ in 0..=random.below(3) {
            recipe.0.push(piece(words, random));
        }
        recipe.in_order()
    }

    /// This recipe, changed in one to four places, sometimes with pieces of another.
    pub(super) fn changed(&self, other: Option<&Self>, words: &[Vec<u8>], random: &mut Random) -> Self {
        let mut pieces = self.0.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(pieces.len());
            let change = random.below(11);
            let Some(piece_at) = pieces.get_mut(at) else { break };
            let bytes = &mut piece_at.bytes;
            let place = random.below(bytes.len() + 1);
            match change {
                0 => pieces.insert(at, piece(words, random)),
                1 => drop(pieces.remove(at)),
                2 => *piece_at = piece(words, random),
                3 => piece_at.repeated = !piece_at.repeated,
                4 => drop(bytes.splice(place..place, word(words, random))),
                5 => bytes.insert(place, sign(random)),
                6 => drop(bytes.drain(place..(place + 1 + random.below(8)).min(bytes.len()))),
                7 => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = sign(random)),
                8 => drop(bytes.drain(..place)),
                9 => {
                    let end = (place + 1 + random.below(12)).min(bytes.len());
                    let part = bytes.get(place..end).unwrap_or_default().to_vec();
                    drop(bytes.splice(place..place, part));
                }
                _ => {
                    let others = other.map(|other| other.0.as_slice()).unwrap_or_default();
                    pieces.truncate(at + 1);
                    pieces.extend(others.iter().skip(random.below(others.len())).cloned());
                }
            }
            if pieces.is_empty() {
                pieces.push(piece(words, random));
            }
        }
        Self(pieces).in_order()
    }

    /// With pieces that are neither empty nor too long, at least one of them repeated.
    fn in_order(mut self) -> Self {
        self.0.iter_mut().for_each(|piece| piece.bytes.truncate(LONGEST));
        self.0.retain(|piece| !piece.bytes.is_empty());
        self.0.truncate(MOST_PIECES);
        if self.0.is_empty() {
            self.0.push(Piece { bytes: b"a".to_vec(), repeated: true });
        }
        if self.0.iter().all(|piece| !piece.repeated) {
            self.0.iter_mut().for_each(|piece| piece.repeated = true);
        }
        self
    }

    /// The content of `size` bytes.
    pub(super) fn content(&self, size: usize) -> Vec<u8> {
        let once: usize = self.0.iter().filter(|piece| !piece.repeated).map(|piece| piece.bytes.len()).sum();
        let repeated = self.0.iter().filter(|piece| piece.repeated).count();
        let share = size.saturating_sub(once) / repeated.max(1);
        let mut content = Vec::with_capacity(size);
        for Piece { bytes, repeated } in &self.0 {
            match repeated {
                true => content.extend(bytes.iter().cycle().take(share)),
                false => content.extend_from_slice(bytes),
            }
        }
        content.resize(size, b'a');
        content
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Piece { bytes, repeated }) in self.0.iter().enumerate() {
            let (before, after) =
                (if index > 0 { ", " } else { "" }, if *repeated { " repeated" } else { "" });
            write!(f, "{before}{}{after}", Shown(bytes))?;
        }
        Ok(())
    }
}

/// The content of an ordinary request: words, and nothing else.
pub(super) fn prose(size: usize) -> Vec<u8> {
    let words = "the lamp arrived on Tuesday well packed and we put it next to the window so that it lights the table ";
    words.bytes().cycle().take(size).collect()
}

fn piece(words: &[Vec<u8>], random: &mut Random) -> Piece {
    Piece { bytes: word(words, random), repeated: random.below(2) == 0 }
}

fn word(words: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let signs = |random: &mut Random| (0..=random.below(3)).map(|_| sign(random)).collect();
    match random.below(4) {
        0 => signs(random),
        1 => EDGES.get(random.below(EDGES.len())).map(|edge| edge.to_vec()).unwrap_or_default(),
        // A part of a word, or all of it.
        _ => match words.get(random.below(words.len())) {
            Some(word) if random.below(2) == 0 => {
                let start = random.below(word.len());
                let end = start + 1 + random.below(word.len());
                word.get(start..end.min(word.len())).unwrap_or_default().to_vec()
            }
            Some(word) => word.clone(),
            None => signs(random),
        },
    }
}

fn sign(random: &mut Random) -> u8 {
    match random.below(8) {
        0 => random.number().to_le_bytes()[0],
        _ => SIGNS.get(random.below(SIGNS.len())).copied().unwrap_or(b'a'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_has_its_size_and_repeats_its_pieces() {
        let piece = |bytes: &str, repeated| Piece { bytes: bytes.into(), repeated };
        let recipe =
            Recipe(vec![piece("x=", false), piece("ab", true), piece("<", true), piece("end", false)]);
        assert_eq!(recipe.content(15), b"x=ababa<<<<<end");
        assert_eq!(recipe.to_string(), r#""x=", "ab" repeated, "<" repeated, "end""#);
        // What does not fit is cut.
        assert_eq!(recipe.content(3), b"x=e");
    }

    #[test]
    fn every_change_leaves_a_recipe_that_fills_a_content() {
        let (words, mut random) = (vec![b"select".to_vec()], Random::new(3));
        let mut recipe = Recipe::new(&words, &mut random);
        for _ in 0..2000 {
            let other = Recipe::new(&[], &mut random);
            recipe = recipe.changed(Some(&other), &words, &mut random);
            assert_eq!(recipe.content(1000).len(), 1000);
            assert!((1..=MOST_PIECES).contains(&recipe.0.len()));
            assert!(recipe.0.iter().any(|piece| piece.repeated), "{recipe}");
        }
    }
}
