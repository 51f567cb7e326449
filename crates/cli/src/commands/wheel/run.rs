//! Gathers the files of the wheel, and builds it with maturin.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use workspace::Workspace;
use workspace::build::{host, remapped, require_target};
use workspace::git::git;
use workspace::package::sbom;

use super::Args;
use crate::commands::completions::{Shell, script};
use crate::commands::package::catalogue;
use crate::commands::{licenses, man};
use crate::rules::Choice;
use crate::{output, page};

/// The package of the program and of the wheel.
const PACKAGE: &str = "portcullis-cli";

/// What PyPI builds the wheel with; pyproject.toml has maturin's version too.
const TOOLS: [&str; 2] = ["maturin==1.16.0", "ziglang==0.17.1"];

/// The oldest Linux that the wheel runs on.
const MANYLINUX: &str = "manylinux_2_31";

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let target = match &args.target {
        Some(target) => target.clone(),
        None => host(&workspace)?,
    };
    require_target(&workspace, &target)?;
    let version = env!("CARGO_PKG_VERSION");
    output::step("packaging the plug-ins");
    let made = catalogue::make(&workspace, version, args.registry.as_deref(), &Choice::default())?;

    let project = workspace.root.join("crates/cli");
    let data = project.join("wheel.data");
    if data.exists() {
        fs::remove_dir_all(&data).with_context(|| format!("removing {}", data.display()))?;
    }
    let share = data.join("data/share");
    copy(made.catalogue.folder(), &share.join("portcullis/catalogue"))?;
    copy(&page::built(&workspace.root)?, &share.join("portcullis/console"))?;
    let document = share.join("doc").join(PACKAGE);
    output::step("collecting licenses");
    write(&document.join("THIRD_PARTY.txt"), licenses::notices(&workspace, &target)?.as_bytes())?;
    copy(&workspace.root.join("LICENSE"), &document.join("LICENSE"))?;
    let bill = sbom::of_program(&workspace, PACKAGE, version, &target)?;
    write(&document.join("sbom.cdx.json"), &serde_json::to_vec_pretty(&bill)?)?;
    for (shell, file) in [
        (Shell::Bash, "bash-completion/completions/portcullis"),
        (Shell::Zsh, "zsh/site-functions/_portcullis"),
        (Shell::Fish, "fish/vendor_completions.d/portcullis.fish"),
    ] {
        write(&share.join(file), &script(shell))?;
    }
    man::pages(&share.join("man/man1"))?;

    let out = workspace.root.join(&args.out);
    fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
    let wheel = build(&workspace, &project, &target, &args.profile, &out)?;
    let size = fs::metadata(&wheel).with_context(|| format!("reading {}", wheel.display()))?.len();
    anstream::println!(
        "{} {} ({} bytes)",
        output::mark(true),
        workspace.shown(&wheel).display(),
        text::thousands(size)
    );
    Ok(true)
}

/// Builds the wheel, and returns its file.
fn build(workspace: &Workspace, project: &Path, target: &str, profile: &str, out: &Path) -> Result<PathBuf> {
    let tools = tools(workspace)?;
    output::step(format_args!("building {PACKAGE} for {target}"));
    // A folder of its own, so that the wheel in it is the one that was built.
    let built = tempfile::tempdir_in(out).context("creating a temporary folder")?;
    let mut maturin = Command::new(tools.join("maturin"));
    maturin.current_dir(&workspace.root).args(["build", "--locked", "--target", target]);
    maturin.args(["--profile", profile, "--manifest-path"]).arg(project.join("Cargo.toml"));
    maturin.arg("--out").arg(built.path());
    if target.contains("linux") {
        maturin.args(["--zig", "--compatibility", MANYLINUX]);
    }
    // The same bytes wherever this is built.
    maturin.env("CARGO_ENCODED_RUSTFLAGS", remapped(workspace)?);
    maturin.env("SOURCE_DATE_EPOCH", commit_time(&workspace.root));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(tools).chain(std::env::split_paths(&path));
    maturin.env("PATH", std::env::join_paths(path).context("the PATH has a folder with a colon")?);
    maturin.stdout(Stdio::null());
    if !maturin.status().context("starting maturin")?.success() {
        bail!("maturin cannot build the wheel: see above");
    }
    let entry =
        fs::read_dir(built.path()).context("reading the wheel")?.next().context("no wheel was built")?;
    let wheel = entry.context("reading the wheel")?;
    let file = out.join(wheel.file_name());
    fs::rename(wheel.path(), &file).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

/// Installs maturin and zig in a virtual environment; returns the folder of its programs.
fn tools(workspace: &Workspace) -> Result<PathBuf> {
    let environment = workspace.target.join("wheel/venv");
    let programs = environment.join("bin");
    if !programs.join("pip").is_file() {
        output::step("creating a virtual environment for maturin");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&environment);
        if !venv.status().context("starting python3")?.success() {
            bail!("python3 cannot create a virtual environment: install its module venv (python3-venv)");
        }
    }
    let mut pip = Command::new(programs.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(TOOLS);
    if !pip.status().context("starting pip")?.success() {
        bail!("pip cannot install {}: see above", TOOLS.join(" and "));
    }
    Ok(programs)
}

/// The time of the commit, for the dates in the wheel.
fn commit_time(root: &Path) -> String {
    // The first date that a ZIP archive can have.
    git(root, &["log", "-1", "--format=%ct"]).unwrap_or_else(|_| "315532800".into()).trim().to_owned()
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    fs::write(file, bytes).with_context(|| format!("writing {}", file.display()))
}

/// Copies a file, or a folder with everything in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        return write(to, &bytes);
    }
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry.with_context(|| format!("reading {}", from.display()))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
