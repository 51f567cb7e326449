//! Signing in, and requests that come from elsewhere.

use std::process::Command;

use console::users::{User, Users};
use console::{IpNet, Options, Server, TlsFiles};
use hyper::Method;
use serde_json::json;

use crate::support::{Console, PASSWORD, options, root, users};

#[tokio::test]
async fn the_token_works_once_and_the_session_ends_with_sign_out() {
    let console = Console::start().await;
    let stranger = console.client();
    assert_eq!(stranger.get("/session").await.refused(), (401, "signed_out".into()));
    assert_eq!(stranger.get("/session").await.json()["params"]["how"], "token");
    let client = console.sign_in().await;
    let again = stranger.post("/session", json!({ "token": console.token() })).await;
    assert_eq!(again.refused(), (401, "wrong_credentials".into()));
    let session = client.get("/session").await.good();
    assert_eq!((&session["user"], &session["roles"]["*"]), (&json!("tester"), &json!("admin")));
    let cookie = client.send(Method::DELETE, "/session", &[], "".into()).await;
    assert_eq!(cookie.status, 204);
    assert!(cookie.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(client.get("/gateways").await.refused().1, "signed_out");
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let console = Console::start().await;
    let answer = console.client().post("/session", json!({ "token": console.token() })).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
}

#[tokio::test]
async fn dns_rebinding_other_origins_and_forged_requests_are_refused() {
    let console = Console::start().await;
    let client = console.sign_in().await;
    let own = format!("http://{}", console.address);
    let change = |headers: Vec<(&'static str, String)>| {
        let client = client.clone();
        async move {
            let mut all: Vec<(&str, &str)> = vec![("content-type", "application/json")];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            client.send(Method::POST, "/gateways/shop/curl", &all, r#"{"text":"curl /"}"#.into()).await
        }
    };
    change(vec![]).await.good();
    change(vec![("origin", own)]).await.good();
    for (headers, code) in [
        (vec![("host", "evil.example.com".to_owned())], "wrong_host"),
        (vec![("host", "192.0.2.1".to_owned())], "wrong_host"),
        (
            vec![
                ("x-forwarded-host", "evil.example.com".to_owned()),
                ("host", "evil.example.com".to_owned()),
            ],
            "wrong_host",
        ),
        (vec![("origin", "http://evil.example.com".to_owned())], "wrong_origin"),
        (vec![("origin", "null".to_owned())], "wrong_origin"),
        (vec![("sec-fetch-site", "cross-site".to_owned())], "wrong_origin"),
        (vec![("x-csrf-token", "wrong".to_owned())], "csrf"),
        (vec![("x-csrf-token", String::new())], "csrf"),
    ] {
        assert_eq!(change(headers.clone()).await.refused(), (403, code.to_owned()), "{headers:?}");
    }
    // Reading is refused by these, too.
    for headers in [[("host", "evil.example.com")], [("origin", "http://evil.example.com")]] {
        assert_eq!(client.send(Method::GET, "/gateways", &headers, "".into()).await.status, 403);
    }
    // The page itself is not for other names.
    assert_eq!(
        client.raw(Method::GET, "/", &[("host", "evil.example.com")], "".into()).await.refused().1,
        "wrong_host"
    );
    // A form of another site cannot send JSON.
    let form = [("content-type", "text/plain")];
    let form = client.send(Method::POST, "/gateways/shop/curl", &form, r#"{"text":"curl /"}"#.into()).await;
    assert_eq!(form.refused().1, "request_invalid");
}

#[tokio::test]
async fn every_response_has_the_security_headers_and_the_page_a_fresh_nonce() {
    let root = root();
    let web = tempfile::tempdir().unwrap();
    std::fs::create_dir(web.path().join("assets")).unwrap();
    std::fs::write(web.path().join("index.html"), "<meta name=\"csp-nonce\" content=\"__CSP_NONCE__\">")
        .unwrap();
    std::fs::write(web.path().join("assets/a.js"), "plain").unwrap();
    std::fs::write(web.path().join("assets/a.js.gz"), "compressed").unwrap();
    let options = Options { web: Some(web.path().into()), ..options(root.path()) };
    let console = Console::with(root, options).await;
    let client = console.client();
    let mut nonces = Vec::new();
    for path in [
        "/",
        "/gateways/shop",
        "/gateways/v1.2/plugins/a.b",
        "/index.html",
        "/api/v1/session",
        "/api/nothing",
        "/assets/a.js",
        "/assets/none.js",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ] {
        let answer = client.raw(Method::GET, path, &[], "".into()).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(!text.contains("root:"), "{path}");
        if let Some(nonce) = text.split("content=\"").nth(1).and_then(|rest| rest.split('"').next()) {
            assert!(policy.contains(&format!("'nonce-{nonce}'")) && nonce.len() == 32, "{policy}");
            nonces.push(nonce.to_owned());
        }
    }
    assert!(nonces.len() >= 4);
    nonces.sort();
    nonces.dedup();
    assert!(nonces.len() >= 4, "each response has its own");
    let compressed = client.raw(Method::GET, "/assets/a.js", &[("accept-encoding", "gzip")], "".into()).await;
    assert_eq!(
        (&compressed.bytes[..], compressed.headers["content-encoding"].as_bytes()),
        (&b"compressed"[..], &b"gzip"[..])
    );
    assert!(compressed.headers["cache-control"].to_str().unwrap().contains("immutable"));
    let modified = compressed.headers["last-modified"].to_str().unwrap();
    let again = client.raw(Method::GET, "/assets/a.js", &[("if-modified-since", modified)], "".into()).await;
    assert_eq!(again.status, 304, "a browser that has the file keeps it");
    assert_eq!(
        client.raw(Method::GET, "/assets/none.js", &[], "".into()).await.refused(),
        (404, "not_found".into())
    );
    assert_eq!(client.raw(Method::POST, "/", &[], "".into()).await.refused().1, "method_not_allowed");
}

#[tokio::test]
async fn passwords_are_limited_and_a_change_ends_all_sessions() {
    let console = Console::with_users().await;
    let admin = console.sign_in_as("admin").await;
    let viewer = console.sign_in_as("viewer").await;
    let other = console.sign_in_as("admin").await;
    let change = |current: &str, password: &str| {
        let body = json!({ "current": current, "password": password });
        let admin = admin.clone();
        async move { admin.json(Method::PUT, "/session/password", None, body).await }
    };
    assert_eq!(change("wrong horse", "another horse").await.refused(), (401, "wrong_credentials".into()));
    assert_eq!(change(PASSWORD, "short").await.refused(), (422, "password_weak".into()));
    assert_eq!(change(PASSWORD, "another horse").await.status, 204);
    for client in [&admin, &other] {
        assert_eq!(client.get("/session").await.refused().1, "signed_out");
    }
    viewer.get("/session").await.good();
    let sign_in = |password: &'static str| {
        let client = console.client();
        async move { client.post("/session", json!({ "user": "admin", "password": password })).await }
    };
    assert_eq!(sign_in(PASSWORD).await.refused(), (401, "wrong_credentials".into()));
    sign_in("another horse").await.good();
    let mut codes = Vec::new();
    for _ in 0..7 {
        codes.push(sign_in("wrong horse").await.refused());
    }
    assert_eq!(codes[0], (401, "wrong_credentials".into()));
    assert_eq!(codes[6], (429, "too_many_attempts".into()));
    assert_eq!(sign_in("another horse").await.refused().0, 429, "the right one has to wait, too");
    // A token does not help either.
    assert_eq!(viewer.post("/session", json!({ "token": "x" })).await.refused().0, 429);
}

#[tokio::test]
async fn a_user_who_is_removed_is_signed_out() {
    let console = Console::with_users().await;
    let viewer = console.sign_in_as("viewer").await;
    let file = console.root.path().join(".users.json");
    let mut users = Users::read(&file).unwrap();
    users.remove("viewer");
    users.write(&file).unwrap();
    assert_eq!(viewer.get("/session").await.refused().1, "signed_out");
}

#[tokio::test]
async fn roles_are_by_gateway() {
    let console = Console::with_users().await;
    let admin = console.sign_in_as("admin").await;
    let gateways = admin.get("/gateways").await.good();
    assert_eq!((gateways.as_array().unwrap().len(), &gateways[0]["name"]), (1, &json!("shop")));
    for path in ["/gateways/blog", "/gateways/blog/plugins", "/gateways/none", "/gateways/..%2Fblog"] {
        assert_eq!(admin.get(path).await.refused(), (404, "gateway_unknown".into()), "{path}");
    }
    // The role in one gateway is not one in another.
    let copy = admin.post("/gateways/shop/plugins/mine/copy", json!({ "gateway": "blog" })).await;
    assert_eq!(copy.refused(), (404, "gateway_unknown".into()));
    let file = console.root.path().join(".users.json");
    let mut all = Users::read(&file).unwrap();
    let user = all.get("admin").unwrap().clone();
    let roles =
        [("shop".to_owned(), console::users::Role::Admin), ("*".to_owned(), console::users::Role::Viewer)];
    all.set(User { roles: roles.into(), ..user });
    all.write(&file).unwrap();
    let copy = admin.post("/gateways/shop/plugins/mine/copy", json!({ "gateway": "blog" })).await;
    assert_eq!(copy.refused(), (403, "forbidden".into()));
}

#[tokio::test]
async fn others_need_users_and_encryption() {
    let root = root();
    let file = root.path().join(".users.json");
    users(&file);
    let open = ([0, 0, 0, 0], 0).into();
    let proxy: IpNet = "192.0.2.0/24".parse().unwrap();
    for (options, words) in [
        (Options { listen: open, ..options(root.path()) }, "needs users"),
        (Options { proxy: Some(proxy), ..options(root.path()) }, "needs users"),
        (Options { listen: open, users: Some(file.clone()), ..options(root.path()) }, "unencrypted"),
        (
            Options { users: Some(root.path().join("none.json")), ..options(root.path()) },
            "cannot read the users file",
        ),
    ] {
        let error = Server::bind(options).await.map(drop).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // Whoever is not the proxy gets nothing.
    let options = Options { proxy: Some(proxy), users: Some(file), ..options(root.path()) };
    let console = Console::with(root, options).await;
    assert_eq!(console.client().get("/session").await.refused(), (403, "forbidden".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_everything_is_encrypted() {
    let root = root();
    let folder = tempfile::tempdir().unwrap();
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -keyout k \
                   -out c -addext subjectAltName=IP:127.0.0.1";
    let made = Command::new("openssl").current_dir(folder.path()).args(request.split(' ')).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (certificate, key) = (folder.path().join("c"), folder.path().join("k"));
    let file = root.path().join(".users.json");
    users(&file);
    let settings = |key: &std::path::Path| Options {
        users: Some(file.clone()),
        tls: Some(TlsFiles { certificate: certificate.clone(), key: key.to_owned() }),
        ..options(root.path())
    };
    let wrong = Server::bind(settings(&certificate)).await.map(drop).unwrap_err().to_string();
    assert!(wrong.contains("reading"), "{wrong}");
    let settings = settings(&key);
    let console = Console::with(root, settings).await;
    assert!(console.url.starts_with("https://"), "{}", console.url);
    let curl = |args: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--cacert"]).arg(&certificate).args(args);
        let output = curl.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let url = format!("https://{}/api/v1/session", console.address);
    let body = json!({ "user": "viewer", "password": PASSWORD }).to_string();
    let (good, answer) = curl(&["--json", &body, &url]);
    assert!(good && answer.starts_with("HTTP/2 200"), "{answer}");
    let answer = answer.to_lowercase();
    assert!(answer.contains("set-cookie: __host-portcullis-") && answer.contains("; secure"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    let own = format!("origin: https://{}", console.address);
    let unencrypted = format!("origin: http://{}", console.address);
    assert!(curl(&["--header", &own, "--json", &body, &url]).1.starts_with("HTTP/2 200"));
    let (_, answer) = curl(&["--header", &unencrypted, "--json", &body, &url]);
    assert!(answer.starts_with("HTTP/2 403"), "{answer}");
    let (good, _) = curl(&[&url.replace("https", "http")]);
    assert!(!good, "there is nothing unencrypted");
}

#[tokio::test]
async fn behind_its_proxy_the_console_has_the_proxys_name_and_the_clients_address() {
    let root = root();
    let file = root.path().join(".users.json");
    users(&file);
    let options = Options {
        users: Some(file),
        proxy: Some("127.0.0.1/32".parse().unwrap()),
        hosts: vec!["console.example.com".into()],
        ..options(root.path())
    };
    let console = Console::with(root, options).await;
    let client = console.client();
    let sign_in = |from: &'static str, password: &'static str| {
        let client = client.clone();
        async move {
            let headers = [
                ("content-type", "application/json"),
                ("x-forwarded-host", "console.example.com"),
                ("x-forwarded-for", from),
                ("origin", "https://console.example.com"),
            ];
            let body = json!({ "user": "viewer", "password": password }).to_string();
            client.send(Method::POST, "/session", &headers, body.into()).await
        }
    };
    let answer = sign_in("203.0.113.7", PASSWORD).await;
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("; Secure"));
    answer.good();
    for _ in 0..5 {
        assert_eq!(sign_in("203.0.113.8", "wrong horse").await.refused().0, 401);
    }
    // What the client itself writes is not believed.
    assert_eq!(sign_in("203.0.113.9, 203.0.113.8", PASSWORD).await.refused().0, 429);
    let headers = [("x-forwarded-host", "evil.example.com")];
    assert_eq!(client.send(Method::GET, "/session", &headers, "".into()).await.refused().1, "wrong_host");
}
