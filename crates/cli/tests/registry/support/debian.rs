//! Finds the programs that the tests need, or fetches Debian's packages of them into the target folder, once and without
//! being root.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What is needed; each program's package is called like it.
const PROGRAMS: [&str; 2] = ["docker-registry", "skopeo"];

/// A program that can be started, with the libraries that were fetched for it.
pub(crate) fn program(name: &str) -> Command {
    static FETCHED: OnceLock<PathBuf> = OnceLock::new();
    if on_path(name) {
        return Command::new(name);
    }
    let root = FETCHED.get_or_init(|| {
        fetch().unwrap_or_else(|why| {
            panic!("{why}\ninstall what the tests need: sudo apt-get install {}", PROGRAMS.join(" "))
        })
    });
    let mut command = Command::new(root.join("usr/bin").join(name));
    let libraries = ["usr/lib", "lib"].map(|folder| root.join(folder).join("x86_64-linux-gnu"));
    command.env("LD_LIBRARY_PATH", env::join_paths(libraries).unwrap());
    command
}

/// Whether a program is on the `PATH`.
pub(crate) fn on_path(name: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file())
}

/// Unpacks the packages, with whatever libraries this machine lacks, and says where.
fn fetch() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(target.join("debian.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let root = target.join("debian");
    if root.is_dir() {
        return Ok(root);
    }
    let work = tempfile::tempdir_in(target).map_err(|error| error.to_string())?;
    let mut apt = Apt { folder: work.path().to_path_buf(), own_lists: false };
    // A container's lists are often empty; those of root are not ours to fill.
    let packages = apt.packages().or_else(|_| {
        apt.own_lists = true;
        apt.run(&["update"])?;
        apt.packages()
    })?;
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    apt.run(&[&["download"], names.as_slice()].concat())?;
    let unpacked = work.path().join("root");
    for entry in fs::read_dir(work.path()).map_err(|error| error.to_string())?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(entry.path()).arg(&unpacked))?;
        }
    }
    fs::rename(&unpacked, &root).map_err(|error| error.to_string())?;
    Ok(root)
}

struct Apt {
    folder: PathBuf,
    own_lists: bool,
}

impl Apt {
    /// The packages that an installation would install here.
    fn packages(&self) -> Result<Vec<String>, String> {
        let wanted = ["--print-uris", "--no-install-recommends", "install"];
        let printed = self.run(&[&wanted, PROGRAMS.as_slice()].concat())?;
        // 'http://…/skopeo_1.9.3_amd64.deb' skopeo_1.9.3_amd64.deb 6512345 SHA256:…
        let name = |line: &str| Some(line.split(' ').nth(1)?.split_once('_')?.0.to_owned());
        Ok(printed.lines().filter(|line| line.starts_with('\'')).filter_map(name).collect())
    }

    fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new("apt-get");
        command.current_dir(&self.folder).args(["-qq", "-o", "Debug::NoLocking=true"]);
        if self.own_lists {
            for (option, folder) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
                let folder = self.folder.join(folder);
                fs::create_dir_all(folder.join("partial")).map_err(|error| error.to_string())?;
                command.arg("-o").arg(format!("{option}={}", folder.display()));
            }
        }
        run(command.args(args))
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
