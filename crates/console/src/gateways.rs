//! The gateways: folders of resources, each served by an Envoy of its own on a thread of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use gateway::folder::{self, Fault, Folder, StageOrder};
use gateway::journal::{Journal, State};
use gateway::modules::{Modules, Sources};
use gateway::plugins::Plugins;
use gateway::serve::{self, Options, Outcome, Stop, Stopper};
use gateway::{Cache, LogLevel, socket, state};
use oci::Catalogue;
use serde::Serialize;
use utoipa::ToSchema;
use workspace::Workspace;

use crate::checks::Checks;
use crate::hidden;
use crate::problem::Problem;
use crate::uploads::Uploads;
use crate::users::Role;

/// How long requests of a replaced listener may take.
const DRAIN: Duration = Duration::from_secs(600);

/// How often other processes that serve are looked for, and folders of gateways with open pages are compared.
const TICK: Duration = Duration::from_secs(1);

/// After how many ticks files that others have left behind are removed.
const CLEAN: u32 = 60;

/// What all gateways have in common.
#[derive(Debug, Clone)]
pub struct Common {
    /// The order of stages.
    pub order: StageOrder,
    /// The folder for fetched files.
    pub cache: Cache,
    /// The plug-ins of the workspace, or why there are none.
    pub plugins: Result<Plugins, String>,
    /// The same workspace.
    pub workspace: Option<Workspace>,
    /// Whether images of plug-ins of the workspace are built from source instead of pulled.
    pub from_source: bool,
    /// Images that are here already.
    pub catalogue: Option<Catalogue>,
}

impl Common {
    /// The plug-ins that can be added by name.
    pub(crate) fn marketplace(&self) -> marketplace::Sources {
        marketplace::Sources::new(self.workspace.clone(), self.catalogue.clone())
    }

    /// Where modules come from.
    pub(crate) fn sources(&self) -> Sources {
        Sources {
            plugins: self.plugins.clone(),
            from_source: self.from_source,
            catalogue: self.catalogue.clone(),
        }
    }
}

/// An error in a file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultView {
    /// The file, relative to the folder.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The field.
    pub path: String,
    /// The error.
    pub message: String,
}

/// A gateway.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayView {
    /// The name.
    pub name: String,
    /// The folder.
    pub folder: String,
    /// The state.
    pub state: State,
    /// More about the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where it accepts requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The number of plug-ins in the folder.
    pub plugins: usize,
    /// The number of those that are on.
    pub enabled: usize,
    /// Requests that ended, averaged over some seconds.
    pub requests_per_second: f64,
    /// Those among them that the gateway or a plug-in refused.
    pub refusals_per_second: f64,
    /// The order of stages: `mse` or `istio`.
    pub order: String,
    /// The role of whoever asks.
    pub role: Role,
    /// Whether the folder is in a git work tree.
    pub git: bool,
    /// The errors in the files.
    pub faults: Vec<FaultView>,
}

/// The thread that serves.
#[derive(Debug)]
struct Running {
    /// It stops the gateway when it is dropped.
    stopper: Option<Stopper>,
    thread: JoinHandle<()>,
}

/// What is known about the process that serves the folder in place of this one.
#[derive(Debug, Default)]
struct Elsewhere {
    /// Whether its journal is followed.
    followed: bool,
    /// The process that could not be followed, and has been reported.
    unreachable: Option<u32>,
}

/// A gateway.
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// The port that it is served on if that is free.
    port: u16,
    pub(crate) common: Common,
    pub(crate) journal: Arc<Journal>,
    pub(crate) uploads: Uploads,
    pub(crate) checks: Arc<Checks>,
    /// Whether the folder is in a git work tree.
    pub(crate) git: bool,
    running: Mutex<Option<Running>>,
    elsewhere: Mutex<Elsewhere>,
    /// Held while files of the folder are changed.
    changing: Mutex<()>,
}

impl Gateway {
    fn new(name: String, folder: PathBuf, port: u16, common: Common, checks: Arc<Checks>) -> Self {
        hidden::clean(&folder);
        let git = crate::history::is_work_tree(&folder);
        Self {
            name,
            folder,
            port,
            common,
            journal: Arc::default(),
            uploads: Uploads::default(),
            checks,
            git,
            running: Mutex::default(),
            elsewhere: Mutex::default(),
            changing: Mutex::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Excludes other changes of this program. Those of other programs are noticed when a file is replaced.
    pub(crate) fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content of the folder.
    pub(crate) fn read(&self) -> Folder {
        folder::read(&self.folder, self.order())
    }

    /// The order of stages of whoever serves.
    pub(crate) fn order(&self) -> StageOrder {
        self.elsewhere().map_or(self.common.order, |other| other.order())
    }

    /// Where modules come from, as for whoever serves.
    pub(crate) fn sources(&self) -> Sources {
        let from_source = self.elsewhere().map_or(self.common.from_source, |other| other.from_source);
        Sources { from_source, ..self.common.sources() }
    }

    /// A path as it is shown: relative to the folder.
    pub(crate) fn shown(&self, file: &Path) -> String {
        file.strip_prefix(&self.folder).unwrap_or(file).display().to_string()
    }

    pub(crate) fn fault(&self, fault: &Fault) -> FaultView {
        FaultView {
            file: self.shown(&fault.file),
            line: fault.fault.line,
            column: fault.fault.column,
            path: fault.fault.path.clone(),
            message: fault.fault.message.clone(),
        }
    }

    /// The gateway of another process that serves the folder.
    pub(crate) fn elsewhere(&self) -> Option<state::State> {
        state::read(&self.folder).filter(|state| state.pid != std::process::id())
    }

    /// The gateway as the API shows it.
    pub(crate) fn view(&self, role: Role) -> GatewayView {
        let content = self.read();
        let elsewhere = self.elsewhere();
        let (requests_per_second, refusals_per_second) = self.journal.rates();
        let status = self.journal.status();
        // Faults that only the planner finds, such as a configuration that a module refuses, come after those of the files.
        let mut faults: Vec<FaultView> = content.faults.iter().map(|fault| self.fault(fault)).collect();
        for fault in status.faults().map(|fault| self.fault(fault)) {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        let (mut state, mut message, mut address) = (status.state, status.message.clone(), status.address);
        if let (Some(other), false) = (&elsewhere, self.is_running()) {
            // A moment passes until what it does is known.
            if !self.of_other().followed || state == State::Stopped {
                (state, message) = (State::Serving, None);
            }
            let served = || format!("served by another program (process {}), which also stops it", other.pid);
            (message, address) = (message.or_else(|| Some(served())), Some(other.address));
        }
        GatewayView {
            name: self.name.clone(),
            folder: self.folder.display().to_string(),
            state,
            message,
            address: address.map(|address| address.to_string()),
            plugins: content.plugins.len(),
            enabled: content.enabled().count(),
            requests_per_second,
            refusals_per_second,
            order: self.order().name().into(),
            role,
            git: self.git,
            faults,
        }
    }

    fn of_other(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the process that serves the folder, if it is another one and is not followed yet.
    pub(crate) fn attach(self: &Arc<Self>) {
        let Some(other) = self.elsewhere().filter(|_| !self.is_running()) else { return };
        if std::mem::replace(&mut self.of_other().followed, true) {
            return;
        }
        let gateway = Arc::clone(self);
        tokio::spawn(async move {
            let mut has_begun = false;
            let followed = socket::follow(&gateway.folder, &gateway.journal, || has_begun = true).await;
            let mut of_other = gateway.of_other();
            of_other.followed = false;
            if let Err(error) = followed
                && of_other.unreachable.replace(other.pid) != Some(other.pid)
            {
                let message =
                    format!("process {} serves the folder, and cannot be followed: {error}", other.pid);
                gateway.journal.note("warning", message);
            }
            drop(of_other);
            let running = gateway.running();
            if has_begun && running.is_none() {
                gateway.journal.set_state(State::Stopped, None);
                gateway.journal.note("info", format!("process {} does not serve any more", other.pid));
            }
        });
    }

    /// Starts to serve the folder.
    pub(crate) fn start(self: &Arc<Self>) -> Result<(), Problem> {
        if let Some(other) = self.elsewhere() {
            let message = format!(
                "{} is served by another program (process {}) on http://{}: stop it first",
                self.name, other.pid, other.address
            );
            return Err(Problem::new("gateway_elsewhere", message)
                .with("gateway", &self.name)
                .with("pid", other.pid)
                .with("address", other.address));
        }
        // One that waits for repairs begins anew: what is wrong may not be a file.
        let waits = self.journal.status().state == State::Error;
        let waiting = if waits { self.running().take() } else { None };
        if let Some(Running { stopper, thread }) = waiting {
            drop(stopper);
            // One that has panicked has ended as well.
            let _ = thread.join();
        }
        let mut running = self.running();
        if running.is_some() {
            let message = format!("{} is running already", self.name);
            return Err(Problem::new("gateway_running", message).with("gateway", &self.name));
        }
        let (stopper, stop) = Stop::with_stopper();
        self.journal.set_state(State::Starting, None);
        let gateway = Arc::clone(self);
        let thread = thread::spawn(move || gateway.run(stop));
        *running = Some(Running { stopper: Some(stopper), thread });
        Ok(())
    }

    /// Asks the gateway to stop. It does so within a moment.
    pub(crate) fn stop(&self) -> Result<(), Problem> {
        let stopper = self.running().as_mut().and_then(|running| running.stopper.take());
        if let Some(stopper) = stopper {
            drop(stopper);
            return Ok(());
        }
        let code = if self.elsewhere().is_some() { "gateway_elsewhere" } else { "gateway_stopped" };
        let message = match code {
            "gateway_elsewhere" => format!("{} is served by another program: stop it there", self.name),
            _ => format!("{} is not running", self.name),
        };
        Err(Problem::new(code, message).with("gateway", &self.name))
    }

    /// Returns true while a thread serves, or waits until it can.
    pub(crate) fn is_running(&self) -> bool {
        self.running().is_some()
    }

    fn run(&self, stop: Stop) {
        let (state, message) = match self.serve(stop) {
            Ok(Outcome::Stopped) => (State::Stopped, None),
            Ok(Outcome::Invalid) => (State::Error, Some("the folder has errors".to_owned())),
            Err(error) => (State::Error, Some(format!("{error:#}"))),
        };
        let mut running = self.running();
        *running = None;
        self.journal.set_state(state, message.clone());
        drop(running);
        if let Some(message) = message {
            self.journal.note("error", message);
        }
    }

    fn serve(&self, stop: Stop) -> Result<Outcome> {
        let modules = Modules::new(&self.common.cache, self.common.sources());
        let options = Options {
            folder: self.folder.clone(),
            address: (Ipv4Addr::LOCALHOST, self.port).into(),
            any_port: true,
            order: self.common.order,
            drain: DRAIN,
            log_level: LogLevel::Info,
            wait_for_repair: true,
        };
        Ok(serve::run(options, modules, &self.common.cache, stop, &self.journal, &mut |_| {})?)
    }

    /// The state, and why a plug-in of this file is not in force if it should be.
    pub(crate) fn trouble(&self, file: &Path) -> (State, Option<String>) {
        let status = self.journal.status();
        let of_file = status.faults().find(|fault| fault.file.file_name() == file.file_name());
        let message = of_file.map(|fault| fault.fault.to_string());
        (status.state, message.or_else(|| status.refused.clone()))
    }

    /// What the files of the folder are now; another value means that one has changed.
    fn fingerprint(&self) -> Vec<(PathBuf, Option<SystemTime>, u64)> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut stamps: Vec<_> = files
            .filter(|file| !file.file_name().to_string_lossy().starts_with('.'))
            .filter_map(|file| {
                let metadata = file.metadata().ok()?;
                Some((file.path(), metadata.modified().ok(), metadata.len()))
            })
            .collect();
        stamps.sort();
        stamps
    }
}

/// All gateways, by name.
pub(crate) type Gateways = BTreeMap<String, Arc<Gateway>>;

/// The maximum number of gateways of one console.
const MAX_GATEWAYS: usize = 100;

/// Finds the gateways of a folder: the folder itself if it has resources or nothing in it, and otherwise the folders in it
/// that have resources or nothing in them.
pub(crate) fn discover(root: &Path, port: u16, common: &Common) -> Result<Gateways> {
    let root = root.canonicalize().with_context(|| {
        format!(
            "cannot read {}: name a folder of WasmPlugin resources, or a folder of such folders",
            root.display()
        )
    })?;
    if !root.is_dir() {
        bail!("{} is a file: name the folder that it is in", root.display());
    }
    let inside = fs::read_dir(&root).with_context(|| format!("reading {}", root.display()))?;
    let mut inside: Vec<PathBuf> =
        inside.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && !is_other(path)).collect();
    inside.sort();
    let folders = if has_resources(&root) {
        vec![root]
    } else if inside.iter().any(|folder| has_resources(folder))
        || inside.iter().all(|folder| is_empty(folder))
    {
        inside.retain(|folder| has_resources(folder) || is_empty(folder));
        if inside.is_empty() { vec![root] } else { inside }
    } else {
        // It may be the one above, which the error names.
        folder::check(&root)?;
        vec![root]
    };
    if folders.len() > MAX_GATEWAYS {
        bail!("there are {} folders, and a console has at most {MAX_GATEWAYS} gateways", folders.len());
    }
    let mut gateways = Gateways::new();
    let checks = Arc::new(Checks::new(common.clone()));
    for (number, folder) in folders.into_iter().enumerate() {
        let name =
            folder.file_name().map_or_else(|| "gateway".into(), |name| name.to_string_lossy().into_owned());
        // Port 0, a free one, is the same for all.
        let port = if port == 0 { 0 } else { port.saturating_add(u16::try_from(number).unwrap_or_default()) };
        let gateway = Gateway::new(name.clone(), folder, port, common.clone(), Arc::clone(&checks));
        gateways.insert(name, Arc::new(gateway));
    }
    Ok(gateways)
}

/// Whether a folder has files of resources, or routes.
fn has_resources(folder: &Path) -> bool {
    let content = folder::read(folder, StageOrder::Mse);
    let files = !(content.plugins.is_empty() && content.others.is_empty() && content.faults.is_empty());
    files || folder.join(folder::ROUTES).exists()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder)
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_other(&entry.path()))))
}

/// Folders that are never gateways: hidden ones, and that of a gateway's modules.
fn is_other(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name == marketplace::shelf::MODULES
}

/// Attaches to processes that serve, and tells open pages about changes that were made by hand.
pub(crate) async fn tick(gateways: Gateways) {
    let mut fingerprints = BTreeMap::new();
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 1_u32.. {
        interval.tick().await;
        if number % CLEAN == 0 {
            let gateways: Vec<Arc<Gateway>> = gateways.values().cloned().collect();
            tokio::task::spawn_blocking(move || {
                gateways.iter().for_each(|gateway| hidden::clean(&gateway.folder))
            });
        }
        for (name, gateway) in &gateways {
            gateway.attach();
            if gateway.journal.has_readers() {
                let now = gateway.fingerprint();
                let before = fingerprints.insert(name.clone(), now.clone());
                if before.is_some_and(|before| before != now) {
                    gateway.journal.changed();
                }
            } else {
                fingerprints.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> Common {
        Common {
            order: StageOrder::Mse,
            cache: Cache::User("/nonexistent".into()),
            plugins: Err("it is a test".into()),
            workspace: None,
            from_source: false,
            catalogue: None,
        }
    }

    fn resource(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let text = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: a }\n\
                    spec: { url: 'file://a.wasm' }\n";
        fs::write(folder.join("a.yaml"), text).unwrap();
    }

    #[test]
    fn a_folder_is_a_gateway_or_has_gateways() {
        let root = tempfile::tempdir().unwrap();
        let names =
            |root: &Path| discover(root, 8080, &common()).map(|all| all.into_keys().collect::<Vec<_>>());
        assert_eq!(names(root.path()).unwrap().len(), 1, "an empty folder is a gateway without plug-ins");
        fs::create_dir_all(root.path().join("modules")).unwrap();
        assert_eq!(names(root.path()).unwrap().len(), 1, "and so is one that had plug-ins");
        fs::create_dir_all(root.path().join("new-1/.portcullis")).unwrap();
        fs::create_dir_all(root.path().join("new-2")).unwrap();
        assert_eq!(names(root.path()).unwrap(), ["new-1", "new-2"]);
        resource(&root.path().join("shop"));
        resource(&root.path().join("blog"));
        resource(&root.path().join(".hidden"));
        assert_eq!(names(root.path()).unwrap(), ["blog", "new-1", "new-2", "shop"]);
        assert_eq!(names(&root.path().join("shop")).unwrap(), ["shop"]);
        assert!(names(&root.path().join("missing")).is_err());
    }

    #[test]
    fn a_folder_that_another_process_serves_is_not_served_twice() {
        let root = tempfile::tempdir().unwrap();
        resource(root.path());
        let gateways = discover(root.path(), 8080, &common()).unwrap();
        let gateway = gateways.values().next().unwrap();
        let file = state::StateFile::new(&gateway.folder).unwrap();
        // The process 1 always exists.
        let address = ([127, 0, 0, 1], 8080).into();
        file.write(&state::State {
            pid: 1,
            address,
            admin: address,
            stage_order: "istio".into(),
            from_source: true,
        })
        .unwrap();
        assert_eq!(gateway.start().unwrap_err().code, "gateway_elsewhere");
        assert_eq!(gateway.stop().unwrap_err().code, "gateway_elsewhere");
        let view = gateway.view(Role::Viewer);
        assert_eq!((view.state, view.address.as_deref()), (State::Serving, Some("127.0.0.1:8080")));
        assert_eq!(
            (view.order.as_str(), gateway.sources().from_source),
            ("istio", true),
            "as that process has it"
        );
        drop(file);
        assert_eq!(gateway.stop().unwrap_err().code, "gateway_stopped");
        assert_eq!(gateway.view(Role::Viewer).state, State::Stopped);
    }
}
