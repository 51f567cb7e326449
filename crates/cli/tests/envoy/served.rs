//! A gateway that serves: the program, as people run it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gateway::state;
use tempfile::TempDir;

/// Plug-ins are built while a gateway starts.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A folder of resources that a test writes.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file whole, as an editor does.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let unfinished = self.path().join(format!(".{name}"));
        fs::write(&unfinished, text).unwrap();
        fs::rename(unfinished, self.path().join(name)).unwrap();
    }

    /// Writes a plug-in that stamps.
    pub(crate) fn stamp(&self, name: &str, phase: &str, priority: i32, stamp: &str) {
        self.put(
            &format!("{name}.yaml"),
            &format!(
                "{}spec:\n  url: workspace:stamp\n  phase: {phase}\n  priority: {priority}\n  defaultConfig: {{ stamp: {stamp} }}\n",
                head(name)
            ),
        );
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }
}

/// A resource up to its `spec`, which begins on line 4.
pub(crate) fn head(name: &str) -> String {
    format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {name}, namespace: higress-system }}\n"
    )
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The command, with its output going to a file.
fn command(folder: &Path, args: &[&str], output: &Path) -> Command {
    let mut command = program(&["serve"]);
    command.arg(folder).args(args);
    let output = File::create(output).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    command
}

/// Serves a folder that is rejected: the exit code and the output.
pub(crate) fn refused(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    refused_with(folder, args, &[])
}

/// The same with environment variables.
pub(crate) fn refused_with(
    folder: &Path,
    args: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String) {
    let place = tempfile::tempdir().unwrap();
    let output = place.path().join("output");
    let status = command(folder, args, &output).envs(variables.iter().copied()).status().unwrap();
    (status.code(), fs::read_to_string(output).unwrap())
}

/// The program in this workspace.
pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(root()).args(args).env("CARGO_TARGET_DIR", gateway::target_dir().unwrap());
    command.stdin(Stdio::null());
    command
}

/// The program on a machine without Rust: in a folder outside of a workspace, with `home` for its cache and nothing but an
/// Envoy on PATH.
pub(crate) fn elsewhere(folder: &Path, args: &[&str], home: &Path) -> Command {
    let bin = home.join("bin");
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        let envoy = gateway::Envoy::find(&gateway::target_dir().unwrap()).unwrap();
        symlink(envoy.path().canonicalize().unwrap(), bin.join("envoy")).unwrap();
        // What Envoy is started and cleaned up with.
        for tool in ["sh", "rm", "sleep"] {
            symlink(Path::new("/bin").join(tool), bin.join(tool)).unwrap();
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    command.env_clear().env("HOME", home).env("PATH", bin);
    command
}

/// Runs the program to its end: the exit code, and what it printed on stdout and stderr.
pub(crate) fn run(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = program(args).envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

/// Runs `request` or `explain`; the folder is the last argument.
pub(crate) fn asked(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    run(&[args, &[folder.to_str().unwrap()]].concat(), &[])
}

/// A gateway that serves; it ends with this.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) folder: PathBuf,
    child: Child,
    place: TempDir,
    /// How much of the output has been looked at.
    seen: usize,
}

impl Served {
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Self {
        Self::start_with(folder, args, &[])
    }

    /// From within the folder, under this name of it; an empty name is left out. This is outside of a workspace.
    pub(crate) fn start_in(folder: &Path, name: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut command = elsewhere(folder, &["serve", "--port", "0"], place.path());
        command.args(Some(name).filter(|name| !name.is_empty()));
        let output = File::create(place.path().join("output")).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        Self::serving(folder, command, place)
    }

    /// The same with environment variables.
    pub(crate) fn start_with(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut all = vec!["--port", "0"];
        all.extend(args);
        let mut command = command(folder, &all, &place.path().join("output"));
        command.envs(variables.iter().copied());
        Self::serving(folder, command, place)
    }

    fn serving(folder: &Path, mut command: Command, place: TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        let output = || fs::read_to_string(place.path().join("output")).unwrap();
        while !output().contains("Ctrl-C stops the gateway") {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "serve exited ({ended:?}):\n{}", output());
            assert!(Instant::now() < deadline, "serve does not serve:\n{}", output());
            std::thread::sleep(Duration::from_millis(20));
        }
        let address = state::read(folder).unwrap().address;
        Self { address, folder: folder.into(), child, place, seen: 0 }
    }

    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.place.path().join("output")).unwrap()
    }

    /// Waits until one of these is printed, and returns which; everything before it is skipped.
    pub(crate) fn wait_for_any(&mut self, texts: &[&str]) -> usize {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let output = self.output();
            let new = &output[self.seen..];
            let found = texts.iter().enumerate().filter_map(|(index, text)| Some((new.find(text)?, index)));
            if let Some((place, index)) = found.min() {
                self.seen += place + texts[index].len();
                return index;
            }
            assert!(Instant::now() < deadline, "{texts:?} was not printed:\n{output}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_for_any(&[text]);
    }

    /// The id of its Envoy.
    pub(crate) fn envoy(&self) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = fs::read_to_string(children).unwrap();
        let is_envoy = |id: &&str| {
            fs::read_to_string(format!("/proc/{id}/cmdline")).is_ok_and(|line| line.contains("--config-path"))
        };
        children.split_whitespace().find(is_envoy).expect("an Envoy").to_owned()
    }

    /// Sends it a signal, as Ctrl-C does.
    pub(crate) fn signal(&self, name: &str) {
        signal(name, &self.child.id().to_string());
    }

    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn get(&self, host: &str, path: &str) -> Answer {
        get(self.address, host, path, &[])
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already in some tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The values of a header.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The values of a header that the echo saw.
    pub(crate) fn seen(&self, name: &str) -> Vec<String> {
        let said: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        match &said["headers"][name] {
            serde_json::Value::Null => Vec::new(),
            serde_json::Value::String(value) => vec![value.clone()],
            values => serde_json::from_value(values.clone()).unwrap(),
        }
    }
}

/// One request on a connection of its own.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.into(), body: body.into() }
}

/// Sends a process a signal, with what the shell has built in: not every machine has the program `kill`.
pub(crate) fn signal(name: &str, id: &str) {
    let mut shell = Command::new("sh");
    assert!(shell.args(["-c", r#"kill -s "$0" "$1""#, name, id]).status().unwrap().success());
}
