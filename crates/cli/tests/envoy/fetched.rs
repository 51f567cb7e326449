//! Modules that come from elsewhere: over HTTP, and compared with the digest that the resource pins.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::served::{Folder, Served, head, program, refused};

/// The module of the stamp, built once.
pub(crate) fn module() -> Vec<u8> {
    static MODULE: OnceLock<Vec<u8>> = OnceLock::new();
    let build = || {
        let output = program(&["build", "stamp", "--profile", "wasm-dev", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let built: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        fs::read(built[0]["files"][0].as_str().unwrap()).unwrap()
    };
    MODULE.get_or_init(build).clone()
}

/// A web server with one file; any other is not found.
fn server(path: &'static str, file: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
            let (status, body) = match head.split(' ').nth(1) == Some(path) {
                true => ("200 OK", file.as_slice()),
                false => ("404 Not Found", &[][..]),
            };
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let stream = stream.get_mut();
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).unwrap();
        }
    });
    address
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_module_on_a_web_server_is_taken_with_the_right_digest_alone() {
    let module = module();
    let digest = text::hex::encode(Sha256::digest(&module));
    let server = server("/stamp.wasm", module);
    let resource = |path: &str, digest: &str| {
        format!(
            "{}spec:\n  url: http://{server}{path}\n  sha256: '{digest}'\n  defaultConfig: {{ stamp: fetched }}\n",
            head("a")
        )
    };
    let folder = Folder::new();
    folder.put("a.yaml", &resource("/stamp.wasm", &digest));
    let served = Served::start(folder.path(), &[]);
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["fetched"]);
    drop(served);

    folder.put("a.yaml", &resource("/stamp.wasm", &"0".repeat(64)));
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("spec.sha256: is {}", "0".repeat(64))), "{said}");
    assert!(said.contains(&format!("the module has {digest}")), "{said}");

    folder.put("a.yaml", &resource("/nothing.wasm", &digest));
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("spec.url: ") && said.contains("404"), "{said}");
    // Port 1 is closed.
    folder.put("a.yaml", &format!("{}spec:\n  url: http://127.0.0.1:1/stamp.wasm\n", head("a")));
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot reach http://127.0.0.1:1/stamp.wasm"), "{said}");
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_registry_that_does_not_answer_is_told() {
    let folder = Folder::new();
    folder.put("a.yaml", &format!("{}spec:\n  url: oci://127.0.0.1:1/plugins/stamp:1\n", head("a")));
    let (code, said) = refused(folder.path(), &["--port", "0"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("spec.url: ") && said.contains("127.0.0.1:1"), "{said}");
    // The same resource, with its plug-in's source here.
    let served = {
        let text = format!(
            "{}spec:\n  url: oci://127.0.0.1:1/plugins/stamp:1\n  defaultConfig: {{ stamp: s }}\n",
            head("a")
        );
        folder.put("a.yaml", &text);
        Served::start(folder.path(), &["--from-source"])
    };
    assert_eq!(served.get("h", "/").values("x-stamps-back"), ["s"]);
}
