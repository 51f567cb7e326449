//! Debian's `docker-registry` on a port of the system's choice, behind a door that can be shut in the middle of a push.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use testkit::debian;

/// `portcullis` with the password `secret`, as `htpasswd -B` writes it: bcrypt is all that the registry takes.
const PASSWORDS: &str = "portcullis:$2y$05$j59Now2ILCUJugg9iF6o.Obh7PNANugBg78NBfs5AdZ70nWRbUJG2\n";

/// A registry with its storage, which outlives the process.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    door: Arc<Mutex<Door>>,
    /// Where clients find it, whichever process serves: `127.0.0.1:…`.
    pub(crate) address: String,
}

/// What stands between clients and the registry.
struct Door {
    process: Option<(Child, String)>,
    /// How many more bytes of clients come through; then the door falls shut.
    left: Option<usize>,
    /// Whether the registry is killed when the door falls.
    deadly: bool,
}

impl Server {
    pub(crate) fn start(with_passwords: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = format!(
            "version: 0.1\nlog: {{ level: info }}\nstorage: {{ filesystem: {{ rootdirectory: {:?} }} }}\n\
             http: {{ addr: \"127.0.0.1:0\" }}\n",
            folder.path().join("storage")
        );
        if with_passwords {
            let passwords = folder.path().join("htpasswd");
            fs::write(&passwords, PASSWORDS).unwrap();
            config += &format!("auth: {{ htpasswd: {{ realm: tests, path: {passwords:?} }} }}\n");
        }
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let door = Arc::new(Mutex::new(Door { process: None, left: None, deadly: false }));
        let server = Self { folder, door, address };
        server.restart();
        let door = Arc::clone(&server.door);
        thread::spawn(move || {
            for client in listener.incoming() {
                let door = Arc::clone(&door);
                thread::spawn(move || pass(client.unwrap(), &door));
            }
        });
        server
    }

    /// A new process on the same storage, with the door open.
    pub(crate) fn restart(&self) {
        let mut door = self.door.lock().unwrap();
        door.kill();
        *door = Door { process: Some(serve(self.folder.path())), left: None, deadly: false };
    }

    /// Kills the registry when clients have sent so many more bytes.
    pub(crate) fn die_after(&self, bytes: usize) {
        let mut door = self.door.lock().unwrap();
        (door.left, door.deadly) = (Some(bytes), true);
    }

    /// Cuts one connection when clients have sent so many more bytes; the next ones come through.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.door.lock().unwrap().left = Some(bytes);
    }

    /// Whether what was asked for above has happened.
    pub(crate) fn was_cut(&self) -> bool {
        self.door.lock().unwrap().left.is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.door.lock().unwrap().kill();
    }
}

impl Door {
    fn kill(&mut self) {
        if let Some((mut process, _)) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

/// Starts the process, and reads from its log where it listens.
fn serve(folder: &Path) -> (Child, String) {
    let mut command = debian::program("docker-registry").unwrap();
    command.arg("serve").arg(folder.join("config.yml")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let mut seen = String::new();
    let address = loop {
        let start = seen.len();
        assert!(log.read_line(&mut seen).unwrap() > 0, "docker-registry does not start:\n{seen}");
        if let Some((_, rest)) = seen[start..].split_once("listening on ") {
            break rest.split(['"', ' ', ',', '\n']).next().unwrap().to_owned();
        }
    };
    // A full pipe would stop it.
    thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    (process, address)
}

/// Carries a connection's bytes both ways.
fn pass(client: TcpStream, door: &Mutex<Door>) {
    let server = {
        let door = door.lock().unwrap();
        door.process.as_ref().and_then(|(_, address)| TcpStream::connect(address).ok())
    };
    let Some(server) = server else { return };
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (client, server);
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        {
            let mut door = door.lock().unwrap();
            if let Some(left) = door.left {
                door.left = left.checked_sub(read);
                if door.left.is_none() {
                    if door.deadly {
                        door.kill();
                    }
                    break;
                }
            }
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
