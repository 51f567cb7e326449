//! HTTP/2 without TLS.

use std::io::Cursor;
use std::time::Duration;

use anyhow::Context;
use http::Uri;
use tokio::net::TcpStream;

use super::pieces;
use crate::case::Request;
use crate::envoy::fields::{fields, list};
use crate::outcome::Answer;

/// How long a client that goes away stays for its last frames to leave.
const FLUSH: Duration = Duration::from_millis(20);

pub(super) async fn exchange(
    stream: TcpStream,
    request: &Request,
    head_came: &(dyn Fn() + Sync),
) -> anyhow::Result<Option<Answer>> {
    let head = head(request).context("cannot be sent over HTTP/2: write `protocol: http1`")?;
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
            body.send_trailers(fields(&request.trailers)?)?;
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

fn head(request: &Request) -> anyhow::Result<http::Request<()>> {
    let uri = [b"http://".as_slice(), &request.host, &request.path].concat();
    let mut head = http::Request::new(());
    *head.method_mut() = http::Method::from_bytes(&request.method)?;
    *head.uri_mut() = Uri::from_maybe_shared(uri)?;
    *head.version_mut() = http::Version::HTTP_2;
    let mut headers = fields(&request.headers)?;
    if let Some((name, value)) = request.framing_header() {
        headers.append(name, value.parse()?);
    }
    *head.headers_mut() = headers;
    Ok(head)
}
