//! A reader of one document: what they have made, and what runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use testkit::debian;

use super::commands::Command;
use super::printed::missing;
use super::server::Server;
use super::{root, schema};

/// Plug-ins are built while a gateway starts.
const TIMEOUT: Duration = Duration::from_secs(900);

/// The registry of the documents.
const REGISTRY: &str = "registry.example.com";

/// The plug-in that the documents start, and the folder that git ignores.
pub(crate) const NEW: &str = "plugins/my-plugin";
const SANDBOX: &str = "sandbox";

pub(crate) struct Session {
    /// The plug-in that the document is about.
    plugin: String,
    folder: tempfile::TempDir,
    registry: Option<Server>,
    serving: Option<Serving>,
    /// The last whole configuration.
    configuration: Option<String>,
    /// The last whole Rust file.
    code: Option<String>,
    /// Cargo's lock file before a plug-in was started.
    lock: Option<Vec<u8>>,
}

/// A gateway that was started.
struct Serving {
    process: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // SIGTERM, so that its Envoy ends too.
        let id = self.process.id().to_string();
        let _ = Process::new("sh").args(["-c", &format!("kill {id}")]).status();
        let _ = self.process.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving = None;
        self.put_back();
        let _ = fs::remove_dir_all(root().join(SANDBOX));
    }
}

impl Session {
    pub(crate) fn new(plugin: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A stand-in: what is applied is checked below.
        let kubectl = folder.path().join("kubectl");
        fs::write(&kubectl, "#!/bin/sh\nexec cat >\"$APPLIED\"\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&kubectl, mode).unwrap();
        assert!(!root().join(SANDBOX).exists(), "{SANDBOX}/ is there: move it away, the documents make it");
        Self {
            plugin: plugin.to_owned(),
            folder,
            registry: None,
            serving: None,
            configuration: None,
            code: None,
            lock: None,
        }
    }

    /// Runs a command, and compares what it prints.
    pub(crate) fn run(&mut self, command: &Command) -> Result<(), String> {
        let text = &command.text;
        if let Some(folder) = text.strip_prefix("cargo xtask serve ") {
            return self.serve(Path::new(folder));
        }
        if text.starts_with("curl ") {
            if !debian::on_path("curl") {
                return Err("there is no curl: install it, as in `sudo apt-get install curl`".into());
            }
            if self.serving.is_none() {
                self.serve_configuration()?;
            }
        }
        if ["cargo xtask package ", "cargo xtask push "].iter().any(|start| text.starts_with(start)) {
            // What is shipped is of a commit: a reader has committed what they made, or is elsewhere.
            self.put_back();
        }
        if text.starts_with("cargo xtask new ") {
            if root().join(NEW).exists() {
                return Err(format!("{NEW} is there: move it away"));
            }
            self.lock = Some(fs::read(root().join("Cargo.lock")).unwrap());
        }
        let limited = command.printed.iter().any(|line| line.contains(" 429 "));
        let text = match text.strip_prefix("curl -i ").filter(|_| limited) {
            // A limit is met by the request after the last one that is let through, in the same second.
            Some(rest) => {
                format!("curl --silent --output /dev/null {rest}'?[1-200]' --next --silent -i {rest}")
            }
            None => text.clone(),
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (code, said) = self.shell(&text);
            match self.wrong(command, code, &said) {
                Some(_) if limited && Instant::now() < deadline => {}
                Some(why) => return Err(why),
                None => return self.applied(),
            }
        }
    }

    /// What is wrong with what a command did.
    fn wrong(&self, command: &Command, code: Option<i32>, said: &str) -> Option<String> {
        let fails = command.printed.first().is_some_and(|line| line.starts_with("error: "));
        if (code == Some(0)) == fails {
            return Some(format!("exit code {code:?}:\n{said}"));
        }
        if let Some(lines) = missing(&command.printed, said) {
            return Some(format!("does not print\n{lines}\nbut\n{said}"));
        }
        // `# 403: the shop's rule`
        let status = command.comment.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 3);
        match status.filter(|_| command.text.starts_with("curl -i ")) {
            Some(status) if !said.contains(&format!(" {status} ")) => {
                Some(format!("does not answer {status} but\n{said}"))
            }
            _ => None,
        }
    }

    fn shell(&mut self, text: &str) -> (Option<i32>, String) {
        let mut text = text.to_owned();
        if text.contains(REGISTRY) && !text.contains(" plugin ") {
            let address = &self.registry.get_or_insert_with(|| Server::start(false)).address;
            let manifest = text.starts_with("cargo xtask manifest");
            if !manifest {
                text.push_str(" --plain-http");
                text = text.replace(REGISTRY, address);
            }
            if text.starts_with("cargo xtask push") {
                text.push_str(" --allow-dirty");
            }
        }
        let mut folder = root();
        if let Some(args) = text.strip_prefix("cargo xtask release ") {
            // A release is of a commit alone, whatever is in the works here.
            folder = match self.clone_of_root() {
                Ok(folder) => folder,
                Err(why) => return (None, why),
            };
            let manifest = root().join("Cargo.toml");
            text = format!(
                "cargo run --quiet --package xtask --manifest-path '{}' -- release {args}",
                manifest.display()
            );
        }
        if let Some(serving) = &self.serving {
            for host in ["127.0.0.1:8080", "localhost:8080", "//gateway"] {
                let address = if host.starts_with('/') {
                    format!("//{}", serving.address)
                } else {
                    serving.address.clone()
                };
                text = text.replace(host, &address);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.folder.path().to_path_buf()).chain(std::env::split_paths(&path));
        // In the order in which a terminal shows it, without the progress that curl shows where there is none.
        let text = format!("exec 2>&1\n{}", text.replace("curl -i ", "curl --silent --show-error -i "));
        let mut shell = Process::new("sh");
        shell.current_dir(folder).args(["-c", &text]).stdin(Stdio::null());
        shell.env("PATH", std::env::join_paths(path).unwrap()).env("NO_COLOR", "1");
        shell.env("APPLIED", self.folder.path().join("applied.yaml")).env("DOCKER_CONFIG", "/nonexistent");
        let output = shell.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Takes away the plug-in that was started.
    fn put_back(&mut self) {
        if let Some(lock) = self.lock.take() {
            let _ = fs::remove_dir_all(root().join(NEW));
            let _ = fs::remove_dir_all(root().join("dist/my-plugin"));
            let _ = fs::write(root().join("Cargo.lock"), lock);
        }
    }

    /// The last commit in a folder of its own, in which the plug-in has something to release.
    fn clone_of_root(&self) -> Result<PathBuf, String> {
        let clone = self.folder.path().join("clone");
        let url = format!("file://{}", root().display());
        git(Process::new("git").args(["clone", "--quiet", "--depth", "1", &url]).arg(&clone))?;
        let changelog = clone.join("CHANGELOG.md");
        let text = fs::read_to_string(&changelog).map_err(|error| error.to_string())?;
        let open = "## Unreleased\n\n";
        let text = text.replacen(open, &format!("{open}- `{}`: of this test.\n", self.plugin), 1);
        fs::write(&changelog, text).map_err(|error| error.to_string())?;
        let commit =
            ["-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-am", "test"];
        git(Process::new("git").current_dir(&clone).args(commit).args(["--no-verify", "--no-gpg-sign"]))?;
        Ok(clone)
    }

    /// Checks what was given to `kubectl apply` against the schema of its kind.
    fn applied(&self) -> Result<(), String> {
        let file = self.folder.path().join("applied.yaml");
        let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
        fs::remove_file(&file).unwrap();
        let resource = json(&text)?;
        let api = match resource["apiVersion"].as_str().unwrap_or_default() {
            "extensions.higress.io/v1alpha1" => "higress",
            "extensions.istio.io/v1alpha1" => "istio",
            _ => "envoy-gateway",
        };
        let schema = root().join(format!("crates/resource/tests/deploy/schemas/{api}.yaml"));
        let schema = json(&fs::read_to_string(schema).unwrap())?;
        schema::check(&schema, &resource).map_err(|error| format!("{error}:\n{text}"))
    }

    /// A whole configuration, or cases of the plug-in that was started.
    pub(crate) fn yaml(&mut self, text: &str) -> Result<(), String> {
        if text.starts_with("cases:") {
            if self.lock.is_some() {
                fs::write(root().join(NEW).join("tests/cases.yaml"), text).unwrap();
            }
            return Ok(());
        }
        // The guide's are of plug-ins that do not exist.
        let file = self.folder.path().join("configuration.yaml");
        fs::write(&file, text).unwrap();
        self.configuration = Some(text.to_owned());
        Ok(())
    }

    /// The code of the plug-in that was started: a whole file, or a function that replaces the one of its name.
    pub(crate) fn rust(&mut self, text: &str) -> Result<(), String> {
        let code = match (&self.code, text.contains("impl Plugin for ")) {
            (_, true) => text.to_owned(),
            (None, false) => return Err("there is no plug-in before it".into()),
            (Some(whole), false) => {
                let start =
                    whole.find("    fn on_request_headers").ok_or("there is no such function before it")?;
                format!("{}{}}}\n", &whole[..start], text)
            }
        };
        let file = root().join(NEW).join("src/lib.rs");
        if !file.is_file() {
            return Err(format!("there is no {NEW} yet"));
        }
        fs::write(&file, format!("//! From a document.\n\n{code}")).unwrap();
        let (status, said) = self.shell("cargo check --quiet -p my-plugin");
        if status != Some(0) {
            return Err(said);
        }
        if text.contains("impl Plugin for ") {
            self.code = Some(code);
        } else if let Some(whole) = &self.code {
            // What follows is about the first one.
            fs::write(&file, format!("//! From a document.\n\n{whole}")).unwrap();
        }
        Ok(())
    }

    /// Serves the last configuration of the document.
    fn serve_configuration(&mut self) -> Result<(), String> {
        let configuration = self.configuration.clone().ok_or("there is no configuration before it")?;
        let folder = self.folder.path().join("served");
        fs::create_dir_all(&folder).unwrap();
        let indented: String = configuration.lines().map(|line| format!("    {line}\n")).collect();
        let resource = format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ name: {0}, namespace: higress-system }}\n\
             spec:\n  url: workspace:{0}\n  defaultConfig:\n{indented}",
            self.plugin
        );
        fs::write(folder.join("plugin.yaml"), resource).unwrap();
        self.serve(&folder)
    }

    /// Serves a folder on a free port, in place of what was served before.
    fn serve(&mut self, folder: &Path) -> Result<(), String> {
        self.serving = None;
        let output = self.folder.path().join("serve.log");
        let log = File::create(&output).unwrap();
        let mut command = Process::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(root()).args(["xtask", "serve"]).arg(folder).args(["--port", "0"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).env("NO_COLOR", "1");
        let mut process = command.spawn().unwrap();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let said = fs::read_to_string(&output).unwrap();
            if let Some((_, rest)) = said.split_once("serving on http://") {
                let address = rest.split([',', ' ', '\n']).next().unwrap_or_default().to_owned();
                self.serving = Some(Serving { process, address });
                return Ok(());
            }
            if process.try_wait().unwrap().is_some() || Instant::now() > deadline {
                let _ = process.kill();
                let _ = process.wait();
                return Err(format!("{} is not served:\n{said}", folder.display()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The one document of a text in YAML.
fn json(text: &str) -> Result<serde_json::Value, String> {
    let documents = resource::yaml::read(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] => Ok(document.to_json()),
        documents => Err(format!("{} documents:\n{text}", documents.len())),
    }
}

fn git(command: &mut Process) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("git cannot be started: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
