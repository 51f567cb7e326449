//! Puts manifests of every kind into a registry, as other tools do: `push` refuses what no gateway accepts.

use std::io::{Read, Write};
use std::net::TcpStream;

use oci::{Descriptor, Layout};

/// Sends blobs, and then manifests in this order, the last one under the tag too.
pub(crate) fn upload(
    address: &str,
    repository: &str,
    tag: &str,
    layout: &Layout,
    blobs: &[&Descriptor],
    manifests: &[&Descriptor],
) {
    for blob in blobs {
        let started = send(address, "POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
        let location = started.lines().find_map(|line| line.strip_prefix("Location: "));
        let location = location.unwrap_or_else(|| panic!("{started}"));
        let path = location.trim().trim_start_matches("http://").split_once('/').unwrap().1;
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("/{path}{separator}digest={}", blob.digest);
        let put = send(address, "PUT", &path, "application/octet-stream", layout.blob(blob).unwrap());
        assert!(put.starts_with("HTTP/1.1 201"), "{put}");
    }
    for (index, manifest) in manifests.iter().enumerate() {
        let name = if index + 1 == manifests.len() { tag } else { &manifest.digest };
        let path = format!("/v2/{repository}/manifests/{name}");
        let put = send(address, "PUT", &path, &manifest.media_type, layout.blob(manifest).unwrap());
        assert!(put.starts_with("HTTP/1.1 201"), "{put}");
    }
}

fn send(address: &str, method: &str, path: &str, media_type: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
