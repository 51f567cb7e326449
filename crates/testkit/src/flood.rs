//! Many requests to a real Envoy over a few connections, and whether its memory grows with them.
//!
//! For the test targets `stress` of plug-ins. `PORTCULLIS_REQUESTS` is the number of requests, for a longer run by hand.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use gateway::Memory;

/// Concurrent connections.
const CLIENTS: usize = 8;

/// How long a response may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum growth of memory: pools of buffers and connections, but no state of each request.
const MAX_GROWTH: u64 = 6 * 1024 * 1024;

/// Returns the number of requests.
///
/// # Errors
///
/// `PORTCULLIS_REQUESTS` is not a number.
pub fn requests(default: usize) -> Result<usize> {
    match std::env::var("PORTCULLIS_REQUESTS") {
        Ok(number) => number.parse().context("PORTCULLIS_REQUESTS is not a number"),
        Err(_) => Ok(default),
    }
}

/// Returns the module that `cargo xtask test <plugin>` has built.
///
/// # Errors
///
/// Something else runs the test.
pub fn module() -> Result<PathBuf> {
    let module = std::env::var_os("PORTCULLIS_WASM");
    module.map(PathBuf::from).context("run `cargo xtask test` with the name of the plug-in")
}

/// Sends requests, each made of its number, and expects each status.
///
/// # Errors
///
/// A response has another status, or does not arrive.
pub fn send(
    address: SocketAddr,
    requests: usize,
    status: u16,
    request: impl Fn(usize) -> String + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let client = || {
        let mut stream = BufReader::new(TcpStream::connect(address)?);
        stream.get_ref().set_read_timeout(Some(TIMEOUT))?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests {
                return Ok(());
            }
            let request = request(number);
            stream.get_mut().write_all(request.as_bytes())?;
            let Some(first) = message(&mut stream)? else { bail!("{request}: the connection was closed") };
            let is_expected = first.split(' ').nth(1) == Some(&status.to_string());
            ensure!(is_expected, "{request}: {first} instead of {status}");
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().try_for_each(|client| match client.join() {
            Ok(result) => result,
            Err(_) => bail!("a client panicked"),
        })
    })
}

/// Starts a server that responds with 200 and a body to each path.
///
/// # Errors
///
/// There is no free port.
pub fn serve(body: impl Fn(&str) -> &'static str + Send + Sync + 'static) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let body = Arc::new(body);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = Arc::clone(&body);
            thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Ok(Some(first)) = message(&mut stream) {
                    let body = body(first.split(' ').nth(1).unwrap_or_default());
                    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    // A gateway may have closed the connection.
                    if stream.get_mut().write_all(response.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// Reads a message with its body, and returns its first line, or `None` at the end of the connection.
fn message(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let (mut first, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            stream.read_exact(&mut vec![0; length])?;
            return Ok(first);
        }
        match line.strip_prefix("content-length: ") {
            Some(value) => length = value.parse().map_err(io::Error::other)?,
            None if first.is_none() => first = Some(line.to_owned()),
            None => {}
        }
    }
}

/// Compares the memory of a gateway before and after a flood.
///
/// # Errors
///
/// It has grown.
pub fn assert_flat(before: &Memory, after: &Memory) -> Result<()> {
    println!("memory before {before:?}\nmemory after  {after:?}");
    let grown = |of: fn(&Memory) -> u64| of(after).saturating_sub(of(before));
    let is_flat =
        grown(|memory| memory.allocated) < MAX_GROWTH && grown(|memory| memory.resident) < MAX_GROWTH;
    ensure!(is_flat, "memory has grown: {before:?} {after:?}");
    Ok(())
}
