//! A WebSocket, opened through the gateway over HTTP/1.1 or, by an extended CONNECT (RFC 8441), over HTTP/2.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{self, Request, Response};

/// How many bytes of a binary message are shown.
const MAX_SHOWN: usize = 32;

/// A message from the other side, or the end of the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The other side closed it, with a code and a reason if it sent them.
    Closed(Option<(u16, String)>),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Binary(bytes) => {
                let plural = if bytes.len() == 1 { "" } else { "s" };
                write!(f, "binary message, {} byte{plural}:", bytes.len())?;
                bytes.iter().take(MAX_SHOWN).try_for_each(|byte| write!(f, " {byte:02x}"))?;
                if bytes.len() > MAX_SHOWN { f.write_str(" …") } else { Ok(()) }
            }
            Self::Closed(None) => f.write_str("closed by the other side"),
            Self::Closed(Some((code, reason))) if reason.is_empty() => {
                write!(f, "closed by the other side: {code}")
            }
            Self::Closed(Some((code, reason))) => write!(f, "closed by the other side: {code}, {reason}"),
        }
    }
}

/// Opens a WebSocket, sends `lines` until they end, closes it, and waits for the other side to close it too.
///
/// `opened` is called with the response to the handshake as soon as it comes, and `received` with every message. Returns the
/// response: with its body if the WebSocket was refused, and `interrupted` if it was not closed properly.
///
/// # Errors
///
/// There is no connection, the handshake is not valid, or one of the functions failed.
pub async fn talk(
    to: SocketAddr,
    request: &Request,
    mut lines: Receiver<String>,
    mut opened: impl FnMut(&Response) -> Result<()>,
    mut received: impl FnMut(&Event) -> Result<()>,
) -> Result<Option<Response>> {
    let Ok(handshake) = tokio::time::timeout(request.timeout, handshake(to, request)).await else {
        return Ok(None);
    };
    let (mut response, mut socket) = match handshake? {
        Handshake::Refused(response) => {
            opened(&response)?;
            return Ok(Some(response));
        }
        Handshake::Opened(response, socket) => (response, socket),
    };
    opened(&response)?;
    response.interrupted = converse(&mut socket, &mut lines, request.timeout, &mut received).await?;
    Ok(Some(response))
}

/// The result of a handshake.
enum Handshake {
    Opened(Response, Box<WebSocketStream<TokioIo<Upgraded>>>),
    Refused(Response),
}

async fn handshake(to: SocketAddr, sent: &Request) -> Result<Handshake> {
    let mut request = client::message(sent)?;
    let key = generate_key();
    request.headers_mut().entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    if sent.http2 {
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
    } else {
        let headers = request.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(SEC_WEBSOCKET_KEY, key.parse()?);
    }
    let stream = TcpStream::connect(to).await.with_context(|| format!("cannot connect to {to}"))?;
    stream.set_nodelay(true)?;
    let io = TokioIo::new(stream);
    let mut response = if sent.http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        sender.ready().await?;
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await
    }
    .context(client::CLOSED)?;
    let received = Response::without_body(&response);
    if !accepts(&response, sent.http2, &key)? {
        return Ok(Handshake::Refused(client::receive(response).await?));
    }
    let upgraded = hyper::upgrade::on(&mut response).await.context("the WebSocket was not opened")?;
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    Ok(Handshake::Opened(received, Box::new(socket)))
}

/// Returns true if a response opens the WebSocket.
fn accepts(response: &hyper::Response<Incoming>, http2: bool, key: &str) -> Result<bool> {
    if http2 {
        return Ok(response.status().is_success());
    }
    if response.status().as_u16() != 101 {
        return Ok(false);
    }
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        bail!("the upstream responded 101 with a sec-websocket-accept that does not match sec-websocket-key");
    }
    Ok(true)
}

/// Sends and receives until both sides have closed; returns why it was interrupted, if it was.
async fn converse(
    socket: &mut WebSocketStream<TokioIo<Upgraded>>,
    lines: &mut Receiver<String>,
    timeout: Duration,
    received: &mut impl FnMut(&Event) -> Result<()>,
) -> Result<Option<String>> {
    let mut closing = None;
    let mut closed = false;
    loop {
        let message = tokio::select! {
            line = lines.recv(), if closing.is_none() => {
                let sent = match line {
                    Some(line) => socket.send(Message::text(line)).await,
                    None => {
                        closing = Some(tokio::time::Instant::now() + timeout);
                        socket.close(None).await
                    }
                };
                match sent {
                    // Messages that the other side sent before it closed are still to be read.
                    Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => continue,
                    Err(error) => return Ok(Some(error.to_string())),
                }
            }
            message = socket.next() => message,
            () = until(closing) => {
                return Ok(Some(format!("the other side did not close it within {} s", timeout.as_secs())));
            }
        };
        match message {
            Some(Ok(Message::Text(text))) => received(&Event::Text(text.to_string()))?,
            Some(Ok(Message::Binary(bytes))) => received(&Event::Binary(bytes.to_vec()))?,
            Some(Ok(Message::Close(close))) => {
                let close = close.map(|close| (u16::from(close.code), close.reason.to_string()));
                received(&Event::Closed(close))?;
                closed = true;
                // The library replies while it is polled for more.
                closing.get_or_insert_with(|| tokio::time::Instant::now() + timeout);
            }
            // The library replies to pings.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(Error::ConnectionClosed)) | None => return Ok(None),
            // Envoy ends an HTTP/2 stream with a reset when the upstream closes its connection, as it does after this.
            Some(Err(Error::Io(_))) if closed => return Ok(None),
            Some(Err(error)) => return Ok(Some(error.to_string())),
        }
    }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The lines of stdin as they come, read on a thread that does not keep the program from exiting.
#[must_use]
pub fn lines_of_stdin() -> Receiver<String> {
    let (sender, lines) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            // A text message is UTF-8, so reading ends at anything else. Without a receiver the WebSocket is closed.
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The headers of the response, as `-i` prints them.
#[must_use]
pub fn head(response: &Response) -> String {
    let mut text = format!("{:?} {}\n", response.version, response.status);
    for (name, value) in &response.headers {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_messages_are_shown_and_binary_ones_summarised() {
        for (event, shown) in [
            (Event::Text("hé".into()), "hé"),
            (Event::Binary(vec![1]), "binary message, 1 byte: 01"),
            (Event::Binary(vec![0, 255]), "binary message, 2 bytes: 00 ff"),
            (Event::Closed(None), "closed by the other side"),
            (Event::Closed(Some((1000, String::new()))), "closed by the other side: 1000"),
            (Event::Closed(Some((1008, "no".into()))), "closed by the other side: 1008, no"),
        ] {
            assert_eq!(event.to_string(), shown);
        }
        assert!(Event::Binary(vec![0; 33]).to_string().ends_with(" 00 …"));
    }
}
