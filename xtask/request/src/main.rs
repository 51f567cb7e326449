//! `cargo xtask request` and `cargo xtask explain`: the command lines.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::AnsiColor;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, Subcommand};
use gateway::client::{self, Answer, Sent};
use gateway::explain::Request;
use gateway::folder::StageOrder;
use gateway::modules::Modules;
use gateway::plan::Planner;
use gateway::secret::Hider;
use gateway::trace::{Story, Traced, hidden, hider, hider_of, json, run_with};
use gateway::websocket::{self, Received};
use gateway::workspace::Workspace;
use gateway::{Envoy, StartError};
use gateway::{Usage, echo, state};
use request::show::show;
use request::{curl, explain};

/// What becomes of a request in a gateway.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    /// The workspace, and cargo's target folder; `cargo xtask` names them.
    // With a default, so that usage lines leave them out.
    #[arg(long, hide = true, default_value = "")]
    root: PathBuf,
    #[arg(long, hide = true, default_value = "")]
    target: PathBuf,
    /// The program that `cargo xtask` is.
    #[arg(long, hide = true)]
    xtask: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Request(RequestArgs),
    Explain(ExplainArgs),
}

/// Send a request through the gateway of a folder, and show what each plug-in did with it
///
/// The request goes to the `cargo xtask serve` of the folder, or to an Envoy of its own where none runs. With `--trace`
/// it goes to one of its own in any case, with a probe before, between and behind the plug-ins; what they do is the same.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask request http://foo.example.com/swagger.html --folder examples/block
  cargo xtask request /login -d user=me -H 'x-a: b' -i
  cargo xtask request /login -d @body.json --trace        who answered, and why
  cargo xtask request /upload --data-binary @file --chunk 4096 --http2 --trace --json
  echo hello | cargo xtask request ws://foo.example.com/chat
                                                          a WebSocket: lines go out, messages come in

Exit codes: 0 there was an answer, 1 there was none, it broke off, or the folder is wrong, 2 the command was wrong.")]
struct RequestArgs {
    #[command(flatten)]
    curl: curl::Args,
    /// Print the head of the answer too.
    #[arg(short = 'i', long)]
    include: bool,
    /// Print nothing but the answer, or the trace.
    #[arg(short = 's', long)]
    silent: bool,
    /// Show what each plug-in did.
    #[arg(long)]
    trace: bool,
    /// Print the trace as JSON.
    #[arg(long, requires = "trace")]
    json: bool,
    /// Show what a trace hides: credentials in headers, parameters, cookies and configurations, wherever they turn up.
    #[arg(long, requires = "trace")]
    show_secrets: bool,
    /// Build images of plug-ins of this workspace from source instead of pulling them.
    #[arg(long)]
    from_source: bool,
    #[command(flatten)]
    gateway: Gateway,
}

/// Explain which plug-ins a request meets, in which order and with which configuration, without sending it
///
/// Of a plug-in of this workspace, a rule is shown with what it has from the global fields, if its rules start from them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask explain examples/domains --host shop.example.com --path /admin
  cargo xtask explain . --host a.com --route default/foo --consumer partner --json")]
struct ExplainArgs {
    /// The folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The host, with a port or without.
    #[arg(long)]
    host: String,
    /// The path.
    #[arg(long, default_value = "/")]
    path: String,
    /// The name of the route, where `routes.yaml` is not to decide.
    #[arg(long)]
    route: Option<String>,
    /// The service, `name` or `name:port`, where `routes.yaml` is not to decide.
    #[arg(long)]
    service: Option<String>,
    /// The consumer as whom an authentication plug-in lets it pass.
    #[arg(long)]
    consumer: Option<String>,
    /// The order of stages; the documents disagree.
    #[arg(long, value_enum, default_value = "mse")]
    stage_order: Order,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    /// Show the credentials in configurations.
    #[arg(long)]
    show_secrets: bool,
}

/// The order of stages, as a command takes it.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Order {
    /// authz, authn, stats, default.
    Mse,
    /// authn, authz, stats, default.
    Istio,
}

impl From<Order> for StageOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Mse => Self::Mse,
            Order::Istio => Self::Istio,
        }
    }
}

#[derive(clap::Args)]
struct Gateway {
    /// The folder of the gateway.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// The order of stages; the documents disagree. That of the gateway that serves, or `mse`.
    #[arg(long, value_enum)]
    stage_order: Option<Order>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (root, target, xtask) = (cli.root, cli.target, cli.xtask);
    let workspace = Workspace { root, target, profile: "wasm-dev".into(), xtask };
    let done = match &cli.command {
        Command::Request(args) => send(args, workspace),
        Command::Explain(args) => explained(args, &workspace),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let style = AnsiColor::Red.on_default().bold();
            anstream::eprintln!("{style}error:{style:#} {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

fn is_there(folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        bail!(Usage(format!("{} is no folder: name one of WasmPlugin resources", folder.display())));
    }
    gateway::serve::one_too_high(folder)
}

fn explained(args: &ExplainArgs, workspace: &Workspace) -> Result<bool> {
    is_there(&args.folder)?;
    let request = Request {
        host: args.host.clone(),
        path: args.path.clone(),
        route: args.route.clone(),
        service: args.service.clone(),
        consumer: args.consumer.clone(),
    };
    let hider = if args.show_secrets { Hider::shows_all() } else { Hider::default() };
    let explanation = explain::explain(&args.folder, args.stage_order.into(), &request, workspace, &hider)?;
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&explanation)?);
    } else {
        anstream::print!("{}", explain::in_words(&explanation));
    }
    Ok(true)
}

fn send(args: &RequestArgs, workspace: Workspace) -> Result<bool> {
    let sent = args.curl.request()?;
    let folder = &args.gateway.folder;
    is_there(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serves = state::read(folder);
    if let (false, Some(state)) = (args.trace, &serves) {
        let answer = runtime.block_on(exchange(args, state.address, &sent))?;
        return finish(args, &sent, answer.as_ref(), &Hider::shows_all());
    }
    let order = match (args.gateway.stage_order, &serves) {
        (Some(order), _) => order.into(),
        (None, Some(state)) if state.stage_order == "istio" => StageOrder::Istio,
        (None, _) => StageOrder::Mse,
    };
    if let (Some(state), false) = (&serves, args.silent) {
        anstream::eprintln!(
            "note: traced in an Envoy of its own, in which limits, counters and shared data begin anew: the one that \
             serves on http://{} may answer otherwise; without --trace it is asked",
            state.address
        );
    }
    let envoy = Envoy::find(&workspace.target)?;
    let modules = Modules::new(workspace, args.from_source);
    let mut planner = Planner::new(folder.clone(), order, modules, envoy.clone());
    let (plan, faults) = planner.plan(None, &[]);
    if !faults.is_empty() {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        return Err(anyhow!("{}", faults.join("\n")));
    }
    if !args.silent {
        plan.remarks.iter().for_each(gateway::show::remark);
    }
    let traced: Traced = runtime
        .block_on(async {
            let echo = echo::start().await.context("starting the echo")?;
            let exchange = async |address| exchange(args, address, &sent).await;
            run_with(&envoy, &plan, echo, args.trace, exchange).await
        })
        .map_err(|error| match error.downcast_ref::<StartError>() {
            // Which one does not start, and in its own words.
            Some(_) => match planner.refused(&plan) {
                faults if faults.is_empty() => error,
                faults => {
                    anyhow!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
                }
            },
            None => error,
        })?;
    if !args.trace {
        return finish(args, &sent, traced.answer.as_ref(), &Hider::shows_all());
    }
    let names: Vec<&str> = plan.plugins.iter().map(|planned| planned.wasm.name.as_str()).collect();
    let mut story = Story::of(&traced, &names);
    story.name_rules(&plan);
    let hider = if args.show_secrets { Hider::shows_all() } else { hider(&sent, &traced, &story) };
    let story = hidden(&story, &hider);
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&json(&story, &traced))?);
        return Ok(traced.answer.is_some());
    }
    anstream::print!("{}\n", show(&story, &traced));
    finish(args, &sent, traced.answer.as_ref(), &hider)
}

/// Sends the request, or opens the WebSocket and prints what comes.
async fn exchange(args: &RequestArgs, address: SocketAddr, sent: &Sent) -> Result<Option<Answer>> {
    if !sent.websocket {
        return client::send(address, sent).await;
    }
    use std::io::Write as _;
    // The trace as JSON is all that a script wants to read.
    let shown = !args.json;
    // Before there is a trace, what was sent tells what is secret.
    let hider = match args.trace && !args.show_secrets {
        true => hider_of(sent),
        false => Hider::shows_all(),
    };
    let opened = |answer: &Answer| {
        if shown && (!args.silent || args.include) {
            writeln!(std::io::stdout(), "{}", hider.text(&websocket::head(answer)))?;
        }
        Ok(())
    };
    let received = |message: &Received| {
        match message {
            Received::Closed(_) if args.silent => {}
            Received::Closed(_) => anstream::eprintln!("{message}"),
            Received::Text(_) | Received::Binary(_) if shown => {
                writeln!(std::io::stdout(), "{}", hider.text(&message.to_string()))?;
            }
            Received::Text(_) | Received::Binary(_) => {}
        }
        Ok(())
    };
    websocket::talk(address, sent, websocket::lines_of_stdin(), opened, received).await
}

/// Prints what is left to print of an answer; whether there was one, and all of it came.
fn finish(args: &RequestArgs, sent: &Sent, answer: Option<&Answer>, hider: &Hider) -> Result<bool> {
    let Some(answer) = answer.filter(|_| sent.websocket) else { return print(args, answer, hider) };
    use std::io::Write as _;
    std::io::stdout().write_all(&hider.bytes(&answer.body))?;
    if let Some(broken) = &answer.broken {
        anstream::eprintln!("the WebSocket broke off: {broken}");
    }
    Ok(answer.broken.is_none())
}

/// The answer, as curl prints it; behind a trace with its secrets hidden.
fn print(args: &RequestArgs, answer: Option<&Answer>, hider: &Hider) -> Result<bool> {
    use std::io::Write as _;
    let Some(answer) = answer else {
        if !args.silent {
            anstream::eprintln!("nobody answered within {} s", args.curl.max_time);
        }
        return Ok(false);
    };
    let mut out = std::io::stdout().lock();
    if args.include {
        writeln!(out, "{:?} {}", answer.version, answer.status)?;
        for (name, value) in &answer.headers {
            writeln!(out, "{name}: {}", hider.header(name.as_str().as_bytes(), value.as_bytes()))?;
        }
        writeln!(out)?;
    }
    out.write_all(&hider.bytes(&answer.body))?;
    if args.include {
        for (name, value) in &answer.trailers {
            writeln!(out, "{name}: {}", hider.header(name.as_str().as_bytes(), value.as_bytes()))?;
        }
    }
    if let Some(broken) = &answer.broken {
        anstream::eprintln!("the answer broke off: {broken}");
    }
    Ok(answer.broken.is_none())
}
