//! Runs `explain`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use gateway::explain::{self, Applies, Explanation, Request};
use gateway::secret::Redactor;
use serde_json::Value;
use workspace::build::Profile;

use super::Args;
use crate::Usage;
use crate::commands::request::curl::target as url;
use crate::commands::serve::environment::Environment;
use crate::layout::{WIDTH, below, fold};

pub(crate) fn run(args: &Args) -> Result<bool> {
    let (folder, host, path) = asked(args)?;
    gateway::folder::check(&folder).map_err(|error| Usage(error.to_string()))?;
    let request = Request {
        host,
        path,
        route: args.route.clone(),
        service: args.service.clone(),
        consumer: args.consumer.clone(),
    };
    let redactor = if args.show_secrets { Redactor::disabled() } else { Redactor::default() };
    let Environment { plugins, .. } = Environment::find(Profile::WasmDev)?;
    let order = args.stage_order.into();
    let explanation = explain::explain_folder(&folder, order, &request, plugins.as_ref().ok(), &redactor)?;
    if args.json {
        let json = serde_json::to_string_pretty(&explanation).context("writing JSON")?;
        anstream::println!("{json}");
    } else {
        anstream::print!("{}", text(&explanation));
    }
    Ok(true)
}

/// The folder, and the host and the path of the request.
fn asked(args: &Args) -> Result<(PathBuf, String, String)> {
    let Args { target, folder, host, path, .. } = args;
    if target.contains("://") {
        if host.is_some() || path.is_some() {
            bail!(Usage(format!("`{target}` has the host and the path: remove --host and --path")));
        }
        let (host, path) = url(target)?;
        return Ok((folder.clone().unwrap_or_else(|| ".".into()), host.unwrap_or_default(), path));
    }
    if target.starts_with('/') && !Path::new(target).exists() {
        bail!(Usage(format!(
            "`{target}` is not a folder: write a path as `--path {target}`, or the URL `http://<host>{target}`"
        )));
    }
    if let Some(folder) = folder.as_ref().filter(|_| target != ".") {
        bail!(Usage(format!("`{target}` and --folder {} are two folders: write one", folder.display())));
    }
    let Some(host) = host else {
        bail!(Usage("the host is missing: add `--host <host>`, or write the URL `http://<host>/`".into()));
    };
    let folder = folder.clone().unwrap_or_else(|| target.into());
    Ok((folder, host.clone(), path.clone().unwrap_or_else(|| "/".into())))
}

/// The explanation for people.
fn text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    match (&explanation.route, &explanation.cluster) {
        (Some(route), Some(cluster)) => line(format!("route {route}, to {cluster}")),
        (Some(route), None) => line(format!("route {route}")),
        (None, Some(cluster)) => line(format!("no route of the folder, to {cluster}")),
        (None, None) => line("no route matches: the gateway responds 404, after the plug-ins".into()),
    }
    let widest =
        explanation.plugins.iter().map(|plugin| plugin.name.chars().count()).max().unwrap_or_default();
    for (number, plugin) in explanation.plugins.iter().enumerate() {
        let (applies, configuration) = match &plugin.applies {
            Applies::Rule { field, configuration, inherited, .. } => (
                match inherited.as_slice() {
                    [] => format!("{field}:"),
                    names => format!("{field}, with {} of the global fields:", names.join(", ")),
                },
                Some(configuration),
            ),
            Applies::Default { configuration } => ("default:".into(), Some(configuration)),
            Applies::Nothing => ("nothing: no rule matches, and there is no default".into(), None),
            Applies::Disabled => ("disabled".into(), None),
        };
        let (name, stage, priority) = (&plugin.name, plugin.stage, plugin.priority);
        let heading = format!("{:>2}  {name:<widest$}  {stage:<7} {priority:>5}  {applies}", number + 1);
        match configuration {
            None => fold(&heading, WIDTH, "      ").into_iter().for_each(&mut line),
            Some(configuration) => {
                let configuration = Value::Object(configuration.clone());
                let lines = below(&heading, &configuration.to_string(), Some(&configuration), WIDTH);
                lines.into_iter().for_each(&mut line);
            }
        }
    }
    if explanation.plugins.is_empty() {
        line("the folder has no plug-in".into());
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_request_is_a_url_as_well_as_a_host_and_a_path() {
        let asked = |line: &[&str]| {
            let line = Line::try_parse_from([&["explain"], line].concat()).unwrap();
            asked(&line.args).map_err(|error| error.to_string())
        };
        let good = |folder: &str, host: &str, path: &str| Ok((folder.into(), host.into(), path.into()));
        assert_eq!(asked(&["--host", "a.com"]), good(".", "a.com", "/"));
        assert_eq!(asked(&["f", "--host", "a.com", "--path", "/x?y"]), good("f", "a.com", "/x?y"));
        assert_eq!(asked(&["--folder", "f", "--host", "a.com"]), good("f", "a.com", "/"));
        assert_eq!(asked(&["http://a.com:80/x?y"]), good(".", "a.com:80", "/x?y"));
        assert_eq!(asked(&["ws://a.com", "--folder", "f"]), good("f", "a.com", "/"));
        for (line, expected) in [
            (&["f"][..], "the host is missing: add `--host <host>`"),
            (
                &["/none/x", "--host", "h"],
                "write a path as `--path /none/x`, or the URL `http://<host>/none/x`",
            ),
            (&["http://h/", "--host", "h"], "remove --host and --path"),
            (&["f", "--folder", "g", "--host", "h"], "are two folders: write one"),
            (&["https://h/"], "write http://"),
        ] {
            let error = asked(line).unwrap_err();
            assert!(error.contains(expected), "{line:?}: {error}");
        }
    }
}
