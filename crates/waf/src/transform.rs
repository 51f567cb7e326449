//! Transformations: what attackers encode is decoded before it is compared.
//!
//! They follow ModSecurity, whose behaviour the rules of the Core Rule Set assume, including what it does with invalid input.

use md5::{Digest, Md5};
use seclang::Transformation;
use sha1::Sha1;

mod decode;
mod path;
mod space;

/// Applies a transformation, or returns `None` if the value would not change.
#[must_use]
pub fn apply(transformation: Transformation, value: &[u8]) -> Option<Vec<u8>> {
    if !may_change(transformation, value) {
        return None;
    }
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

/// Returns false if no byte of the value can make a transformation change it: most values of ordinary requests.
fn may_change(transformation: Transformation, value: &[u8]) -> bool {
    let any = |triggers: &dyn Fn(u8) -> bool| value.iter().any(|byte| triggers(*byte));
    match transformation {
        Transformation::Base64Decode
        | Transformation::Base64DecodeExt
        | Transformation::Base64Encode
        | Transformation::HexDecode
        | Transformation::HexEncode
        | Transformation::Length
        | Transformation::Md5
        | Transformation::Sha1 => true,
        Transformation::CmdLine => {
            any(&|byte| byte.is_ascii_uppercase() || b"\"'\\^,;/( \t\r\n".contains(&byte))
        }
        Transformation::CompressWhitespace | Transformation::RemoveWhitespace => any(&space::is_space),
        Transformation::CssDecode | Transformation::EscapeSeqDecode | Transformation::JsDecode => {
            any(&|byte| byte == b'\\')
        }
        Transformation::HtmlEntityDecode => any(&|byte| byte == b'&'),
        Transformation::Lowercase => any(&|byte| byte.is_ascii_uppercase()),
        Transformation::NormalizePath => any(&|byte| byte == b'/' || byte == b'.'),
        Transformation::NormalizePathWin => any(&|byte| matches!(byte, b'/' | b'.' | b'\\')),
        Transformation::RemoveComments | Transformation::RemoveCommentsChar => {
            any(&|byte| matches!(byte, b'/' | b'*' | b'-' | b'#' | b'<'))
        }
        Transformation::RemoveNulls | Transformation::ReplaceNulls => any(&|byte| byte == 0),
        Transformation::ReplaceComments => any(&|byte| byte == b'/'),
        Transformation::SqlHexDecode => any(&|byte| byte == b'0'),
        Transformation::Trim | Transformation::TrimLeft | Transformation::TrimRight => {
            any(&|byte| byte.is_ascii_whitespace())
        }
        Transformation::Uppercase => any(&|byte| byte.is_ascii_lowercase()),
        Transformation::UrlDecode | Transformation::UrlDecodeUni => any(&|byte| byte == b'%' || byte == b'+'),
        Transformation::UrlEncode => any(&|byte| !byte.is_ascii_alphanumeric()),
        Transformation::Utf8ToUnicode => any(&|byte| byte >= 0x80),
    }
}

#[cfg(test)]
mod tests;
