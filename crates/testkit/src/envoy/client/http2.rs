//! HTTP/2 without TLS.

use std::io::Cursor;
use std::time::Duration;

use anyhow::Context;
use http::Uri;
use tokio::net::TcpStream;

use super::pieces;
use super::talk::{Event, Open};
use crate::envoy::fields::{fields, list};
use engine::exchange::Request;
use engine::outcome::Answer;

/// How long a client that goes away stays for its last frames to leave.
const FLUSH: Duration = Duration::from_millis(20);

pub(super) async fn exchange(
    stream: TcpStream,
    request: &Request,
    head_came: &(dyn Fn() + Sync),
) -> anyhow::Result<Option<Answer>> {
    let head = head(request).context("cannot be sent over HTTP/2: write `protocol: http1`")?;
    let trailers = trailers(request).context("cannot be sent over HTTP/2: write `protocol: http1`")?;
    let (mut sender, connection) = h2::client::Builder::new().handshake::<_, Cursor<Vec<u8>>>(stream).await?;
    let connection = Abort(tokio::spawn(async move {
        // How a connection ends is seen on its one stream.
        let _ = connection.await;
    }));
    let (answer, mut body) = sender.send_request(head, request.ends_with_headers())?;
    let sending = async {
        if request.ends_with_headers() {
            return anyhow::Ok(());
        }
        let pieces = pieces(request);
        // The end goes with the last piece, unless something else ends the message, or nothing does.
        let ends = request.trailers.is_empty() && request.reset_after.is_none();
        let count = pieces.len();
        for (index, piece) in pieces.into_iter().enumerate() {
            // Each piece is a frame of its own, and Envoy hands each frame to the plug-in on its own.
            body.send_data(Cursor::new(piece.to_vec()), ends && index + 1 == count)?;
        }
        if ends && count == 0 {
            body.send_data(Cursor::new(Vec::new()), true)?;
        } else if request.reset_after.is_none() && !request.trailers.is_empty() {
            body.send_trailers(trailers)?;
        }
        Ok(())
    };
    let reading = read(answer, head_came);
    tokio::pin!(sending, reading);
    if request.reset_after.is_some() {
        sending.await?;
        // The connection's task gets the time to write what is in its hands.
        tokio::time::sleep(FLUSH).await;
        drop(connection);
        return Ok(None);
    }
    tokio::select! {
        answer = &mut reading => return Ok(answer),
        // If sending failed, the answer or its absence tells why.
        _ = &mut sending => {}
    }
    Ok(reading.await)
}

/// A stream that stays open.
pub(super) struct Talk {
    /// Of the headers, until they have come.
    answer: Option<h2::client::ResponseFuture>,
    incoming: Option<h2::RecvStream>,
    outgoing: h2::SendStream<Cursor<Vec<u8>>>,
    _connection: Abort,
}

/// How long Envoy may take to tell that it takes extended CONNECTs.
const SETTINGS: Duration = Duration::from_secs(2);

impl Talk {
    /// Sends the headers, and a body that needs no answer first.
    pub(super) async fn begin(stream: TcpStream, request: &Request) -> anyhow::Result<Self> {
        let head = head(request).context("cannot be sent over HTTP/2: write `protocol: http1`")?;
        let (mut sender, connection) =
            h2::client::Builder::new().handshake::<_, Cursor<Vec<u8>>>(stream).await?;
        let connection = Abort(tokio::spawn(async move {
            // How a connection ends is seen on its one stream.
            let _ = connection.await;
        }));
        if request.upgrade.is_some() {
            let told = async {
                while !sender.is_extended_connect_protocol_enabled() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let told = tokio::time::timeout(SETTINGS, told).await;
            told.context("Envoy takes no extended CONNECT (SETTINGS_ENABLE_CONNECT_PROTOCOL)")?;
        }
        let (answer, mut outgoing) = sender.send_request(head, request.ends_with_headers())?;
        for piece in pieces(request) {
            outgoing.send_data(Cursor::new(piece.to_vec()), false)?;
        }
        Ok(Self { answer: Some(answer), incoming: None, outgoing, _connection: connection })
    }
}

impl Open for Talk {
    async fn send(&mut self, piece: &[u8]) {
        // Errors of the stream are seen in the response.
        let _ = self.outgoing.send_data(Cursor::new(piece.to_vec()), false);
    }

    async fn end(&mut self) {
        let _ = self.outgoing.send_data(Cursor::new(Vec::new()), true);
    }

    async fn next(&mut self) -> Event {
        if let Some(answer) = &mut self.answer {
            let answered = answer.await;
            self.answer = None;
            return match answered {
                Ok(answer) => {
                    let (head, incoming) = answer.into_parts();
                    self.incoming = Some(incoming);
                    Event::Headers(head.status.as_u16(), list(head.headers))
                }
                Err(error) => Event::Broken(error.to_string()),
            };
        }
        let Some(incoming) = &mut self.incoming else { return Event::Broken("there is no answer".into()) };
        match incoming.data().await {
            Some(Ok(data)) => {
                // Only a stream that is closed refuses the window, and that is seen next.
                let _ = incoming.flow_control().release_capacity(data.len());
                Event::Data(data.to_vec())
            }
            Some(Err(error)) => Event::Broken(error.to_string()),
            None => match incoming.trailers().await {
                Ok(trailers) => Event::End(trailers.map(list).unwrap_or_default()),
                Err(error) => Event::Broken(error.to_string()),
            },
        }
    }
}

/// The connection's task; the connection is dropped with it.
struct Abort(tokio::task::JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads the answer; nothing if the stream ends before one begins.
async fn read(answer: h2::client::ResponseFuture, head_came: &(dyn Fn() + Sync)) -> Option<Answer> {
    let (head, mut stream) = answer.await.ok()?.into_parts();
    head_came();
    let mut body = Vec::new();
    let mut cut_off = None;
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                body.extend_from_slice(&data);
                // Only a stream that is closed refuses the window, and that is seen next.
                let _ = stream.flow_control().release_capacity(data.len());
            }
            Err(error) => {
                cut_off = Some(error.to_string());
                break;
            }
        }
    }
    let trailers = match stream.trailers().await {
        Ok(trailers) => trailers.map(list).unwrap_or_default(),
        Err(error) => {
            cut_off.get_or_insert(error.to_string());
            Vec::new()
        }
    };
    Some(Answer {
        status: head.status.as_u16(),
        headers: list(head.headers),
        body: body.into(),
        trailers,
        cut_off,
    })
}

/// The trailers of a request. What the library refuses would leave the request without an end.
fn trailers(request: &Request) -> anyhow::Result<http::HeaderMap> {
    const OF_CONNECTIONS: [&str; 6] =
        ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
    let trailers = fields(&request.trailers)?;
    if let Some(name) = OF_CONNECTIONS.iter().find(|name| trailers.contains_key(**name)) {
        anyhow::bail!("trailers: `{name}` belongs to a connection of HTTP/1.1");
    }
    Ok(trailers)
}

fn head(request: &Request) -> anyhow::Result<http::Request<()>> {
    let uri = [b"http://".as_slice(), &request.host, &request.path].concat();
    let mut head = http::Request::new(());
    *head.method_mut() = http::Method::from_bytes(&request.method)?;
    let uri = Uri::from_maybe_shared(uri)?;
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let path = uri.path_and_query().map(|path| path.as_str().as_bytes());
    if authority != Some(&*request.host) || path != Some(&*request.path) {
        anyhow::bail!("the host and the path cannot be told apart in a URI");
    }
    *head.uri_mut() = uri;
    *head.version_mut() = http::Version::HTTP_2;
    if let Some(to) = &request.upgrade {
        *head.method_mut() = http::Method::CONNECT;
        head.extensions_mut().insert(h2::ext::Protocol::from(to.as_str()));
    }
    let mut headers = fields(&request.headers)?;
    headers.extend(fields(&request.upgrade_headers())?);
    if let Some((name, value)) = request.framing_header() {
        headers.append(name, value.parse()?);
    }
    *head.headers_mut() = headers;
    Ok(head)
}
