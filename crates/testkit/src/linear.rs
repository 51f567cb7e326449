//! Whether the cost of a module is linear in the size of what it reads. The interpreter counts the same instructions in every
//! run, so this needs no clock.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::exchange::{Gateway, Request, Setup, Upstream};
use crate::{Engine, Load};

/// The maximum ratio of costs for four times the size. Initialisation is part of the smaller one, and some searches take
/// logarithmic time.
pub const MAX_RATIO: f64 = 4.4;

/// Larger sizes are not measured beyond this cost, about one second.
const MAX_INSTRUCTIONS: u64 = 200_000_000;

/// Returns the instructions that a module executes for a request and its response, under a configuration.
///
/// # Errors
///
/// The configuration is rejected, or the response is not 200.
pub fn instructions(
    engine: &dyn Engine,
    config: &Value,
    request: &Request,
    upstream: &Upstream,
) -> anyhow::Result<u64> {
    let gateway = Gateway { buffer_limit: 64 << 20, ..Gateway::default() };
    let setup = Setup { configuration: Some(config.to_string()), gateway, ..Setup::default() };
    let Load::Loaded(mut loaded) = engine.load(&setup)? else { bail!("{config} was rejected") };
    let outcome = loaded.exchange(request, upstream)?;
    let status = outcome.answer.context("no response")?.status;
    if status != 200 {
        bail!("{config}: status {status}");
    }
    outcome.instructions.context("the engine does not count instructions")
}

/// Compares the cost of a size (in bytes or events) with that of four times the size, repeatedly while it is low.
///
/// # Errors
///
/// The cost grows faster than the size, or cannot be measured.
pub fn check(name: &str, size: usize, cost: impl Fn(usize) -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let mut before = cost(size)?;
    for size in [4 * size, 16 * size] {
        let after = cost(size)?;
        let ratio = after as f64 / before as f64;
        println!("{name}: {size} cost {after}, {} each, {ratio:.3} times a quarter", after / size as u64);
        if ratio > MAX_RATIO {
            bail!("{name}: {size} cost {after}, and a quarter of it {before}: {ratio:.3}");
        }
        if after > MAX_INSTRUCTIONS {
            break;
        }
        before = after;
    }
    Ok(())
}
