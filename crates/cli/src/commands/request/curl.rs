//! Requests with curl's options.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gateway::client::{Request, Target, header_line};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method};

use super::Curl;
use crate::Usage;

impl Curl {
    /// The request that the options describe.
    pub(super) fn request(&self) -> Result<Request> {
        let mut headers = fields(&self.headers)?;
        let trailers = fields(&self.trailer)?;
        let websocket = self.target.starts_with("ws://");
        if websocket && (self.method.is_some() || self.has_body()) {
            bail!(Usage(format!(
                "`{}` opens a WebSocket, which has neither a method nor a body: remove -X, -d, --data-binary, --chunk and \
                 --trailer, and write messages to stdin",
                self.target
            )));
        }
        let (mut host, path) = target(&self.target)?;
        if let Some(own) = headers.remove("host") {
            host = Some(own.to_str().context("the host is not ASCII")?.to_owned());
        }
        let body = self.body()?;
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("portcullis-request"));
        headers.entry("accept").or_insert(HeaderValue::from_static("*/*"));
        if body.is_some() {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.entry(CONTENT_TYPE).or_insert(form);
        }
        let usual = if body.is_some() { "POST" } else { "GET" };
        let method = self.method.as_deref().unwrap_or(usual);
        let whole = body.unwrap_or_default();
        let body = match self.chunk {
            Some(0) => bail!(Usage("--chunk 0 would never end: write 1 or more".into())),
            Some(size) => whole.chunks(size).map(Bytes::copy_from_slice).collect(),
            None if whole.is_empty() && trailers.is_empty() => Vec::new(),
            None => vec![Bytes::from(whole)],
        };
        Ok(Request {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| {
                Usage(format!("`{method}` is not a valid method: write GET, POST or another"))
            })?,
            host: host.unwrap_or_else(|| "localhost".into()),
            path,
            headers,
            body,
            trailers,
            http2: self.http2,
            websocket,
            timeout: Duration::from_secs(self.max_time),
        })
    }

    fn has_body(&self) -> bool {
        !self.data.is_empty()
            || self.data_binary.is_some()
            || self.chunk.is_some()
            || !self.trailer.is_empty()
    }

    fn body(&self) -> Result<Option<Vec<u8>>> {
        if let Some(data) = &self.data_binary {
            return Ok(Some(match data.strip_prefix('@') {
                Some(file) => read(file)?,
                None => data.clone().into_bytes(),
            }));
        }
        let parts = self.data.iter().map(|data| match data.strip_prefix('@') {
            // As curl does: without line breaks.
            Some(file) => Ok(read(file)?.into_iter().filter(|byte| !b"\r\n\0".contains(byte)).collect()),
            None => Ok(data.clone().into_bytes()),
        });
        let parts = parts.collect::<Result<Vec<Vec<u8>>>>()?;
        Ok((!parts.is_empty()).then(|| parts.join(&b'&')))
    }
}

fn read(file: &str) -> Result<Vec<u8>> {
    if file == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).context("reading stdin")?;
        return Ok(bytes);
    }
    let file: PathBuf = Path::new(file).into();
    fs::read(&file).map_err(|error| Usage(format!("cannot read {}: {error}", file.display())).into())
}

/// The host of a URL, if there is one, and its path with the query.
pub(in crate::commands) fn target(text: &str) -> Result<(Option<String>, String)> {
    let target = Target::parse(text).map_err(|error| Usage(error.to_string()))?;
    if let Some(plain) = target
        .scheme
        .and_then(|scheme| scheme.strip_suffix('s'))
        .filter(|plain| ["http", "ws"].contains(plain))
    {
        bail!(Usage(format!("`{text}`: the gateway has no TLS: write {plain}://")));
    }
    Ok((target.host.map(str::to_owned), target.path))
}

fn fields(lines: &[String]) -> Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = header_line(line) else {
            bail!(Usage(format!("`{line}` is not a header: write `Name: value`")));
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            Usage(format!("`{name}` is not a valid header name: write letters, digits and dashes"))
        })?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| Usage(format!("the value of {name} contains a line break: remove it")))?;
        fields.append(name, value);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Curl,
    }

    fn request(args: &[&str]) -> Result<Request, String> {
        let cli =
            Cli::try_parse_from(std::iter::once(&"x").chain(args)).map_err(|error| error.to_string())?;
        cli.args.request().map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_gives_host_and_path() {
        for (target, host, path) in [
            ("http://a.com:8080/x?y=1", "a.com:8080", "/x?y=1"),
            ("a.com", "a.com", "/"),
            ("a.com?x", "a.com", "/?x"),
            ("/x", "localhost", "/x"),
            ("ws://a.com/chat?x", "a.com", "/chat?x"),
        ] {
            let sent = request(&[target]).unwrap();
            assert_eq!((sent.host.as_str(), sent.path.as_str(), sent.method.as_str()), (host, path, "GET"));
        }
        assert_eq!(request(&["/", "-H", "Host: b.com"]).unwrap().host, "b.com");
        assert!(
            request(&["ws://a.com"]).unwrap().websocket && !request(&["http://a.com"]).unwrap().websocket
        );
    }

    #[test]
    fn a_body_makes_it_a_post_and_may_be_chunked() {
        let sent = request(&["/", "-d", "a=1", "-d", "b=2"]).unwrap();
        assert_eq!((sent.method.as_str(), sent.body.concat()), ("POST", b"a=1&b=2".to_vec()));
        assert_eq!(sent.headers["content-type"], "application/x-www-form-urlencoded");
        let sent =
            request(&["/", "-X", "PUT", "--data-binary", "abcde", "--chunk", "2", "--trailer", "x: y"])
                .unwrap();
        assert_eq!(
            (sent.method.as_str(), sent.body.len(), &sent.trailers["x"]),
            ("PUT", 3, &HeaderValue::from_static("y"))
        );
    }

    #[test]
    fn errors_say_what_to_write() {
        for (args, expected) in [
            (&["https://a.com"][..], "write http://"),
            (&["http:///x"], "has no host"),
            (&["wss://a.com"], "write ws://"),
            (&["ws:///x"], "has no host"),
            (&["ws://a.com", "-d", "x"], "write messages to stdin"),
            (&["ws://a.com", "-X", "POST"], "remove -X"),
            (&["/", "-H", "nothing"], "write `Name: value`"),
            (&["/", "-H", "a b: c"], "not a valid header name"),
            (&["/", "-X", "G T"], "is not a valid method"),
            (&["/", "-d", "@/nonexistent"], "cannot read /nonexistent"),
            (&["/", "-d", "a", "--chunk", "0"], "write 1 or more"),
        ] {
            let error = request(args).unwrap_err();
            assert!(error.contains(expected), "{args:?} gave {error}");
        }
    }
}
