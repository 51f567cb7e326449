//! What the protocols have in common.

pub mod aliyun;
pub mod apisix;

use std::borrow::Cow;
use std::time::SystemTime;

use auth::refusal::Refusal;
use auth::signatures::BodyDigest;
use config::StatusCode;
use sdk::HeaderMap;

use crate::config::{Config, Protocol};

/// The largest body that is verified, in bytes.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// The parts of a request that decide.
pub struct Parts<'r> {
    /// The headers.
    pub headers: &'r HeaderMap,
    /// True if a body may follow.
    pub has_body: bool,
    /// False if the body must not be held.
    pub can_hold: bool,
    /// The time, since 1970; 0 if it is not needed.
    pub milliseconds: u64,
}

/// A request whose headers are verified.
pub struct Verified {
    /// The number of its consumer.
    pub consumer: usize,
    /// False for the anonymous consumer.
    pub is_signed: bool,
    /// What its body has to be compared with.
    pub pending: Option<Pending>,
}

/// What a body is compared with when it has arrived.
#[derive(Default)]
pub struct Pending {
    /// A digest, and the expected one.
    digest: Option<(BodyDigest, Vec<u8>)>,
    /// A signature of the body as well.
    signature: Option<aliyun::Unverified>,
}

impl Pending {
    /// Returns true if the signature covers the body, so nothing of the request is verified before.
    pub fn is_unsigned(&self) -> bool {
        self.signature.is_some()
    }

    /// Adds a chunk, with which the body has `size` bytes.
    pub fn receive(
        &mut self,
        config: &Config,
        size: usize,
        chunk: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), Refusal> {
        if size > MAX_BODY {
            return Err(too_large(config));
        }
        if let Some((digest, _)) = &mut self.digest {
            digest.update(&chunk());
        }
        Ok(())
    }

    /// Compares the whole body.
    pub fn finish(self, config: &Config, body: impl FnOnce() -> Vec<u8>) -> Result<(), Refusal> {
        if let Some((digest, expected)) = self.digest
            && !digest.is(&expected)
        {
            return Err(wrong_digest(config));
        }
        match self.signature {
            Some(unverified) => unverified.verify(config, &body()),
            None => Ok(()),
        }
    }
}

/// Plans to compare the body with a digest, or compares it at once if there is none.
fn expect_digest(
    config: &Config,
    parts: &Parts<'_>,
    mut digest: BodyDigest,
    expected: &[u8],
) -> Result<Option<(BodyDigest, Vec<u8>)>, Refusal> {
    match (parts.has_body, parts.can_hold) {
        (true, true) => Ok(Some((digest, expected.to_vec()))),
        (false, _) => {
            digest.update(b"");
            digest.is(expected).then_some(None).ok_or_else(|| wrong_digest(config))
        }
        // The body of a WebSocket or a gRPC call has no end by then.
        (true, false) => Err(wrong_digest(config)),
    }
}

fn wrong_digest(config: &Config) -> Refusal {
    match &config.protocol {
        Protocol::Aliyun(_) => aliyun::invalid_md5(),
        Protocol::Apisix(_) => apisix::refusal(config, "hmac-auth.invalid_digest", "Invalid digest"),
    }
}

/// The refusal for a consumer that `allow` does not list.
pub fn not_allowed(config: &Config) -> Refusal {
    match &config.protocol {
        Protocol::Aliyun(_) => Refusal::forbidden("hmac-auth.not_allowed", "Unauthorized Consumer"),
        Protocol::Apisix(_) => apisix::refusal(config, "hmac-auth.not_allowed", "consumer is not allowed"),
    }
}

/// The refusal for a body that is too large to be verified.
pub fn too_large(config: &Config) -> Refusal {
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    match &config.protocol {
        Protocol::Aliyun(_) => Refusal::new(status, "hmac-auth.body_too_large", "Request Body Too Large"),
        Protocol::Apisix(_) => {
            apisix::with_status(status, "hmac-auth.body_too_large", "request body too large")
        }
    }
}

/// Refuses a request if its body has to be verified and is declared to be too large.
pub fn check_length(config: &Config, headers: &HeaderMap, verified: Verified) -> Result<Verified, Refusal> {
    let declared = str::from_utf8(&value(headers, "content-length")).ok().and_then(|text| text.parse().ok());
    match verified.pending.is_some() && declared.is_some_and(|length: u64| length > MAX_BODY as u64) {
        true => Err(too_large(config)),
        false => Ok(verified),
    }
}

/// Returns the value of a header; several as one list (RFC 9110, section 5.3).
fn value<'h>(headers: &'h HeaderMap, name: &'h str) -> Cow<'h, [u8]> {
    let mut values = headers.values(name);
    match (values.next(), values.next()) {
        (None, _) => Cow::Borrowed(&[]),
        (Some(one), None) => Cow::Borrowed(one),
        (Some(_), Some(_)) => Cow::Owned(headers.values(name).collect::<Vec<_>>().join(&b',')),
    }
}

/// Reads a date (RFC 9110, section 5.6.7; also with the offset `+00:00`), in milliseconds since 1970.
fn date(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    let date = httpdate::parse_http_date(text.strip_suffix("+00:00").unwrap_or(text)).ok()?;
    u64::try_from(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Returns true if two times differ by no more than a number of seconds.
fn is_near(one: u64, other: u64, seconds: u32) -> bool {
    one.abs_diff(other) <= u64::from(seconds) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_32_mib_is_received_and_a_larger_one_is_not() {
        let json = br#"{"consumers": [{"key": "k", "secret": "s"}]}"#;
        let document = ::config::Document::<Config>::from_json(json).expect("a valid configuration");
        let config = document.global.expect("global fields");
        let mut pending = Pending::default();
        assert_eq!(pending.receive(&config, 32 * 1024 * 1024, Vec::new), Ok(()));
        assert_eq!(pending.receive(&config, 32 * 1024 * 1024 + 1, Vec::new), Err(too_large(&config)));

        let declared = |length: &str| {
            let headers = [("content-length", length)].into_iter().collect();
            let verified = Verified { consumer: 0, is_signed: true, pending: Some(Pending::default()) };
            check_length(&config, &headers, verified).err()
        };
        assert_eq!(declared("33554432"), None);
        assert_eq!(declared("33554433"), Some(too_large(&config)));
    }

    #[test]
    fn dates_have_three_formats_and_an_optional_offset() {
        let expected = Some(784_111_777_000);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT+00:00",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(date(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "",
            "now",
            "784111777",
            "Sun, 06 Nov 1994 08:49:37 GMT+01:00",
            "Thu, 01 Jan 1969 00:00:00 GMT",
            "é",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }
}
