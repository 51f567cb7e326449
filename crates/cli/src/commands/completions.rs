//! `completions`: scripts with which shells complete commands and options.

#[cfg(not(feature = "shell"))]
pub(crate) use crate::heavy::run;

/// Print a script that completes commands and options in a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask completions bash > ~/.local/share/bash-completion/completions/portcullis
  cargo xtask completions zsh > ~/.zfunc/_portcullis
  cargo xtask completions fish > ~/.config/fish/completions/portcullis.fish")]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

#[cfg(feature = "shell")]
pub(crate) fn run(args: &Args) -> anyhow::Result<bool> {
    use std::io::Write as _;

    std::io::stdout().write_all(&script(args.shell))?;
    Ok(true)
}

/// The script of a shell.
#[cfg(feature = "shell")]
pub(crate) fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::installed(), crate::Program::Portcullis.name(), &mut script);
    script
}

#[cfg(all(test, feature = "shell"))]
mod tests {
    use super::*;

    #[test]
    fn every_shell_knows_the_commands_by_the_name_of_the_installed_program() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::Powershell, Shell::Zsh] {
            let script = String::from_utf8(script(shell)).unwrap();
            assert!(script.contains("portcullis") && script.contains("catalogue"), "{shell:?}");
            assert!(!script.contains("cargo xtask"), "{shell:?}");
        }
    }
}
