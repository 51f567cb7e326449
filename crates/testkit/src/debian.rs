//! Programs and files of Debian's packages for tests: those of this machine, or else the packages, fetched into the target
//! folder once and without being root.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

/// A program that can be started, with the libraries that were fetched for it. Its package is called like it.
///
/// # Errors
///
/// It is not installed, and its package cannot be fetched; the message has the command that installs it.
pub fn program(name: &str) -> Result<Command> {
    if on_path(name) {
        return Ok(Command::new(name));
    }
    let root = package(name)?;
    let mut command = Command::new(root.join("usr/bin").join(name));
    let libraries = ["usr/lib", "lib"].map(|folder| root.join(folder).join("x86_64-linux-gnu"));
    command.env("LD_LIBRARY_PATH", env::join_paths(libraries)?);
    Ok(command)
}

/// Whether a program is on the `PATH`.
#[must_use]
pub fn on_path(name: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file())
}

/// Unpacks a package, with whatever packages it needs and this machine lacks, and returns the folder in place of `/`.
///
/// # Errors
///
/// It cannot be fetched; the message has the command that installs it.
pub fn package(name: &str) -> Result<PathBuf> {
    static FETCHING: Mutex<()> = Mutex::new(());
    // Tests of this program wait for each other here, and those of others at the lock.
    let _waiting = FETCHING.lock();
    fetch(name).with_context(|| format!("install what the tests need: sudo apt-get install {name}"))
}

fn fetch(name: &str) -> Result<PathBuf> {
    let folder = gateway::target_dir()?.join("debian");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let root = folder.join(name);
    if root.is_dir() {
        return Ok(root);
    }
    let work = tempfile::tempdir_in(&folder)?;
    let mut apt = Apt { folder: work.path().to_path_buf(), own_lists: false };
    // A container's lists are often empty; those of root are not ours to fill.
    let packages = apt.packages(name).or_else(|_| {
        apt.own_lists = true;
        apt.run(&["update"])?;
        apt.packages(name)
    })?;
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    apt.run(&[&["download"], names.as_slice()].concat())?;
    let unpacked = work.path().join("root");
    for entry in fs::read_dir(work.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(path).arg(&unpacked))?;
        }
    }
    fs::rename(&unpacked, &root).with_context(|| format!("writing {}", root.display()))?;
    Ok(root)
}

struct Apt {
    folder: PathBuf,
    own_lists: bool,
}

impl Apt {
    /// The packages that an installation would install here.
    fn packages(&self, name: &str) -> Result<Vec<String>> {
        // The package itself even if it is installed: its files may be elsewhere there.
        let printed =
            self.run(&["--print-uris", "--no-install-recommends", "--reinstall", "install", name])?;
        // 'http://…/skopeo_1.9.3_amd64.deb' skopeo_1.9.3_amd64.deb 6512345 SHA256:…
        let name = |line: &str| Some(line.split(' ').nth(1)?.split_once('_')?.0.to_owned());
        Ok(printed.lines().filter(|line| line.starts_with('\'')).filter_map(name).collect())
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("apt-get");
        command.current_dir(&self.folder).args(["-qq", "-o", "Debug::NoLocking=true"]);
        if self.own_lists {
            for (option, folder) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
                let folder = self.folder.join(folder);
                fs::create_dir_all(folder.join("partial"))?;
                command.arg("-o").arg(format!("{option}={}", folder.display()));
            }
        }
        run(command.args(args))
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
