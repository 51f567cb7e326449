//! The measuring in Envoy: every arm once a round, in an order that changes, and what is compared is what was
//! measured in the same round.
//!
//! CPU time is what the kernel's scheduler counted for the worker's thread, so other work on the machine costs it
//! caches at most, not time.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::envoy::{Envoy, Wasm};
use crate::load::{self, Script};
use crate::progress;
use crate::scenario::Request;

/// One thing to measure: a listener and a request.
pub(crate) struct Cell {
    /// For progress and errors.
    pub(crate) name: String,
    /// The number of the arm that it is sent to.
    pub(crate) arm: usize,
    /// The number of the request.
    pub(crate) request: usize,
    /// Whether it must be let through; otherwise it must be refused.
    pub(crate) passes: bool,
}

/// How long and how often.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// For one cell in one round.
    pub(crate) time: Duration,
    pub(crate) envoy_core: usize,
    pub(crate) load_core: usize,
}

/// CPU time per request in microseconds, for each cell one per round.
pub(crate) type Times = Vec<Vec<f64>>;

/// Starts Envoy with the arms and measures the cells.
pub(crate) fn measure(
    envoy: &Path,
    plan: &Plan,
    arms: &[Option<Wasm>],
    requests: &[Request],
    cells: &[Cell],
) -> Result<Times> {
    progress::step(format_args!("starting Envoy with {} listeners", arms.len()));
    let upstream = Envoy::upstream(envoy, plan.load_core).context("the upstream")?;
    let upstream_at = *upstream.listeners.first().context("the upstream has no listener")?;
    let envoy = Envoy::start(envoy, plan.envoy_core, arms, upstream_at)?;
    let scripts = requests.iter().map(Script::new).collect::<Result<Vec<_>>>()?;
    let mut times: Times = vec![Vec::new(); cells.len()];
    // The first round is for the code that V8 compiles better once it has run, and is not counted.
    for round in 0..=plan.rounds {
        for place in 0..cells.len() {
            let number = place_in(round, place, cells.len());
            let Some((cell, times)) = cells.get(number).zip(times.get_mut(number)) else { continue };
            progress::tick(format_args!(
                "round {round} of {}, {} of {}: {}",
                plan.rounds,
                place + 1,
                cells.len(),
                cell.name
            ));
            let to = *envoy.listeners.get(cell.arm).context("a cell without an arm")?;
            let script = scripts.get(cell.request).context("a cell without a request")?;
            let time = one(&envoy, plan, to, script, cell)?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    progress::done();
    Ok(times)
}

/// Forwards and backwards in turns, beginning elsewhere each time, so that no cell always follows the same one.
fn place_in(round: usize, place: usize, cells: usize) -> usize {
    let shifted = (place + round * 7) % cells;
    if round % 2 == 0 { shifted } else { cells - 1 - shifted }
}

fn one(envoy: &Envoy, plan: &Plan, to: SocketAddr, script: &Script, cell: &Cell) -> Result<f64> {
    let before = envoy.worker_time()?;
    let run = load::run(plan.load_core, to, script, plan.time).with_context(|| cell.name.clone())?;
    let used = envoy.worker_time()? - before;
    if run.requests == 0 {
        bail!("{}: not one request was answered within {} s", cell.name, plan.time.as_secs());
    }
    match (cell.passes, run.refused) {
        (true, refused) if refused > 0 => bail!(
            "{}: {refused} of {} requests were refused, and the scenario's request passes: repair its request, or \
             write `passes: false`",
            cell.name,
            run.requests
        ),
        (false, refused) if refused < run.requests => bail!(
            "{}: {} of {} requests passed, and the scenario says `passes: false`",
            cell.name,
            run.requests - refused,
            run.requests
        ),
        _ => Ok(used.as_secs_f64() * 1e6 / run.requests as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_cell_once() {
        for round in 0..5 {
            let mut cells: Vec<usize> = (0..7).map(|place| place_in(round, place, 7)).collect();
            cells.sort_unstable();
            assert_eq!(cells, (0..7).collect::<Vec<_>>());
        }
    }
}
