//! The upstream of a gateway that has none: it answers with what it was asked, as JSON, and notes its name in a header.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Bodies longer than this are counted and not repeated.
const SHOWN: usize = 64 * 1024;

/// Starts it on a port that the system chooses; it works whenever its runtime does.
///
/// # Errors
///
/// There is no port.
pub async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                // Envoy sends what it has before it knows of a limit, and what is refused would be a 503.
                server.http2().max_concurrent_streams(None);
                // A connection that fails is Envoy's to report.
                let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let (body, trailers) = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned().unwrap_or_default();
            (body.to_bytes(), trailers)
        }
        // The client is gone; nobody reads the answer.
        Err(_) => Default::default(),
    };
    let host = head.uri.authority().map(|authority| authority.as_str().to_owned());
    let host =
        host.or_else(|| Some(String::from_utf8_lossy(head.headers.get("host")?.as_bytes()).into_owned()));
    let mut said = json!({
        "method": head.method.as_str(),
        "host": host,
        "path": head.uri.path_and_query().map(|path| path.as_str()),
        "headers": fields(&head.headers),
        "body": match body.get(..SHOWN) {
            Some(_) if body.len() > SHOWN => Value::from(format!("{} bytes", body.len())),
            _ => Value::from(String::from_utf8_lossy(&body)),
        },
    });
    if let (false, Some(said)) = (trailers.is_empty(), said.as_object_mut()) {
        said.insert("trailers".into(), fields(&trailers));
    }
    let mut response = Response::new(Full::from(format!("{said:#}\n")));
    let headers = response.headers_mut();
    headers.insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    headers.insert("x-upstream", hyper::header::HeaderValue::from_static("echo"));
    Ok(response)
}

/// Header fields: a text each, or a list of texts where one comes several times.
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
