//! `console`: the plug-in marketplace in a browser.

#[cfg(feature = "console")]
mod page;
#[cfg(feature = "console")]
mod run;
#[cfg(feature = "console")]
mod user;

use std::net::SocketAddr;
use std::path::PathBuf;

#[cfg(not(feature = "console"))]
use anyhow::Result;

use super::serve::{Modules, Order};

#[cfg(feature = "console")]
pub(crate) use run::run;

/// Runs the command in a program that has the console.
#[cfg(not(feature = "console"))]
pub(crate) fn run(_args: &Args) -> Result<bool> {
    without()
}

/// Runs the command of this process in a program that has the console, or reports that this one does not have it.
#[cfg(not(feature = "console"))]
pub(crate) fn without<T>() -> Result<T> {
    #[cfg(not(feature = "full"))]
    return crate::heavy::replace_with(&[crate::full::CONSOLE]);
    #[cfg(feature = "full")]
    anyhow::bail!(
        "this program is built without the console: `cargo xtask console` in the repository builds it, or \
         `cargo build -p portcullis-cli --features console`"
    )
}

/// Manage the plug-ins of gateways in a browser
///
/// Serves a folder of resources, or every folder of resources in a folder, as `cargo xtask serve` does, with a page to add,
/// configure, order, try and watch their plug-ins. Whatever it does is visible in the folder at once, and whatever is edited
/// in the folder shows in the page at once. In a git work tree, each change is a commit of exactly the changed file. A folder
/// that another process serves is followed: its state, counters and logs.
///
/// It prints a link with a token that works once. Only this machine can connect, unless `--listen` names another address:
/// that needs users, and a certificate here or at a proxy.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  cargo xtask console examples                the examples, each a gateway
  cargo xtask console my-gateway --port 0     on a free port
  cargo xtask console user add ada --role '*=viewer' --role shop=admin
  cargo xtask console gateways --listen 0.0.0.0:8443 --host console.example.com \\
      --users users.json --tls-cert tls.crt --tls-key tls.key

Roles: a viewer reads; an operator also configures, switches, moves and tries; an admin also adds, edits, deletes, releases,
takes changes back, starts and stops.

Exit codes: 0 served until Ctrl-C, 1 it cannot start, 2 usage error."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

/// The console itself.
#[derive(clap::Args)]
struct Serve {
    /// A folder of resources, or a folder of such folders.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The port to listen on, on 127.0.0.1; 0 for a free one.
    #[arg(long, default_value_t = 8001)]
    port: u16,
    /// The address to listen on instead, such as 0.0.0.0:8443.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "port")]
    listen: Option<SocketAddr>,
    /// A name by which browsers reach the console, beside its addresses; may be given several times.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// The file of users, made by `cargo xtask console user add`.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// The certificate with its chain, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The addresses of a proxy that has the certificate instead, such as 10.0.0.0/8.
    #[arg(long, value_name = "CIDR", conflicts_with = "tls_cert")]
    behind_proxy: Option<String>,
    /// The order of stages: `mse` is authz, authn, stats, default; `istio` has authn first. The documents disagree.
    #[arg(long, value_enum, default_value = "mse")]
    stage_order: Order,
    /// The port of the first gateway; the others count on from it. Where one is taken, a free one is chosen; 0 chooses a
    /// free one for each.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    gateway_port: u16,
    /// Do not start the gateways.
    #[arg(long)]
    stopped: bool,
    /// The folder of the page. [default: that of the installation]
    #[arg(long, value_name = "DIR")]
    web: Option<PathBuf>,
    #[command(flatten)]
    modules: Modules,
}

/// What else there is.
#[derive(clap::Subcommand)]
enum Command {
    /// Manage the users file
    #[command(subcommand)]
    User(User),
    /// Print the document of the API
    #[command(hide = true)]
    Reference,
}

/// The users file.
#[derive(clap::Subcommand)]
enum User {
    /// Add a user, or change the password and the roles of one
    Add(AddUser),
    /// Remove a user, whose sessions end
    Remove(NamedUser),
    /// List the users and their roles
    List(UsersFile),
}

/// Where users are.
#[derive(clap::Args)]
struct UsersFile {
    /// The users file. [default: portcullis/users.json in XDG_CONFIG_HOME or ~/.config]
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
}

/// A user to add.
#[derive(clap::Args)]
struct AddUser {
    /// The name.
    name: String,
    /// A role, `GATEWAY=ROLE`, where `*` is every other gateway: viewer, operator or admin; may be given several times.
    #[arg(long, value_name = "GATEWAY=ROLE", default_value = "*=viewer")]
    role: Vec<String>,
    /// The address in the history of a git work tree.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Read the password from the standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    file: UsersFile,
}

/// A user of the file.
#[derive(clap::Args)]
struct NamedUser {
    /// The name.
    name: String,
    #[command(flatten)]
    file: UsersFile,
}
