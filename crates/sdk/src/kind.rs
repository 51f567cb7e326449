//! The kind of a message: one that ends, or a stream that may stay open.
//!
//! Envoy shows a WebSocket to plug-ins in one form, whatever the client speaks: an extended CONNECT of HTTP/2 or
//! HTTP/3 (RFC 8441, RFC 9220) becomes a `GET` with `connection: upgrade` and `upgrade`, and its response a 101.
//! Other hosts may show the CONNECT itself, so both forms are known here.

use std::fmt;

use crate::HeaderMap;
use crate::headers::status;

/// Whether a message ends by itself, or is a stream whose two halves are read and written at once.
///
/// A stream that is open-ended is not held: its peers wait for each other's bytes, so that a byte that is held may
/// be the one without which no other comes. See [bodies](crate::guide::bodies#streams-that-stay-open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamKind {
    /// An ordinary message. Requests and responses of gRPC-Web are among them: a browser sends its request whole,
    /// and a response that is read as it comes looks like an event stream, which only the plug-in can judge.
    #[default]
    Message,
    /// A connection that changes its protocol, such as a WebSocket: the request has `connection: upgrade` and
    /// `upgrade`, or is an extended CONNECT; the response is a 101.
    Upgrade,
    /// A tunnel: the request's method is CONNECT, and the response is a 2xx to it.
    Connect,
    /// gRPC, whose methods may stream in both directions: the content type is `application/grpc`, alone or with a
    /// suffix such as `+proto`. Nothing in the head tells a unary call from a stream.
    Grpc,
}

impl StreamKind {
    /// Whether the stream may stay open, with both sides waiting for what the other one sends: true for all but
    /// [`Message`](Self::Message).
    pub fn is_open_ended(self) -> bool {
        self != StreamKind::Message
    }

    /// The kind of a request.
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        let (mut connect, mut protocol) = (false, false);
        let (mut grpc, mut upgrade, mut connection) = (false, false, false);
        for (name, value) in headers.iter() {
            match name {
                b":method" => connect = value == b"CONNECT",
                // The protocol of a plain CONNECT inside Envoy.
                b":protocol" => protocol = value != b"bytestream",
                b"content-type" => grpc |= is_grpc(value),
                b"upgrade" => upgrade = true,
                b"connection" => connection |= has_upgrade(value),
                _ => {}
            }
        }
        if connect && !protocol {
            StreamKind::Connect
        } else if connect || (upgrade && connection) {
            StreamKind::Upgrade
        } else if grpc {
            StreamKind::Grpc
        } else {
            StreamKind::Message
        }
    }

    /// The kind of a response to a request of kind `request`.
    pub(crate) fn of_response(headers: &HeaderMap, request: StreamKind) -> Self {
        let mut code = 0;
        let mut grpc = false;
        for (name, value) in headers.iter() {
            match name {
                b":status" => code = status(Some(value)),
                b"content-type" => grpc |= is_grpc(value),
                _ => {}
            }
        }
        match (code, request) {
            (101, _) => StreamKind::Upgrade,
            // An extended CONNECT is accepted with a 2xx where the host does not turn it into a 101.
            (200..=299, StreamKind::Connect) => StreamKind::Connect,
            _ if grpc => StreamKind::Grpc,
            _ => StreamKind::Message,
        }
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StreamKind::Message => "an ordinary message",
            StreamKind::Upgrade => "an upgraded connection",
            StreamKind::Connect => "a CONNECT tunnel",
            StreamKind::Grpc => "a gRPC stream",
        })
    }
}

/// `application/grpc`, and what gRPC's specification lets follow it: `+proto`. Parameters are taken too, because
/// servers take them.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    match content_type.trim_ascii_start().split_at_checked(GRPC.len()) {
        Some((head, rest)) => {
            head.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
        }
        None => false,
    }
}

fn has_upgrade(connection: &[u8]) -> bool {
    connection.split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::serialise;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        HeaderMap::from_abi(serialise(&pairs))
    }

    #[test]
    fn the_head_of_a_request_tells_its_kind() {
        use StreamKind::{Connect, Grpc, Message, Upgrade};
        let get = (":method", "GET");
        let connect = (":method", "CONNECT");
        for (pairs, kind) in [
            (&[get][..], Message),
            (&[get, ("connection", "Upgrade"), ("upgrade", "websocket")], Upgrade),
            (&[get, ("connection", "keep-alive, UPGRADE "), ("upgrade", "other")], Upgrade),
            (&[get, ("connection", "keep-alive"), ("connection", "upgrade"), ("upgrade", "x")], Upgrade),
            (&[get, ("connection", "upgrade")], Message),
            (&[get, ("upgrade", "websocket")], Message),
            (&[get, ("connection", "no-upgrade"), ("upgrade", "websocket")], Message),
            (&[connect], Connect),
            (&[connect, (":protocol", "bytestream")], Connect),
            (&[connect, (":protocol", "websocket")], Upgrade),
            (&[("content-type", "application/grpc")], Grpc),
            (&[("content-type", "Application/gRPC+proto")], Grpc),
            (&[("content-type", "application/grpc; x=y")], Grpc),
            (&[("content-type", "text/plain"), ("content-type", "application/grpc")], Grpc),
            (&[("content-type", "application/grpc-web")], Message),
            (&[("content-type", "application/grpc-web-text+proto")], Message),
            (&[("content-type", "application/grpcx")], Message),
            (&[("content-type", "application/grp")], Message),
            (&[("accept", "application/grpc")], Message),
        ] {
            assert_eq!(StreamKind::of_request(&headers(pairs)), kind, "{pairs:?}");
        }
    }

    #[test]
    fn the_head_of_a_response_tells_its_kind_and_the_request_that_of_a_tunnel() {
        use StreamKind::{Connect, Grpc, Message, Upgrade};
        let grpc = ("content-type", "application/grpc");
        for (pairs, request, kind) in [
            (&[(":status", "101")][..], Message, Upgrade),
            (&[(":status", "101")], Upgrade, Upgrade),
            (&[(":status", "200")], Upgrade, Message),
            (&[(":status", "200")], Connect, Connect),
            (&[(":status", "204"), grpc], Connect, Connect),
            (&[(":status", "403")], Connect, Message),
            (&[(":status", "200"), grpc], Message, Grpc),
            (&[(":status", "200")], Grpc, Message),
            (&[], Message, Message),
        ] {
            assert_eq!(StreamKind::of_response(&headers(pairs), request), kind, "{pairs:?} {request:?}");
        }
    }
}
