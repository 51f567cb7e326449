//! Runs `serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Error, Result};
use gateway::journal::Journal;
use gateway::modules::Modules;
use gateway::serve::{self, Notice, Options, Outcome, ServeError, Stop};
use workspace::build::Profile;

use super::environment::Environment;
use super::{Args, show};
use crate::Usage;

pub(crate) fn run(args: &Args) -> Result<bool> {
    let profile = if args.release { Profile::Release } else { Profile::WasmDev };
    let Environment { plugins, cache } = Environment::find(profile)?;
    let options = Options {
        folder: args.folder.clone(),
        address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), args.port),
        any_port: false,
        order: args.stage_order.into(),
        drain: args.drain,
        log_level: args.log_level.into(),
        wait_for_repair: false,
    };
    let modules = Modules::new(&cache, args.modules.sources(plugins)?);
    let mut report = |notice: Notice<'_>| {
        let is_shown = match &notice {
            Notice::Log(line) => line
                .plugin()
                .is_none_or(|(name, _)| args.log.is_empty() || args.log.iter().any(|shown| shown == name)),
            _ => true,
        };
        if is_shown {
            show::notice(&notice);
        }
    };
    let journal = Arc::new(Journal::default());
    let stop = Stop::on_signals();
    match serve::run(options, modules, &cache, stop, &journal, &mut report).map_err(usage)? {
        Outcome::Stopped => Ok(true),
        Outcome::Invalid => {
            show::error(format_args!(
                "{} is not served: fix the errors above, and start again",
                args.folder.display()
            ));
            Ok(false)
        }
    }
}

fn usage(error: ServeError) -> Error {
    if error.is_usage() { Usage(error.to_string()).into() } else { error.into() }
}
