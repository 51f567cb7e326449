//! The kind of a message: an ordinary one, or a stream that may stay open.
//!
//! Envoy presents WebSockets to plug-ins in one form, whatever protocol the client uses: an extended CONNECT of HTTP/2 or
//! HTTP/3 (RFC 8441, RFC 9220) becomes a `GET` with `connection: upgrade` and `upgrade`, and its response a 101. Other
//! hosts may present the CONNECT itself, so this module recognises both forms.

use std::fmt;

use crate::HeaderMap;
use crate::headers::status;

/// The kind of a message: an ordinary one, or an open-ended stream whose halves are read and written at the same time.
///
/// An open-ended stream must not be held: both peers wait for each other's bytes, so holding some can stop the stream
/// for ever. See [bodies](crate::guide::bodies#streams-that-stay-open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamKind {
    /// An ordinary message. This includes gRPC-Web, because browsers send its requests as a whole. A response that the
    /// client reads incrementally, such as an event stream, is an ordinary message too; only the plug-in can handle it.
    #[default]
    Message,
    /// A protocol upgrade, such as a WebSocket: the request has `connection: upgrade` and `upgrade`, or is an extended
    /// CONNECT; the response is a 101.
    Upgrade,
    /// A tunnel: the method of the request is CONNECT, and the response is a 2xx.
    Connect,
    /// gRPC, whose methods may stream in both directions: the content type is `application/grpc`, alone or with a suffix
    /// such as `+proto`. The headers do not show whether a call is unary.
    Grpc,
}

impl StreamKind {
    /// Returns true if the stream may stay open while each side waits for the other: for all kinds but
    /// [`Message`](Self::Message).
    pub fn is_open_ended(self) -> bool {
        self != StreamKind::Message
    }

    /// Returns the kind of a request.
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        let (mut connect, mut protocol) = (false, false);
        let (mut grpc, mut upgrade, mut connection) = (false, false, false);
        for (name, value) in headers.iter() {
            match name {
                b":method" => connect = value == b"CONNECT",
                // Envoy uses this value internally for a plain CONNECT.
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

    /// Returns the kind of a response to a request of kind `request`.
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
            // An extended CONNECT is accepted with a 2xx if the host does not convert it into a 101.
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

/// Returns true for `application/grpc`, with a suffix such as `+proto` or parameters, which servers accept too.
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
    fn the_kind_of_a_request_follows_from_its_headers() {
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
    fn the_kind_of_a_response_follows_from_its_headers_and_the_kind_of_its_request() {
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
