//! A thread that checks configurations. What plug-ins answer with is slow to make and cannot leave its thread, so it stays
//! there for a while: mistakes are shown while people type.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use gateway::folder::Entry;
use gateway::modules::Modules;
use marketplace::scopes::{self, Scope};
use marketplace::{AskedModule, Checker, Known, KnownPlugin, shelf};
use serde_json::Value;

use crate::gateways::Common;
use crate::problem::Problem;

/// How long answers are kept: the source of a plug-in may change.
const KEPT: Duration = Duration::from_secs(30);

/// The maximum number of modules that are kept.
const MAX_MODULES: usize = 8;

type Job = Box<dyn FnOnce(&mut Worker<'_>) + Send>;

/// The thread.
pub(crate) struct Checks {
    jobs: Mutex<Option<Sender<Job>>>,
    common: Common,
}

/// What the thread has.
struct Worker<'w> {
    known: &'w Known<'w>,
    /// For built-in plug-ins.
    checker: Checker<'w>,
    /// For others, by the file of the module, whose name has its digest.
    modules: HashMap<PathBuf, Rc<AskedModule>>,
    fetch: Modules,
}

/// The mistakes in scopes, and the text of the file with them if they are YAML.
pub(crate) type Checked = (Vec<scopes::Mistake>, Option<String>);

impl Checks {
    pub(crate) fn new(common: Common) -> Self {
        Self { jobs: Mutex::new(None), common }
    }

    /// Runs a job on the thread, which is started if there is none.
    fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Worker<'_>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let (sender, result) = channel();
        let mut job: Job = Box::new(move |worker| {
            // Whoever asked may be gone.
            let _ = sender.send(job(worker));
        });
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = jobs.as_ref() {
            match running.send(job) {
                Ok(()) => {
                    drop(jobs);
                    return result.recv().map_err(Problem::internal)?;
                }
                Err(unsent) => job = unsent.0,
            }
        }
        let (running, work) = channel::<Job>();
        running.send(job).map_err(|_| Problem::internal("the thread for checks has ended"))?;
        *jobs = Some(running);
        drop(jobs);
        let common = self.common.clone();
        thread::spawn(move || {
            let began = Instant::now();
            let sources = common.marketplace();
            let known = sources.known();
            let mut worker = Worker {
                known: &known,
                checker: Checker::new(&known, None),
                modules: HashMap::new(),
                fetch: Modules::new(&common.cache, common.sources()),
            };
            // It ends after a while, and the next job starts it anew.
            while let Some(left) = KEPT.checked_sub(began.elapsed()) {
                match work.recv_timeout(left) {
                    Ok(job) => job(&mut worker),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            // What came in the last moment is still done.
            for job in work.try_iter() {
                job(&mut worker);
            }
        });
        result.recv().map_err(Problem::internal)?
    }

    /// The schema of a built-in plug-in's fields, and whether its rules inherit those of the gateway; nothing for one of the
    /// classic style, or if it does not compile.
    pub(crate) fn of_plugin(&self, name: &str) -> Option<(Value, Option<bool>)> {
        let name = name.to_owned();
        self.run(move |worker| {
            let plugin = worker.known.get(&name).filter(|plugin| !plugin.is_classic());
            let answers = plugin.and_then(|plugin| plugin.answers().ok());
            Ok(answers.and_then(|answers| {
                let schema = answers.schema().ok().filter(Value::is_object)?;
                Some((schema, answers.rules_start_from_global().ok().flatten()))
            }))
        })
        .ok()
        .flatten()
    }

    /// Checks scopes of a plug-in whose file has this text.
    pub(crate) fn scopes(&self, entry: &Entry, text: &str, scopes: Vec<Scope>) -> Result<Checked, Problem> {
        let (entry, text) = (entry.clone(), text.to_owned());
        self.run(move |worker| worker.scopes(&entry, &text, &scopes))
    }
}

impl Worker<'_> {
    fn scopes(&mut self, entry: &Entry, text: &str, scopes: &[Scope]) -> Result<Checked, Problem> {
        match shelf::built_in(entry, self.known) {
            Some(plugin) if !plugin.is_classic() => {
                self.checker.plugin = Some(plugin);
                Ok(scopes::check(&mut self.checker, entry, text, scopes)?)
            }
            _ => {
                let module = self.module(entry)?;
                let known = Known::of_module(&module);
                let mut checker = Checker::new(&known, Some(KnownPlugin::Module(&module)));
                Ok(scopes::check(&mut checker, entry, text, scopes)?)
            }
        }
    }

    /// The module of a resource, as the gateway loads it.
    fn module(&mut self, entry: &Entry) -> Result<Rc<AskedModule>, Problem> {
        let module = self.fetch.resolve(entry).map_err(|error| {
            let message = format!("{} has no module to check its configuration with: {error}", entry.name);
            Problem::new("module_missing", message).with("name", &entry.name).with("reason", &error)
        })?;
        if let Some(known) = self.modules.get(&module.file) {
            return Ok(Rc::clone(known));
        }
        let bytes = fs::read(&module.file)?;
        let asked = AskedModule::new(&entry.name, &bytes, module.schema)
            .map_err(|error| Problem::internal(format_args!("{error:#}")))?;
        let asked = Rc::new(asked);
        if self.modules.len() >= MAX_MODULES {
            self.modules.clear();
        }
        self.modules.insert(module.file, Rc::clone(&asked));
        Ok(asked)
    }
}
