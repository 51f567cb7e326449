//! The measuring in Envoy: every arm once a round, in an order that changes, and what is compared is what was
//! measured in the same round.
//!
//! CPU time is what the kernel's scheduler counted for the worker's thread, so other work on the machine costs it
//! caches at most, not time.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::envoy::{Arm, Envoy, Upstreams};
use crate::load::{self, Shape};
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
    /// The number of a request that must be refused, before and after the measurement.
    pub(crate) refuses: Option<usize>,
}

/// The worker's time in one slice: long beside starting a connection, short beside the changes of a busy machine.
const SLICE: Duration = Duration::from_millis(150);

/// The worker's time before the first slice.
const WARM_UP: Duration = Duration::from_secs(1);

/// How often, and where.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) envoy_core: usize,
    pub(crate) load_core: usize,
}

/// CPU time per request in microseconds, for each cell one per round.
pub(crate) type Times = Vec<Vec<f64>>;

/// Starts Envoy with the arms and measures the cells.
pub(crate) fn measure(
    envoy: &Path,
    plan: &Plan,
    arms: &[Arm],
    requests: &[Request],
    cells: &[Cell],
) -> Result<Times> {
    progress::step(format_args!("starting Envoy with {} listeners", arms.len()));
    let upstreams = Upstreams::start(envoy, plan.load_core, arms).context("the upstream")?;
    let envoy = Envoy::start(envoy, plan.envoy_core, arms, &upstreams)?;
    let shapes = requests.iter().map(Shape::new).collect::<Result<Vec<_>>>()?;
    let mut slices = Vec::new();
    for (number, cell) in cells.iter().enumerate() {
        progress::tick(format_args!("warming up {} of {}: {}", number + 1, cells.len(), cell.name));
        let to = *envoy.listeners.get(cell.arm).context("a cell without an arm")?;
        let shape = shapes.get(cell.request).context("a cell without a request")?;
        let refuses = match cell.refuses {
            Some(number) => Some(shapes.get(number).context("a cell without a request to refuse")?),
            None => None,
        };
        let mut slice =
            Slice { envoy: &envoy, core: plan.load_core, to, shape, refuses, cell, requests: 100 };
        slice.must_refuse()?;
        slice.warm_up()?;
        slices.push(slice);
    }
    let mut times: Times = vec![Vec::new(); cells.len()];
    for round in 0..plan.rounds {
        for place in 0..slices.len() {
            let number = place_in(round, place, slices.len());
            if let Some((slice, times)) = slices.get(number).zip(times.get_mut(number)) {
                progress::tick(format_args!("round {} of {}: {}", round + 1, plan.rounds, slice.cell.name));
                times.push(slice.measure()?);
            }
        }
    }
    slices.iter().try_for_each(Slice::must_refuse)?;
    progress::done();
    Ok(times)
}

/// Forwards and backwards in turns, beginning elsewhere each time, so that no cell always follows the same one.
fn place_in(round: usize, place: usize, cells: usize) -> usize {
    let shifted = (place + round * 7) % cells;
    if round.is_multiple_of(2) { shifted } else { cells - 1 - shifted }
}

/// What is sent for one cell in one round.
struct Slice<'a> {
    envoy: &'a Envoy,
    core: usize,
    to: SocketAddr,
    shape: &'a Shape,
    refuses: Option<&'a Shape>,
    cell: &'a Cell,
    requests: u64,
}

impl Slice<'_> {
    /// Has V8 compile well what it runs often, and finds out how many requests fill a slice.
    fn warm_up(&mut self) -> Result<()> {
        let first = self.measure()?;
        let filling =
            |time: Duration, each: f64| ((time.as_secs_f64() * 1e6 / each) as u64).clamp(100, 1_000_000);
        self.requests = filling(WARM_UP, first);
        let warm = self.measure()?;
        self.requests = filling(SLICE, warm);
        Ok(())
    }

    /// Shows that the plug-in works.
    fn must_refuse(&self) -> Result<()> {
        let Some(shape) = self.refuses else { return Ok(()) };
        let answers = load::send(self.core, self.to, shape, 1).with_context(|| self.cell.name.clone())?;
        if answers.refused == 0 {
            bail!("{}: the request in `refuses` passed, so nothing is measured", self.cell.name);
        }
        Ok(())
    }

    /// The worker's CPU time per request, in microseconds.
    fn measure(&self) -> Result<f64> {
        let before = self.envoy.worker_time()?;
        let answers = load::send(self.core, self.to, self.shape, self.requests)
            .with_context(|| self.cell.name.clone())?;
        let used = self.envoy.worker_time()? - before;
        let Cell { name, passes, .. } = self.cell;
        if *passes && answers.refused > 0 {
            bail!(
                "{name}: {} of {} requests were refused, but the scenario expects them to pass: fix its request, or \
                 write `passes: false`",
                answers.refused,
                self.requests
            );
        }
        if !passes && answers.passed > 0 {
            bail!(
                "{name}: {} of {} requests passed, but the scenario has `passes: false`",
                answers.passed,
                self.requests
            );
        }
        Ok(used.as_secs_f64() * 1e6 / self.requests as f64)
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
