//! `cargo xtask serve`: one Envoy that is kept running, and kept in step with the folder.

mod server;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::folder::{Fault, StageOrder};
use crate::{Envoy, LogLevel};
use anyhow::{Context, Result, bail};

use crate::modules::Modules;
use crate::plan::{Plan, Planner};
use crate::state::StateFile;
use crate::watch::Watch;
use crate::workspace::Workspace;
use crate::{Usage, echo, show};
use server::Server;

/// What the command was given.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of resources.
    pub folder: PathBuf,
    /// Where to listen.
    pub address: SocketAddr,
    /// The order of stages.
    pub order: StageOrder,
    /// How long a replaced listener finishes what it has begun.
    pub drain: Duration,
    /// The plug-ins whose logs are shown; all if there is none.
    pub log: Vec<String>,
    /// From which level on.
    pub log_level: LogLevel,
    /// Whether images of plug-ins of this workspace are built from source.
    pub from_source: bool,
}

/// What wakes the loop.
enum Event {
    /// Files have changed.
    Changed(Vec<PathBuf>),
    /// A plan is made.
    Planned { plan: Plan, faults: Vec<Fault> },
    /// The person has had enough.
    Stop,
}

/// What the planner is asked for.
struct Job {
    before: Plan,
    changed: Vec<PathBuf>,
}

/// Serves until it is told to stop; whether it served at all.
///
/// # Errors
///
/// It cannot begin.
pub fn run(options: Options, workspace: Workspace) -> Result<bool> {
    let folder = options.folder.canonicalize().map_err(|error| {
        Usage(format!(
            "{} cannot be served: {error}; name a folder of WasmPlugin resources",
            options.folder.display()
        ))
    })?;
    if !folder.is_dir() {
        bail!(Usage(format!("{} is a file: name the folder that it is in", options.folder.display())));
    }
    let free = TcpListener::bind(options.address).map_err(|error| {
        Usage(format!("{} cannot be listened on: {error}; `--port 0` takes a free one", options.address))
    })?;
    let address = free.local_addr()?;
    drop(free);
    let envoy = Envoy::find(&workspace.target)?;

    let shown = workspace.shown(&folder).to_path_buf();
    let modules = Modules::new(workspace, options.from_source);
    let (sender, events) = channel();
    // From the beginning: what is changed while plug-ins are built is not to be missed.
    let changes = sender.clone();
    let mut watch = Watch::new(move |files| changes.send(Event::Changed(files)).is_ok())?;
    watch.set(BTreeSet::from([folder.clone()]))?;
    let mut planner = Planner::new(shown.clone(), options.order, modules, envoy.clone());
    one_too_high(&shown)?;
    let (plan, faults) = planner.plan(None, &[]);
    if !faults.is_empty() {
        faults.iter().for_each(show::fault);
        show::error(format_args!("{} is not served: repair the above, and start again", shown.display()));
        return Ok(false);
    }

    let echo = background(sender.clone())?;
    let mut server = match Server::start(options, envoy, address, echo, plan.clone()) {
        Ok(server) => server,
        Err(error) => {
            let faults = planner.refused(&plan);
            if faults.is_empty() {
                return Err(error);
            }
            faults.iter().for_each(show::fault);
            show::error(format_args!("{} is not served: repair the above, and start again", shown.display()));
            return Ok(false);
        }
    };
    let state =
        StateFile::new(&folder).with_context(|| format!("{} cannot be written to", shown.display()))?;
    server.greet(&state)?;
    let jobs = planner_thread(planner, sender);
    watch.set(server.sources(&folder))?;
    server.run(&events, &jobs, &mut watch, &folder, &state)?;
    Ok(true)
}

/// Refuses a folder without anything of its own whose folders hold plug-ins.
///
/// # Errors
///
/// The folders that may be meant.
pub fn one_too_high(folder: &Path) -> Result<()> {
    let own = crate::folder::read(folder, StageOrder::Mse);
    let is_empty =
        own.plugins.is_empty() && own.faults.is_empty() && !folder.join(crate::folder::ROUTES).exists();
    let below = if is_empty { crate::folder::below(folder) } else { Vec::new() };
    if !below.is_empty() {
        let mut names: Vec<String> =
            below.iter().take(5).map(|folder| folder.display().to_string()).collect();
        let last = names.pop().unwrap_or_default();
        let list = if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) };
        bail!(Usage(format!(
            "no resource of a plug-in was found in {}: did you mean {list}?",
            folder.display()
        )));
    }
    Ok(())
}

/// The echo, and the signals that end the program, on a thread of their own.
fn background(events: Sender<Event>) -> Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (address, terminate) = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        Ok::<_, std::io::Error>((echo::start().await?, signal(SignalKind::terminate())?))
    })?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let mut terminate = terminate;
            loop {
                tokio::select! {
                    _ = tokio::signal::ctrl_c() => {}
                    _ = terminate.recv() => {}
                }
                // The echo goes on until the loop has ended.
                let _ = events.send(Event::Stop);
            }
        });
    });
    Ok(address)
}

/// Plans are made on a thread of their own: building a plug-in takes longer than a request may wait for its log line.
fn planner_thread(mut planner: Planner, events: Sender<Event>) -> Sender<Job> {
    let (jobs, work) = channel::<Job>();
    std::thread::spawn(move || {
        for Job { before, changed } in work {
            let (plan, faults) = planner.plan(Some(&before), &changed);
            if events.send(Event::Planned { plan, faults }).is_err() {
                return;
            }
        }
    });
    jobs
}
