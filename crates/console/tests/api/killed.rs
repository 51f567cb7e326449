//! A console that is killed in the middle of changes, and started again.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use console::Server;
use gateway::folder::{self, StageOrder};
use hyper::Method;
use serde_json::json;

use crate::support::{Client, module, options, resource, root};

/// The variable with the folder of a console that runs in a process of its own.
const FOLDER: &str = "PORTCULLIS_TEST_FOLDER";

/// Not a test by itself: the console that the others start and kill.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by other tests"]
async fn process() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let server = Server::bind(options(Path::new(&folder))).await.unwrap();
    println!("\nurl: {}", server.url().unwrap());
    server.run(std::future::pending()).await;
}

/// A console in a process of its own, and how long it took to start.
fn start(folder: &Path) -> (Child, String, Duration) {
    let began = Instant::now();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::process", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("url: ").map(str::to_owned));
    (child, url.unwrap(), began.elapsed())
}

async fn sign_in(url: &str) -> Client {
    let (address, token) = url.trim_start_matches("http://").split_once("/#token=").unwrap();
    let client = Client { address: address.parse().unwrap(), cookie: None, csrf: None };
    let answer = client.post("/session", json!({ "token": token })).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let csrf = answer.good()["csrf"].as_str().unwrap().to_owned();
    Client { cookie: Some(cookie), csrf: Some(csrf), ..client }
}

/// Makes every file of a gateway look as if it had been written long ago.
fn age(folder: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for folder in [folder.to_path_buf(), folder.join("modules")] {
        for entry in fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let file = fs::File::options().append(true).open(entry.path()).unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Envoy"]
async fn a_kill_in_the_middle_of_a_release_leaves_nothing_behind() {
    let root = root();
    let folder = root.path().join("shop");
    fs::write(folder.join("mine.yaml"), resource("mine", true)).unwrap();
    for round in 0..8_u64 {
        let (mut child, url, took) = start(root.path());
        assert!(took < Duration::from_secs(5), "{took:?}");
        let client = sign_in(&url).await;
        let mut next = module();
        // Another module each time: a custom section with the round.
        next.extend([0, 3, 1, b'r', u8::try_from(round).unwrap()]);
        let upload = client.upload("shop", "mine.wasm", next).await.good();
        let tag = client.etag("shop", "mine").await;
        let release = tokio::spawn(async move {
            let body =
                json!({ "module": { "upload": upload["id"] }, "description": format!("round {round}") });
            let path = "/api/v1/gateways/shop/plugins/mine/versions";
            let stream = tokio::net::TcpStream::connect(client.address).await.unwrap();
            let io = hyper_util::rt::TokioIo::new(stream);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let request = hyper::Request::builder()
                .method(Method::POST)
                .uri(path)
                .header("host", client.address.to_string())
                .header("cookie", client.cookie.unwrap())
                .header("x-csrf-token", client.csrf.unwrap())
                .header("content-type", "application/json")
                .header("if-match", tag)
                .body(http_body_util::Full::new(bytes::Bytes::from(body.to_string())))
                .unwrap();
            // The connection may break.
            let _ = sender.send_request(request).await;
        });
        tokio::time::sleep(Duration::from_millis(round * 70)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let _ = release.await;
        // The file is as before or as after, and names a module that is there.
        let content = folder::read(&folder, StageOrder::Mse);
        assert!(content.faults.is_empty(), "{:?}", content.faults);
        let url = content.plugins[0].resource.spec.url.clone();
        assert!(folder.join(url.trim_start_matches("file://")).is_file(), "{url}");
    }
    age(&folder);
    let (mut child, url, _) = start(root.path());
    sign_in(&url).await.get("/gateways/shop/plugins").await.good();
    child.kill().unwrap();
    child.wait().unwrap();
    let text = fs::read_to_string(folder.join("mine.yaml")).unwrap();
    for folder in [folder.clone(), folder.join("modules")] {
        for entry in fs::read_dir(&folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.starts_with(".portcullis-"), "{name}");
            assert!(!name.contains('@') || text.contains(&name), "{name} is named by nothing");
        }
    }
    let uploads: Vec<_> = fs::read_dir(folder.join(".portcullis/uploads")).unwrap().flatten().collect();
    assert!(uploads.len() <= 1, "those of earlier processes are removed: {uploads:?}");
}
