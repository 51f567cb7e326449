//! The `portcullis` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(cli::Program::Portcullis)
}
