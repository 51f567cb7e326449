//! Logging: [`trace!`](crate::trace), [`debug!`](crate::debug), [`info!`](crate::info),
//! [`warn!`](crate::warn) and [`error!`](crate::error) write to the gateway's log.
//!
//! A line below the level in force costs one comparison: neither the line is formatted nor the host
//! called. The level is read when a configuration loads and whenever the plug-in answers a request itself,
//! so that a level changed at run time is seen without a host call for each request that passes.
//!
//! Secrets, credentials and bodies never belong in a log.

use std::cell::Cell;
use std::fmt;

use crate::host;

/// How much a line matters; the ABI's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// Every step.
    Trace = 0,
    /// Every decision.
    Debug = 1,
    /// What an operator wants to know in passing.
    Info = 2,
    /// Something is odd.
    Warn = 3,
    /// Something does not work.
    Error = 4,
    /// Nothing works.
    Critical = 5,
}

thread_local! {
    static LEVEL: Cell<u32> = const { Cell::new(Level::Info as u32) };
}

/// Asks the host for the level in force.
pub fn refresh() {
    if let Ok(level) = host::log_level() {
        LEVEL.set(level);
    }
}

/// Whether a line of that level is written.
pub fn enabled(level: Level) -> bool {
    level as u32 >= LEVEL.get()
}

/// Writes a line; the macros call it.
#[doc(hidden)]
pub fn write(level: Level, line: fmt::Arguments<'_>) {
    match line.as_str() {
        Some(line) => host::log(level as u32, line),
        None => host::log(level as u32, &line.to_string()),
    }
}

/// Writes a line of a given [`Level`] when that level is in force.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($line:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, ::core::format_args!($($line)+));
        }
    };
}

/// Logs every step: `trace!("chunk of {} bytes", chunk.len())`.
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::__log!(Trace, $($line)+) };
}

/// Logs a decision.
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) };
}

/// Logs what an operator wants to know in passing.
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::__log!(Info, $($line)+) };
}

/// Logs something odd.
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) };
}

/// Logs something that does not work.
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::__log!(Error, $($line)+) };
}
