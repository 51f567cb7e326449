//! The tables of libinjection: what words and operators are, and which fingerprints are injections.

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

use super::tokens::{MAX_TEXT, kind};

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

/// Which bytes of ASCII follow each first byte of a word, or 0 if none does: most of what is looked up is not a word.
static SECOND_BYTES: [[u64; 2]; 128] = second_bytes();

#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn second_bytes() -> [[u64; 2]; 128] {
    let mut bytes = [[0; 2]; 128];
    let mut at = 0;
    while at < SQL_KEYWORDS.len() {
        let word = SQL_KEYWORDS[at].word.as_bytes();
        let second = if word.len() > 1 { word[1] as usize } else { 0 };
        bytes[word[0] as usize][second / 64] |= 1 << (second % 64);
        at += 1;
    }
    bytes
}

/// Returns false if no word of the table begins with these two bytes, of which the second is 0 if there is none.
pub(super) fn may_begin(first: u8, second: u8) -> bool {
    let second = usize::from(second.to_ascii_uppercase());
    let bytes = SECOND_BYTES.get(usize::from(first.to_ascii_uppercase()));
    bytes.and_then(|bytes| bytes.get(second / 64)).is_some_and(|bytes| bytes & (1 << (second % 64)) != 0)
}

/// Returns the kind and the spelling of a word or an operator that the table contains; its letters may be of either case.
pub(super) fn find(word: &[u8]) -> Option<(u8, &'static str)> {
    if !may_begin(*word.first()?, word.get(1).copied().unwrap_or_default()) {
        return None;
    }
    let mut buffer = [0; MAX_TEXT];
    let upper = buffer.get_mut(..word.len())?;
    upper.copy_from_slice(word);
    upper.make_ascii_uppercase();
    let first = usize::from(*upper.first()?);
    let words = SQL_KEYWORDS.get(*STARTS.get(first)?..*STARTS.get(first + 1)?)?;
    let at = words.binary_search_by(|known| known.word.as_bytes().cmp(upper)).ok()?;
    words.get(at).map(|known| (known.token_type, known.word))
}

/// Returns the kind of a word or an operator that the table contains.
pub(super) fn kind_of(word: &[u8]) -> Option<u8> {
    find(word).map(|(kind, _)| kind)
}

/// Returns true if a fingerprint is one of an injection.
pub(super) fn is_injection(fingerprint: &[u8]) -> bool {
    !fingerprint.is_empty()
        && find(&[b"0", fingerprint].concat()).is_some_and(|(kind, _)| kind == kind::FINGERPRINT)
}
