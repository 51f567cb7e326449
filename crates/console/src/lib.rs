//! The server of the console: the plug-in marketplace of gateways in a browser.
//!
//! A gateway is a folder of resources. Whatever the console does is visible in the folder at once, and whatever is edited in
//! the folder shows in the console at once. The page in the browser uses the API under `/api/v1` and nothing else; the API is
//! described by `/api/v1/openapi.json`.
//!
//! # Invariants
//!
//! - Without users, only this machine connects. Other addresses need users, and TLS here or at a proxy.
//! - A route that is not in the table of [`access`] is refused, and the table alone says which role a route needs.
//! - A name never becomes a path, and a file is complete before it has its name.
//! - Every change is in the audit log of its gateway.

pub mod access;
mod api;
mod assets;
mod audit;
mod checks;
mod configuration;
mod curl;
mod export;
mod gateways;
mod hidden;
mod history;
mod images;
mod matches;
mod plugins;
mod problem;
mod reference;
mod secret;
mod server;
mod sessions;
mod trial;
mod uploads;
pub mod users;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

pub use api::openapi;
pub use gateways::Common;
pub use ipnet::IpNet;
pub use problem::CODES;
pub use reference::{EXAMPLES, reference};
pub use server::TlsFiles;

use access::Reach;
use gateways::Gateways;
use sessions::{How, Sessions};
use users::UsersFile;

/// How long gateways may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// How many passwords are compared at once; each comparison takes 19 MiB of memory.
const MAX_COMPARISONS: usize = 2;

/// The settings of a console.
pub struct Options {
    /// A folder of resources, or a folder of such folders.
    pub folder: PathBuf,
    /// The address of the console; port 0 for a free one.
    pub listen: SocketAddr,
    /// Names by which browsers may reach the console, beside its addresses.
    pub hosts: Vec<String>,
    /// The file of users; without one, whoever has the start token signs in.
    pub users: Option<PathBuf>,
    /// The certificate of the console.
    pub tls: Option<TlsFiles>,
    /// The addresses of a proxy that has the certificate instead.
    pub proxy: Option<IpNet>,
    /// The folder of the page.
    pub web: Option<PathBuf>,
    /// The first port of gateways; the others count on from it. A port that is not free is replaced by any other; 0
    /// lets the system choose all of them.
    pub gateway_port: u16,
    /// Whether gateways are started.
    pub start: bool,
    /// The name of whoever starts the console, for the start token's sessions.
    pub user: String,
    /// What all gateways have in common.
    pub common: Common,
}

impl Options {
    /// Refuses to listen to others without users or without encryption.
    ///
    /// # Errors
    ///
    /// What is missing, and how to provide it.
    pub fn check(&self) -> Result<()> {
        let is_open = !self.listen.ip().is_loopback() || self.proxy.is_some();
        if is_open && self.users.is_none() {
            bail!(
                "others can reach {}, so it needs users: `cargo xtask console user add NAME`, and name the file with `--users`",
                self.listen.ip()
            );
        }
        if is_open && self.tls.is_none() && self.proxy.is_none() {
            bail!(
                "passwords would cross the network unencrypted: name a certificate with `--tls-cert` and `--tls-key`, or \
                 the proxy that has one with `--behind-proxy`"
            );
        }
        if self.tls.is_some() && self.proxy.is_some() {
            bail!("`--tls-cert` and `--behind-proxy` exclude each other: browsers see one certificate");
        }
        Ok(())
    }
}

/// What all requests share.
pub(crate) struct Console {
    reach: Reach,
    sessions: Mutex<Sessions>,
    gateways: Gateways,
    web: Option<PathBuf>,
    comparisons: Semaphore,
    stop: watch::Receiver<bool>,
}

impl Console {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A console that listens.
pub struct Server {
    console: Arc<Console>,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    stop: watch::Sender<bool>,
    start: bool,
}

impl Server {
    /// Finds the gateways and listens; nothing is served yet.
    ///
    /// # Errors
    ///
    /// The settings are not safe, the folder, the users or the certificate cannot be read, or the address is taken.
    pub async fn bind(options: Options) -> Result<Self> {
        options.check()?;
        let how = match &options.users {
            Some(file) => How::Password(UsersFile::open(file)?),
            None => How::Token { user: options.user.clone(), tokens: Vec::new() },
        };
        let tls = options.tls.as_ref().map(server::acceptor).transpose()?;
        let gateways = gateways::discover(&options.folder, options.gateway_port, &options.common)?;
        let listener = server::listen(options.listen).await?;
        let address = listener.local_addr().context("reading the address")?;
        let secure = tls.is_some() || options.proxy.is_some();
        // Browsers accept this prefix only of cookies that no other host and no unencrypted page can set.
        let prefix = if secure { "__Host-" } else { "" };
        let reach = Reach {
            secure,
            proxy: options.proxy,
            loopback: options.listen.ip().is_loopback() && options.proxy.is_none(),
            hosts: options.hosts,
            cookie: format!("{prefix}portcullis-{}", address.port()),
        };
        let (stop, stopped) = watch::channel(false);
        let console = Console {
            reach,
            sessions: Mutex::new(Sessions::new(how)),
            gateways,
            web: options.web,
            comparisons: Semaphore::new(MAX_COMPARISONS),
            stop: stopped,
        };
        Ok(Self { console: Arc::new(console), listener, address, tls, stop, start: options.start })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names of the gateways.
    pub fn gateways(&self) -> impl Iterator<Item = &str> {
        self.console.gateways.keys().map(String::as_str)
    }

    /// The address to open in a browser, with a token that works once where there are no users. The token is behind `#`, so
    /// it is in no log.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn url(&self) -> Result<String> {
        let scheme = if self.console.reach.secure { "https" } else { "http" };
        let token = self.console.sessions().issue_token()?;
        let token = token.map_or_else(String::new, |token| format!("#token={token}"));
        Ok(format!("{scheme}://{}/{token}", self.address))
    }

    /// Serves until `stop` is ready, and stops the gateways then.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        if self.start {
            for gateway in self.console.gateways.values() {
                if let Err(problem) = gateway.start()
                    && problem.code != "gateway_elsewhere"
                {
                    gateway.journal.note("warning", problem.message);
                }
            }
        }
        let ticks = tokio::spawn(gateways::tick(self.console.gateways.clone()));
        let router = router(Arc::clone(&self.console));
        let serving = server::serve(self.listener, self.tls, router, self.console.stop.clone());
        let stopping = async {
            stop.await;
            for gateway in self.console.gateways.values() {
                // Those that do not run have nothing to stop.
                let _ = gateway.stop();
            }
            let _ = self.stop.send(true);
        };
        tokio::join!(serving, stopping);
        ticks.abort();
        let deadline = Instant::now() + STOP;
        for gateway in self.console.gateways.values() {
            while gateway.is_running() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            uploads::clear(&gateway.folder);
        }
    }
}

fn router(console: Arc<Console>) -> Router {
    let api = api::router(&console);
    Router::new()
        .merge(api)
        .fallback(assets::page)
        .layer(middleware::from_fn_with_state(Arc::clone(&console), access::every))
        .with_state(console)
}
