//! Each transformation, with the invalid input that attackers send.

use super::*;

fn all(transformation: Transformation, cases: &[(&[u8], &[u8])]) {
    for (value, expected) in cases {
        let found = apply(transformation, value);
        let text = String::from_utf8_lossy(value);
        assert_eq!(
            found.as_deref().unwrap_or(value).escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{text}"
        );
        assert_eq!(found.is_none(), value == expected, "{text}");
    }
}

#[test]
fn urls_are_decoded() {
    all(
        Transformation::UrlDecode,
        &[(b"a%20b+c", b"a b c"), (b"%", b"%"), (b"%4", b"%4"), (b"%4g%41", b"%4gA"), (b"%u0041", b"%u0041")],
    );
    all(
        Transformation::UrlDecodeUni,
        &[
            (b"%u0041", b"A"),
            (b"%uff1cx", b"<x"),
            (b"%u00e9", b"\xe9"),
            (b"%u004", b"%u004"),
            (b"%u", b"%u"),
            (b"%%41", b"%A"),
        ],
    );
    all(Transformation::UrlEncode, &[(b"a b<", b"a+b%3c")]);
}

#[test]
fn scripts_and_styles_are_decoded() {
    all(
        Transformation::JsDecode,
        &[
            (b"\\u0061\\x62\\143\\n\\q", b"abc\nq"),
            (b"\\uff1c", b"<"),
            (b"\\400", b" 0"),
            (b"\\", b"\\"),
            (b"\\xg", b"xg"),
        ],
    );
    all(
        Transformation::CssDecode,
        &[
            (b"\\6a\\61 v\\a", b"jav\n"),
            (b"\\00ff1cx", b"<x"),
            (b"a\\\nb", b"ab"),
            (b"\\zq\\", b"zq"),
            (b"\\1", b"\x01"),
        ],
    );
    all(Transformation::EscapeSeqDecode, &[(b"\\x41\\101\\n\\q\\", b"AA\nq\\"), (b"\\x4", b"x4")]);
}

#[test]
fn entities_are_decoded_with_and_without_semicolons() {
    all(
        Transformation::HtmlEntityDecode,
        &[
            (b"&lt;&LT&#60;&#x3c&#x3C;", b"<<<<<"),
            (b"&nbsp;&quot;&amp;", b"\xa0\"&"),
            (b"&;&#;&#x;&ltx", b"&;&#;&#x;&ltx"),
            (b"&#316;", b"<"),
        ],
    );
}

#[test]
fn base64_ends_at_the_first_foreign_byte() {
    all(
        Transformation::Base64Decode,
        &[(b"YWJj", b"abc"), (b"YWI=", b"ab"), (b"YW!Jj", b"a"), (b"YW\r\nJj", b"abc")],
    );
    all(Transformation::Base64DecodeExt, &[(b"Y.W!J\xffj", b"abc")]);
    all(Transformation::Base64Encode, &[(b"a", b"YQ=="), (b"ab", b"YWI="), (b"abc", b"YWJj")]);
}

#[test]
fn paths_are_normalized() {
    all(
        Transformation::NormalizePath,
        &[
            (b"dir/foo//bar/", b"dir/foo/bar/"),
            (b"dir/./.././../../foo/bar/..", b"../../foo"),
            (b"/dir/../../foo", b"/foo"),
            (b"/../..", b"/"),
            (b".", b""),
            (b"../", b"../"),
            (b"/a/b", b"/a/b"),
            (b"a..b", b"a..b"),
        ],
    );
    all(Transformation::NormalizePathWin, &[(b"a\\..\\b", b"b"), (b"\\a", b"/a")]);
}

#[test]
fn space_and_comments_are_removed() {
    all(Transformation::CmdLine, &[(b"C^a\"t ,; /etc", b"cat/etc"), (b"a  (b", b"a(b")]);
    all(Transformation::CompressWhitespace, &[(b"a \t\xa0b", b"a b"), (b"a\x0b", b"a ")]);
    all(Transformation::RemoveWhitespace, &[(b" a\x0bb\xa0", b"ab")]);
    all(Transformation::ReplaceComments, &[(b"a/*x*/b/*", b"a b "), (b"a/b", b"a/b")]);
    all(Transformation::RemoveComments, &[(b"a/*x*/b<!--y-->c--d", b"abc"), (b"a#b", b"a")]);
    all(Transformation::RemoveCommentsChar, &[(b"a/*x*/b--<!--c", b"axbc")]);
    all(Transformation::RemoveNulls, &[(b"a\0b", b"ab")]);
    all(Transformation::ReplaceNulls, &[(b"a\0b", b"a b")]);
}

#[test]
fn digests_and_numbers_are_computed() {
    all(Transformation::Length, &[(b"abc", b"3"), (b"", b"0")]);
    all(Transformation::HexEncode, &[(b"\xffa", b"ff61")]);
    all(Transformation::HexDecode, &[(b"ff61", b"\xffa")]);
    all(Transformation::SqlHexDecode, &[(b"0x616263 0x 0xg", b"abc 0x 0xg")]);
    all(Transformation::Utf8ToUnicode, &[("aé‘".as_bytes(), b"a%u00e9%u2018"), (b"\xff", b"\xff")]);
    let hex = |value: Option<Vec<u8>>| value.map(text::hex::encode);
    let sha1 = hex(apply(Transformation::Sha1, b"abc")).unwrap();
    assert_eq!(sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
    let md5 = hex(apply(Transformation::Md5, b"abc")).unwrap();
    assert_eq!(md5, "900150983cd24fb0d6963f7d28e17f72");
}

proptest::proptest! {
    /// A transformation that is not attempted would not have changed the value: the triggers are complete.
    #[test]
    fn triggers_miss_nothing(value in proptest::collection::vec(proptest::sample::select(b"\\%+&;#x0uA1z/.*-<>! \t\0\xa0\xc3\xa9\"'".to_vec()), 0..12)) {
        for transformation in Transformation::ALL {
            if triggers(*transformation).is_some_and(|triggers| !triggers.intersects(&ByteSet::of(&value))) {
                proptest::prop_assert_eq!(change(*transformation, &value), None, "{:?}", transformation);
            }
        }
    }
}
