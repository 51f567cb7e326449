//! Upstreams over TLS, as `routes.yaml` names them, with a real server and a real Envoy.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may stop")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gateway::{Bootstrap, Envoy, LogLevel, Mark, Process, Routes};

/// How long the server may take to listen, and Envoy to log.
const TIMEOUT: Duration = Duration::from_secs(20);

/// `openssl s_server`, which ends with this.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key and a certificate for `api.example.com` and 127.0.0.1 that only itself vouches for.
fn certificate(folder: &Path, name: &str) {
    let request =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -addext";
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(folder)
        .args(request.split(' '))
        .arg("subjectAltName=DNS:api.example.com,IP:127.0.0.1");
    openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    let output = openssl.output().unwrap_or_else(|error| {
        panic!("openssl cannot be started ({error}): install it, as with `apt-get install openssl`")
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Serves a page with this certificate.
fn serve(folder: &Path, name: &str) -> Server {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).args(["s_server", "-www", "-quiet", "-accept", &address.to_string()]);
    openssl.args(["-key", &format!("{name}.key"), "-cert", &format!("{name}.pem")]);
    openssl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Server { child: openssl.spawn().unwrap(), address };
    let deadline = Instant::now() + TIMEOUT;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "openssl does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

/// Sends a request through an Envoy with this service: the status of the response, and why it failed.
fn ask(folder: &Path, service: &str) -> (u16, String) {
    let text = format!(
        "services:\n- {{ name: api.dns, port: 443, {service} }}\nroutes:\n- {{ ingress: a, service: 'api.dns:443' }}\n"
    );
    let routes = Routes::parse(&folder.join("routes.yaml"), &text).unwrap();
    let (routes, clusters) = routes.for_envoy(SocketAddr::from(([127, 0, 0, 1], 9)));
    let envoy = Envoy::find(&gateway::target_dir().unwrap()).unwrap();
    let bootstrap = Bootstrap::new(Vec::new(), routes, clusters);
    let process = Process::start(&envoy, &bootstrap, LogLevel::Warn).unwrap();
    let mut stream = TcpStream::connect(process.address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let (lines, _) = process.access_since(Mark::default()).unwrap();
        if let Some(line) = lines.into_iter().next() {
            return (line.status, line.details);
        }
        assert!(Instant::now() < deadline, "Envoy logs nothing of {:?}", String::from_utf8_lossy(&response));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_certificate_must_be_of_the_name_and_the_authority_that_the_routes_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificate(folder, "server");
    certificate(folder, "other");
    let server = serve(folder, "server");
    let address = format!("address: 'https://{}'", server.address);
    for (tls, accepted) in [
        // The host of the address, and a name of its own.
        ("ca: server.pem", true),
        ("ca: server.pem, sni: api.example.com", true),
        ("ca: server.pem, sni: other.example.com", false),
        ("ca: other.pem, sni: api.example.com", false),
        // The authorities of this machine do not know the server.
        ("sni: api.example.com", false),
    ] {
        let (status, details) = ask(folder, &format!("{address}, {tls}"));
        if accepted {
            assert_eq!((status, details.as_str()), (200, "via_upstream"), "{tls}");
        } else {
            assert_eq!(status, 503, "{tls}: {details}");
            assert!(details.contains("CERTIFICATE_VERIFY_FAILED"), "{tls}: {details}");
        }
    }
    // What speaks TLS is not spoken to without it.
    let (status, details) = ask(folder, &format!("address: 'http://{}'", server.address));
    assert_eq!(status, 503, "{details}");
}
