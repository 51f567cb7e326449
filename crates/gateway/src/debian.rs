//! Files of Debian's packages: fetched into the target folder once, without being root and without installing them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use crate::target_dir;

/// Unpacks a package, with whatever packages it needs and this machine lacks, and returns the folder in place of `/`.
///
/// # Errors
///
/// It cannot be fetched.
pub fn package(name: &str) -> Result<PathBuf, String> {
    static FETCHING: Mutex<()> = Mutex::new(());
    // Threads of this program wait for each other here, and those of others at the lock.
    let _waiting = FETCHING.lock();
    fetch(name)
}

/// The OWASP Core Rule Set of Debian, laid out like a release: `crs-setup.conf`, and `rules` with their data.
///
/// # Errors
///
/// It cannot be fetched.
pub fn core_rule_set() -> Result<PathBuf, String> {
    let root = package("modsecurity-crs")?;
    let folder = root.join("usr/share/modsecurity-crs");
    let setup = folder.join("crs-setup.conf");
    if !setup.is_file() {
        // Renamed, because other threads and programs may do the same.
        let copying = |error| format!("copying {}: {error}", setup.display());
        let copy = tempfile::NamedTempFile::new_in(&folder).map_err(copying)?;
        fs::copy(root.join("etc/modsecurity/crs/crs-setup.conf"), copy.path()).map_err(copying)?;
        copy.persist(&setup).map_err(|error| copying(error.error))?;
    }
    Ok(folder)
}

fn fetch(name: &str) -> Result<PathBuf, String> {
    let folder = target_dir().map_err(|error| error.to_string())?.join("debian");
    let creating = |error| format!("creating {}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(creating)?;
    let lock = File::create(folder.join("lock")).map_err(creating)?;
    lock.lock().map_err(creating)?;
    let root = folder.join(name);
    if root.is_dir() {
        return Ok(root);
    }
    let work = tempfile::tempdir_in(&folder).map_err(creating)?;
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
    for entry in fs::read_dir(work.path()).map_err(creating)? {
        let path = entry.map_err(creating)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg").arg("-x").arg(path).arg(&unpacked))?;
        }
    }
    fs::rename(&unpacked, &root).map_err(|error| format!("writing {}: {error}", root.display()))?;
    Ok(root)
}

struct Apt {
    folder: PathBuf,
    own_lists: bool,
}

impl Apt {
    /// The packages that an installation would install here.
    fn packages(&self, name: &str) -> Result<Vec<String>, String> {
        // The package itself even if it is installed: its files may be elsewhere there.
        let printed =
            self.run(&["--print-uris", "--no-install-recommends", "--reinstall", "install", name])?;
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
                fs::create_dir_all(folder.join("partial"))
                    .map_err(|error| format!("creating {}: {error}", folder.display()))?;
                command.arg("-o").arg(format!("{option}={}", folder.display()));
            }
        }
        run(command.args(args))
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
