//! The tables of libinjection: what words and operators are, and which fingerprints are injections.

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

use super::tokens::kind;

/// Where the words that begin with each byte begin in the table, which is sorted.
static STARTS: [usize; 257] = starts();

#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn starts() -> [usize; 257] {
    let mut starts = [0; 257];
    let (mut byte, mut at) = (0, 0);
    while byte < starts.len() {
        while at < SQL_KEYWORDS.len() && (SQL_KEYWORDS[at].word.as_bytes()[0] as usize) < byte {
            at += 1;
        }
        starts[byte] = at;
        byte += 1;
    }
    starts
}

/// Which bytes of ASCII follow each first byte of a word: most of what is looked up is none.
static SECOND_BYTES: [u128; 128] = second_bytes();

#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn second_bytes() -> [u128; 128] {
    let mut bytes = [0; 128];
    let mut at = 0;
    while at < SQL_KEYWORDS.len() {
        let word = SQL_KEYWORDS[at].word.as_bytes();
        if word.len() > 1 {
            bytes[word[0] as usize] |= 1 << word[1];
        }
        at += 1;
    }
    bytes
}

/// Returns the kind and the spelling of a word or an operator that the table contains; its letters may be of either case.
pub(super) fn find(word: impl Iterator<Item = u8> + Clone) -> Option<(u8, &'static str)> {
    let mut word = word.map(|byte| byte.to_ascii_uppercase());
    let first = usize::from(word.clone().next()?);
    let words = SQL_KEYWORDS.get(*STARTS.get(first)?..*STARTS.get(first + 1)?)?;
    word.next();
    if let Some(second) = word.clone().next()
        && (!second.is_ascii() || SECOND_BYTES.get(first)? & (1 << second) == 0)
    {
        return None;
    }
    let rest = |known: &'static str| known.bytes().skip(1);
    let at = words.binary_search_by(|known| rest(known.word).cmp(word.clone())).ok()?;
    words.get(at).map(|known| (known.token_type, known.word))
}

/// Returns the kind of a word or an operator that the table contains.
pub(super) fn kind_of(word: &[u8]) -> Option<u8> {
    find(word.iter().copied()).map(|(kind, _)| kind)
}

/// Returns true if a fingerprint is one of an injection.
pub(super) fn is_injection(fingerprint: &[u8]) -> bool {
    !fingerprint.is_empty()
        && find(std::iter::once(b'0').chain(fingerprint.iter().copied()))
            .is_some_and(|(kind, _)| kind == kind::FINGERPRINT)
}
