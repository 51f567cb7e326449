//! The upstream of a gateway that has none: it returns the request as JSON, and its own name in a header.
//! It sends the messages of a WebSocket back.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::accept::accept;

/// The size of longer bodies is returned instead of their content.
const MAX_SHOWN: usize = 64 * 1024;

/// Starts the echo on a free port. It runs while its runtime does.
///
/// # Errors
///
/// There is no free port.
pub async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let (stream, _) = accept(|| listener.accept()).await;
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                // Envoy may send streams before it receives a limit, and would respond with 503 to those that are rejected.
                server.http2().max_concurrent_streams(None).enable_connect_protocol();
                // Envoy reports failed connections.
                let _ =
                    server.serve_connection_with_upgrades(TokioIo::new(stream), service_fn(respond)).await;
            });
        }
    });
    Ok(address)
}

async fn respond(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(response) = handshake(&request) {
        tokio::spawn(repeat_messages(hyper::upgrade::on(&mut request)));
        return Ok(response);
    }
    let (head, body) = request.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned().unwrap_or_default();
            (body.to_bytes(), trailers)
        }
        // The client is gone and does not read the response.
        Err(_) => Default::default(),
    };
    let host = head.uri.authority().map(|authority| authority.as_str().to_owned());
    let host =
        host.or_else(|| Some(String::from_utf8_lossy(head.headers.get("host")?.as_bytes()).into_owned()));
    let mut content = json!({
        "method": head.method.as_str(),
        "host": host,
        "path": head.uri.path_and_query().map(|path| path.as_str()),
        "headers": fields(&head.headers),
        "body": match body.get(..MAX_SHOWN) {
            Some(_) if body.len() > MAX_SHOWN => Value::from(format!("{} bytes", body.len())),
            _ => Value::from(String::from_utf8_lossy(&body)),
        },
    });
    if let (false, Some(content)) = (trailers.is_empty(), content.as_object_mut()) {
        content.insert("trailers".into(), fields(&trailers));
    }
    let mut response = Response::new(Full::from(format!("{content:#}\n")));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("x-upstream", HeaderValue::from_static("echo"));
    Ok(response)
}

/// The response that opens a WebSocket, if the request is a handshake: over HTTP/1.1 by its headers, over HTTP/2 by an
/// extended CONNECT (RFC 8441).
fn handshake(request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    let is_websocket = |protocol: &[u8]| protocol.eq_ignore_ascii_case(b"websocket").then_some(());
    let mut response = Response::new(Full::default());
    if let Some(protocol) = request.extensions().get::<hyper::ext::Protocol>() {
        is_websocket(protocol.as_ref())?;
    } else {
        is_websocket(request.headers().get(UPGRADE)?.as_bytes())?;
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    // Proxies may convert between versions of HTTP: an extended CONNECT may contain the key of an HTTP/1.1 client, and
    // an upgrade contains none if the client sent a CONNECT.
    if let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) {
        let accept = derive_accept_key(key.as_bytes());
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accept).ok()?);
    }
    response.headers_mut().insert("x-upstream", HeaderValue::from_static("echo"));
    Some(response)
}

/// Sends every message of a WebSocket back until the client closes it. The library replies to pings.
async fn repeat_messages(upgrade: OnUpgrade) {
    // The client may have disconnected.
    let Ok(upgraded) = upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Header fields: a string, or a list of strings if a field occurs several times.
fn fields(headers: &HeaderMap) -> Value {
    let mut fields = Map::new();
    for name in headers.keys() {
        let mut values: Vec<Value> = headers
            .get_all(name)
            .iter()
            .map(|value| Value::from(String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let value = if values.len() == 1 { values.pop() } else { Some(Value::from(values)) };
        fields.insert(name.as_str().to_owned(), value.unwrap_or_default());
    }
    Value::Object(fields)
}
