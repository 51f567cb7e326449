//! A running Envoy whose configuration can be changed without interrupting requests.
//!
//! Each plug-in has a file that Envoy watches (ECDS): a new version takes effect immediately, on open connections too, and
//! an invalid one is rejected while the old one stays active. The set of plug-ins and their order are part of the listener
//! (LDS): it is replaced, and the old one finishes its requests while it drains. Routes (RDS) and clusters (CDS) have a
//! file each. Files are replaced by renaming, so Envoy never reads an incomplete one.

mod error;
mod watched;

use std::io;
use std::time::{Duration, Instant};

pub use error::ChangeError;

use crate::bootstrap;
use crate::process::{Files, launch};
use crate::{Bootstrap, Cluster, Envoy, LogLevel, Mark, Process, StartError, Wasm, admin};
use watched::Watched;

/// How long Envoy may take to apply a change: a module of 7 MB takes 5 s on an idle machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How often the state of a change is queried.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The counters of changes that Envoy rejected.
const REJECTED: &str = "update_rejected$";

/// A running Envoy whose configuration can be changed.
#[derive(Debug)]
pub struct Live {
    process: Process,
    watched: Watched,
    current: Bootstrap,
}

/// The effect of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// The number of plug-ins that were replaced in place.
    pub swapped: usize,
    /// Whether plug-ins were added, removed or reordered.
    pub reordered: bool,
    /// Whether routes or clusters changed.
    pub routes: bool,
}

impl Live {
    /// Starts an Envoy and waits until it serves. A replaced listener may take as long as `drain` to finish its requests;
    /// those that remain are cut off.
    ///
    /// # Errors
    ///
    /// As [`Process::start`].
    pub fn start(
        envoy: &Envoy,
        bootstrap: &Bootstrap,
        log_level: LogLevel,
        drain: Duration,
    ) -> Result<Self, StartError> {
        let files = Files::new()?;
        let mut watched = Watched::new(&files);
        for plugin in &bootstrap.plugins {
            watched.put_plugin(plugin)?;
        }
        watched.put_clusters(&bootstrap.clusters)?;
        watched.put_routes(bootstrap)?;
        watched.put_listener(bootstrap)?;
        files.write_config(&bootstrap::watching(&watched.listeners, &watched.clusters))?;
        // A draining listener asks every client at once to reconnect.
        let args = ["--drain-time-s", &drain.as_secs().max(1).to_string(), "--drain-strategy", "immediate"];
        let args = args.map(str::to_owned);
        let refused = |at| admin::stats(at, REJECTED).is_ok_and(|stats| stats.iter().any(|(_, n)| *n > 0));
        let process = launch(envoy, files, bootstrap.workers, log_level, &args, refused)?;
        Ok(Self { process, watched, current: bootstrap.clone() })
    }

    /// The Envoy.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The Envoy, to query whether it has ended.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The configuration in force.
    #[must_use]
    pub fn current(&self) -> &Bootstrap {
        &self.current
    }

    /// Applies another configuration: clusters first, then plug-ins, then their order, then routes, so that every
    /// reference has a target. `address`, `workers` and limits do not change.
    ///
    /// # Errors
    ///
    /// Envoy rejected a part; [`current`](Self::current) is what is in force then.
    pub fn change(&mut self, to: &Bootstrap) -> Result<Changed, ChangeError> {
        let mut changed = Changed::default();
        let clusters_differ = self.current.clusters != to.clusters;
        if clusters_differ {
            // Removed clusters are in use until the end.
            let mut both = to.clusters.clone();
            let named = |cluster: &&Cluster| to.clusters.iter().all(|other| other.name != cluster.name);
            both.extend(self.current.clusters.iter().filter(named).cloned());
            self.clusters(both)?;
            changed.routes = true;
        }
        let (plugins, refused) = self.plugins(to, &mut changed.swapped)?;
        let names = |plugins: &[Wasm]| plugins.iter().map(|plugin| plugin.name.clone()).collect::<Vec<_>>();
        if names(&self.current.plugins) != names(&plugins) {
            self.order(plugins)?;
            changed.reordered = true;
        }
        if self.current.routes != to.routes {
            let routes = Bootstrap { routes: to.routes.clone(), ..self.current.clone() };
            self.step("^http\\.plugin\\.rds\\.", None, |watched| watched.put_routes(&routes))?;
            self.current = routes;
            changed.routes = true;
        }
        if clusters_differ {
            self.clusters(to.clusters.clone())?;
        }
        refused.map_or(Ok(changed), Err)
    }

    fn clusters(&mut self, clusters: Vec<Cluster>) -> Result<(), ChangeError> {
        self.step("^cluster_manager\\.cds\\.", None, |watched| watched.put_clusters(&clusters))?;
        self.current.clusters = clusters;
        Ok(())
    }

    /// Replaces plug-ins that exist and have changed. One that is rejected is restored, and the others continue. Returns
    /// the resulting list and the first error.
    fn plugins(
        &mut self,
        to: &Bootstrap,
        swapped: &mut usize,
    ) -> Result<(Vec<Wasm>, Option<ChangeError>), ChangeError> {
        let mut refused = None;
        let mut plugins = to.plugins.clone();
        for new in &mut plugins {
            let Some(old) = self.current.plugins.iter().position(|old| old.name == new.name) else {
                continue;
            };
            let Some(old) = self.current.plugins.get(old).filter(|old| *old != new).cloned() else {
                continue;
            };
            let stats = format!("^extension_config_discovery\\.http_filter\\.{}\\.", escaped(&new.name));
            match self.step(&stats, Some(&new.name), |watched| watched.put_plugin(new)) {
                Ok(()) => {
                    let in_force = self.current.plugins.iter_mut().filter(|old| old.name == new.name);
                    in_force.for_each(|old| old.clone_from(new));
                    *swapped += 1;
                }
                Err(error) => {
                    // Envoy keeps the old one; the file is restored for a listener that requests it again.
                    self.watched.put_plugin(&old)?;
                    *new = old;
                    refused.get_or_insert(error);
                }
            }
        }
        Ok((plugins, refused))
    }

    /// Adds new plug-ins and sets the order of all.
    fn order(&mut self, plugins: Vec<Wasm>) -> Result<(), ChangeError> {
        let new = |plugin: &&Wasm| self.current.plugins.iter().all(|old| old.name != plugin.name);
        for plugin in plugins.iter().filter(new) {
            self.watched.put_plugin(plugin)?;
        }
        let order = Bootstrap { plugins, ..self.current.clone() };
        let mark = self.process.log_mark()?;
        let before = self.process.stats(LISTENER)?;
        let result = self
            .step("^listener_manager\\.lds\\.", None, |watched| watched.put_listener(&order))
            .and_then(|()| self.listener_in_force(&before, mark));
        if result.is_err() {
            self.watched.put_listener(&self.current)?;
        } else {
            self.current = order;
        }
        result
    }

    /// Waits until the accepted listener serves, when its plug-ins have been loaded.
    fn listener_in_force(&self, before: &[(String, u64)], mark: Mark) -> Result<(), ChangeError> {
        let count = |stats: &[(String, u64)], name: &str| {
            stats.iter().find(|(other, _)| other == name).map_or(0, |(_, value)| *value)
        };
        let rejected = |stats: &[(String, u64)]| {
            stats.iter().filter(|(name, _)| name.ends_with("update_rejected")).map(|(_, n)| n).sum::<u64>()
        };
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let now = self.process.stats(LISTENER)?;
            if rejected(&now) > rejected(before) {
                return Err(ChangeError::Refused { plugin: None, log: self.process.log_since(mark)? });
            }
            if count(&now, "listener_manager.total_listeners_warming") == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ChangeError::NotInTime { log: self.process.log_since(mark)? });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Writes a file, and waits until Envoy has accepted or rejected it, according to the counters with this prefix.
    fn step(
        &mut self,
        stats: &str,
        plugin: Option<&str>,
        write: impl FnOnce(&mut Watched) -> io::Result<()>,
    ) -> Result<(), ChangeError> {
        let filter = format!("{stats}.*update_(success|rejected)$");
        let count = |ending: &str| -> io::Result<u64> {
            let stats = self.process.stats(&filter)?;
            Ok(stats.iter().filter(|(name, _)| name.ends_with(ending)).map(|(_, value)| value).sum())
        };
        let mark = self.process.log_mark()?;
        let (taken, refused) = (count("update_success")?, count("update_rejected")?);
        write(&mut self.watched)?;
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if count("update_rejected")? > refused {
                let plugin = plugin.map(str::to_owned);
                return Err(ChangeError::Refused { plugin, log: self.process.log_since(mark)? });
            }
            if count("update_success")? > taken {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ChangeError::NotInTime { log: self.process.log_since(mark)? });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

/// The counters of a listener that is being replaced, and of plug-ins rejected with it.
const LISTENER: &str =
    "^listener_manager\\.total_listeners_warming$|extension_config_discovery.*update_rejected$";

/// Escapes a name for a regular expression.
fn escaped(name: &str) -> String {
    name.chars()
        .flat_map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { vec![c] } else { vec!['.'] })
        .collect()
}
