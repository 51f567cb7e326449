//! The tables of libinjection: what words and operators are, and which fingerprints are injections.

use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

use super::tokens::kind;

/// Where the words that begin with each byte begin in the table, which is sorted.
static STARTS: [usize; 257] = starts();

const fn starts() -> [usize; 257] {
    let mut starts = [0; 257];
    let (mut byte, mut at) = (0, 0);
    while byte < starts.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
        while at < SQL_KEYWORDS.len() && (SQL_KEYWORDS[at].word.as_bytes()[0] as usize) < byte {
            at += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
        {
            starts[byte] = at;
        }
        byte += 1;
    }
    starts
}

/// Returns the kind and the spelling of a word or an operator that the table contains; its letters may be of either case.
pub(super) fn find(word: impl Iterator<Item = u8> + Clone) -> Option<(u8, &'static str)> {
    let mut word = word.map(|byte| byte.to_ascii_uppercase());
    let first = usize::from(word.clone().next()?);
    let words = SQL_KEYWORDS.get(*STARTS.get(first)?..*STARTS.get(first + 1)?)?;
    word.next();
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
