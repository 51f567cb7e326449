//! Registries that send what they should not: without an end, of another size or content, or with places to send
//! credentials to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::{Outcome, docker_config, program, pull};
use oci::{Descriptor, digest, media};
use serde_json::{Value, json};

/// What answers a path.
#[derive(Clone)]
enum Answer {
    /// A whole answer: status, headers, body.
    Whole(&'static str, String, Vec<u8>),
    /// A body without an end.
    Endless,
    /// A body, after signing in twice.
    WithNewToken(Vec<u8>),
}

fn content(media_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    Answer::Whole("200 OK", format!("content-type: {media_type}\r\n"), body.into())
}

/// A registry that answers as it is told, and keeps the headers of its requests.
struct Fake {
    address: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start(answers: HashMap<String, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers));
        let shared = (Arc::clone(&answers), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, heads) = shared.clone();
                let answers = answers.lock().unwrap().clone();
                std::thread::spawn(move || serve(stream.unwrap(), &answers, &heads));
            }
        });
        Self { address, answers, heads }
    }

    fn image(&self) -> String {
        format!("oci://{}/p/demo:1", self.address)
    }
}

fn serve(stream: TcpStream, answers: &HashMap<String, Answer>, heads: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let stream = stream.get_mut();
    let signed_in = heads.lock().unwrap().iter().filter(|head| head.contains("/token?")).count();
    let answer = match answers.get(&path) {
        Some(Answer::WithNewToken(body)) if signed_in > 1 => Some(content("", body.clone())),
        Some(Answer::WithNewToken(_)) => Some(Answer::Whole("401 Unauthorized", String::new(), Vec::new())),
        other => other.cloned(),
    };
    match answer {
        Some(Answer::Whole(status, headers, body)) => {
            let head = format!(
                "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
        Some(Answer::Endless) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            while stream.write_all(&[b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat()).is_ok() {}
        }
        Some(Answer::WithNewToken(_)) | None => {
            let _ = stream
                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        }
    }
}

/// The answers of a registry with an image of one layer.
fn image(layer: &[u8], declared: Value, answer: Option<Answer>) -> HashMap<String, Answer> {
    let config = digest(b"{}");
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": { "mediaType": media::CONFIG, "digest": config, "size": 2 },
        "layers": [{ "mediaType": media::LAYER, "digest": digest(layer), "size": declared }],
    });
    HashMap::from([
        ("/v2/".into(), content("application/json", "{}")),
        ("/v2/p/demo/manifests/1".into(), content(media::MANIFEST, manifest.to_string())),
        (format!("/v2/p/demo/blobs/{config}"), content("application/octet-stream", "{}")),
        (
            format!("/v2/p/demo/blobs/{}", digest(layer)),
            answer.unwrap_or_else(|| content("application/octet-stream", layer)),
        ),
    ])
}

#[test]
fn what_has_no_end_or_another_size_or_content_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let layer = b"a layer";
    let blob = |bytes: &[u8]| Some(content("application/octet-stream", bytes));
    let manifest = |answer| HashMap::from([("/v2/p/demo/manifests/1".to_owned(), answer)]);
    let deep = {
        let mut answers = HashMap::new();
        let mut entry = Descriptor {
            digest: digest(b"x"),
            media_type: media::MANIFEST.into(),
            size: 1,
            ..Descriptor::default()
        };
        for depth in 0..10 {
            let index =
                json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [entry] }).to_string();
            let name = if depth == 9 { "1".to_owned() } else { digest(index.as_bytes()) };
            entry = Descriptor {
                digest: digest(index.as_bytes()),
                media_type: media::INDEX.into(),
                size: index.len() as u64,
                ..Descriptor::default()
            };
            answers.insert(format!("/v2/p/demo/manifests/{name}"), content(media::INDEX, index));
        }
        answers
    };
    for (what, answers, expected) in [
        ("an image", image(layer, json!(7), None), ""),
        ("a manifest without an end", manifest(Answer::Endless), "more than the allowed 4194304 bytes"),
        (
            "a large manifest",
            manifest(content(media::MANIFEST, vec![b' '; 4 << 20 | 1])),
            "more than the allowed 4194304 bytes",
        ),
        ("a manifest of no sense", manifest(content(media::MANIFEST, "[]")), "is not a manifest"),
        ("nested JSON", manifest(content("", "[".repeat(100_000))), "is not valid JSON"),
        (
            "a layer without an end",
            image(layer, json!(7), Some(Answer::Endless)),
            "more than the allowed 7 bytes",
        ),
        (
            "a longer layer",
            image(layer, json!(7), blob(b"a layer and more")),
            "more than the allowed 7 bytes",
        ),
        ("a shorter layer", image(layer, json!(8), None), "has 7 bytes, and a manifest declares 8"),
        ("another layer", image(layer, json!(7), blob(b"a liar!")), "to a request for"),
        ("a large layer", image(layer, json!(1_u64 << 40), None), "gateways accept at most"),
        ("a negative layer", image(layer, json!(-1), None), "is not a manifest"),
        ("indexes in indexes", deep, "nested more than 4 deep"),
    ] {
        let fake = Fake::start(answers);
        let pulled = pull(&fake.image(), &folder.path().join("image"));
        match expected {
            "" => assert_eq!(pulled.code, 0, "{what}: {pulled:?}"),
            expected => {
                assert_eq!(pulled.code, 1, "{what}: {pulled:?}");
                assert!(pulled.stderr.contains(expected), "{what}: {pulled:?}");
            }
        }
    }
}

/// `p:secret` in Docker's configuration for a registry.
fn as_user(folder: &std::path::Path, registry: &str, args: &[&str]) -> Outcome {
    docker_config(folder, &json!({ "auths": { registry: { "auth": "cDpzZWNyZXQ=" } } }));
    Outcome::of(program(args).env("DOCKER_CONFIG", folder))
}

#[test]
fn credentials_do_not_cross_a_network_unencrypted() {
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("image");
    let layout = layout.to_str().unwrap();
    // Names that only begin like addresses of this machine.
    for registry in ["127.0.0.1.example.com:5000", "localhost.example.com:5000", "127.example.com"] {
        let image = format!("oci://{registry}/p/demo:1");
        as_user(folder.path(), registry, &["pull", &image, layout, "--plain-http"])
            .refused(1, &["would cross the network unencrypted", registry]);
    }
    // A registry on this machine that wants them elsewhere.
    let challenge = "www-authenticate: Bearer realm=\"http://127.0.0.1.example.com/token\",service=\"x\"\r\n";
    let answers = [("/v2/".to_owned(), Answer::Whole("401 Unauthorized", challenge.into(), Vec::new()))];
    let fake = Fake::start(answers.into());
    as_user(folder.path(), &fake.address, &["pull", &fake.image(), layout, "--plain-http"])
        .refused(1, &["would cross the network unencrypted", "http://127.0.0.1.example.com/token"]);
    // The same in a URL.
    let error = oci::registry::download("http://p:secret@127.0.0.1.example.com/m.wasm").unwrap_err();
    assert!(error.to_string().contains("would cross the network unencrypted"), "{error}");
}

#[test]
fn a_redirect_to_another_host_does_not_get_the_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let layer = b"a layer";
    let elsewhere =
        Fake::start(HashMap::from([("/layer".to_owned(), content("application/octet-stream", layer))]));
    let to = format!("location: http://{}/layer\r\n", elsewhere.address);
    let mut answers = image(layer, json!(7), Some(Answer::Whole("307 Temporary Redirect", to, Vec::new())));
    let challenge = "www-authenticate: Basic realm=\"tests\"\r\n";
    answers.insert("/v2/".into(), Answer::Whole("401 Unauthorized", challenge.into(), Vec::new()));
    let fake = Fake::start(answers);
    let layout = folder.path().join("image");
    as_user(folder.path(), &fake.address, &["pull", &fake.image(), layout.to_str().unwrap(), "--plain-http"])
        .succeeded();
    let has_credentials = |head: &&String| head.to_lowercase().contains("\r\nauthorization: ");
    assert!(fake.heads.lock().unwrap().iter().filter(has_credentials).count() >= 2);
    let heads = elsewhere.heads.lock().unwrap();
    assert_eq!((heads.len(), heads.iter().filter(has_credentials).count()), (1, 0), "{heads:?}");
}

#[test]
fn a_token_that_has_expired_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let layer = b"a layer";
    let fake = Fake::start(HashMap::new());
    // The address is part of the answers.
    let challenge = |address: &str| {
        format!("www-authenticate: Bearer realm=\"http://{address}/token\",service=\"x\"\r\n")
    };
    let mut answers = image(layer, json!(7), None);
    answers.insert("/v2/".into(), Answer::Whole("401 Unauthorized", challenge(&fake.address), Vec::new()));
    answers.insert(format!("/v2/p/demo/blobs/{}", digest(layer)), Answer::WithNewToken(layer.to_vec()));
    let tokens = content("application/json", r#"{"token":"t"}"#);
    answers.insert("/token?scope=repository%3Ap%2Fdemo%3Apull&service=x".into(), tokens);
    *fake.answers.lock().unwrap() = answers;
    pull(&fake.image(), &folder.path().join("image")).succeeded();
    let signed_in = fake.heads.lock().unwrap().iter().filter(|head| head.contains("/token?")).count();
    assert_eq!(signed_in, 2);
}

#[test]
fn a_token_without_an_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(HashMap::new());
    let realm = format!("www-authenticate: Bearer realm=\"http://{}/token\"\r\n", fake.address);
    *fake.answers.lock().unwrap() = HashMap::from([
        ("/v2/".to_owned(), Answer::Whole("401 Unauthorized", realm, Vec::new())),
        ("/token?scope=repository%3Ap%2Fdemo%3Apull".to_owned(), Answer::Endless),
    ]);
    pull(&fake.image(), &folder.path().join("image")).refused(1, &["more than the allowed 65536 bytes"]);
}
