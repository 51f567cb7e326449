//! HTTP/1.1.

use std::io;

use tokio::io::{AsyncBufRead, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::talk::{Event, Open};
pub(in crate::envoy) use super::{PATIENCE, READING};
use super::{Pace, WAITED_FOR, pieces};
use crate::envoy::wire;
use engine::exchange::{Framing, Request};
use engine::outcome::Answer;

pub(super) async fn exchange(
    stream: TcpStream,
    request: &Request,
    pace: &Pace<'_>,
    head_came: &(dyn Fn() + Sync),
) -> anyhow::Result<Option<Answer>> {
    let (reader, mut writer) = stream.into_split();
    if request.reset_after.is_some() {
        write(&mut writer, request, pace).await?;
        // What was written goes out before the end of the stream does.
        writer.shutdown().await?;
        return Ok(None);
    }
    // An answer may come, and the connection close, before the whole request is sent.
    let writing = write(&mut writer, request, pace);
    let mut reader = BufReader::new(reader);
    let reading = answer(&mut reader, &request.method, head_came);
    tokio::pin!(writing, reading);
    tokio::select! {
        answer = &mut reading => return Ok(answer?),
        // If writing failed, the answer or its absence tells why.
        _ = &mut writing => {}
    }
    Ok(reading.await?)
}

/// Sends a request without a body so many times, one after the other, and gives the statuses of the answers.
/// What does not come before the connection ends, or in time, is 0.
pub(super) async fn exchange_all(stream: TcpStream, request: &Request, times: u32) -> io::Result<Vec<u16>> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let head = head(request);
    let mut statuses = Vec::new();
    while statuses.len() < times as usize {
        writer.write_all(&head).await?;
        match tokio::time::timeout(PATIENCE, answer(&mut reader, &request.method, &|| {})).await {
            Ok(Ok(Some(answer))) if answer.cut_off.is_none() => statuses.push(answer.status),
            _ => statuses.resize(times as usize, 0),
        }
    }
    Ok(statuses)
}

async fn write(writer: &mut OwnedWriteHalf, request: &Request, pace: &Pace<'_>) -> io::Result<()> {
    let head = head(request);
    writer.write_all(&head).await?;
    let chunked = request.framing() == Framing::Chunked;
    let mut sent = head.len() as u64;
    let mut reads = true;
    for (index, piece) in pieces(request).into_iter().enumerate() {
        if index > 0 && index < WAITED_FOR && reads {
            reads = pace.read(sent).await?;
        }
        let coded = if chunked { wire::chunk(piece) } else { piece.to_vec() };
        writer.write_all(&coded).await?;
        sent += coded.len() as u64;
    }
    if chunked && request.reset_after.is_none() {
        writer.write_all(&wire::last_chunk(&request.trailers)).await?;
    }
    Ok(())
}

/// A stream that stays open.
pub(super) struct Talk {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    chunked: bool,
    to_head: bool,
    /// How the body comes, once the headers have.
    body: Option<wire::Pieces>,
}

impl Talk {
    /// Sends the headers, and with them a body that needs no answer first: Envoy reads both before an upstream can
    /// answer.
    pub(super) async fn begin(stream: TcpStream, request: &Request) -> io::Result<Self> {
        let (reader, mut writer) = stream.into_split();
        let mut bytes = head(request);
        let mut pieces = pieces(request).into_iter();
        bytes.extend_from_slice(pieces.next().unwrap_or_default());
        writer.write_all(&bytes).await?;
        for piece in pieces {
            // One that Envoy refuses to read is told of in its answer.
            if writer.write_all(piece).await.is_err() {
                break;
            }
        }
        Ok(Self {
            reader: BufReader::new(reader),
            writer,
            chunked: request.framing() == Framing::Chunked,
            to_head: *request.method == *b"HEAD",
            body: None,
        })
    }

    async fn read(&mut self) -> io::Result<Event> {
        if let Some(body) = &mut self.body {
            return Ok(match body.next(&mut self.reader).await? {
                wire::Part::Data(data) => Event::Data(data),
                wire::Part::End(trailers) => Event::End(trailers),
            });
        }
        let head = wire::read_head(&mut self.reader).await?;
        let Some(head) = head else { return Ok(Event::Broken("the connection was closed".into())) };
        let status = status(&head.start)?;
        let framing = match head.framing()? {
            _ if status == 101 => wire::Framing::Close,
            _ if self.to_head || status == 204 || status == 304 => wire::Framing::Length(0),
            framing => framing.unwrap_or(wire::Framing::Close),
        };
        self.body = Some(wire::Pieces::new(framing));
        Ok(Event::Headers(status, head.headers))
    }
}

impl Open for Talk {
    async fn send(&mut self, piece: &[u8]) {
        let coded = if self.chunked { wire::chunk(piece) } else { piece.to_vec() };
        // Errors of the stream are seen in the response.
        let _ = self.writer.write_all(&coded).await;
    }

    async fn end(&mut self) {
        if self.chunked {
            let _ = self.writer.write_all(&wire::last_chunk(&[])).await;
        }
    }

    async fn next(&mut self) -> Event {
        self.read().await.unwrap_or_else(|error| Event::Broken(error.to_string()))
    }
}

/// The request line and the headers.
pub(in crate::envoy) fn head(request: &Request) -> Vec<u8> {
    let mut headers = vec![("host".into(), request.host.clone())];
    headers.extend(request.headers.iter().cloned());
    headers.extend(request.upgrade_headers());
    headers.extend(request.framing_header().map(|(name, value)| (name.into(), value.as_str().into())));
    let start: [&[u8]; 4] = [&request.method, b" ", &request.path, b" HTTP/1.1"];
    wire::head(&start, &headers)
}

/// Reads the answer; nothing if the connection closes before one begins.
pub(in crate::envoy) async fn answer(
    reader: &mut (impl AsyncBufRead + Unpin),
    method: &[u8],
    head_came: &(dyn Fn() + Sync),
) -> io::Result<Option<Answer>> {
    loop {
        let head = match wire::read_head(reader).await {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        };
        let status = status(&head.start)?;
        if status < 200 {
            continue;
        }
        head_came();
        let framing = match head.framing()? {
            _ if method == b"HEAD" || status == 204 || status == 304 => wire::Framing::Length(0),
            framing => framing.unwrap_or(wire::Framing::Close),
        };
        let mut body = Vec::new();
        let end = wire::read_body(reader, framing, &mut body).await;
        let cut_off = end.as_ref().err().map(ToString::to_string);
        return Ok(Some(Answer {
            status,
            headers: head.headers,
            body: body.into(),
            trailers: end.unwrap_or_default(),
            cut_off,
        }));
    }
}

/// The status of `HTTP/1.1 403 Forbidden`.
fn status(line: &[u8]) -> io::Result<u16> {
    let status = line.split(|byte| *byte == b' ').nth(1).and_then(|status| std::str::from_utf8(status).ok());
    status.and_then(|status| status.parse().ok()).ok_or_else(|| {
        let line = String::from_utf8_lossy(line);
        io::Error::new(io::ErrorKind::InvalidData, format!("not a status line of HTTP/1.1: {line}"))
    })
}
