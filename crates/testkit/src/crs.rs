//! The OWASP Core Rule Set for tests: its regression tests, and libmodsecurity to compare with.

pub mod corpus;
pub mod libmodsecurity;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::runner::{ENGINES, MODULE};

/// The folder of a release, in the variable `CRS`; a relative one begins at the workspace.
///
/// # Errors
///
/// The variable names another folder.
pub fn folder() -> Result<Option<PathBuf>, String> {
    let Some(folder) = env::var_os("CRS").filter(|folder| !folder.is_empty()) else { return Ok(None) };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    match folder.join("rules").is_dir() {
        true => Ok(Some(folder)),
        false => Err(format!("CRS={}: there is no folder `rules`", folder.display())),
    }
}

/// A test in Envoy: of the folder of a release, and of a module that was built with its rules.
pub type InEnvoy = fn(&Path, &Path) -> anyhow::Result<()>;

/// The whole of a test target with tests in Envoy, which `cargo xtask test` runs with the module. Without a release in `CRS`,
/// they are ignored, and the output says how to run them.
#[must_use]
pub fn run(plugin: &str, tests: &[(&str, InEnvoy)]) -> ExitCode {
    let folder = match folder() {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let module = env::var_os(MODULE).map(PathBuf::from);
    let in_envoy = env::var_os(ENGINES)
        .is_none_or(|engines| engines.to_string_lossy().split(',').any(|engine| engine == "envoy"));
    let mut arguments = Arguments::from_args();
    let ready = match (folder, module) {
        (Some(folder), Some(module)) if in_envoy => Some((folder, module)),
        _ => {
            arguments.ignored = false;
            arguments.include_ignored = false;
            None
        }
    };
    // Each test counts once: as one in Envoy.
    let shown = tests.iter().filter(|_| in_envoy);
    if ready.is_none() && in_envoy && !arguments.list {
        println!(
            "ignored: set CRS to the folder of a release of the Core Rule Set with its tests: `CRS=FOLDER cargo xtask test {plugin}`"
        );
    }
    let trials = shown.map(|(name, test)| {
        let (ready, test) = (ready.clone(), *test);
        let run = move || match ready {
            Some((folder, module)) => {
                test(&folder, &module).map_err(|error| Failed::from(format!("{error:#}")))
            }
            None => Err(Failed::from("set CRS to the folder of a release")),
        };
        Trial::test(*name, run).with_ignored_flag(true)
    });
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
