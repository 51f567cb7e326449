//! The decisions about headers and bodies.

use sdk::StreamKind;

use crate::config::Config;

/// A limit that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// `max_body_bytes`.
    Body,
    /// `max_header_bytes`.
    HeaderBytes,
    /// `max_headers`.
    Headers,
    /// `max_url_bytes`.
    Url,
}

/// Returns the limit that the headers of a request exceed, by names and values, pseudo-headers included.
pub fn judge<'h>(config: &Config, headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) -> Option<Excess> {
    let (mut count, mut bytes) = (0_u64, 0_u64);
    let mut body_too_large = false;
    for (name, value) in headers {
        if name == b":path" && size(value) > config.url {
            return Some(Excess::Url);
        }
        if name.first() == Some(&b':') {
            continue;
        }
        count += 1;
        bytes = bytes.saturating_add(size(name)).saturating_add(size(value));
        body_too_large |= name == b"content-length" && declared(value) > config.body;
    }
    if count > config.headers {
        Some(Excess::Headers)
    } else if bytes > config.header_bytes {
        Some(Excess::HeaderBytes)
    } else {
        body_too_large.then_some(Excess::Body)
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The declared size of a body. Whatever is not a number does not matter here: gateways reject it, and the body is counted.
fn declared(length: &[u8]) -> u64 {
    str::from_utf8(length).ok().and_then(|length| length.trim().parse().ok()).unwrap_or_default()
}

/// The bytes of a body so far.
#[derive(Debug, Default)]
pub enum Count {
    /// Bodies of this request are not limited.
    #[default]
    Unlimited,
    /// All bytes.
    Total(u64),
    /// Messages of gRPC: what is left of the current one, and the bytes of the next prefix.
    Messages {
        /// Bytes of the current message that have not arrived.
        left: u64,
        /// The prefix of the next message.
        prefix: [u8; PREFIX],
        /// How many bytes of it have arrived.
        arrived: usize,
    },
}

/// A flag and the length of a message in gRPC.
const PREFIX: usize = 5;

impl Count {
    /// The count for a stream of this kind.
    pub fn new(config: &Config, kind: StreamKind) -> Self {
        match kind {
            StreamKind::Upgrade | StreamKind::Connect => Self::Unlimited,
            StreamKind::Grpc if config.grpc_per_message => {
                Self::Messages { left: 0, prefix: [0; PREFIX], arrived: 0 }
            }
            StreamKind::Message | StreamKind::Grpc => Self::Total(0),
        }
    }

    /// Returns true if the bytes themselves are needed, not only their number.
    pub fn reads(&self) -> bool {
        matches!(self, Self::Messages { .. })
    }

    /// Counts a number of bytes. Returns true if they exceed the limit.
    pub fn add(&mut self, config: &Config, bytes: usize) -> bool {
        let Self::Total(total) = self else { return false };
        *total = total.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        *total > config.body
    }

    /// Reads bytes of messages. Returns true if one exceeds the limit.
    pub fn read(&mut self, config: &Config, mut bytes: &[u8]) -> bool {
        let Self::Messages { left, prefix, arrived } = self else { return false };
        loop {
            let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            *left -= size(bytes.get(..skipped).unwrap_or_default());
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((first, rest)) = bytes.split_first() else { return false };
            if let Some(place) = prefix.get_mut(*arrived) {
                *place = *first;
                *arrived += 1;
            }
            bytes = rest;
            if *arrived == PREFIX {
                let [_, a, b, c, d] = *prefix;
                *left = u64::from(u32::from_be_bytes([a, b, c, d]));
                *arrived = 0;
                if *left > config.body {
                    return true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(body: u64) -> Config {
        let no = u64::MAX;
        Config { body, header_bytes: no, headers: no, url: no, grpc_per_message: true, dry_run: false }
    }

    #[test]
    fn messages_are_limited_each_on_its_own_in_any_chunks() {
        let message = |size: u32| [&[0][..], &size.to_be_bytes(), &vec![7; size as usize]].concat();
        let fits = [message(3), message(0), message(10), message(10)].concat();
        let exceeds = [message(10), message(11)].concat();
        for chunk in 1..=fits.len() {
            let run = |bytes: &[u8]| {
                let mut count = Count::new(&config(10), StreamKind::Grpc);
                bytes.chunks(chunk).any(|chunk| count.read(&config(10), chunk))
            };
            assert!(!run(&fits), "{chunk}");
            assert!(run(&exceeds), "{chunk}");
            assert!(run(&[0, 0xff, 0xff, 0xff, 0xff]), "{chunk}");
            assert!(!run(&[0, 0xff, 0xff, 0xff]), "{chunk}");
        }
    }

    #[test]
    fn declared_sizes_are_numbers() {
        for (text, size) in
            [("0", 0), ("12", 12), ("99999999999999999999999", 0), ("", 0), ("-1", 0), ("x", 0), (" 7 ", 7)]
        {
            assert_eq!(declared(text.as_bytes()), size, "{text}");
        }
    }
}
