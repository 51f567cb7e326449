//! A client of Envoy's admin interface, with the little HTTP that it needs: every build has this, also that of plug-ins'
//! tests.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;

/// How long Envoy may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends a GET, and returns the body of the response.
///
/// # Errors
///
/// There is no response, or one with another status than 200.
pub fn get(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    call("GET", address, path)
}

/// Sends a POST, which changes something, and returns the body of the response.
///
/// # Errors
///
/// As [`get`].
pub fn post(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    call("POST", address, path)
}

fn call(method: &str, address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // Envoy's admin interface refuses HTTP/1.0, so the response may be chunked.
    stream.write_all(
        format!("{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    body(&response).ok_or_else(|| {
        let start = String::from_utf8_lossy(response.get(..200).unwrap_or(&response)).into_owned();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{method} {path} on Envoy's admin interface: {start}"),
        )
    })
}

/// Counters and gauges whose names match a regular expression.
///
/// # Errors
///
/// As [`get`].
pub fn stats(address: SocketAddr, filter: &str) -> io::Result<Vec<(String, u64)>> {
    #[derive(Deserialize)]
    struct Stats {
        stats: Vec<Stat>,
    }
    // The list has histograms too, without a name.
    #[derive(Deserialize)]
    struct Stat {
        #[serde(default)]
        name: String,
        value: Option<u64>,
    }
    let mut escaped = String::new();
    for character in filter.chars() {
        match character {
            '^' | '\\' | '$' | '|' | '+' | '[' | ']' => {
                escaped.push_str(&format!("%{:02X}", u32::from(character)))
            }
            _ => escaped.push(character),
        }
    }
    let response = get(address, &format!("/stats?format=json&filter={escaped}"))?;
    let Stats { stats } = serde_json::from_slice(&response)?;
    Ok(stats.into_iter().filter_map(|stat| Some((stat.name, stat.value?))).collect())
}

fn body(response: &[u8]) -> Option<Vec<u8>> {
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (headers, rest) = (std::str::from_utf8(response.get(..end)?).ok()?, response.get(end + 4..)?);
    let mut lines = headers.split("\r\n");
    lines.next()?.starts_with("HTTP/1.1 200 ").then_some(())?;
    let chunked = lines.any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    if chunked { join_chunks(rest) } else { Some(rest.to_vec()) }
}

/// RFC 9112, section 7.1; Envoy sends neither extensions nor trailers here.
fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(rest.get(..line)?).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let chunk = rest.get(line + 2..)?;
        whole.extend_from_slice(chunk.get(..size)?);
        rest = chunk.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_complete_or_refused() {
        let plain = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        assert_eq!(body(plain).unwrap(), b"hi");
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(body(chunked).unwrap(), b"ab0123456789");
        for cut in 0..chunked.len() - 4 {
            assert_eq!(body(&chunked[..cut]), None, "cut at {cut}");
        }
        assert_eq!(body(b"HTTP/1.1 404 Not Found\r\n\r\nx"), None);
    }
}
