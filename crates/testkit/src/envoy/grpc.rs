//! A service that speaks gRPC: unary calls over HTTP/2 without TLS.

use std::io::Cursor;

use anyhow::Context;
use h2::server::SendResponse;
use http::Response;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::behaviour::Shared;
use super::fields::{fields, list};
use engine::outcome::UpstreamRequest;

/// What stands before a message: whether it is compressed, and its size (gRPC over HTTP/2).
const PREFIX: usize = 5;

pub(super) async fn serve(stream: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = h2::server::Builder::new().handshake::<_, Cursor<Vec<u8>>>(stream).await?;
    let mut calls = JoinSet::new();
    while let Some(call) = connection.accept().await {
        let (request, response) = call?;
        let shared = shared.clone();
        // One that fails is Envoy's to report.
        calls.spawn(async move { answer(request, response, &shared).await });
    }
    Ok(())
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut response: SendResponse<Cursor<Vec<u8>>>,
    shared: &Shared,
) -> anyhow::Result<()> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    let message = body.get(PREFIX..).context("a gRPC message has five bytes before it")?;
    let request = UpstreamRequest {
        method: head.method.as_str().into(),
        path: head.uri.path().into(),
        host: head.uri.authority().map_or("", |authority| authority.as_str()).into(),
        headers: list(head.headers),
        body: message.into(),
        ..UpstreamRequest::default()
    };
    let Some(answer) = shared.answer(request).await else {
        // The stream stays open until Envoy gives it up.
        std::future::poll_fn(|context| response.poll_reset(context)).await?;
        return Ok(());
    };
    let mut head = Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(answer.status)?;
    *head.headers_mut() = fields(&answer.headers)?;
    head.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
    let mut trailers = fields(&answer.trailers)?;
    if head.headers().contains_key("grpc-status") {
        response.send_response(head, true)?;
        return Ok(());
    }
    let mut stream = response.send_response(head, false)?;
    let size = u32::try_from(answer.body.len())?.to_be_bytes();
    stream.send_data(Cursor::new([b"\0".as_slice(), &size, &answer.body].concat()), false)?;
    if !trailers.contains_key("grpc-status") {
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    }
    stream.send_trailers(trailers)?;
    Ok(())
}
