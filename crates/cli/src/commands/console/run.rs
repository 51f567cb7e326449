//! Runs `console`.

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use console::{Common, IpNet, Options, Server, TlsFiles};
use workspace::build::Profile;

use super::{Args, Command, Serve, page, user};
use crate::commands::serve::environment::Environment;
use crate::output::{GOOD, styled};
use crate::{Usage, output};

pub(crate) fn run(args: &Args) -> Result<bool> {
    match &args.command {
        Some(Command::User(command)) => user::run(command),
        Some(Command::Reference) => {
            anstream::print!("{}", console::reference());
            Ok(true)
        }
        None => serve(&args.serve),
    }
}

fn serve(args: &Serve) -> Result<bool> {
    let Environment { plugins, cache } = Environment::find(Profile::WasmDev)?;
    let workspace = match &plugins {
        Ok(_) => crate::open::workspace_here()?,
        Err(_) => None,
    };
    let proxy = args.behind_proxy.as_deref().map(cidr).transpose()?;
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let sources = args.modules.sources(plugins)?;
    let mut options = Options {
        folder: args.folder.clone(),
        listen: args.listen.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), args.port)),
        hosts: args.host.clone(),
        users: args.users.clone(),
        tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        proxy,
        web: None,
        gateway_port: args.gateway_port,
        start: !args.stopped,
        user: ["USER", "LOGNAME"]
            .into_iter()
            .find_map(|name| env::var(name).ok().filter(|user| !user.is_empty()))
            .unwrap_or_else(|| "operator".into()),
        common: Common {
            order: args.stage_order.into(),
            cache,
            plugins: sources.plugins,
            workspace,
            from_source: sources.from_source,
            catalogue: sources.catalogue,
        },
    };
    options.check().map_err(|error| Usage(error.to_string()))?;
    // Building it takes a while.
    options.web = page::folder(args.web.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting")?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let server = Server::bind(options).await?;
        let names: Vec<&str> = server.gateways().collect();
        output::step(format_args!("gateways: {}", names.join(", ")));
        anstream::println!("{} {}", styled(GOOD, "console:"), server.url()?);
        let mut terminate = signal(SignalKind::terminate()).context("waiting for signals")?;
        let stop = async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        };
        server.run(stop).await;
        Ok(true)
    })
}

/// A network, or a single address.
fn cidr(text: &str) -> Result<IpNet> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    Ok(network.map_err(|_| Usage(format!("`{text}` is not a network: write it as 10.0.0.0/8")))?)
}
