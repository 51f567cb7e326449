//! `changed`: the plug-ins affected by a branch, for CI.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;
use workspace::git::git;

use crate::Usage;

/// List the plug-ins affected by a branch
///
/// Compares with the commit where the branch started. Files of a plug-in affect that plug-in, the documents of the
/// repository affect none, and all other files affect all plug-ins.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask changed                          changes of the branch since main, one name per line
  cargo xtask changed --since HEAD~1 --json    {\"everything\":false,\"plugins\":[\"request-block\"]}")]
pub(crate) struct Args {
    /// The commit to compare with.
    #[arg(long, default_value = "main", value_name = "COMMIT")]
    since: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The affected plug-ins.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Changed {
    /// True if all plug-ins are affected.
    everything: bool,
    plugins: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let workspace = crate::open::workspace()?;
    let range = format!("{}...HEAD", args.since);
    let paths = git(&workspace.root, &["diff", "--name-only", "--no-renames", &range]).map_err(|error| {
        Usage(format!(
            "{error}: name a commit of this repository with `--since` (it may be missing in a shallow clone)"
        ))
    })?;
    let plugins: Vec<&str> = workspace.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let changed = affected(paths.lines(), &plugins);
    if args.json {
        anstream::println!("{}", serde_json::to_string(&changed)?);
    } else {
        changed.plugins.iter().for_each(|plugin| anstream::println!("{plugin}"));
    }
    Ok(true)
}

fn affected<'a>(paths: impl Iterator<Item = &'a str>, plugins: &[&str]) -> Changed {
    let mut names = BTreeSet::new();
    let mut everything = false;
    for path in paths {
        let plugin = path.strip_prefix("plugins/").and_then(|path| path.split('/').next());
        let is_documentation = path.starts_with("docs/") || (path.ends_with(".md") && !path.contains('/'));
        match plugin.filter(|name| plugins.contains(name)) {
            Some(name) => {
                names.insert(name);
            }
            None if is_documentation => {}
            None => everything = true,
        }
    }
    let plugins = if everything { plugins.to_vec() } else { names.into_iter().collect() };
    Changed { everything, plugins: plugins.into_iter().map(ToOwned::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_affects_its_plug_ins_or_everything() {
        for (paths, everything, plugins) in [
            (&[] as &[&str], false, &[] as &[&str]),
            (&["README.md", "docs/benchmarks.md"], false, &[]),
            (&["plugins/b/src/lib.rs", "CHANGELOG.md", "plugins/b/README.md"], false, &["b"]),
            (&["plugins/b/plugin.yaml", "crates/sdk/src/lib.rs"], true, &["a", "b"]),
            (&["Cargo.lock"], true, &["a", "b"]),
            (&[".github/workflows/ci.yml"], true, &["a", "b"]),
            (&["plugins/gone/src/lib.rs"], true, &["a", "b"]),
            (&["crates/sdk/README.md"], true, &["a", "b"]),
        ] {
            let expected =
                Changed { everything, plugins: plugins.iter().map(|name| (*name).to_owned()).collect() };
            assert_eq!(affected(paths.iter().copied(), &["a", "b"]), expected, "{paths:?}");
        }
    }
}
