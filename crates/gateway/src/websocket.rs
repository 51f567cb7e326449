//! A WebSocket: opened through the gateway over HTTP/1.1 or, as an extended CONNECT (RFC 8441), over HTTP/2, with text
//! messages going in and every message coming out.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Method, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{self, Answer, Sent};

/// How many bytes of a binary message are shown.
const SHOWN: usize = 32;

/// A message that came, or the end of the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The other side has closed it: its code and reason, if it gave any.
    Closed(Option<(u16, String)>),
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Binary(bytes) => {
                let plural = if bytes.len() == 1 { "" } else { "s" };
                write!(f, "binary message, {} byte{plural}:", bytes.len())?;
                bytes.iter().take(SHOWN).try_for_each(|byte| write!(f, " {byte:02x}"))?;
                if bytes.len() > SHOWN { f.write_str(" …") } else { Ok(()) }
            }
            Self::Closed(None) => f.write_str("closed by the other side"),
            Self::Closed(Some((code, reason))) if reason.is_empty() => {
                write!(f, "closed by the other side: {code}")
            }
            Self::Closed(Some((code, reason))) => write!(f, "closed by the other side: {code}, {reason}"),
        }
    }
}

/// Opens a WebSocket, sends `lines` until there are no more, closes it, and waits for the other side to close it too.
/// `opened` is told the response to the handshake as soon as it comes, and `received` every message. What comes back
/// is the response: with its body, if the WebSocket was refused, and `broken` if it was not closed as it should be.
///
/// # Errors
///
/// Nobody listens there, or the handshake cannot be put on the wire.
pub async fn talk(
    to: SocketAddr,
    sent: &Sent,
    mut lines: Receiver<String>,
    mut opened: impl FnMut(&Answer) -> Result<()>,
    mut received: impl FnMut(&Received) -> Result<()>,
) -> Result<Option<Answer>> {
    let Ok(handshake) = tokio::time::timeout(sent.patience, handshake(to, sent)).await else {
        return Ok(None);
    };
    let (mut answer, mut socket) = match handshake? {
        Handshake::Refused(answer) => {
            opened(&answer)?;
            return Ok(Some(answer));
        }
        Handshake::Opened(answer, socket) => (answer, socket),
    };
    opened(&answer)?;
    answer.broken = converse(&mut socket, &mut lines, sent.patience, &mut received).await?;
    Ok(Some(answer))
}

/// What came of a handshake.
enum Handshake {
    Opened(Answer, Box<WebSocketStream<TokioIo<Upgraded>>>),
    Refused(Answer),
}

async fn handshake(to: SocketAddr, sent: &Sent) -> Result<Handshake> {
    let mut request = client::request(sent)?;
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
    let stream = TcpStream::connect(to).await.with_context(|| format!("nobody listens on {to}"))?;
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
    .context("the connection broke off before there was an answer")?;
    let answer = Answer::without_body(&response);
    if !accepts(&response, sent.http2, &key)? {
        return Ok(Handshake::Refused(client::receive(response).await?));
    }
    let upgraded = hyper::upgrade::on(&mut response).await.context("the WebSocket was not opened")?;
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    Ok(Handshake::Opened(answer, Box::new(socket)))
}

/// Whether a response opens the WebSocket.
fn accepts(response: &Response<Incoming>, http2: bool, key: &str) -> Result<bool> {
    if http2 {
        return Ok(response.status().is_success());
    }
    if response.status().as_u16() != 101 {
        return Ok(false);
    }
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        bail!("the upstream answered 101 with a sec-websocket-accept that does not fit sec-websocket-key");
    }
    Ok(true)
}

/// Sends and receives until both sides have closed; why it broke off, if it did.
async fn converse(
    socket: &mut WebSocketStream<TokioIo<Upgraded>>,
    lines: &mut Receiver<String>,
    patience: Duration,
    received: &mut impl FnMut(&Received) -> Result<()>,
) -> Result<Option<String>> {
    let mut closing = None;
    let mut closed = false;
    loop {
        let message = tokio::select! {
            line = lines.recv(), if closing.is_none() => {
                let sent = match line {
                    Some(line) => socket.send(Message::text(line)).await,
                    None => {
                        closing = Some(tokio::time::Instant::now() + patience);
                        socket.close(None).await
                    }
                };
                match sent {
                    // What the other side said before it closed is still to be read.
                    Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_)) => continue,
                    Err(error) => return Ok(Some(error.to_string())),
                }
            }
            message = socket.next() => message,
            () = until(closing) => {
                return Ok(Some(format!("the other side did not close it within {} s", patience.as_secs())));
            }
        };
        match message {
            Some(Ok(Message::Text(text))) => received(&Received::Text(text.to_string()))?,
            Some(Ok(Message::Binary(bytes))) => received(&Received::Binary(bytes.to_vec()))?,
            Some(Ok(Message::Close(close))) => {
                let close = close.map(|close| (u16::from(close.code), close.reason.to_string()));
                received(&Received::Closed(close))?;
                closed = true;
                // The library answers it while it is asked for more.
                closing.get_or_insert_with(|| tokio::time::Instant::now() + patience);
            }
            // Pings are answered by the library.
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

/// The lines of the standard input as they come. They are read on a thread of their own, which does not keep the
/// program from ending.
#[must_use]
pub fn lines_of_stdin() -> Receiver<String> {
    let (sender, lines) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            // Text messages are UTF-8, and nothing else can be a line; the WebSocket is over when nobody takes them.
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
pub fn head(answer: &Answer) -> String {
    let mut text = format!("{:?} {}\n", answer.version, answer.status);
    for (name, value) in &answer.headers {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_shown_as_text_and_binary_ones_as_a_summary() {
        for (received, shown) in [
            (Received::Text("hé".into()), "hé"),
            (Received::Binary(vec![1]), "binary message, 1 byte: 01"),
            (Received::Binary(vec![0, 255]), "binary message, 2 bytes: 00 ff"),
            (Received::Closed(None), "closed by the other side"),
            (Received::Closed(Some((1000, String::new()))), "closed by the other side: 1000"),
            (Received::Closed(Some((1008, "no".into()))), "closed by the other side: 1008, no"),
        ] {
            assert_eq!(received.to_string(), shown);
        }
        assert!(Received::Binary(vec![0; 33]).to_string().ends_with(" 00 …"));
    }
}
