//! Runs `request`.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use gateway::client::{self, Request, Response};
use gateway::folder::{Fault, StageOrder};
use gateway::modules::Modules;
use gateway::plan::Planner;
use gateway::secret::Redactor;
use gateway::trace::{self, Trace};
use gateway::{StartError, echo, state, websocket};
use workspace::build::Profile;

use super::Args;
use super::show::show;
use crate::commands::serve::environment::Environment;
use crate::commands::serve::show::remark;
use crate::{Usage, program};

pub(crate) fn run(args: &Args) -> Result<bool> {
    let request = args.curl.request()?;
    let folder = &args.folder;
    gateway::folder::check(folder).map_err(|error| Usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let running = state::read(folder);
    if let (false, Some(state)) = (args.trace, &running) {
        let response = runtime.block_on(exchange(args, state.address, &request))?;
        return finish(args, &request, response.as_ref(), &Redactor::disabled());
    }
    let order = match (args.stage_order, &running) {
        (Some(order), _) => order.into(),
        (None, Some(state)) => state.order(),
        (None, None) => StageOrder::Mse,
    };
    if let (Some(state), false) = (&running, args.silent) {
        anstream::eprintln!(
            "note: traced in an Envoy of its own, whose limits, counters and shared data begin empty: the gateway on \
             http://{} may respond differently; without --trace the request goes there",
            state.address
        );
    }
    let Environment { plugins, cache } = Environment::find(Profile::WasmDev)?;
    let envoy = cache.envoy()?;
    let modules = Modules::new(&cache, args.modules.sources(plugins)?);
    let mut planner = Planner::new(folder.clone(), order, modules, envoy.clone());
    let (plan, faults) = planner.plan(None, &[]);
    if !faults.is_empty() {
        return Err(all(&faults));
    }
    if !args.silent {
        plan.remarks.iter().for_each(remark);
    }
    let capture = runtime.block_on(async {
        let echo = echo::start().await.context("starting the echo")?;
        let exchange = async |address| exchange(args, address, &request).await;
        trace::run_with(&envoy, &plan, echo, args.trace, exchange).await
    });
    let capture = capture.map_err(|error| match error.downcast_ref::<StartError>() {
        // The plug-in that does not load, in its own words.
        Some(_) => match planner.rejected(&plan) {
            faults if faults.is_empty() => error,
            faults => all(&faults),
        },
        None => error,
    })?;
    if !args.trace {
        return finish(args, &request, capture.response.as_ref(), &Redactor::disabled());
    }
    let names: Vec<&str> = plan.plugins.iter().map(|planned| planned.wasm.name.as_str()).collect();
    let mut found = Trace::of(&capture, &names);
    found.name_rules(&plan);
    let redactor =
        if args.show_secrets { Redactor::disabled() } else { trace::redactor(&request, &capture, &found) };
    let found = trace::redacted(&found, &redactor);
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&trace::json(&found, &capture))?);
        return Ok(capture.response.is_some());
    }
    anstream::print!("{}\n", show(&found, &capture));
    finish(args, &request, capture.response.as_ref(), &redactor)
}

fn all(faults: &[Fault]) -> anyhow::Error {
    let lines: Vec<String> =
        faults.iter().map(|fault| program::text(&fault.to_string()).into_owned()).collect();
    anyhow!("{}", lines.join("\n"))
}

/// Sends the request, or opens the WebSocket and prints its messages.
async fn exchange(args: &Args, address: SocketAddr, request: &Request) -> Result<Option<Response>> {
    if !request.websocket {
        return client::send(address, request).await;
    }
    // A script reads nothing but the trace as JSON.
    let is_shown = !args.json;
    // Before there is a trace, the secrets of the request are known.
    let redactor = match args.trace && !args.show_secrets {
        true => trace::redactor_of(request),
        false => Redactor::disabled(),
    };
    let opened = |response: &Response| {
        if is_shown && (!args.silent || args.include) {
            writeln!(std::io::stdout(), "{}", redactor.text(&websocket::head(response)))?;
        }
        Ok(())
    };
    let received = |event: &websocket::Event| {
        match event {
            websocket::Event::Closed(_) if args.silent => {}
            websocket::Event::Closed(_) => anstream::eprintln!("{event}"),
            websocket::Event::Text(_) | websocket::Event::Binary(_) if is_shown => {
                writeln!(std::io::stdout(), "{}", redactor.text(&event.to_string()))?;
            }
            websocket::Event::Text(_) | websocket::Event::Binary(_) => {}
        }
        Ok(())
    };
    websocket::talk(address, request, websocket::lines_of_stdin(), opened, received).await
}

/// Prints the rest of a response. Returns true if there was one, and it was complete.
fn finish(args: &Args, request: &Request, response: Option<&Response>, redactor: &Redactor) -> Result<bool> {
    let Some(response) = response.filter(|_| request.websocket) else {
        return print(args, response, redactor);
    };
    std::io::stdout().write_all(&redactor.bytes(&response.body))?;
    if let Some(reason) = &response.interrupted {
        anstream::eprintln!("the WebSocket was interrupted: {reason}");
    }
    Ok(response.interrupted.is_none())
}

/// Prints a response as curl does; after a trace with its secrets hidden.
fn print(args: &Args, response: Option<&Response>, redactor: &Redactor) -> Result<bool> {
    let Some(response) = response else {
        if !args.silent {
            anstream::eprintln!("no response within {} s", args.curl.max_time);
        }
        return Ok(false);
    };
    let mut out = std::io::stdout().lock();
    if args.include {
        writeln!(out, "{:?} {}", response.version, response.status)?;
        for (name, value) in &response.headers {
            writeln!(out, "{name}: {}", redactor.header(name.as_str().as_bytes(), value.as_bytes()))?;
        }
        writeln!(out)?;
    }
    out.write_all(&redactor.bytes(&response.body))?;
    if args.include {
        for (name, value) in &response.trailers {
            writeln!(out, "{name}: {}", redactor.header(name.as_str().as_bytes(), value.as_bytes()))?;
        }
    }
    if let Some(reason) = &response.interrupted {
        anstream::eprintln!("the response was interrupted: {reason}");
    }
    Ok(response.interrupted.is_none())
}
