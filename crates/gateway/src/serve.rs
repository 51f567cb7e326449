//! Keeps one Envoy running, and in step with a folder of resources.
//!
//! [`run`] plans the folder, starts Envoy, and then follows the files. It prints nothing: whatever happens is reported as a
//! [`Notice`].

mod error;
mod notice;
mod server;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::folder::{Fault, StageOrder};
use crate::hosted::Hosted;
use crate::journal::Journal;
use crate::modules::Modules;
use crate::plan::{Plan, Planner};
use crate::socket::Socket;
use crate::state::StateFile;
use crate::watch::Watch;
use crate::{Cache, LogLevel, StartError, echo};

pub use crate::hosted::ServiceError;
pub use error::ServeError;
pub use notice::{Notice, Report};
use server::Server;

/// How many ports are tried if any will do.
const MAX_PORTS: u32 = 5;

/// The settings of a gateway.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of resources.
    pub folder: PathBuf,
    /// The address to listen on; port 0 for a free one.
    pub address: SocketAddr,
    /// Whether a free port is chosen if that of the address is taken.
    pub any_port: bool,
    /// The order of stages.
    pub order: StageOrder,
    /// How long a replaced listener may take to finish its requests.
    pub drain: Duration,
    /// The lowest level of Envoy's log that is reported.
    pub log_level: LogLevel,
    /// Whether a folder that has errors from the beginning is served as soon as they are fixed, instead of never.
    pub wait_for_repair: bool,
}

/// What ends a gateway.
#[derive(Debug)]
pub struct Stop(Option<oneshot::Receiver<()>>);

/// Ends a gateway when it is dropped.
#[derive(Debug)]
pub struct Stopper(#[expect(dead_code, reason = "dropping it is the signal")] oneshot::Sender<()>);

impl Stop {
    /// SIGINT or SIGTERM.
    #[must_use]
    pub fn on_signals() -> Self {
        Self(None)
    }

    /// The end of the returned [`Stopper`]. Signals are left to the caller.
    #[must_use]
    pub fn with_stopper() -> (Stopper, Self) {
        let (sender, receiver) = oneshot::channel();
        (Stopper(sender), Self(Some(receiver)))
    }
}

/// Why [`run`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It served until it was stopped.
    Stopped,
    /// The folder has errors, which were reported; it was never served.
    Invalid,
}

/// What wakes the loop.
enum Event {
    /// Files have changed.
    Changed(Vec<PathBuf>),
    /// A plan is ready.
    Planned { plan: Plan, faults: Vec<Fault> },
    /// It is to end.
    Stop,
}

/// A request for a plan.
struct Job {
    before: Plan,
    changed: Vec<PathBuf>,
}

/// Serves a folder until it is stopped. What happens is in the journal, which other programs of this user can follow, and is
/// reported.
///
/// # Errors
///
/// The gateway cannot start. An error in the folder is an [`Outcome`].
pub fn run(
    options: Options,
    modules: Modules,
    cache: &Cache,
    stop: Stop,
    journal: &Arc<Journal>,
    report: Report<'_>,
) -> Result<Outcome, ServeError> {
    let report: Report<'_> = &mut |notice| {
        journal.record(&notice);
        report(notice);
    };
    crate::folder::check(&options.folder)?;
    let unreadable = |error| ServeError::Io("read", options.folder.clone(), error);
    let folder = options.folder.canonicalize().map_err(unreadable)?;
    let shown = shown(&folder).to_path_buf();
    let free = |address: SocketAddr| TcpListener::bind(address).and_then(|free| free.local_addr());
    let free_address = || {
        let preferred = free(options.address);
        match preferred {
            Err(_) if options.any_port => free(SocketAddr::new(options.address.ip(), 0)),
            preferred => preferred,
        }
        .map_err(|error| ServeError::Address(options.address, error))
    };
    // Another program may take a port before Envoy does.
    let mut ports = if options.any_port || options.address.port() == 0 { MAX_PORTS } else { 1 };
    // An address that is taken is an error before anything is built.
    free_address()?;
    let envoy = cache.envoy()?;

    let (sender, events) = channel();
    // Before the first plan: a change made while plug-ins are built must not be missed.
    let changes = sender.clone();
    let mut watch = Watch::new(move |files| changes.send(Event::Changed(files)).is_ok())?;
    watch.set(BTreeSet::from([folder.clone()]))?;
    let from_source = modules.from_source();
    let mut planner = Planner::new(shown.clone(), options.order, modules, envoy.clone());
    // Until it has started, signals end the program at once.
    let mut background = Background::Later(stop);
    let mut changed = Vec::new();
    let mut server = loop {
        let (plan, mut faults) = planner.plan(None, &changed);
        if faults.is_empty() {
            let echo = background.start(&sender)?.echo;
            let hosted = Hosted::start(&plan.routes)?;
            let address = free_address()?;
            match Server::start(
                options.clone(),
                envoy.clone(),
                address,
                echo,
                hosted,
                plan.clone(),
                Arc::clone(journal),
            ) {
                Ok(server) => break server,
                Err(StartError::AddressInUse { .. }) if ports > 1 => {
                    ports -= 1;
                    continue;
                }
                Err(StartError::AddressInUse { .. }) => {
                    return Err(ServeError::Address(address, ErrorKind::AddrInUse.into()));
                }
                Err(error) => {
                    faults = planner.rejected(&plan);
                    if faults.is_empty() {
                        return Err(error.into());
                    }
                }
            }
        }
        faults.iter().for_each(|fault| report(Notice::Fault(fault)));
        if !options.wait_for_repair {
            return Ok(Outcome::Invalid);
        }
        background.start(&sender)?;
        report(Notice::Waiting);
        match next_change(&events, &folder) {
            Some(files) => changed = files,
            None => {
                report(Notice::Stopped);
                return Ok(Outcome::Stopped);
            }
        }
        report(Notice::Planning);
    };
    let state = StateFile::new(&folder).map_err(|error| ServeError::Io("write to", shown, error))?;
    let runtime = background.start(&sender)?.runtime;
    let _socket = match Socket::offer(&folder, Arc::clone(journal), &runtime) {
        Ok(socket) => Some(socket),
        Err(error) => {
            report(Notice::NoSocket(&error));
            None
        }
    };
    server.greet(&state, from_source, report)?;
    let jobs = planner_thread(planner, sender);
    watch.set(server.sources(&folder))?;
    server.run(&events, &jobs, &mut watch, &folder, &state, report)?;
    Ok(Outcome::Stopped)
}

/// Waits until files that can make a difference have changed; `None` if it is to end.
fn next_change(events: &Receiver<Event>, folder: &Path) -> Option<Vec<PathBuf>> {
    loop {
        match events.recv() {
            Ok(Event::Changed(files)) if files.iter().any(|file| server::is_resource(file, folder)) => {
                return Some(files);
            }
            Ok(Event::Changed(_) | Event::Planned { .. }) => {}
            Ok(Event::Stop) | Err(_) => return None,
        }
    }
}

/// The echo and the end, which need a thread.
enum Background {
    Later(Stop),
    Running(Running),
}

#[derive(Clone)]
struct Running {
    echo: SocketAddr,
    runtime: Handle,
}

impl Background {
    /// Starts the thread if there is none.
    fn start(&mut self, events: &Sender<Event>) -> Result<Running, ServeError> {
        let running = match self {
            Self::Running(running) => running.clone(),
            Self::Later(stop) => {
                background(events.clone(), Stop(stop.0.take())).map_err(ServeError::Runtime)?
            }
        };
        *self = Self::Running(running.clone());
        Ok(running)
    }
}

/// Runs the echo, and reports the end, on a thread of its own.
fn background(events: Sender<Event>, stop: Stop) -> std::io::Result<Running> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (echo, terminate) = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = match stop.0 {
            None => Some(signal(SignalKind::terminate())?),
            Some(_) => None,
        };
        Ok::<_, std::io::Error>((echo::start().await?, terminate))
    })?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            if let (None, Some(mut terminate)) = (&stop.0, terminate) {
                loop {
                    tokio::select! {
                        _ = tokio::signal::ctrl_c() => {}
                        _ = terminate.recv() => {}
                    }
                    // The echo runs until the loop has ended.
                    let _ = events.send(Event::Stop);
                }
            }
            if let Some(stopped) = stop.0 {
                // An error is a dropped sender, which is the signal.
                let _ = stopped.await;
                let _ = events.send(Event::Stop);
            }
        });
    });
    Ok(Running { echo, runtime: handle })
}

/// Plans on a thread of its own: building a plug-in takes longer than a log line may wait.
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

/// A path as it is shown: relative to the current directory if it is inside.
fn shown(path: &Path) -> &Path {
    let here = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(&here) {
        // An empty path cannot be opened.
        Ok(inside) if inside.as_os_str().is_empty() => Path::new("."),
        Ok(inside) => inside,
        Err(_) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_path_can_be_opened() {
        let here = std::env::current_dir().unwrap();
        for (path, expected) in
            [(here.clone(), "."), (here.join("src/lib.rs"), "src/lib.rs"), ("/x".into(), "/x")]
        {
            assert_eq!(shown(&path), Path::new(expected));
        }
    }
}
