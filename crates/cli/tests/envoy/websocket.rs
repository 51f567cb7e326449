//! WebSockets through the gateway, over both versions of HTTP: before and after the pipeline has changed, and to the echo.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use h2::ext::Protocol;
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::served::{Folder, Served, asked};

/// A message that does not come back within this time is one that is held.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A text frame of a client, masked with zeros, and the same from a server (RFC 6455, section 5.2).
const FROM_CLIENT: &[u8] = b"\x81\x82\0\0\0\0hi";
const FROM_SERVER: &[u8] = b"\x81\x02hi";

/// The stamps on the response that opened the WebSocket.
async fn over_http1(served: &Served, host: &str) -> Vec<String> {
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut socket, response) = client_async(format!("ws://{host}/chat"), stream).await.unwrap();
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    let stamps = response.headers().get_all("x-stamps-back").iter();
    stamps.map(|stamp| stamp.to_str().unwrap().to_owned()).collect()
}

async fn over_http2(served: &Served, host: &str) {
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let request = Request::builder().method(Method::CONNECT).uri(format!("http://{host}/chat"));
    let request = request.extension(Protocol::from_static("websocket")).header("sec-websocket-version", "13");
    let (response, mut body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    let mut answered = response.into_body();
    for message in 0..2 {
        let sent = body.send_data(Bytes::from_static(FROM_CLIENT), false);
        sent.unwrap_or_else(|error| panic!("{host}, message {message}: {error}"));
        assert_eq!(answered.data().await.unwrap().unwrap(), FROM_SERVER);
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn websockets_are_echoed_before_and_after_a_change() {
    let folder = Folder::new();
    // A service without an address leads to the echo; this one over HTTP/2.
    folder.put(
        "routes.yaml",
        "services: [{ name: two.static, protocol: http2 }]\n\
         routes: [{ ingress: one }, { ingress: two, domains: [two], service: two.static }]\n",
    );
    folder.stamp("a", "AUTHN", 10, "a");
    let mut served = Served::start(folder.path(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let both = |served: &Served| {
        runtime.block_on(async {
            let both = async {
                // From each version of HTTP to each.
                over_http2(served, "one").await;
                over_http2(served, "two").await;
                over_http1(served, "two").await;
                over_http1(served, "one").await
            };
            tokio::time::timeout(TIMEOUT, both).await.expect("no message is held")
        })
    };
    assert_eq!(both(&served), ["a"]);
    // The standard input ends at once, and with it the WebSocket.
    let (code, said) = asked(folder.path(), &["request", "ws://one/chat", "--folder"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("HTTP/1.1 101") && said.contains("x-stamps-back: a"), "{said}");
    assert!(said.contains("closed by the other side"), "{said}");
    // Another listener, and then another configuration in place.
    folder.stamp("b", "AUTHZ", 10, "b");
    served.wait_for("pipeline changed");
    assert_eq!(both(&served).len(), 2);
    folder.stamp("b", "AUTHZ", 10, "c");
    served.wait_for("reloaded 1 plug-in");
    assert!(both(&served).contains(&"c".to_owned()));
}
