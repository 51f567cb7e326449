//! Transformations: what attackers encode is decoded before it is compared.
//!
//! They follow ModSecurity, whose behaviour the rules of the Core Rule Set assume, including what it does with invalid input.

use md5::{Digest, Md5};
use seclang::{ByteSet, Transformation};
use sha1::Sha1;

mod decode;
mod path;
mod space;

/// Applies a transformation, or returns `None` if the value would not change.
#[must_use]
pub fn apply(transformation: Transformation, value: &[u8]) -> Option<Vec<u8>> {
    let may_change = trigger(transformation).is_none_or(|trigger| value.iter().any(|byte| trigger(*byte)));
    if may_change { change(transformation, value) } else { None }
}

/// Applies a transformation without a look at its triggers, or returns `None` if the value would not change.
pub(crate) fn change(transformation: Transformation, value: &[u8]) -> Option<Vec<u8>> {
    let changed = match transformation {
        Transformation::Base64Decode => decode::base64(value, false),
        Transformation::Base64DecodeExt => decode::base64(value, true),
        Transformation::Base64Encode => decode::base64_encode(value),
        Transformation::CmdLine => space::cmd_line(value),
        Transformation::CompressWhitespace => space::compress(value),
        Transformation::CssDecode => decode::css(value),
        Transformation::EscapeSeqDecode => decode::escape_sequences(value),
        Transformation::HexDecode => decode::hex(value),
        Transformation::HexEncode => text::hex::encode(value).into_bytes(),
        Transformation::HtmlEntityDecode => decode::html(value),
        Transformation::JsDecode => decode::js(value),
        Transformation::Length => value.len().to_string().into_bytes(),
        Transformation::Lowercase => value.to_ascii_lowercase(),
        Transformation::Md5 => Md5::digest(value).to_vec(),
        Transformation::NormalizePath => path::normalize(value),
        Transformation::NormalizePathWin => {
            let slashes: Vec<u8> =
                value.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
            path::normalize(&slashes)
        }
        Transformation::RemoveComments => space::remove_comments(value),
        Transformation::RemoveCommentsChar => space::remove_comment_marks(value),
        Transformation::RemoveNulls => value.iter().copied().filter(|byte| *byte != 0).collect(),
        Transformation::RemoveWhitespace => {
            value.iter().copied().filter(|byte| !space::is_space(*byte)).collect()
        }
        Transformation::ReplaceComments => space::replace_comments(value),
        Transformation::ReplaceNulls => {
            value.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect()
        }
        Transformation::Sha1 => Sha1::digest(value).to_vec(),
        Transformation::SqlHexDecode => decode::sql_hex(value),
        Transformation::Trim => value.trim_ascii().to_vec(),
        Transformation::TrimLeft => value.trim_ascii_start().to_vec(),
        Transformation::TrimRight => value.trim_ascii_end().to_vec(),
        Transformation::Uppercase => value.to_ascii_uppercase(),
        Transformation::UrlDecode => text::percent::decode_form(value).into_owned(),
        Transformation::UrlDecodeUni => decode::url_with_unicode(value),
        Transformation::UrlEncode => decode::url_encode(value),
        Transformation::Utf8ToUnicode => decode::utf8_to_unicode(value),
    };
    (changed != value).then_some(changed)
}

/// Returns the bytes of which one must be in a value that a transformation changes, or `None` if any value can change. Most
/// values of ordinary requests have none.
pub(crate) fn triggers(transformation: Transformation) -> Option<ByteSet> {
    let is_trigger = trigger(transformation)?;
    let mut triggers = ByteSet::default();
    for byte in (0..=u8::MAX).filter(|byte| is_trigger(*byte)) {
        triggers.insert(byte);
    }
    Some(triggers)
}

fn trigger(transformation: Transformation) -> Option<fn(u8) -> bool> {
    Some(match transformation {
        Transformation::Base64Decode
        | Transformation::Base64DecodeExt
        | Transformation::Base64Encode
        | Transformation::HexDecode
        | Transformation::HexEncode
        | Transformation::Length
        | Transformation::Md5
        | Transformation::Sha1 => return None,
        Transformation::CmdLine => |byte| byte.is_ascii_uppercase() || b"\"'\\^,;/( \t\r\n".contains(&byte),
        Transformation::CompressWhitespace | Transformation::RemoveWhitespace => space::is_space,
        Transformation::CssDecode | Transformation::EscapeSeqDecode | Transformation::JsDecode => {
            |byte| byte == b'\\'
        }
        Transformation::HtmlEntityDecode => |byte| byte == b'&',
        Transformation::Lowercase => |byte| byte.is_ascii_uppercase(),
        Transformation::NormalizePath => |byte| byte == b'/' || byte == b'.',
        Transformation::NormalizePathWin => |byte| matches!(byte, b'/' | b'.' | b'\\'),
        Transformation::RemoveComments | Transformation::RemoveCommentsChar => {
            |byte| matches!(byte, b'/' | b'*' | b'-' | b'#' | b'<')
        }
        Transformation::RemoveNulls | Transformation::ReplaceNulls => |byte| byte == 0,
        Transformation::ReplaceComments => |byte| byte == b'/',
        Transformation::SqlHexDecode => |byte| byte == b'0',
        Transformation::Trim | Transformation::TrimLeft | Transformation::TrimRight => {
            |byte| byte.is_ascii_whitespace()
        }
        Transformation::Uppercase => |byte| byte.is_ascii_lowercase(),
        Transformation::UrlDecode | Transformation::UrlDecodeUni => |byte| byte == b'%' || byte == b'+',
        Transformation::UrlEncode => |byte| !byte.is_ascii_alphanumeric(),
        Transformation::Utf8ToUnicode => |byte| byte >= 0x80,
    })
}

#[cfg(test)]
mod tests;
