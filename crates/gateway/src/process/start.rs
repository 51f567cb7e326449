//! Starts an Envoy, and distinguishes a rejected configuration from other failures.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::{Files, Process, Supervised};
use crate::log::{FORMAT, Followed, LogLine, Mark};
use crate::{Bootstrap, Envoy, LogLevel, admin};

/// How long Envoy may take to start: a module of 7 MB takes 5 s on an idle machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How often its state is queried.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// An Envoy does not serve.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The plug-in rejected its configuration.
    Refused {
        /// Its log.
        log: Vec<LogLine>,
    },
    /// Another program listens on the address.
    AddressInUse {
        /// Its log.
        log: Vec<LogLine>,
    },
    /// Envoy ended for another reason.
    Ended {
        /// The exit status.
        status: ExitStatus,
        /// Its log.
        log: Vec<LogLine>,
    },
    /// Envoy did not serve in time, and was stopped.
    NotInTime {
        /// Its log.
        log: Vec<LogLine>,
    },
    /// It could not be started, its files not be written, or it does not respond.
    Io(io::Error),
}

impl StartError {
    /// The error of an Envoy that has rejected a part of its configuration.
    fn refused(log: Vec<LogLine>) -> Self {
        match log.iter().any(is_address_in_use) {
            true => Self::AddressInUse { log },
            false => Self::Refused { log },
        }
    }
}

/// Envoy reports a listener that cannot bind like any other error of its configuration.
fn is_address_in_use(line: &LogLine) -> bool {
    line.plugin().is_none()
        && line.message.contains("cannot bind '")
        && line.message.contains("Address already in use")
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = match self {
            Self::Refused { log } => {
                write!(f, "the plug-in rejected its configuration")?;
                log
            }
            Self::AddressInUse { log } => {
                write!(f, "another program listens on the address of the gateway")?;
                log
            }
            Self::Ended { status, log } => {
                write!(f, "Envoy ended before it served ({status})")?;
                log
            }
            Self::NotInTime { log } => {
                write!(f, "Envoy did not serve within {} s, and was stopped", TIMEOUT.as_secs())?;
                log
            }
            Self::Io(cause) => return write!(f, "Envoy could not be started: {cause}"),
        };
        write!(f, "; its log:")?;
        log.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<io::Error> for StartError {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

/// Lets Envoy load the plug-in with its configuration, without listening on a port.
///
/// # Errors
///
/// As [`Process::start`].
pub fn validate(envoy: &Envoy, bootstrap: &Bootstrap, log_level: LogLevel) -> Result<(), StartError> {
    let files = Files::new()?;
    files.write_config(&bootstrap.to_json(&files.access().0))?;
    let mut command = files.command(envoy, log_level);
    command.args(["--mode", "validate"]);
    let mut supervised = files.spawn(&command)?;
    match wait(|| Ok(supervised.child.try_wait()?.map(|status| files.ended(status))))? {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(error),
        None => Err(files.not_in_time()),
    }
}

/// Starts an Envoy whose configuration has been written, and waits until it serves or `refused` returns a reason why it
/// will not.
pub(crate) fn launch(
    envoy: &Envoy,
    files: Files,
    workers: u32,
    log_level: LogLevel,
    args: &[String],
    refused: impl Fn(SocketAddr) -> bool,
) -> Result<Process, StartError> {
    let mut command = files.command(envoy, log_level);
    // Without hot restart, Envoys do not share memory.
    command.args(["--concurrency", &workers.to_string(), "--disable-hot-restart"]);
    command.args(["--file-flush-interval-msec", "5"]);
    command.arg("--admin-address-path").arg(files.admin_address()).args(args);
    let mut supervised = files.spawn(&command)?;

    let served = wait(|| {
        if let Some(status) = supervised.child.try_wait()? {
            return files
                .ended(status)
                .and(Err(StartError::Ended { status, log: files.whole_log() }))
                .map(Some);
        }
        let Some(admin) = files.admin() else { return Ok(None) };
        if refused(admin) {
            return Err(StartError::refused(files.whole_log()));
        }
        Ok(listener(admin).map(|listener| (admin, listener)))
    })?;
    let Some((admin, listener)) = served else {
        return Err(files.not_in_time());
    };
    let (followed_log, followed_access) = (Followed::default(), Followed::default());
    Ok(Process { supervised, files, admin, listener, followed_log, followed_access })
}

/// Repeats a query until it has a result, within the maximum duration.
fn wait<T>(mut ask: impl FnMut() -> Result<Option<T>, StartError>) -> Result<Option<T>, StartError> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match ask()? {
            None if Instant::now() < deadline => std::thread::sleep(POLL_INTERVAL),
            result => return Ok(result),
        }
    }
}

/// The listener's address, once Envoy serves.
fn listener(admin: SocketAddr) -> Option<SocketAddr> {
    #[derive(Deserialize)]
    struct Listeners {
        listener_statuses: Vec<Listener>,
    }
    #[derive(Deserialize)]
    struct Listener {
        local_address: Local,
    }
    #[derive(Deserialize)]
    struct Local {
        socket_address: Socket,
    }
    #[derive(Deserialize)]
    struct Socket {
        address: String,
        port_value: u16,
    }
    // Any other status, or no connection, means that it is too early.
    admin::get(admin, "/ready").ok()?;
    let response = admin::get(admin, "/listeners?format=json").ok()?;
    let Listeners { listener_statuses } = serde_json::from_slice(&response).ok()?;
    let Socket { address, port_value } = listener_statuses.into_iter().next()?.local_address.socket_address;
    Some(SocketAddr::new(address.parse().ok()?, port_value))
}

impl Files {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("portcullis-envoy-").tempdir()?))
    }

    pub(crate) fn write_config(&self, config: &Value) -> io::Result<()> {
        fs::write(self.config(), serde_json::to_vec(config)?)
    }

    fn command(&self, envoy: &Envoy, log_level: LogLevel) -> Command {
        let mut command = Command::new(envoy.path());
        command.envs(envoy.environment());
        command.arg("--config-path").arg(self.config());
        // Of Envoy's own messages, only warnings are useful here.
        command.args(["--log-level", "warning", "--log-format", FORMAT]);
        command.args(["--component-log-level", &format!("wasm:{log_level}")]);
        command
    }

    /// Starts it with stderr going to a file: Envoy writes its log there at once, so whatever a request has
    /// had logged can be read when the request is over. A pipe with a reader would lag behind.
    fn spawn(&self, command: &Command) -> io::Result<Supervised> {
        Supervised::spawn(command, self.0.path(), Stdio::null(), File::create(self.log().0)?.into())
    }

    fn admin(&self) -> Option<SocketAddr> {
        fs::read_to_string(self.admin_address()).ok()?.trim().parse().ok()
    }

    fn whole_log(&self) -> Vec<LogLine> {
        self.log_since(Mark::default()).unwrap_or_default()
    }

    fn not_in_time(&self) -> StartError {
        StartError::NotInTime { log: self.whole_log() }
    }

    /// The error of an Envoy that has exited.
    fn ended(&self, status: ExitStatus) -> Result<(), StartError> {
        let log = self.whole_log();
        let refused = |line: &LogLine| line.message.starts_with("Wasm VM failed Failed to configure");
        match status.success() {
            true => Ok(()),
            false if log.iter().any(refused) => Err(StartError::Refused { log }),
            false if log.iter().any(is_address_in_use) => Err(StartError::AddressInUse { log }),
            false => Err(StartError::Ended { status, log }),
        }
    }
}
