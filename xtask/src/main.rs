//! `cargo xtask`: the commands of `portcullis`, run from this repository.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(cli::Program::Xtask)
}
