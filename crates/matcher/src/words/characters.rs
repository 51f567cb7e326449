//! Properties of characters: the folded form, and whether they belong to words that are separated by spaces.

/// Folds characters that need no table: ASCII and its full-width forms to lower case, and white space to a space.
///
/// Returns `None` for a character that may have other spellings.
#[inline]
pub(super) fn fold_simply(c: char) -> Option<char> {
    match c {
        'A'..='Z' => Some(c.to_ascii_lowercase()),
        '\t'..='\r' => Some(' '),
        '\0'..='\x7f' => Some(c),
        '\u{3000}' => Some(' '),
        // From CJK to Yi, and Hangul: scripts without case.
        '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7ff}' => Some(c),
        '\u{ff01}'..='\u{ff5e}' => {
            let ascii = u32::from(c).wrapping_sub(0xfee0);
            u8::try_from(ascii).ok().map(|ascii| char::from(ascii.to_ascii_lowercase()))
        }
        _ if c.is_whitespace() => Some(' '),
        _ => None,
    }
}

/// [`fold_simply`] for an ASCII byte.
#[inline]
pub(super) fn fold_ascii(byte: u8) -> u8 {
    if matches!(byte, b'\t'..=b'\r') { b' ' } else { byte.to_ascii_lowercase() }
}

/// Returns true if characters that begin with this byte fold to themselves, are not separated by spaces, and have three bytes.
#[inline]
pub(super) fn is_plain_lead(byte: u8) -> bool {
    // U+4000 to U+9FFF: Chinese.
    matches!(byte, 0xe4..=0xe9)
}

/// Returns true if a folded character belongs to a word that is separated by other characters.
#[inline]
pub(super) fn is_spaced(c: char) -> bool {
    match c {
        '\0'..='\x7f' => c.is_ascii_alphanumeric(),
        // Most characters outside ASCII.
        '\u{2e80}'..='\u{a4cf}' => false,
        // All of these are letters; Unicode's tables are slower.
        '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2af}' => true,
        '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}' => true,
        _ => !is_unspaced(c) && (c.is_alphanumeric() || is_mark(c)),
    }
}

/// The blocks of scripts without spaces between words, or (Korean) with attached particles.
fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0fff}' // Thai, Lao, Tibetan
        | '\u{1000}'..='\u{109f}' // Myanmar
        | '\u{1100}'..='\u{11ff}' // Hangul Jamo
        | '\u{1780}'..='\u{17ff}' // Khmer
        | '\u{1950}'..='\u{19ff}' // Tai Le, New Tai Lue, Khmer symbols
        | '\u{1a20}'..='\u{1aaf}' // Tai Tham
        | '\u{2e80}'..='\u{a4cf}' // CJK radicals, Kana, Bopomofo, Han, Yi
        | '\u{a960}'..='\u{a97f}' // Hangul Jamo
        | '\u{a980}'..='\u{a9ff}' // Javanese, Myanmar
        | '\u{aa60}'..='\u{aadf}' // Myanmar, Tai Viet
        | '\u{ac00}'..='\u{d7ff}' // Hangul
        | '\u{f900}'..='\u{faff}' // Han
        | '\u{ff66}'..='\u{ffdc}' // half-width Katakana and Hangul
        | '\u{16fe0}'..='\u{18dff}' // Tangut, Khitan
        | '\u{1aff0}'..='\u{1b2ff}' // Kana, Nüshu
        | '\u{20000}'..='\u{3ffff}' // Han
    )
}

/// Marks that are not alphabetic in Unicode, but belong to a letter.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}' | '\u{0483}'..='\u{0489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}' // any script's
        | '\u{0591}'..='\u{05bd}' | '\u{05bf}' | '\u{05c1}'..='\u{05c7}' // Hebrew points
        | '\u{0610}'..='\u{061a}' | '\u{064b}'..='\u{065f}' | '\u{06d6}'..='\u{06ed}' // Arabic
        | '\u{093c}' | '\u{094d}' | '\u{09bc}' | '\u{09cd}' | '\u{0a3c}' | '\u{0a4d}' // of India: nukta, virama
        | '\u{0abc}' | '\u{0acd}' | '\u{0b3c}' | '\u{0b4d}' | '\u{0bcd}' | '\u{0c4d}' | '\u{0cbc}'
        | '\u{0ccd}' | '\u{0d4d}' | '\u{0dca}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_cuts_say_what_unicode_says() {
        for c in '\0'..=char::MAX {
            assert_eq!(is_spaced(c), !is_unspaced(c) && (c.is_alphanumeric() || is_mark(c)), "{c:?}");
            if c.is_ascii() {
                assert_eq!(fold_simply(c), Some(fold_ascii(c as u8).into()), "{c:?}");
            }
            if is_plain_lead(c.to_string().as_bytes().first().copied().unwrap_or(0)) {
                assert!(fold_simply(c) == Some(c) && !is_spaced(c) && c.len_utf8() == 3, "{c:?}");
            }
        }
    }
}
