//! A console on a free port, and a client that signs in.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use console::users::{Role, Roles, User, Users, hash};
use console::{Common, Options, Server};
use gateway::Cache;
use gateway::folder::StageOrder;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A password that is long enough.
pub const PASSWORD: &str = "correct horse";

/// A console that ends with the test.
pub struct Console {
    pub address: SocketAddr,
    pub url: String,
    /// The folder with the gateways `shop` and `blog`.
    pub root: TempDir,
    stop: Option<oneshot::Sender<()>>,
    done: Option<tokio::task::JoinHandle<()>>,
}

/// Where the tests fetch Envoy to and from.
fn cache() -> Cache {
    match gateway::target_dir() {
        Ok(target) => Cache::Target(target),
        Err(_) => Cache::User(std::env::temp_dir()),
    }
}

/// The settings of a test.
pub fn options(root: &Path) -> Options {
    Options {
        folder: root.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        hosts: Vec::new(),
        users: None,
        tls: None,
        proxy: None,
        web: None,
        gateway_port: 0,
        start: false,
        user: "tester".into(),
        common: Common {
            order: StageOrder::Mse,
            cache: cache(),
            plugins: Err("it is a test".into()),
            workspace: None,
            from_source: false,
            catalogue: None,
        },
    }
}

/// A folder with the gateways `shop` and `blog`, each with one disabled custom plug-in `mine`.
pub fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in ["shop", "blog"] {
        let folder = root.path().join(name);
        fs::create_dir_all(folder.join("modules")).unwrap();
        fs::write(folder.join("modules/mine.wasm"), module()).unwrap();
        fs::write(folder.join("mine.yaml"), resource("mine", false)).unwrap();
    }
    root
}

/// A resource of a custom plug-in.
pub fn resource(name: &str, enabled: bool) -> String {
    let text = format!(
        "# by hand\napiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata:\n  name: {name}\n  namespace: \
         higress-system\n  annotations:\n    higress.io/wasm-plugin-title: Mine\n    \
         higress.io/wasm-plugin-description: Does things\n    portcullis.io/language: Rust\nspec:\n  url: \
         file://modules/{name}.wasm\n  phase: AUTHN\n  priority: 100\n  defaultConfig:\n    # the words\n    words: [a] # \
         two\n"
    );
    match enabled {
        true => text,
        false => gateway::folder::edit::disable(&text, gateway::folder::edit::Place::default()).unwrap(),
    }
}

/// A module that gateways load, which accepts everything and does nothing.
pub fn module() -> Vec<u8> {
    wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (func (export "_initialize"))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
            (func (export "proxy_on_done") (param i32) (result i32) i32.const 1)
            (func (export "proxy_on_log") (param i32))
            (func (export "proxy_on_delete") (param i32)))"#,
    )
    .unwrap()
}

impl Console {
    pub async fn start() -> Self {
        let root = root();
        let options = options(root.path());
        Self::with(root, options).await
    }

    pub async fn with(root: TempDir, options: Options) -> Self {
        let server = Server::bind(options).await.unwrap();
        let (address, url) = (server.address(), server.url().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, url, root, stop: Some(stop), done: Some(done) }
    }

    /// A console with the users `viewer`, `operator` and `admin` of the gateway `shop`.
    pub async fn with_users() -> Self {
        let root = root();
        let file = root.path().join(".users.json");
        users(&file);
        let options = Options { users: Some(file), ..options(root.path()) };
        Self::with(root, options).await
    }

    pub fn folder(&self, gateway: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(gateway)
    }

    /// The token of the link.
    pub fn token(&self) -> &str {
        self.url.split_once("#token=").unwrap().1
    }

    /// A client that signed in with the token.
    pub async fn sign_in(&self) -> Client {
        let mut client = self.client();
        let session = client.post("/session", json!({ "token": self.token() })).await;
        client.take_session(session);
        client
    }

    /// A client that signed in with a password.
    pub async fn sign_in_as(&self, user: &str) -> Client {
        let mut client = self.client();
        let session = client.post("/session", json!({ "user": user, "password": PASSWORD })).await;
        client.take_session(session);
        client
    }

    /// A client that is not signed in.
    pub fn client(&self) -> Client {
        Client { address: self.address, cookie: None, csrf: None }
    }

    /// Stops the console, and waits for its end.
    pub async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        self.done.take().unwrap().await.unwrap();
        std::mem::replace(&mut self.root, tempfile::tempdir().unwrap())
    }
}

/// A users file with the users `viewer`, `operator` and `admin` of the gateway `shop`.
pub fn users(file: &Path) {
    let hash = hash(PASSWORD).unwrap();
    let mut users = Users::default();
    for (name, role) in [("viewer", Role::Viewer), ("operator", Role::Operator), ("admin", Role::Admin)] {
        let roles = Roles::from([("shop".to_owned(), role)]);
        users.set(User { name: name.into(), email: None, hash: hash.clone(), roles });
    }
    users.write(file).unwrap();
}

/// A client of the API.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub cookie: Option<String>,
    pub csrf: Option<String>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    /// The body, which must be of a successful response.
    #[track_caller]
    pub fn good(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, String::from_utf8_lossy(&self.bytes));
        self.json()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The code of a refusal.
    #[track_caller]
    pub fn refused(&self) -> (u16, String) {
        let problem = self.json();
        let code = problem["code"].as_str();
        let code = code.unwrap_or_else(|| panic!("{} {}", self.status, String::from_utf8_lossy(&self.bytes)));
        assert!(
            !problem["message"].as_str().unwrap().is_empty() && problem["params"].is_object(),
            "{problem}"
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        (self.status.as_u16(), code.to_owned())
    }
}

impl Client {
    fn take_session(&mut self, answer: Answer) {
        let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let session = answer.good();
        self.cookie = Some(cookie);
        self.csrf = Some(session["csrf"].as_str().unwrap().to_owned());
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, None, body).await
    }

    pub async fn json(&self, method: Method, path: &str, if_match: Option<&str>, body: Value) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(if_match.map(|tag| ("if-match", tag)));
        self.send(method, path, &headers, Bytes::from(body.to_string())).await
    }

    /// Sends a request with the session; headers come last, so that they replace others.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let path = if path.starts_with("/api/") || !path.starts_with('/') || path == "/" {
            path.to_owned()
        } else {
            format!("/api/v1{path}")
        };
        self.raw(method, &path, headers, body).await
    }

    pub async fn raw(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).body(Full::new(body)).unwrap();
        let all = request.headers_mut();
        all.insert("host", self.address.to_string().parse().unwrap());
        if let Some(cookie) = &self.cookie {
            all.insert("cookie", cookie.parse().unwrap());
        }
        if let Some(csrf) = &self.csrf {
            all.insert("x-csrf-token", csrf.parse().unwrap());
        }
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            all.insert(name, value.parse().unwrap());
        }
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    /// Uploads a module.
    pub async fn upload(&self, gateway: &str, name: &str, bytes: Vec<u8>) -> Answer {
        let path = format!("/gateways/{gateway}/uploads?name={name}");
        self.send(Method::POST, &path, &[("content-type", "application/wasm")], bytes.into()).await
    }

    /// The card of a plug-in.
    pub async fn card(&self, gateway: &str, plugin: &str) -> Value {
        self.get(&format!("/gateways/{gateway}/plugins/{plugin}")).await.good()["card"].clone()
    }

    /// The etag of a plug-in.
    pub async fn etag(&self, gateway: &str, plugin: &str) -> String {
        self.card(gateway, plugin).await["etag"].as_str().unwrap().to_owned()
    }
}
