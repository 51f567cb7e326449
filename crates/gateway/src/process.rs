//! A running Envoy, which is always stopped in the end.
//!
//! It must not outlive the program that started it, not even when that program is killed. Linux's
//! `PR_SET_PDEATHSIG` would need `unsafe` here, so a shell starts Envoy instead: it starts a watcher
//! that reads from a pipe whose other end this program holds, and then becomes Envoy itself (`exec`), so that
//! the child's id is Envoy's. When this program ends in any way, the system closes the pipe, and the watcher
//! kills Envoy and removes what it has read and written. A line in the pipe sends the watcher away first, so that it
//! never kills a process to which the id has been given since.

mod start;

pub(crate) use start::launch;
pub use start::{StartError, validate};

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use serde::Deserialize;
use tempfile::TempDir;

use crate::admin;
use crate::log::{AccessLine, Followed, LogFile, LogLine, Mark};
use crate::{Bootstrap, Envoy, LogLevel};

/// A running Envoy, which is stopped when this is dropped.
pub struct Process {
    supervised: Supervised,
    /// The folder with its configuration and logs.
    files: Files,
    admin: SocketAddr,
    listener: SocketAddr,
    /// The positions in the two logs.
    followed_log: Followed,
    followed_access: Followed,
}

impl Process {
    /// Starts an Envoy and waits until it serves.
    ///
    /// # Errors
    ///
    /// The plug-in rejected its configuration, or Envoy did not start in time.
    pub fn start(envoy: &Envoy, bootstrap: &Bootstrap, log_level: LogLevel) -> Result<Self, StartError> {
        let files = Files::new()?;
        files.write_config(&bootstrap.to_json(&files.access().0))?;
        launch(envoy, files, bootstrap.workers, log_level, &[], |_| false)
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.supervised.child.id()
    }

    /// The address of its admin interface.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The exit status, if it has ended.
    ///
    /// # Errors
    ///
    /// The system does not provide it.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.supervised.child.try_wait()
    }

    /// The address for requests, HTTP/1.1 and HTTP/2 without TLS.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener
    }

    /// The position after the last line of its log.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn log_mark(&self) -> io::Result<Mark> {
        self.files.log().mark()
    }

    /// The lines of its log after a mark.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn log_since(&self, mark: Mark) -> io::Result<Vec<LogLine>> {
        self.files.log_since(mark)
    }

    /// The position after the last line of its access log.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn access_mark(&self) -> io::Result<Mark> {
        self.files.access().mark()
    }

    /// The lines of the access log after a mark, and the mark after them. A line appears some milliseconds after the end of
    /// its request.
    ///
    /// # Errors
    ///
    /// The log or a line of it cannot be read.
    pub fn access_since(&self, mark: Mark) -> io::Result<(Vec<AccessLine>, Mark)> {
        let (lines, after) = self.files.access().since(mark)?;
        let lines = lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
        Ok((lines, after))
    }

    /// The lines of its log since the last call. They may be discarded afterwards: lines before the last 64 KiB are no longer
    /// available from [`log_since`](Self::log_since).
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn new_log(&mut self) -> io::Result<Vec<LogLine>> {
        let lines = self.followed_log.new_lines(&self.files.log())?;
        Ok(lines.iter().filter_map(|line| LogLine::parse(line)).collect())
    }

    /// The lines of its access log since the last call, which may be discarded in the same way.
    ///
    /// # Errors
    ///
    /// As [`access_since`](Self::access_since).
    pub fn new_access(&mut self) -> io::Result<Vec<AccessLine>> {
        let lines = self.followed_access.new_lines(&self.files.access())?;
        Ok(lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?)
    }

    /// The counters and gauges defined by plug-ins, by name.
    ///
    /// # Errors
    ///
    /// Envoy does not respond.
    pub fn plugin_counters(&self) -> io::Result<Vec<(String, u64)>> {
        let stats = self.stats("^wasmcustom\\.")?;
        let own = |(name, value): (String, u64)| Some((name.strip_prefix("wasmcustom.")?.to_owned(), value));
        Ok(stats.into_iter().filter_map(own).collect())
    }

    /// The number of bytes read from clients so far.
    ///
    /// # Errors
    ///
    /// Envoy does not respond.
    pub fn bytes_read(&self) -> io::Result<u64> {
        let stats = self.stats("^http\\.plugin\\.downstream_cx_rx_bytes_total$")?;
        Ok(stats.into_iter().map(|(_, value)| value).sum())
    }

    /// The number of bytes read and written so far, without those of the admin interface. While the number does not change,
    /// nothing happens.
    ///
    /// # Errors
    ///
    /// The admin interface does not respond.
    pub fn traffic(&self) -> io::Result<u64> {
        let stats = self.stats("^(http\\.plugin\\.down|cluster\\..*\\.up)stream_cx_[rt]x_bytes_total$")?;
        Ok(stats.into_iter().map(|(_, value)| value).sum())
    }

    /// The number of bytes read from the cluster's hosts so far.
    ///
    /// # Errors
    ///
    /// Envoy does not respond.
    pub fn bytes_read_from(&self, cluster: &str) -> io::Result<u64> {
        let name = format!("cluster.{}.upstream_cx_rx_bytes_total", cluster.replace(':', "_"));
        let stats = self.stats("upstream_cx_rx_bytes_total$")?;
        Ok(stats.into_iter().filter(|(stat, _)| *stat == name).map(|(_, value)| value).sum())
    }

    /// Its memory in bytes: the memory allocated by Envoy, and that of the whole process, which includes the memories of
    /// VMs.
    ///
    /// # Errors
    ///
    /// Envoy or the system does not respond.
    pub fn memory(&self) -> io::Result<Memory> {
        #[derive(Deserialize)]
        struct Answer {
            allocated: String,
        }
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no {what} of Envoy"));
        let Answer { allocated } = serde_json::from_slice(&admin::get(self.admin, "/memory")?)?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.supervised.child.id()))?;
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let kib: u64 = resident.and_then(|kib| kib.parse().ok()).ok_or_else(|| invalid("VmRSS"))?;
        Ok(Memory {
            allocated: allocated.parse().map_err(|_| invalid("allocated memory"))?,
            resident: kib * 1024,
        })
    }

    /// Envoy's counters and gauges whose names match a regular expression.
    ///
    /// # Errors
    ///
    /// Envoy does not respond.
    pub fn stats(&self, filter: &str) -> io::Result<Vec<(String, u64)>> {
        admin::stats(self.admin, filter)
    }
}

/// The memory of an Envoy, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// The bytes that it has allocated and not freed.
    pub allocated: u64,
    /// The bytes that the system counts for the process.
    pub resident: u64,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.supervised.child.id())
            .field("listener", &self.listener)
            .finish()
    }
}

/// The files of one Envoy, removed with it.
#[derive(Debug)]
pub(crate) struct Files(TempDir);

impl Files {
    fn config(&self) -> PathBuf {
        self.0.path().join("envoy.json")
    }

    /// The file to which Envoy writes the address of its admin interface.
    fn admin_address(&self) -> PathBuf {
        self.0.path().join("admin-address")
    }

    fn log(&self) -> LogFile {
        LogFile(self.0.path().join("envoy.log"))
    }

    pub(crate) fn access(&self) -> LogFile {
        LogFile(self.0.path().join("access.log"))
    }

    /// A file that Envoy watches.
    pub(crate) fn watched(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn log_since(&self, mark: Mark) -> io::Result<Vec<LogLine>> {
        Ok(self.log().since(mark)?.0.iter().filter_map(|line| LogLine::parse(line)).collect())
    }
}

/// A child that ends with this program.
struct Supervised {
    child: Child,
    /// The pipe that the watcher reads.
    watcher: Option<ChildStdin>,
}

/// `$$` is the shell's id, in the watcher too, and Envoy's after `exec`. The first argument is the folder to remove with
/// it; the second attempt removes files that Envoy created while it ended.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
folder=$1
shift
{
  read -r line <&3 || {
    kill -KILL $$
    rm -rf -- "$folder" || { sleep 1; rm -rf -- "$folder"; }
  }
} >/dev/null 2>&1 &
exec "$@" 3<&-
"#;

impl Supervised {
    /// Starts a command without input, with these two outputs. If this program is killed, the folder is removed too.
    fn spawn(program: &Command, folder: &Path, stdout: Stdio, stderr: Stdio) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SUPERVISOR, "sh"]).arg(folder);
        shell.arg(program.get_program()).args(program.get_args());
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // Ctrl-C is for the program that started it, which decides when this one ends.
        shell.process_group(0);
        let mut child = shell.stdin(Stdio::piped()).stdout(stdout).stderr(stderr).spawn()?;
        let watcher = child.stdin.take();
        Ok(Self { child, watcher })
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Errors are ignored here, so that each of the three steps is tried. The order matters: the id stays Envoy's until
        // it is waited for, so the watcher must have its line by then.
        let _ = self.child.kill();
        if let Some(mut watcher) = self.watcher.take() {
            let _ = watcher.write_all(b"\n");
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_child_ends_when_it_is_dropped_and_when_its_pipe_closes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), "x").unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("1000");
        let mut supervised = Supervised::spawn(&sleep, folder.path(), Stdio::piped(), Stdio::null()).unwrap();
        let mut stdout = supervised.child.stdout.take().unwrap();
        drop(supervised);
        assert_eq!(stdout.read(&mut [0]).unwrap(), 0, "ended when dropped");
        assert!(folder.path().is_dir(), "the owner removes the folder");

        let mut supervised = Supervised::spawn(&sleep, folder.path(), Stdio::piped(), Stdio::null()).unwrap();
        // The system does this when this program is killed.
        drop(supervised.watcher.take());
        assert!(!supervised.child.wait().unwrap().success(), "killed by the watcher");
        let deadline = Instant::now() + Duration::from_secs(60);
        while folder.path().exists() {
            assert!(Instant::now() < deadline, "the folder is still there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_child_that_ends_by_itself_is_left_alone() {
        let mut program = Command::new("sh");
        program.args(["-c", "exit 7"]);
        let mut supervised =
            Supervised::spawn(&program, Path::new(""), Stdio::null(), Stdio::null()).unwrap();
        assert_eq!(supervised.child.wait().unwrap().code(), Some(7));
    }
}
