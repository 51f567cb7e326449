//! Allows or blocks requests by the client's IP address.

use matcher::ip::{Client, parse_ip};
use sdk::Status;
use sdk::prelude::*;

mod config;

use crate::config::{Config, IpSource};

struct IpRestriction;

#[plugin]
impl Plugin for IpRestriction {
    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        match client(request, config) {
            Ok(Client::Address(address)) => match config.cause(address) {
                None => Flow::Continue,
                Some(cause) => Flow::Reply(config.refused("ip-restriction.blocked", cause)),
            },
            // Neither list says anything about a client without an address.
            Ok(Client::Unknown | Client::Invalid) => {
                Flow::Reply(config.refused("ip-restriction.no_address", "no valid client address".to_owned()))
            }
            Err(Status(status)) => {
                error!("ip-restriction: the client's address cannot be read: host status {status}");
                Self::ON_FAILURE.flow("ip-restriction.host_failure")
            }
        }
    }
}

/// The client of a request.
fn client(request: &RequestHeaders, config: &Config) -> Result<Client, Status> {
    let peer = property::client_address()?.and_then(|address| parse_ip(&address));
    let of_peer = peer.map_or(Client::Unknown, Client::Address);
    Ok(match &config.source {
        IpSource::Peer => of_peer,
        IpSource::Header(name, trust) => match trust.client(request.all().values(name), peer) {
            // The request did not pass the proxies, so the peer is the client.
            Client::Unknown => of_peer,
            client => client,
        },
    })
}
