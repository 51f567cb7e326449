//! HTTP/1.1 on the wire, for the client and for the upstream alike.
//!
//! Written here, because a case chooses every byte and every cut: HTTP libraries refuse bytes that Envoy
//! takes, put small pieces of a body together, and drop trailers that were not announced.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::ByteString;
use engine::exchange::Header;

/// The most bytes that a line may have: Envoy's own limits are far below.
const LONGEST_LINE: u64 = 1024 * 1024;

/// What stands before a message's body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The request or status line.
    pub(super) start: Vec<u8>,
    /// Headers in order, names in lower case.
    pub(super) headers: Vec<Header>,
}

impl Head {
    /// The first value of a header.
    fn value(&self, wanted: &[u8]) -> Option<&[u8]> {
        self.headers.iter().find(|(name, _)| **name == *wanted).map(|(_, value)| &**value)
    }

    /// Whether it asks for an upgrade, or accepts one.
    pub(super) fn upgrades_to(&self) -> Option<&[u8]> {
        let asked = self.value(b"connection")?.split(|byte| *byte == b',');
        let mut asked = asked.map(<[u8]>::trim_ascii);
        self.value(b"upgrade").filter(|_| asked.any(|token| token.eq_ignore_ascii_case(b"upgrade")))
    }

    /// The body's framing as the headers declare it (RFC 9112, section 6.3).
    pub(super) fn framing(&self) -> io::Result<Option<Framing>> {
        if self.value(b"transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
            return Ok(Some(Framing::Chunked));
        }
        let Some(length) = self.value(b"content-length") else {
            return Ok(None);
        };
        let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
        length.map(|length| Some(Framing::Length(length))).ok_or_else(|| invalid("content-length"))
    }
}

/// How a body's end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk and the trailers.
    Chunked,
    /// Where the connection closes.
    Close,
}

/// Reads a message's head; nothing if the connection closes before it begins.
pub(super) async fn read_head(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Head>> {
    if reader.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    let start = read_line(reader).await?;
    let headers = read_headers(reader).await?;
    Ok(Some(Head { start, headers }))
}

/// Reads a body into `body`, which also has what came when it is cut off; gives the trailers.
pub(super) async fn read_body(
    reader: &mut (impl AsyncBufRead + Unpin),
    framing: Framing,
    body: &mut Vec<u8>,
) -> io::Result<Vec<Header>> {
    let mut pieces = Pieces::new(framing);
    loop {
        match pieces.next(reader).await? {
            Part::Data(data) => body.extend_from_slice(&data),
            Part::End(trailers) => return Ok(trailers),
        }
    }
}

/// A body that is read as it comes.
#[derive(Debug)]
pub(super) struct Pieces {
    /// How many bytes are left, where that is declared.
    left: Option<u64>,
    framing: Framing,
}

/// A part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Some of it.
    Data(Vec<u8>),
    /// Its end, with the trailers.
    End(Vec<Header>),
}

impl Pieces {
    /// The pieces of a body that is framed so.
    pub(super) fn new(framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing { Some(length) } else { None };
        Self { left, framing }
    }

    /// What comes next: a chunk of the chunked coding, or what there is.
    pub(super) async fn next(&mut self, reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Part> {
        if self.framing == Framing::Chunked {
            let size = read_chunk_size(reader).await?;
            if size == 0 {
                return Ok(Part::End(read_headers(reader).await?));
            }
            let mut data = Vec::new();
            read_exactly(reader, size, &mut data).await?;
            end_chunk(reader).await?;
            return Ok(Part::Data(data));
        }
        if self.left == Some(0) {
            return Ok(Part::End(Vec::new()));
        }
        let there = reader.fill_buf().await?;
        let size =
            there.len().min(self.left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX));
        let data = there.get(..size).unwrap_or_default().to_vec();
        reader.consume(size);
        match (&mut self.left, data.is_empty()) {
            (Some(_), true) => Err(io::ErrorKind::UnexpectedEof.into()),
            (None, true) => Ok(Part::End(Vec::new())),
            (left, false) => {
                *left = left.map(|left| left.saturating_sub(size as u64));
                Ok(Part::Data(data))
            }
        }
    }
}

async fn read_chunk_size(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<u64> {
    let line = read_line(reader).await?;
    let size = line.split(|byte| *byte == b';').next().and_then(|size| std::str::from_utf8(size).ok());
    size.and_then(|size| u64::from_str_radix(size.trim(), 16).ok()).ok_or_else(|| invalid("chunk size"))
}

async fn end_chunk(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<()> {
    if read_line(reader).await?.is_empty() { Ok(()) } else { Err(invalid("end of a chunk")) }
}

async fn read_exactly(
    reader: &mut (impl AsyncBufRead + Unpin),
    length: u64,
    into: &mut Vec<u8>,
) -> io::Result<()> {
    let read = reader.take(length).read_to_end(into).await?;
    if (read as u64) < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

async fn read_headers(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<Header>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader).await?;
        if line.is_empty() {
            return Ok(headers);
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        match (parts.next(), parts.next()) {
            (Some(name), Some(value)) => {
                headers.push((name.to_ascii_lowercase().into(), ByteString::from(value.trim_ascii())))
            }
            _ => return Err(invalid("header line")),
        }
    }
}

/// A line without its end.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("invalid {what} in HTTP/1.1"))
}

/// A start line and headers.
pub(super) fn head(start: &[&[u8]], headers: &[Header]) -> Vec<u8> {
    let mut bytes = start.concat();
    bytes.extend_from_slice(b"\r\n");
    bytes.extend(fields(headers));
    bytes
}

/// One chunk of the chunked coding.
pub(super) fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The end of the chunked coding.
pub(super) fn last_chunk(trailers: &[Header]) -> Vec<u8> {
    let mut bytes = b"0\r\n".to_vec();
    bytes.extend(fields(trailers));
    bytes
}

fn fields(headers: &[Header]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        for part in [name, b": ".as_slice(), value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_is_written_is_read_back_whatever_its_bytes() {
        let headers = vec![
            ("x-a".into(), b"\xff\x80 \"".as_slice().into()),
            ("x-a".into(), "".into()),
            ("transfer-encoding".into(), "chunked".into()),
        ];
        let trailers = vec![("t".into(), "1".into())];
        let mut wire = head(&[b"GET ", b"/\xfe|\"", b" HTTP/1.1"], &headers);
        for piece in [b"abc".as_slice(), b"\r\n0\r\n\r\n", &[b'x'; 300]] {
            wire.extend(chunk(piece));
        }
        wire.extend(last_chunk(&trailers));
        wire.extend(b"next");

        let mut reader = &wire[..];
        let read = run(read_head(&mut reader)).unwrap().unwrap();
        assert_eq!(read, Head { start: b"GET /\xfe|\" HTTP/1.1".to_vec(), headers });
        let mut body = Vec::new();
        assert_eq!(
            run(read_body(&mut reader, read.framing().unwrap().unwrap(), &mut body)).unwrap(),
            trailers
        );
        assert_eq!(body, [b"abc\r\n0\r\n\r\n".as_slice(), &[b'x'; 300]].concat());
        assert_eq!(reader, b"next");
        assert_eq!(run(read_head(&mut &b""[..])).unwrap(), None);
    }

    #[test]
    fn a_body_that_is_cut_off_is_an_error_that_keeps_what_came() {
        for (wire, framing) in [(b"abc".as_slice(), Framing::Length(4)), (b"3\r\nabc\r\n", Framing::Chunked)]
        {
            let mut body = Vec::new();
            let error = run(read_body(&mut &wire[..], framing, &mut body)).unwrap_err();
            assert_eq!((error.kind(), &body[..]), (io::ErrorKind::UnexpectedEof, b"abc".as_slice()));
        }
        let mut body = Vec::new();
        assert!(run(read_body(&mut &b"zz\r\n"[..], Framing::Chunked, &mut body)).is_err());
        run(read_body(&mut &b"abc"[..], Framing::Close, &mut body)).unwrap();
        assert_eq!(body, b"abc");
    }

    proptest::proptest! {
        #[test]
        fn any_pieces_come_back_as_one_body(pieces: Vec<Vec<u8>>, rest: Vec<u8>) {
            let pieces: Vec<_> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
            let mut wire: Vec<u8> = pieces.iter().flat_map(|piece| chunk(piece)).collect();
            wire.extend(last_chunk(&[]));
            let end = wire.len();
            wire.extend(&rest);
            let mut reader = &wire[..];
            let mut body = Vec::new();
            run(read_body(&mut reader, Framing::Chunked, &mut body)).unwrap();
            proptest::prop_assert_eq!(&body, &pieces.concat());
            proptest::prop_assert_eq!(reader, &wire[end..]);
        }
    }
}
