//! libFuzzer for a plug-in: a program with coverage instrumentation, built by the stable compiler.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use workspace::generated;
use workspace::{Plugin, Workspace};

use super::{Bounds, findings};
use crate::jobs::Log;
use crate::output;

/// The coverage flags of cargo-fuzz that the stable compiler accepts, and the checks of a debug build. Without
/// `-sanitizer-coverage-trace-compares`, because plug-ins rarely compare values of the input directly: in the same time,
/// request-block ran 1.76 times as many scenarios without it and covered more (7,154 blocks instead of 6,961).
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Ccodegen-units=1",
];

/// The version of the crate libfuzzer-sys. Only generated fuzzing programs depend on it.
const LIBFUZZER: &str = "=0.4.13";

/// The maximum size of an input in bytes.
const LONGEST: usize = 600;

/// Returns true if there is a C++ compiler for libFuzzer.
pub(super) fn is_possible() -> bool {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let found = Command::new(&compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        output::warning(
            "no C++ compiler for libFuzzer found, so scenarios are generated from the seed: install one, for example with \
             `apt-get install g++`",
        );
    }
    found
}

/// Fuzzes the plug-in. Returns true if there are no findings.
pub(super) fn run(workspace: &Workspace, plugin: &Plugin, bounds: &Bounds, log: &mut Log) -> Result<bool> {
    let folder = workspace.target.join("fuzz/crates").join(&plugin.name);
    let package = format!("fuzz-{}", plugin.name);
    let testkit = workspace.dependency(plugin, "portcullis-testkit").with_context(|| {
        format!(
            "{}: the test kit is not a dependency: write `testkit.workspace = true` under [dev-dependencies]",
            plugin.shown.join("Cargo.toml").display()
        )
    })?;
    let rest = format!(
        "testkit = {testkit}\nlibfuzzer-sys = \"{LIBFUZZER}\"\n\n[profile.release]\ndebug = \"line-tables-only\"\n"
    );
    generated::write(&folder, workspace, &[("plugin", plugin)], &package, &rest, &program(plugin)?)?;
    let host = host()?;
    let mut cargo = workspace::build::cargo();
    cargo.current_dir(&workspace.root).args([
        "build",
        "--release",
        "--message-format=json-render-diagnostics",
    ]);
    // With an explicit target, build scripts and macros are not instrumented.
    cargo.args(["--target", &host]).arg("--manifest-path").arg(folder.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(workspace.target.join("fuzz/target"));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    log.step(format_args!("building {} with libFuzzer around it", plugin.name));
    let program = generated::executable(cargo).context("the fuzzer cannot be built")?;

    let corpus = workspace.target.join("fuzz/corpus").join(&plugin.name);
    let findings = findings(workspace, plugin);
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let mut command = Command::new(program);
    command.env("PORTCULLIS_FUZZED", &plugin.folder);
    command.arg(format!("-seed={}", bounds.seed % u64::from(u32::MAX)));
    command.arg(format!("-max_len={LONGEST}")).args([
        "-print_final_stats=1",
        "-rss_limit_mb=4096",
        "-reload=0",
    ]);
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    command.args(bounds.runs.map(|runs| format!("-runs={runs}")));
    command.args(bounds.time.map(|time| format!("-max_total_time={}", time.as_secs().max(1))));
    command.arg(&corpus);
    let good = log.run(command, |_| {})?.success();
    if !good {
        log.step(format_args!(
            "the scenario is the file that libFuzzer names above: `cargo xtask fuzz {} --replay <file>` shows it as a \
             case",
            plugin.name
        ));
    }
    Ok(good)
}

/// Generates the program, with the changes declared by the plug-in's tests.
fn program(plugin: &Plugin) -> Result<String> {
    let file = plugin.folder.join("tests/changes/mod.rs");
    let (module, changes) = match file.is_file() {
        true => (format!("#[path = {}]\nmod changes;\n\n", generated::quoted(&file)?), "changes::changes"),
        false => (String::new(), "|_| testkit::Changes::none()"),
    };
    Ok(format!(
        "//! Fuzzes a plug-in; generated.\n#![no_main]\n\n{module}libfuzzer_sys::fuzz_target!(|bytes: &[u8]| \
         testkit::fuzz::guided::run(plugin::entry, {changes}, bytes));\n"
    ))
}

/// Returns the target triple of the host.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).arg("-vV").output();
    let output = output.with_context(|| format!("{} cannot be started", rustc.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}
