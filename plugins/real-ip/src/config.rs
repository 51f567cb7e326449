//! The configuration with its networks sorted.

use std::num::NonZeroU16;

use config::{Configuration, FieldError, HeaderName, NonEmptyString};
use matcher::ip::{IpRange, IpSet, Trust};
use sdk::configuration;

/// The fields of the document.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "trusted_proxies": "write it as `real_ip_from`",
        "recursive": "remove it: proxies in `real_ip_from` are always skipped",
    }))
)]
pub struct Fields {
    /// The header to which proxies append the addresses of their clients. `x-forwarded-for` if absent.
    /// zh: 代理追加客户端地址的请求头，缺省为 `x-forwarded-for`
    #[serde(default)]
    real_ip_header: Option<HeaderName>,
    /// The addresses and networks of the proxies in front of the gateway. Set either this or `trusted_hops`.
    /// zh: 网关之前各代理的地址或网段。与 `trusted_hops` 只能设置一个
    #[serde(default)]
    real_ip_from: Vec<NonEmptyString>,
    /// The client's address is this many entries from the right of the header, instead of `real_ip_from`.
    /// zh: 客户端地址是请求头右起第几项，代替 `real_ip_from`
    #[serde(default)]
    trusted_hops: Option<NonZeroU16>,
}

/// The configuration with its networks sorted.
pub struct Config {
    /// The header with the addresses.
    pub header: String,
    /// Which of them is the client's.
    pub trust: Trust,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let trust = match (fields.trusted_hops, fields.real_ip_from.is_empty()) {
            (Some(hops), true) => Trust::Hops(hops),
            (None, false) => Trust::Proxies(networks(&fields.real_ip_from)?),
            (Some(_), false) => {
                return Err(FieldError::new(
                    "real_ip_from",
                    "cannot be combined with `trusted_hops`: remove one",
                ));
            }
            (None, true) => {
                return Err(FieldError::new(
                    "real_ip_from",
                    "is empty, and clients can send the header as well: add the addresses of the proxies in front of the \
                     gateway, or set `trusted_hops`",
                ));
            }
        };
        let header = fields.real_ip_header.as_deref().unwrap_or("x-forwarded-for").to_owned();
        Ok(Self { header, trust })
    }
}

/// Parses a list of addresses and networks.
fn networks(entries: &[NonEmptyString]) -> Result<IpSet, FieldError> {
    let mut ranges = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let range = IpRange::parse(entry);
        ranges.push(range.map_err(|error| FieldError::in_list("real_ip_from", index, error.to_string()))?);
    }
    Ok(IpSet::new(ranges))
}
