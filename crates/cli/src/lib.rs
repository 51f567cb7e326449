//! The commands of `portcullis`, one file per command.
//!
//! `cargo xtask` runs the same commands, built without what is slow to compile. For a command that needs it, `cargo xtask`
//! replaces itself with `portcullis`.

#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, reason = "arguments of commands that only the full program runs, see `heavy`")
)]

mod catalogue;
mod commands;
mod full;
#[cfg(not(feature = "full"))]
mod heavy;
mod image;
mod jobs;
#[cfg(feature = "gateway")]
mod layout;
mod markdown;
mod node;
mod open;
mod output;
mod page;
mod program;
mod registry;
mod release;
mod rules;
mod template;

use std::fmt;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use marketplace::{Code, Refusal};

pub use crate::program::Program;

/// Build, check, test, lint and configure proxy-wasm plug-ins.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
First steps:
  cargo xtask build request-block   build dist/request-block/plugin.wasm
  cargo xtask test request-block    run its cases natively and in a real Envoy
  cargo xtask serve examples/block  run a gateway with plug-ins on http://127.0.0.1:8080
  cargo xtask config my.yaml --plugin request-block
                                    what the plug-in says to a configuration
  cargo xtask new my-plugin         create a plug-in in plugins/my-plugin

`cargo xtask <command> --help` has more examples.
Exit codes: 0 success, 1 failure, 2 usage error."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(commands::build::Args),
    Check(commands::check::Args),
    Test(commands::test::Args),
    Fuzz(commands::fuzz::Args),
    Lint(commands::lint::Args),
    Config(commands::config::Args),
    Schema(commands::schema::Args),
    Docs(commands::docs::Args),
    New(commands::new::Args),
    Serve(commands::serve::Args),
    Request(commands::request::Args),
    Explain(commands::explain::Args),
    Console(commands::console::Args),
    Adopt(commands::adopt::Args),
    Bench(commands::bench::Args),
    #[command(subcommand)]
    Plugin(commands::plugin::Command),
    #[command(subcommand)]
    Waf(commands::waf::Command),
    Package(commands::package::Args),
    Verify(commands::verify::Args),
    Push(commands::push::Args),
    Pull(commands::pull::Args),
    Catalogue(commands::catalogue::Args),
    Manifest(commands::manifest::Args),
    Release(commands::release::Args),
    Changed(commands::changed::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
    Licenses(commands::licenses::Args),
    Wheel(commands::wheel::Args),
}

/// A usage error: an unknown plug-in, a missing file, an invalid name.
#[derive(Debug)]
struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

impl From<oci::ReferenceError> for Usage {
    fn from(error: oci::ReferenceError) -> Self {
        Self(error.to_string())
    }
}

/// Whether something is refused because of the state of a plug-in, not because the command is wrong.
fn of_state(code: Code) -> bool {
    matches!(
        code,
        Code::PluginEnabled
            | Code::PluginBuiltIn
            | Code::PluginElsewhere
            | Code::ModuleInvalid
            | Code::ChangedMeanwhile
            | Code::NotEditable
            | Code::NoPreviousVersion
    )
}

/// The first steps with the installed program, whose user may have neither Rust nor this repository.
const FIRST_STEPS: &str = "\
First steps:
  portcullis plugin add request-block --enable  write request-block.yaml into this folder
  portcullis request /swagger.html -i           send a request through a real Envoy: 403
  portcullis serve                              run a gateway with the plug-ins of this folder on
                                                http://127.0.0.1:8080
  portcullis config my.yaml --plugin request-block
                                                what the plug-in says to a configuration
  portcullis catalogue                          list the plug-ins
  portcullis new --workspace ../my-plugins my-plugin
                                                create a plug-in of your own; needs Rust

`portcullis <command> --help` has more examples.
Exit codes: 0 success, 1 failure, 2 usage error.";

/// Returns the command line of a program.
fn command_line(program: Program) -> clap::Command {
    let command = program.named(Cli::command());
    match program {
        Program::Portcullis => command.after_help(FIRST_STEPS),
        Program::Xtask => command,
    }
}

/// Returns the command line of the installed program.
#[cfg(feature = "shell")]
fn installed() -> clap::Command {
    command_line(Program::Portcullis)
}

/// Runs the command given by the arguments of this process.
#[must_use]
pub fn main(program: Program) -> ExitCode {
    let program = program.typed();
    program.set();
    let command = command_line(program);
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Build(args) => commands::build::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Test(args) => commands::test::run(&args),
        Command::Fuzz(args) => commands::fuzz::run(&args),
        Command::Lint(args) => commands::lint::run(&args),
        Command::Config(args) => commands::config::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Docs(args) => commands::docs::run(&args),
        Command::New(args) => commands::new::run(&args),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Request(args) => commands::request::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Console(args) => commands::console::run(&args),
        Command::Adopt(args) => commands::adopt::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Plugin(command) => commands::plugin::run(&command),
        Command::Waf(command) => commands::waf::run(&command),
        Command::Package(args) => commands::package::run(&args),
        Command::Verify(args) => commands::verify::run(&args),
        Command::Push(args) => commands::push::run(&args),
        Command::Pull(args) => commands::pull::run(&args),
        Command::Catalogue(args) => commands::catalogue::run(&args),
        Command::Manifest(args) => commands::manifest::run(&args),
        Command::Release(args) => commands::release::run(&args),
        Command::Changed(args) => commands::changed::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
        Command::Licenses(args) => commands::licenses::run(&args),
        Command::Wheel(args) => commands::wheel::run(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            #[cfg(not(feature = "engine"))]
            if error.is::<marketplace::NeedsEngine>() {
                let error = heavy::replace::<()>().err().unwrap_or(error);
                output::error(&error);
                return ExitCode::from(1);
            }
            output::error(&error);
            let is_usage = error.is::<Usage>()
                || error.downcast_ref::<Refusal>().is_some_and(|refusal| !of_state(refusal.code))
                || error.downcast_ref::<workspace::Error>().is_some_and(workspace::Error::is_usage);
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}
