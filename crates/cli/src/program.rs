//! The name of the program: `portcullis`, or `cargo xtask` in this repository.
//!
//! Help and messages are written with `cargo xtask`, like the documents of this repository, and shown with the name that the
//! user can type.

use std::borrow::Cow;
use std::sync::OnceLock;

use clap::Command;
use clap::builder::StyledStr;

/// Which program this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `portcullis`, installed.
    Portcullis,
    /// `cargo xtask`.
    Xtask,
}

static PROGRAM: OnceLock<Program> = OnceLock::new();

/// The variable with the name typed by the user, if `cargo xtask` has replaced itself with `portcullis`.
pub(crate) const RUN_AS: &str = "PORTCULLIS_RUN_AS";

/// The name used in the sources.
const WRITTEN: &str = "cargo xtask";

impl Program {
    /// Returns the name that the user types.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portcullis => "portcullis",
            Self::Xtask => WRITTEN,
        }
    }

    /// Returns the program typed by the user.
    pub(crate) fn typed(self) -> Self {
        match std::env::var(RUN_AS) {
            Ok(name) if name == WRITTEN => Self::Xtask,
            _ => self,
        }
    }

    /// Sets the program of the process. Only the first call has an effect.
    pub(crate) fn set(self) {
        let _ = PROGRAM.set(self);
    }

    /// Returns the command with help texts that use this program's name.
    pub(crate) fn named(self, command: Command) -> Command {
        if self == Self::Xtask {
            return command;
        }
        rename(command.name(self.name()).bin_name(self.name()))
    }
}

/// Returns the text with the name of the installed program.
fn installed(text: &str) -> String {
    text.replace(WRITTEN, Program::Portcullis.name())
}

/// The same for a help text, whose examples have a second column.
fn installed_help(text: &str) -> String {
    let line = |line: &str| {
        let shorter = WRITTEN.len() - Program::Portcullis.name().len();
        let gap = line.rfind(WRITTEN).and_then(|at| Some(at + line.get(at..)?.find("  ")?));
        match gap.and_then(|at| line.split_at_checked(at)) {
            Some((example, meaning)) => {
                let lost = shorter * example.matches(WRITTEN).count();
                format!("{}{:lost$}{meaning}", installed(example), "")
            }
            None => installed(line),
        }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the text with the name that the user can type.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    match PROGRAM.get() {
        Some(Program::Portcullis) if text.contains(WRITTEN) => Cow::Owned(installed(text)),
        _ => Cow::Borrowed(text),
    }
}

fn rename(mut command: Command) -> Command {
    let renamed = |styled: Option<&StyledStr>| {
        styled.map(|styled| StyledStr::from(installed_help(&styled.to_string())))
    };
    if let Some(about) = renamed(command.get_about()) {
        command = command.about(about);
    }
    if let Some(about) = renamed(command.get_long_about()) {
        command = command.long_about(about);
    }
    if let Some(help) = renamed(command.get_after_help()) {
        command = command.after_help(help);
    }
    if let Some(help) = renamed(command.get_after_long_help()) {
        command = command.after_long_help(help);
    }
    command = command.mut_args(|arg| {
        let (help, long) = (renamed(arg.get_help()), renamed(arg.get_long_help()));
        let arg = if let Some(help) = help { arg.help(help) } else { arg };
        if let Some(long) = long { arg.long_help(long) } else { arg }
    });
    command.mut_subcommands(rename)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_columns() {
        let help = "Examples:\n  cargo xtask build x  builds\n  a | cargo xtask config - && cargo xtask y   both\n\
                    \u{20}                      more\nSee `cargo xtask serve`.";
        assert_eq!(
            installed_help(help),
            "Examples:\n  portcullis build x   builds\n  a | portcullis config - && portcullis y     both\n\
             \u{20}                      more\nSee `portcullis serve`."
        );
    }
}
