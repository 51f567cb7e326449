//! Commands of a block, with what they are said to print.

use super::Block;

/// What is not run here, by how the command begins, and why not.
pub(crate) const MAPPED: &[(&str, &str)] = &[
    ("git clone ", "this checkout is the clone"),
    ("git push ", "publishes"),
    ("pipx install portcullis-cli", ".ci/wheel installs the wheel without a network, and runs what follows"),
    ("python3 -m venv venv && venv/bin/pip install portcullis-cli", ".ci/wheel runs it"),
    ("portcullis ", ".ci/wheel runs it with the program of the wheel"),
    ("venv/bin/portcullis ", ".ci/wheel runs it with the program of the wheel"),
    ("cargo xtask release request-block 1.2.3", "commits and tags; with --dry-run it is run"),
    ("cargo xtask console ", "runs until it is stopped; the tests of the console start it"),
    ("cargo xtask test                  ", "CI runs it, and this is a part of it"),
    ("curl --unix-socket .portcullis/serve.sock", "the console's tests attach to a gateway by its socket"),
    ("curl -i http://gateway/", "a gateway of the reader's"),
    (
        "curl http://gateway/v1/chat/completions/quota/refresh ",
        "needs an administrator whom another plug-in verifies; the cases of ai-quota have the same requests",
    ),
    ("curl 'http://gateway/v1/chat/completions/quota?consumer=ann'", "as the one before it"),
    ("cargo xtask test my-plugin -- trailers", "the plug-in of the README has no such case"),
];

/// Programs that are run.
const PROGRAMS: &[&str] = &["cargo", "curl", "echo", "mkdir"];

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    /// The line of the file, from 1.
    pub(crate) line: usize,
    /// What is typed, without the comment behind it.
    pub(crate) text: String,
    /// The comment.
    pub(crate) comment: String,
    /// The lines below it.
    pub(crate) printed: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    Mapped(&'static str),
    Unknown,
}

impl Command {
    pub(crate) fn kind(&self) -> Kind {
        // A column of spaces tells `cargo xtask test` alone from the same with a name.
        let padded = format!("{}                  ", self.text);
        let is_dry = self.text.contains(" --dry-run");
        if let Some((_, why)) = MAPPED.iter().find(|(start, _)| padded.starts_with(start) && !is_dry) {
            return Kind::Mapped(why);
        }
        let tested = self.text.strip_prefix("cargo xtask test ").and_then(|rest| rest.split(' ').next());
        if tested.is_some_and(|name| !name.starts_with('-') && name != "my-plugin") {
            return Kind::Mapped("CI runs it for every plug-in");
        }
        let program = self.text.split(' ').next().unwrap_or_default();
        if PROGRAMS.contains(&program) { Kind::Run } else { Kind::Unknown }
    }
}

/// The commands of a console block.
pub(crate) fn of(block: &Block) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut continued = false;
    for (number, line) in block.text.lines().enumerate() {
        if let Some(typed) = line.strip_prefix("$ ") {
            commands.push(Command {
                line: block.line + number,
                text: String::new(),
                comment: String::new(),
                printed: Vec::new(),
            });
            continued = add(commands.last_mut().unwrap(), typed);
        } else if let Some(command) = commands.last_mut() {
            match continued {
                true => continued = add(command, line),
                false => command.printed.push(line.to_owned()),
            }
        }
    }
    commands
}

/// Adds a line to what is typed; whether it goes on.
fn add(command: &mut Command, line: &str) -> bool {
    let (typed, comment) = match line.find("  # ").or_else(|| line.find(" # ")) {
        Some(at) => (line[..at].trim_end(), line[at..].trim_start_matches([' ', '#'])),
        None => (line.trim_end(), ""),
    };
    command.comment.push_str(comment);
    if !command.text.is_empty() {
        command.text.push(' ');
    }
    match typed.strip_suffix('\\') {
        Some(start) => {
            command.text.push_str(start.trim());
            true
        }
        None => {
            command.text.push_str(typed.trim());
            false
        }
    }
}

#[test]
fn commands_have_comments_continuations_and_output() {
    let block = Block {
        line: 5,
        language: "console".into(),
        attributes: String::new(),
        text: "$ cargo xtask new a   # starts one\n$ curl -i \\\n    http://x/\nHTTP/1.1 200 OK\n\nok\n$ brew install x\n".into(),
    };
    let commands = of(&block);
    assert_eq!(
        (commands[0].text.as_str(), commands[0].comment.as_str()),
        ("cargo xtask new a", "starts one")
    );
    assert_eq!((commands[1].text.as_str(), commands[1].line), ("curl -i http://x/", 6));
    assert_eq!(commands[1].printed, ["HTTP/1.1 200 OK", "", "ok"]);
    assert_eq!(commands[2].kind(), Kind::Unknown);
}
