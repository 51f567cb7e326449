//! The rules that are compiled into a module: a folder of the user's, or the release that `rules.lock` of the plug-in names.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use workspace::build::Builder;
use workspace::rules::{LOCK, Rules, VARIABLE};
use workspace::{Plugin, Workspace};

use crate::{Usage, output};

/// `rules.lock` of a plug-in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    name: String,
    version: String,
    license: String,
    /// The URL of the release, a compressed archive with one folder.
    archive: String,
    /// The digest of its files, see [`digest`].
    digest: String,
    /// A package of Debian with another release.
    debian: String,
}

/// Rules on the command line.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Choice {
    /// The folder of the rules in the module of `waf`: a release of the OWASP Core Rule Set, or SecLang files. By default
    /// the folder in CRS, or else the release in plugins/waf/rules.lock, which is downloaded once.
    #[arg(long, value_name = "FOLDER")]
    rules: Option<PathBuf>,
}

impl Choice {
    /// Returns a builder for these plug-ins with the rules in their modules.
    pub(crate) fn builder(&self, workspace: &Workspace, plugins: &[&Plugin]) -> Result<Builder> {
        let plugin = plugins.iter().find(|plugin| Rules::are_in(plugin));
        let rules = match (plugin, &self.rules) {
            (Some(plugin), given) => find(workspace, plugin, given.as_deref())?,
            (None, None) => None,
            (None, Some(_)) => bail!(Usage("--rules: the modules of these plug-ins contain no rules".into())),
        };
        Ok(Builder::new(workspace)?.with_rules(rules))
    }
}

fn find(workspace: &Workspace, plugin: &Plugin, given: Option<&Path>) -> Result<Option<Rules>> {
    let path = plugin.folder.join(LOCK);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let lock: Lock = serde_yaml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    let variable = env::var_os(VARIABLE).filter(|folder| !folder.is_empty());
    let (name, folder) = match (given, variable) {
        (Some(folder), _) => ("--rules".to_owned(), folder.to_path_buf()),
        (None, Some(folder)) => (VARIABLE.to_owned(), workspace.root.join(folder)),
        (None, None) => return released(workspace, plugin, &lock),
    };
    let rules = named(&name, &folder, &lock)?;
    print(plugin, &rules);
    Ok(Some(rules))
}

/// The rules of a folder that is named by an option or a variable.
fn named(name: &str, folder: &Path, lock: &Lock) -> Result<Rules> {
    let folder = folder.canonicalize().map_err(|error| {
        Usage(format!("{name}: {}: {error}: name the folder of a rule set", folder.display()))
    })?;
    if !folder.is_dir() {
        bail!(Usage(format!("{name}: {} is not a folder: name the folder of a rule set", folder.display())));
    }
    let (files, digest) = digest(&folder)?;
    if files == 0 {
        bail!(Usage(format!(
            "{name}: {} has no `.conf` file: name the folder of a rule set, which has them in it or in its folder `rules`",
            folder.display()
        )));
    }
    Ok(if digest == lock.digest {
        of_lock(lock, folder)
    } else {
        Rules { folder, name: "rules".to_owned(), version: digest, license: None }
    })
}

/// The release in the lock, or what can be had instead of it.
fn released(workspace: &Workspace, plugin: &Plugin, lock: &Lock) -> Result<Option<Rules>> {
    let folder = workspace.target.join("rules").join(&lock.version);
    let release = format!("{} {}", lock.name, lock.version);
    if !folder.is_dir() {
        output::step(format_args!("downloading {release} for {}", plugin.name));
        if let Err(reason) = download(lock, &folder, Command::new("curl"))? {
            return Ok(instead(plugin, lock, &release, &reason));
        }
    }
    let (_, actual) = digest(&folder)?;
    if actual != lock.digest {
        bail!(
            "{}: the files of {release} have the digest {actual}, and {} has {}: delete the folder if it was changed",
            folder.display(),
            plugin.shown.join(LOCK).display(),
            lock.digest
        );
    }
    let rules = of_lock(lock, folder);
    print(plugin, &rules);
    Ok(Some(rules))
}

fn instead(plugin: &Plugin, lock: &Lock, release: &str, reason: &str) -> Option<Rules> {
    let name = &plugin.name;
    match gateway::debian::core_rule_set() {
        Ok(folder) => {
            let package = &lock.debian;
            output::warning(format_args!(
                "{release} cannot be downloaded ({reason}): {name} contains the rules of Debian's {package}, an older release. \
                 --rules FOLDER names another one"
            ));
            let (_, version) = digest(&folder).ok()?;
            let license = Some(lock.license.clone());
            Some(Rules { folder, name: format!("{} of Debian", lock.name), version, license })
        }
        Err(debian) => {
            output::warning(format_args!(
                "{release} cannot be downloaded ({reason}), nor Debian's {} ({debian}): {name} contains its basic rules only. \
                 --rules FOLDER names a release",
                lock.debian
            ));
            None
        }
    }
}

fn of_lock(lock: &Lock, folder: PathBuf) -> Rules {
    let Lock { name, version, license, .. } = lock;
    Rules { folder, name: name.clone(), version: version.clone(), license: Some(license.clone()) }
}

fn print(plugin: &Plugin, rules: &Rules) {
    let Rules { name, version, folder, .. } = rules;
    output::step(format_args!("{} contains {name} {version}, from {}", plugin.name, folder.display()));
}

/// Downloads a release into a folder with curl. The inner error is the reason why it cannot be reached.
fn download(lock: &Lock, folder: &Path, mut curl: Command) -> Result<Result<(), String>> {
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    let work = tempfile::tempdir_in(parent).with_context(|| format!("creating {}", parent.display()))?;
    let archive = work.path().join("archive.tar.gz");
    curl.args(["--fail", "--location", "--silent", "--show-error", "--connect-timeout", "10"]);
    curl.args(["--max-time", "300", "--proto", "=https", "--output"]).arg(&archive).arg(&lock.archive);
    if let Err(reason) = run(&mut curl) {
        return Ok(Err(reason));
    }
    let unpacked = work.path().join("release");
    fs::create_dir(&unpacked).with_context(|| format!("creating {}", unpacked.display()))?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--strip-components=1", "--file"]).arg(&archive);
    if let Err(reason) = run(tar.arg("--directory").arg(&unpacked)) {
        bail!("{}: what was downloaded cannot be unpacked: {reason}", lock.archive);
    }
    let (_, actual) = digest(&unpacked)?;
    if actual != lock.digest {
        bail!(
            "{}: the rules have the digest {actual}, and {} is expected: they are not those of the lock",
            lock.archive,
            lock.digest
        );
    }
    fs::rename(&unpacked, folder).with_context(|| format!("writing {}", folder.display()))?;
    Ok(Ok(()))
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// The digest of the files that make a rule set: of what `sha256sum crs-setup.conf.example rules/*.conf rules/*.data` prints.
/// Without a folder `rules`, those of the folder itself. The number is that of the files with rules.
fn digest(folder: &Path) -> Result<(usize, String)> {
    let (rules, prefix) = match folder.join("rules") {
        rules if rules.is_dir() => (rules, "rules/"),
        _ => (folder.to_path_buf(), ""),
    };
    let entries = fs::read_dir(&rules).with_context(|| format!("reading {}", rules.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("reading {}", rules.display()))?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    let setup = ["crs-setup.conf", "crs-setup.conf.example"];
    let setup = setup.iter().find(|name| !prefix.is_empty() && folder.join(name).is_file());
    let of_kind = |end: &str| {
        names
            .iter()
            .filter(|name| name.ends_with(end))
            .map(|name| format!("{prefix}{name}"))
            .collect::<Vec<_>>()
    };
    let rules = of_kind(".conf");
    let number = rules.len();
    let files = setup.map(ToString::to_string).into_iter().chain(rules).chain(of_kind(".data"));
    let mut lines = String::new();
    for file in files {
        let path = folder.join(&file);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let digest = oci::digest(&bytes);
        lines.push_str(&format!("{}  {file}\n", digest.trim_start_matches("sha256:")));
    }
    Ok((number, oci::digest(lines.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Lines};
    use std::process::{Child, ChildStdout, Stdio};

    use super::*;

    #[test]
    fn the_digest_is_that_of_the_command_in_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        for (name, text) in [
            ("crs-setup.conf.example", "setup"),
            ("rules/b.conf", "b"),
            ("rules/A.conf", "a"),
            ("rules/words.data", "words"),
            ("rules/x.conf.example", "not a rule"),
            ("README.md", "not a rule"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let command =
            "LC_ALL=C; export LC_ALL; sha256sum crs-setup.conf.example rules/*.conf rules/*.data | sha256sum";
        let output = Command::new("sh").args(["-c", command]).current_dir(folder.path()).output().unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            digest(folder.path()).unwrap(),
            (2, format!("sha256:{}", expected.split(' ').next().unwrap()))
        );
    }

    #[test]
    fn the_lock_of_the_firewall_is_complete() {
        let text = fs::read_to_string("../../plugins/waf/rules.lock").unwrap();
        let lock: Lock = serde_yaml::from_str(&text).unwrap();
        assert!(lock.archive.starts_with("https://") && lock.archive.contains(&lock.version), "{lock:?}");
        assert!(lock.digest.starts_with("sha256:") && lock.digest.len() == 71, "{lock:?}");
    }

    #[test]
    fn a_wrong_folder_is_named_with_what_to_write_instead() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, empty, file) =
            (folder.path().join("missing"), folder.path().join("empty"), folder.path().join("a.conf"));
        fs::create_dir(&empty).unwrap();
        fs::write(&file, "SecAction \"id:1,pass\"").unwrap();
        for (path, expected) in
            [(&missing, "No such file"), (&empty, "no `.conf` file"), (&file, "not a folder")]
        {
            let error = named("--rules", path, &lock()).unwrap_err();
            let shown = error.to_string();
            assert!(error.is::<Usage>(), "{shown}");
            assert!(shown.starts_with(&format!("--rules: {}", path.display())), "{shown}");
            assert!(shown.contains(expected) && shown.contains("name the folder of a rule set"), "{shown}");
        }
        assert_eq!(named("--rules", folder.path(), &lock()).unwrap().name, "rules");
    }

    fn lock() -> Lock {
        Lock {
            name: "a".into(),
            version: "1".into(),
            license: String::new(),
            archive: "https://127.0.0.1:1/a.tar.gz".into(),
            digest: String::new(),
            debian: String::new(),
        }
    }

    #[test]
    fn what_cannot_be_downloaded_is_not_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let release = folder.path().join("1");
        assert!(download(&lock(), &release, Command::new("curl")).unwrap().is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_release_is_downloaded_unpacked_and_verified() {
        let site = Site::start();
        let target = site.folder.path().join("target");
        let release = target.join("1");
        let lock = |file: &str, digest: &str| {
            let (archive, digest) = (format!("https://{}/{file}", site.address), digest.to_owned());
            Lock { archive, digest, ..lock() }
        };
        let (_, digest) = digest(&site.folder.path().join("rules-1")).unwrap();

        let error = download(&lock("a.tar.gz", "sha256:0"), &release, site.curl()).unwrap_err().to_string();
        assert!(error.contains(&digest) && error.contains("sha256:0 is expected"), "{error}");
        let error = download(&lock("cert.pem", &digest), &release, site.curl()).unwrap_err().to_string();
        assert!(error.contains("/cert.pem: what was downloaded cannot be unpacked"), "{error}");
        let unknown =
            download(&lock("a.tar.gz", &digest), &release, Command::new("curl")).unwrap().unwrap_err();
        assert!(unknown.contains("certificate"), "{unknown}");
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0);

        download(&lock("a.tar.gz", &digest), &release, site.curl()).unwrap().unwrap();
        assert_eq!(super::digest(&release).unwrap(), (1, digest));
        assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    }

    /// A web server with a release, whose certificate only [`Site::curl`] trusts.
    struct Site {
        folder: tempfile::TempDir,
        address: String,
        server: Child,
        /// Read no more, but open, because the server writes a line for each request.
        _output: Lines<BufReader<ChildStdout>>,
    }

    impl Site {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let rules = folder.path().join("rules-1/rules");
            fs::create_dir_all(&rules).unwrap();
            fs::write(rules.join("a.conf"), "SecAction \"id:1,pass\"").unwrap();
            let here = |program: &str, arguments: &str| {
                let mut command = Command::new(program);
                command.current_dir(folder.path()).args(arguments.split(' '));
                command
            };
            run(&mut here("tar", "--create --gzip --file a.tar.gz rules-1")).unwrap();
            let certificate = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=rules \
                               -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem";
            run(&mut here("openssl", certificate)).unwrap();
            let mut server = here("openssl", "s_server -WWW -accept 127.0.0.1:0 -cert cert.pem -key key.pem");
            let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut output = BufReader::new(server.stdout.take().unwrap()).lines();
            let mut lines = output.by_ref().map_while(Result::ok);
            let address = lines.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned)).unwrap();
            Self { folder, address, server, _output: output }
        }

        fn curl(&self) -> Command {
            let mut curl = Command::new("curl");
            curl.env("CURL_CA_BUNDLE", self.folder.path().join("cert.pem"));
            curl
        }
    }

    impl Drop for Site {
        fn drop(&mut self) {
            self.server.kill().unwrap();
            self.server.wait().unwrap();
        }
    }
}
