//! The state of a gateway and what happens in it, for readers that are there and for those that come later: bounded, and
//! converted from the notices of [`serve`](crate::serve).
//!
//! The journal of another process can be followed over its [socket](crate::socket): the same types, and the same events.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::folder::Fault;
use crate::matches::{self, Matches, RequestMatches};
use crate::plan::Plan;
use crate::secret::Redactor;
use crate::serve::Notice;
use crate::{AccessLine, LogLevel, LogLine};

/// The maximum numbers of recent entries.
const MAX_ACCESS: usize = 1000;
const MAX_LOGS: usize = 2000;
const MAX_NOTICES: usize = 200;
const MAX_COUNTERS: usize = 300;

/// The maximum number of places at which matches are counted.
const MAX_MATCHES: usize = 1000;

/// The number of events that a slow page may lag behind before it misses some.
const BACKLOG: usize = 1024;

/// The time over which rates are averaged.
const WINDOW: Duration = Duration::from_secs(5);

/// The maximum length of a line of a log, in bytes.
const MAX_LINE: usize = 8 * 1024;

/// The state of a gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It starts.
    Starting,
    /// It serves.
    Serving,
    /// It was stopped, or not started.
    #[default]
    Stopped,
    /// It cannot serve.
    Error,
}

/// The state of a gateway, and how far it is from what its folder says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The state.
    pub state: State,
    /// More about the state.
    pub message: Option<String>,
    /// Where it accepts requests.
    pub address: Option<SocketAddr>,
    /// The errors that the planner found.
    faults: Vec<FoundFault>,
    /// Why Envoy did not accept the last change.
    pub refused: Option<String>,
    /// What is in force of each plug-in, by its id.
    in_force: BTreeMap<String, InForce>,
}

/// An error in a file, as the file was at a time: another time means that it is out of date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FoundFault {
    fault: Fault,
    modified: Option<SystemTime>,
}

impl Status {
    /// The errors of files that have not changed since.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults
            .iter()
            .filter(|found| modified(&found.fault.file) == found.modified)
            .map(|found| &found.fault)
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// The path without regard to the current directory, which is another one in another process.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_path_buf())
}

/// A request that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// When.
    pub time: String,
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The path, without the secrets of its query.
    pub path: String,
    /// The status; 0 if there was no response.
    pub status: u16,
    /// The duration.
    pub milliseconds: u64,
    /// The plug-in that responded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Who responded and why, if not the upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// The rules of a firewall that it has matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<RequestMatches>,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// When.
    pub time: String,
    /// The level.
    pub level: String,
    /// The plug-in, unless it is the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The line.
    pub message: String,
}

/// Something to know about the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// When.
    pub time: String,
    /// `info`, `warning` or `error`.
    pub level: String,
    /// The text.
    pub message: String,
}

/// The counters of a plug-in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginCounters {
    /// The plug-in's id.
    pub id: String,
    /// The requests that ended while it was on.
    pub requests: u64,
    /// Those that it responded to.
    pub responses: u64,
    /// Those that failed because of it.
    pub failures: u64,
}

/// The counters of a gateway at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// When.
    pub time: String,
    /// Requests that ended, averaged over some seconds.
    pub requests_per_second: f64,
    /// Those among them that the gateway or a plug-in refused.
    pub refusals_per_second: f64,
    /// The median of their durations, with all plug-ins and the upstream. Envoy does not measure plug-ins by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// The counters of each plug-in that is on.
    pub plugins: Vec<PluginCounters>,
}

/// What happened recently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Requests.
    pub access: Vec<Access>,
    /// Lines of logs.
    pub logs: Vec<Log>,
    /// Counters.
    pub counters: Vec<Counters>,
    /// Notices.
    pub notices: Vec<Note>,
}

/// All that a journal holds, as the first event of those who follow it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The state.
    pub status: Status,
    /// What happened recently.
    pub live: Live,
    /// The rules that requests have matched; a process of an older version does not send them.
    #[serde(default)]
    pub matches: Matches,
}

/// An event of the stream.
#[derive(Debug, Clone)]
pub struct Event {
    /// `plugins` (what is in force, or the folder, has changed), `access`, `log`, `counters` or `notice`.
    pub kind: &'static str,
    /// JSON: nothing of interest for `plugins`, and otherwise what has happened.
    pub data: Arc<str>,
}

/// A journal.
#[derive(Debug)]
pub struct Journal {
    inner: Mutex<Inner>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct Inner {
    access: VecDeque<Access>,
    logs: VecDeque<Log>,
    notices: VecDeque<Note>,
    counters: VecDeque<Counters>,
    /// The requests of the window.
    recent: VecDeque<Recent>,
    /// The plug-ins that are on: the id, and the names by which they appear in details.
    plugins: Vec<(String, Vec<String>)>,
    totals: BTreeMap<String, PluginCounters>,
    matches: Matches,
    status: Status,
}

/// A request of the window.
#[derive(Debug)]
struct Recent {
    ended: Instant,
    refused: bool,
    milliseconds: u64,
}

/// A plug-in that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The `spec` of its resource.
    pub spec: Value,
    /// The file of its module, as Envoy loads it.
    pub module: PathBuf,
}

impl Default for Journal {
    fn default() -> Self {
        Self { inner: Mutex::default(), events: broadcast::channel(BACKLOG).0 }
    }
}

impl Journal {
    /// What is in force of a plug-in.
    #[must_use]
    pub fn in_force(&self, id: &str) -> Option<InForce> {
        self.inner().status.in_force.get(id).cloned()
    }

    /// The state of the gateway.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner().status.clone()
    }

    /// Begins another state, in which nothing is served yet or any more.
    pub fn set_state(&self, state: State, message: Option<String>) {
        let mut inner = self.inner();
        // What is wrong stays known until the next attempt.
        let faults = match state {
            State::Error => std::mem::take(&mut inner.status.faults),
            _ => Vec::new(),
        };
        inner.status = Status { state, message, faults, ..Status::default() };
        inner.plugins.clear();
        inner.recent.clear();
        drop(inner);
        self.changed();
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// All that has happened until now, and what happens from now on.
    #[must_use]
    pub fn follow(&self) -> (Snapshot, broadcast::Receiver<Event>) {
        // Events are sent while the entries are locked, so none is missing or duplicate.
        let inner = self.inner();
        let snapshot =
            Snapshot { status: inner.status.clone(), live: inner.live(), matches: inner.matches.clone() };
        (snapshot, self.events.subscribe())
    }

    /// Becomes the copy of another journal.
    pub fn restore(&self, snapshot: Snapshot) {
        let mut inner = self.inner();
        let Live { access, logs, counters, notices } = snapshot.live;
        inner.access = access.into();
        inner.logs = logs.into();
        inner.counters = counters.into();
        inner.notices = notices.into();
        inner.recent.clear();
        inner.matches = snapshot.matches;
        inner.status = snapshot.status;
        drop(inner);
        self.changed();
    }

    /// Takes over the status of another journal.
    pub fn set_status(&self, status: Status) {
        self.inner().status = status;
        self.changed();
    }

    /// Records an event of another journal, other than `plugins`. One of an unknown kind is ignored.
    ///
    /// # Errors
    ///
    /// The data is not of this kind.
    pub fn repeat(&self, kind: &str, data: &str) -> Result<(), serde_json::Error> {
        fn read<T: DeserializeOwned>(data: &str) -> Result<T, serde_json::Error> {
            serde_json::from_str(data)
        }
        match kind {
            "access" => self.add_access(read(data)?),
            "log" => self.add_log(read(data)?),
            "counters" => self.add_counters(&mut self.inner(), read(data)?),
            "notice" => self.add_note(read(data)?),
            _ => {}
        }
        Ok(())
    }

    /// Returns true if there are readers of what happens.
    #[must_use]
    pub fn has_readers(&self) -> bool {
        self.events.receiver_count() > 0
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened recently.
    #[must_use]
    pub fn live(&self) -> Live {
        self.inner().live()
    }

    /// The rules that requests have matched since the process started.
    #[must_use]
    pub fn matches(&self) -> Matches {
        self.inner().matches.clone()
    }

    /// Sends an event to the readers.
    fn send(&self, kind: &'static str, data: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(data) {
            // Without readers, sending fails.
            let _ = self.events.send(Event { kind, data: text.into() });
        }
    }

    /// Tells readers that what is in force, or the folder, has changed.
    pub fn changed(&self) {
        self.send("plugins", &serde_json::json!({}));
    }

    /// Adds a notice: its level is `info`, `warning` or `error`.
    pub fn note(&self, level: &str, message: impl Into<String>) {
        self.add_note(Note { time: now(), level: level.into(), message: message.into() });
    }

    fn add_note(&self, note: Note) {
        let mut inner = self.inner();
        self.send("notice", &note);
        push(&mut inner.notices, MAX_NOTICES, note);
    }

    /// Records a notice of the gateway.
    pub fn record(&self, notice: &Notice<'_>) {
        self.inner().status.record(notice);
        match notice {
            Notice::Access(line) => self.access(line),
            Notice::Log(line) => self.log(line),
            Notice::Fault(fault) => self.note("error", fault.to_string()),
            Notice::Remark(fault) => self.note("warning", fault.to_string()),
            Notice::Rejected => self.note("warning", "rejected; the previous configuration stays in force"),
            Notice::ChangeFailed(error) => self.note("error", error.to_string()),
            Notice::Serving { address, plan, .. } => {
                self.plan(plan);
                self.note("info", format!("serving on http://{address}"));
            }
            Notice::Reloaded { plugins, plan, took } => {
                self.plan(plan);
                self.note("info", format!("reloaded in {} ms: {}", took.as_millis(), plugins.join(", ")));
            }
            Notice::Reordered { plan, took, .. } => {
                self.plan(plan);
                self.note("info", format!("pipeline changed in {} ms", took.as_millis()));
            }
            Notice::Unchanged { plan, .. } => self.plan(plan),
            Notice::RoutesChanged { took } => {
                self.note("info", format!("routes changed in {} ms", took.as_millis()));
            }
            Notice::NoSocket(error) => {
                self.note("warning", format!("a console cannot follow this gateway: {error}"));
            }
            Notice::EnvoyExited { status, .. } => self.note("error", format!("Envoy has exited ({status})")),
            Notice::EnvoyRestarted { .. } => self.note("info", "Envoy is running again"),
            Notice::EnvoyNotRestarted(error) => {
                self.note("error", format!("Envoy could not be started again: {error}"));
            }
            Notice::Stopped => self.note("info", "stopped"),
            // Counters of plug-ins have names of their own making; those here are counted from requests.
            _ => {}
        }
        if !matches!(notice, Notice::Access(_) | Notice::Log(_) | Notice::Metrics(_)) {
            self.changed();
        }
    }

    fn plan(&self, plan: &Plan) {
        let mut in_force = BTreeMap::new();
        let plugins = plan.plugins.iter().map(|planned| {
            let entry = &planned.entry;
            let own = planned.module.plugin.as_ref().map(|plugin| plugin.name.clone());
            let names = [Some(entry.name.clone()), entry.source.clone(), own];
            let is_unique = plan.plugins.iter().filter(|other| other.entry.name == entry.name).count() == 1;
            let id =
                if is_unique { entry.name.clone() } else { format!("{}/{}", entry.namespace, entry.name) };
            let spec = serde_json::to_value(&entry.resource.spec).unwrap_or_default();
            in_force.insert(id.clone(), InForce { spec, module: absolute(&planned.module.file) });
            (id, names.into_iter().flatten().collect())
        });
        let plugins = plugins.collect();
        let mut inner = self.inner();
        (inner.plugins, inner.status.in_force) = (plugins, in_force);
    }

    fn access(&self, line: &AccessLine) {
        let mut inner = self.inner();
        let by_upstream = matches!(line.details.as_str(), "via_upstream" | "");
        let plugin = inner.plugin_of(&line.details);
        let failed = line.details == "wasm_fail_stream" || line.details.ends_with(".host_failure");
        let ids: Vec<String> = inner.plugins.iter().map(|(id, _)| id.clone()).collect();
        for id in ids {
            let is_it = plugin.as_deref() == Some(id.as_str());
            let totals =
                inner.totals.entry(id.clone()).or_insert_with(|| PluginCounters { id, ..Default::default() });
            totals.requests += 1;
            totals.responses += u64::from(is_it);
            totals.failures += u64::from(is_it && failed);
        }
        let access = Access {
            time: now(),
            method: line.method.clone(),
            host: line.host.clone(),
            path: cut(&Redactor::default().header(b":path", line.path.as_bytes())),
            status: line.status,
            milliseconds: line.duration,
            plugin,
            details: (!by_upstream).then(|| line.details.clone()),
            matches: line
                .properties
                .get(matches::PROPERTY)
                .and_then(|report| RequestMatches::parse(report.as_deref()?))
                .filter(|found| !found.rules.is_empty()),
        };
        drop(inner);
        self.add_access(access);
    }

    fn add_access(&self, access: Access) {
        let mut inner = self.inner();
        let refused = access.details.is_some() && access.status >= 400;
        inner.recent.push_back(Recent { ended: Instant::now(), refused, milliseconds: access.milliseconds });
        // Few requests match a rule: the path of another is not looked at.
        let path = access.matches.as_ref().map(|_| matches::path(&access.path).unwrap_or_default());
        // A path that cannot be listed is counted all the same.
        let _ = inner.matches.add(access.matches.as_ref(), path.as_deref(), &access.time, MAX_MATCHES);
        self.send("access", &access);
        push(&mut inner.access, MAX_ACCESS, access);
    }

    fn log(&self, line: &LogLine) {
        let level = match line.level {
            LogLevel::Critical => "error".to_owned(),
            LogLevel::Warn => "warning".to_owned(),
            level => level.to_string(),
        };
        let (plugin, message) = match line.plugin() {
            Some((name, message)) if !name.is_empty() => (self.inner().plugin_of(name), message),
            Some((_, message)) => (None, message),
            None => (None, line.message.as_str()),
        };
        let log = Log {
            time: time(SystemTime::UNIX_EPOCH + Duration::from_micros(line.at)),
            level,
            plugin,
            message: cut(message),
        };
        self.add_log(log);
    }

    fn add_log(&self, log: Log) {
        let mut inner = self.inner();
        self.send("log", &log);
        push(&mut inner.logs, MAX_LOGS, log);
    }

    /// The requests and refusals per second.
    #[must_use]
    pub fn rates(&self) -> (f64, f64) {
        self.inner().rates()
    }

    /// Records the counters of this second.
    pub fn tick(&self) {
        let mut inner = self.inner();
        let (requests, refusals) = inner.rates();
        let is_quiet =
            requests == 0.0 && inner.counters.back().is_none_or(|last| last.requests_per_second == 0.0);
        if is_quiet && !inner.counters.is_empty() {
            return;
        }
        let plugins = inner.plugins.iter().map(|(id, _)| {
            inner
                .totals
                .get(id)
                .cloned()
                .unwrap_or_else(|| PluginCounters { id: id.clone(), ..Default::default() })
        });
        let counters = Counters {
            time: now(),
            requests_per_second: requests,
            refusals_per_second: refusals,
            milliseconds: inner.median(),
            plugins: plugins.collect(),
        };
        self.add_counters(&mut inner, counters);
    }

    fn add_counters(&self, inner: &mut Inner, counters: Counters) {
        self.send("counters", &counters);
        push(&mut inner.counters, MAX_COUNTERS, counters);
    }
}

impl Status {
    fn record(&mut self, notice: &Notice<'_>) {
        match notice {
            Notice::Serving { address, .. } | Notice::EnvoyRestarted { address } => {
                (self.state, self.message, self.address) = (State::Serving, None, Some(*address));
            }
            Notice::Fault(fault) => {
                let fault = Fault { file: absolute(&fault.file), fault: fault.fault.clone() };
                self.faults.retain(|old| modified(&old.fault.file) == old.modified && old.fault != fault);
                let modified = modified(&fault.file);
                self.faults.push(FoundFault { fault, modified });
            }
            Notice::Waiting => {
                self.state = State::Error;
                self.message = Some("the folder has errors; it is served as soon as they are fixed".into());
            }
            Notice::Planning => *self = Self { state: State::Starting, ..Self::default() },
            Notice::ChangeFailed(error) => self.refused = Some(error.to_string()),
            // Nothing was left out of the plan.
            Notice::Unchanged { .. } => (self.faults, self.refused) = (Vec::new(), None),
            Notice::Reloaded { .. } | Notice::Reordered { .. } => self.refused = None,
            Notice::EnvoyExited { status: exit, .. } => {
                self.state = State::Starting;
                self.message = Some(format!("Envoy has exited ({exit}), and is started again"));
            }
            _ => {}
        }
    }
}

impl Inner {
    fn live(&self) -> Live {
        Live {
            access: self.access.iter().cloned().collect(),
            logs: self.logs.iter().cloned().collect(),
            counters: self.counters.iter().cloned().collect(),
            notices: self.notices.iter().cloned().collect(),
        }
    }

    /// The id of the plug-in that a name or the details of a response belong to. Details begin with the plug-in's name.
    fn plugin_of(&self, details: &str) -> Option<String> {
        let belongs = |name: &String| {
            details
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '_', ' ', ':']))
        };
        let fit = |(id, names): &(String, Vec<String>)| {
            let longest = names.iter().filter(|name| belongs(name)).map(String::len).max()?;
            Some((longest, id.clone()))
        };
        self.plugins.iter().filter_map(fit).max().map(|(_, id)| id)
    }

    /// The median duration of the requests of the window.
    fn median(&self) -> Option<u64> {
        let mut durations: Vec<u64> = self.recent.iter().map(|request| request.milliseconds).collect();
        durations.sort_unstable();
        durations.get(durations.len() / 2).copied()
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of requests for people")]
    fn rates(&mut self) -> (f64, f64) {
        let now = Instant::now();
        while self.recent.front().is_some_and(|request| now.duration_since(request.ended) > WINDOW) {
            self.recent.pop_front();
        }
        let per_second = |count: usize| (count as f64 / WINDOW.as_secs_f64() * 10.0).round() / 10.0;
        let refused = self.recent.iter().filter(|request| request.refused).count();
        (per_second(self.recent.len()), per_second(refused))
    }
}

fn now() -> String {
    time(SystemTime::now())
}

/// A time in RFC 3339.
#[must_use]
pub fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

fn push<T>(entries: &mut VecDeque<T>, max: usize, entry: T) {
    if entries.len() == max {
        entries.pop_front();
    }
    entries.push_back(entry);
}

/// A text of bounded length.
fn cut(text: &str) -> String {
    if text.len() <= MAX_LINE {
        return text.to_owned();
    }
    let end = (0..=MAX_LINE).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: u16, details: &str) -> AccessLine {
        serde_json::from_value(serde_json::json!({
            "client": "127.0.0.1:1", "method": "GET", "host": "h", "path": "/x?token=secret", "status": status,
            "details": details, "duration": 3
        }))
        .unwrap()
    }

    #[test]
    fn requests_are_counted_by_the_plug_in_that_responded() {
        let journal = Journal::default();
        let names = |name: &str| vec![name.to_owned()];
        journal.inner().plugins =
            vec![("block".into(), names("request-block")), ("block-2".into(), names("request-block-2"))];
        let mut events = journal.subscribe();
        for (status, details) in [
            (200, "via_upstream"),
            (403, "request-block.url"),
            (403, "request-block-2.url"),
            (404, "route_not_found"),
        ] {
            journal.record(&Notice::Access(&line(status, details)));
        }
        let live = journal.live();
        let plugins: Vec<_> = live.access.iter().map(|access| access.plugin.as_deref()).collect();
        assert_eq!(plugins, [None, Some("block"), Some("block-2"), None]);
        assert_eq!(live.access[0].details, None);
        assert!(!live.access[0].path.contains("secret"), "{}", live.access[0].path);
        assert_eq!(journal.rates(), (0.8, 0.6));
        journal.tick();
        let counters = &journal.live().counters[0];
        assert_eq!((counters.plugins[0].requests, counters.plugins[0].responses), (4, 1));
        assert_eq!(counters.milliseconds, Some(3));
        assert_eq!(events.try_recv().unwrap().kind, "access");
    }

    #[test]
    fn rules_of_a_firewall_are_counted_here_and_in_a_copy() {
        let matching = |path: &str, report: Option<&str>| {
            let properties = [("waf".to_owned(), report.map(str::to_owned))].into();
            AccessLine { path: path.into(), properties, ..line(200, "via_upstream") }
        };
        let (journal, copy) = (Journal::default(), Journal::default());
        let report = "score=5,942100@ARGS:q=s3cret";
        journal.record(&Notice::Access(&matching("/search?q=s3cret", Some(report))));
        let (snapshot, mut events) = journal.follow();
        copy.restore(serde_json::from_value(serde_json::to_value(snapshot).unwrap()).unwrap());
        for (path, report) in [
            ("/search", Some(report)),
            ("/", None),
            ("/", Some("-")),
            ("/", Some("score=0")),
            ("*", Some(report)),
        ] {
            journal.record(&Notice::Access(&matching(path, report)));
        }
        while let Ok(Event { kind, data }) = events.try_recv() {
            copy.repeat(kind, &data).unwrap();
        }
        let matches = journal.matches();
        assert_eq!((matches.requests, matches.matched, matches.others), (6, 3, 1));
        let (place, count) = matches.counts.first_key_value().unwrap();
        assert_eq!((place.path.as_deref(), count.requests), (Some("/search"), 2));
        assert_eq!(copy.matches(), matches);
        assert!(!serde_json::to_string(&matches).unwrap().contains("s3cret"));
        let access = journal.live().access;
        assert!(access[0].matches.is_some() && access[2].matches.is_none() && access[4].matches.is_none());
        // Events of an older version have none.
        let old = r#"{"status":{"state":"serving","message":null,"address":null,"faults":[],"refused":null,"inForce":{}},
            "live":{"access":[],"logs":[],"counters":[],"notices":[]}}"#;
        assert_eq!(serde_json::from_str::<Snapshot>(old).unwrap().matches, Matches::default());
    }

    #[test]
    fn everything_is_bounded() {
        let journal = Journal::default();
        for _ in 0..MAX_ACCESS + 10 {
            journal.record(&Notice::Access(&line(200, "via_upstream")));
        }
        for _ in 0..MAX_NOTICES + 10 {
            journal.note("info", "x");
        }
        for number in 0..MAX_MATCHES + 10 {
            let report = Some(format!("score=5,{number}@ARGS:a"));
            let line = AccessLine { properties: [("waf".to_owned(), report)].into(), ..line(200, "") };
            journal.record(&Notice::Access(&line));
        }
        assert_eq!((journal.matches().counts.len(), journal.matches().others), (MAX_MATCHES, 10));
        let live = journal.live();
        assert_eq!((live.access.len(), live.notices.len()), (MAX_ACCESS, MAX_NOTICES));
        let long = "é".repeat(MAX_LINE);
        assert!(cut(&long).len() <= MAX_LINE + 3 && cut("x") == "x");
    }
}
