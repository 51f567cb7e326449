//! Modules that are uploaded.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Console, module};

/// The files of uploads in a gateway's folder.
fn files(console: &Console, gateway: &str) -> Vec<PathBuf> {
    let folder = console.folder(gateway).join(".portcullis/uploads");
    let processes = fs::read_dir(folder).into_iter().flatten().flatten();
    processes
        .flat_map(|process| fs::read_dir(process.path()).unwrap().flatten())
        .map(|file| file.path())
        .collect()
}

/// A module with a custom section that makes it this large.
fn of_size(size: usize) -> Vec<u8> {
    let mut bytes = module();
    // A section of zeros with a name of one byte: its id, its size in five bytes, and its content.
    let content = size - bytes.len() - 6;
    bytes.push(0);
    let mut left = content;
    for index in 0..5 {
        let low = u8::try_from(left & 0x7f).unwrap();
        left >>= 7;
        bytes.push(if index < 4 { low | 0x80 } else { low });
    }
    bytes.extend([1, b'x']);
    bytes.resize(size, 0);
    bytes
}

#[tokio::test]
async fn a_module_is_checked_and_kept_until_it_is_used() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let upload = client.upload("shop", "a%20b.wasm", module()).await.good();
    assert_eq!(
        (upload["name"].as_str(), upload["size"].as_u64()),
        (Some("a b.wasm"), Some(module().len() as u64))
    );
    assert!(upload["digest"].as_str().unwrap().starts_with("sha256:"));
    assert!(
        upload["gateways"].as_array().unwrap().iter().all(|gateway| gateway["loads"] == true),
        "{upload}"
    );
    assert!(upload["checks"].as_array().unwrap().iter().any(|check| check["name"] == "format"));
    assert_eq!(files(&console, "shop").len(), 1);
    let root = console.stop().await;
    let left = root.path().join("shop/.portcullis/uploads");
    assert!(!left.exists(), "what was not used is removed at the end");
}

#[tokio::test]
async fn the_limit_is_exact() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let largest = client.upload("shop", "a.wasm", of_size(50_000_000)).await.good();
    assert_eq!(largest["size"], 50_000_000);
    let larger = client.upload("shop", "a.wasm", of_size(50_000_001)).await;
    assert_eq!(larger.refused(), (413, "module_too_large".into()));
    assert_eq!(files(&console, "shop").len(), 1);
}

#[tokio::test]
async fn what_is_no_module_is_refused_in_the_words_of_check() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let refused = client.upload("shop", "a.wasm", b"#!/bin/sh\n".to_vec()).await;
    assert_eq!(refused.refused(), (422, "module_invalid".into()));
    let problem = refused.json();
    assert!(problem["message"].as_str().unwrap().contains("invalid .wasm binary format"), "{problem}");
    assert!(problem["details"].as_array().unwrap().contains(&"portcullis check a.wasm".into()), "{problem}");
    let mut damaged = module();
    damaged.truncate(damaged.len() - 4);
    let problem = client.upload("shop", "a.wasm", damaged).await.json();
    assert!(problem["message"].as_str().unwrap().contains("byte "), "{problem}");
    assert!(files(&console, "shop").is_empty());
}

#[tokio::test]
async fn names_never_become_paths() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    for name in [
        "",
        "a",
        "a.exe",
        ".wasm",
        "..%2Fa.wasm",
        "..%2F..%2F..%2Ftmp%2Fa.wasm",
        "%2Fetc%2Fa.wasm",
        "a%00.wasm",
        "a%0A.wasm",
        "a%5Cb.wasm",
    ] {
        let refused = client.upload("shop", name, module()).await;
        assert_eq!(refused.refused(), (422, "module_name".into()), "{name}");
    }
    let path = "/gateways/shop/uploads";
    assert_eq!(client.send(Method::POST, path, &[], module().into()).await.refused().1, "request_invalid");
    assert!(files(&console, "shop").is_empty());
    assert!(!console.root.path().join("a.wasm").exists());
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_behind() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let head = format!(
        "POST /api/v1/gateways/shop/uploads?name=a.wasm HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\nx-csrf-token: {}\r\n\
         content-type: application/wasm\r\ncontent-length: 40000000\r\n\r\n",
        console.address,
        client.cookie.as_ref().unwrap(),
        client.csrf.as_ref().unwrap()
    );
    let mut stream = TcpStream::connect(console.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let bytes = of_size(1_000_000);
    stream.write_all(&bytes).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while files(&console, "shop").is_empty() {
        assert!(Instant::now() < deadline, "the upload has begun");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(stream);
    while !files(&console, "shop").is_empty() {
        assert!(Instant::now() < deadline, "its file is removed: {:?}", files(&console, "shop"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.upload("shop", "a.wasm", module()).await.good();
}

#[tokio::test]
async fn what_a_killed_console_left_behind_is_removed_at_the_next_start() {
    let console = Console::start().await;
    let root = console.stop().await;
    let folder = root.path().join("shop/.portcullis/uploads/4294967295");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("x.part"), "half").unwrap();
    let written = root.path().join("shop/.portcullis-abc");
    fs::write(&written, "half").unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().append(true).open(&written).unwrap().set_modified(old).unwrap();
    let options = crate::support::options(root.path());
    let console = Console::with(root, options).await;
    assert!(!folder.exists() && !console.folder("shop").join(".portcullis-abc").exists());
}
