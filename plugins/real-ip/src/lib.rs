//! Determines the client's address behind trusted proxies.

use matcher::ip::{Client, parse_ip};
use sdk::prelude::*;
use sdk::{HeaderMap, Status, names};

mod config;

use crate::config::Config;

struct RealIp;

const HEADER: &str = "x-real-ip";

/// The property of a client without an address. Plug-ins that need one must not take the proxy's instead, which lists of
/// networks may contain.
const UNKNOWN: &str = "unknown";

#[plugin]
impl Plugin for RealIp {
    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        let headers = request.all();
        let address = client(&headers, config).and_then(|client| match client {
            Client::Address(address) => {
                let address = address.to_string();
                property::REAL_IP.set(&address).map(|()| Some(address))
            }
            Client::Unknown | Client::Invalid => property::REAL_IP.set(UNKNOWN).map(|()| None),
        });
        // An upstream may take these for the header as well.
        let is_other_spelling =
            |name: &[u8]| name != HEADER.as_bytes() && names::may_be_read_as(name, HEADER);
        for (name, _) in headers.iter().filter(|(name, _)| is_other_spelling(name)) {
            request.remove(name);
        }
        match address {
            Ok(Some(address)) => request.set(HEADER, address),
            Ok(None) => request.remove(HEADER),
            Err(Status(status)) => {
                error!("real-ip: the client's address cannot be read or set: host status {status}");
                return Self::ON_FAILURE.flow("real-ip.host_failure");
            }
        }
        Flow::Continue
    }
}

/// The client of a request.
fn client(headers: &HeaderMap, config: &Config) -> Result<Client, Status> {
    let peer = property::SOURCE_ADDRESS.try_get()?.and_then(|address| parse_ip(&address));
    Ok(match config.trust.client(headers.values(&config.header), peer) {
        // The request did not pass the proxies, so the peer is the client.
        Client::Unknown => peer.map_or(Client::Unknown, Client::Address),
        client => client,
    })
}
