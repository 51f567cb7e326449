//! An upstream that speaks HTTP/2 without TLS, as gRPC services do.

use std::io::Cursor;
use std::sync::{Arc, Mutex};

use anyhow::Context;
use h2::server::SendResponse;
use http::Response;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::open::Growing;
use super::{State, lock};
use crate::envoy::fields::{fields, list};
use engine::exchange::Upstream;
use engine::outcome::UpstreamRequest;

pub(super) async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut server = h2::server::Builder::new();
    server.enable_connect_protocol();
    let mut connection = server.handshake::<_, Cursor<Vec<u8>>>(stream).await?;
    let mut requests = JoinSet::new();
    while let Some(request) = connection.accept().await {
        let (request, response) = request?;
        let state = Arc::clone(&state);
        // One that fails is Envoy's to report: it is seen as not complete.
        requests.spawn(async move { answer(request, response, &state).await });
    }
    Ok(())
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut response: SendResponse<Cursor<Vec<u8>>>,
    state: &Mutex<State>,
) -> anyhow::Result<()> {
    let (head, mut stream) = request.into_parts();
    let request = UpstreamRequest {
        method: head.method.as_str().into(),
        path: head.uri.path_and_query().map_or("", |path| path.as_str()).into(),
        host: head.uri.authority().map_or("", |authority| authority.as_str()).into(),
        headers: list(head.headers),
        ..UpstreamRequest::default()
    };
    let upgrade = head.extensions.get::<h2::ext::Protocol>().is_some();
    if upgrade || lock(state).answer.echo {
        let (growing, answer) = Growing::begin(state, request);
        if !answer.echo {
            // As a server that knows of no upgrades.
            return respond(&mut response, &answer, false).await;
        }
        let mut sending = response.send_response(headers(&answer)?, false)?;
        while let Some(data) = stream.data().await {
            let data = data?;
            stream.flow_control().release_capacity(data.len())?;
            growing.add_data(&data);
            sending.send_data(Cursor::new(data.to_vec()), false)?;
        }
        if let Some(trailers) = stream.trailers().await? {
            growing.add(|request| request.trailers = list(trailers));
        }
        sending.send_trailers(fields(&answer.trailers)?)?;
        return Ok(());
    }
    lock(state).unfinished += 1;
    let whole = collect(&mut stream).await;
    let answer = {
        let mut state = lock(state);
        state.unfinished -= 1;
        let (body, trailers) = whole?;
        state.seen.push(UpstreamRequest { body: body.into(), trailers, ..request });
        state.answer.clone()
    };
    let to_head = head.method == http::Method::HEAD;
    respond(&mut response, &answer, to_head).await
}

async fn collect(stream: &mut h2::RecvStream) -> anyhow::Result<(Vec<u8>, Vec<engine::exchange::Header>)> {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    Ok((body, stream.trailers().await?.map(list).unwrap_or_default()))
}

fn headers(answer: &Upstream) -> anyhow::Result<Response<()>> {
    let mut head = Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(answer.status).context("upstream.status")?;
    *head.headers_mut() = fields(&answer.headers)?;
    Ok(head)
}

/// Sends an answer, in the pieces that the case says; one that is open stays so until Envoy gives it up.
async fn respond(
    response: &mut SendResponse<Cursor<Vec<u8>>>,
    answer: &Upstream,
    to_head: bool,
) -> anyhow::Result<()> {
    let mut head = headers(answer)?;
    if !answer.is_chunked() && !head.headers().contains_key(http::header::CONTENT_LENGTH) && !to_head {
        head.headers_mut().insert(http::header::CONTENT_LENGTH, answer.body.len().into());
    }
    let ends = to_head || (answer.body.is_empty() && answer.trailers.is_empty() && !answer.open);
    let mut sending = response.send_response(head, ends)?;
    if ends {
        return Ok(());
    }
    let pieces = answer.pieces();
    let last = pieces.len();
    for (index, piece) in pieces.into_iter().enumerate() {
        let ends = index + 1 == last && answer.trailers.is_empty() && !answer.open;
        sending.send_data(Cursor::new(piece.to_vec()), ends)?;
    }
    if answer.open {
        std::future::poll_fn(|context| sending.poll_reset(context)).await?;
    } else if !answer.trailers.is_empty() {
        sending.send_trailers(fields(&answer.trailers)?)?;
    }
    Ok(())
}
