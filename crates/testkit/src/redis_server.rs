//! A real Redis for tests.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::debian;

/// How long a server may take to start.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A Redis server on a port of its own, which is stopped when this is dropped.
pub struct RedisServer {
    folder: TempDir,
    address: SocketAddr,
    durable: bool,
    child: Child,
}

impl RedisServer {
    /// Starts a server. One that is durable writes each change to disk before it responds.
    ///
    /// # Errors
    ///
    /// It is not installed, or does not start.
    pub fn start(durable: bool) -> Result<Self> {
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let child = spawn(&folder, address, durable)?;
        Ok(RedisServer { folder, address, durable, child })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Kills the server without notice.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts a server that was killed. A durable one has its data again.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.folder, self.address, self.durable)?;
        Ok(())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns true if a server answers. While it reads its data, it accepts connections and responds with errors.
fn answers(address: SocketAddr) -> bool {
    let ping = || {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.write_all(b"PING\r\n")?;
        let mut response = [0; 7];
        connection.read_exact(&mut response)?;
        Ok::<_, io::Error>(response == *b"+PONG\r\n")
    };
    ping().unwrap_or_default()
}

/// Starts a server and waits until it answers.
fn spawn(folder: &TempDir, address: SocketAddr, durable: bool) -> Result<Child> {
    let mut command = debian::program("redis-server")?;
    command.current_dir(folder).args(["--bind", "127.0.0.1", "--save", "", "--logfile", "log"]);
    command.args(["--port", &address.port().to_string()]);
    command.args(["--appendonly", if durable { "yes" } else { "no" }, "--appendfsync", "always"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("redis-server cannot be started")?;
    let start = Instant::now();
    while !answers(address) {
        if child.try_wait()?.is_some() || start.elapsed() > TIMEOUT {
            let _ = child.kill();
            let _ = child.wait();
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            bail!("redis-server does not start: {log}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(child)
}
