//! Logging: [`trace!`](crate::trace), [`debug!`](crate::debug), [`info!`](crate::info),
//! [`warn!`](crate::warn) and [`error!`](crate::error) write to the gateway's log.
//!
//! A line below the gateway's log level costs one comparison: it is not formatted, and the host is not called. The level
//! is read when a configuration is loaded and when the plug-in replies to a request itself, so that a level that changes
//! at run time takes effect without a host call per request.
//!
//! Never log secrets, credentials or bodies.

use std::cell::Cell;
use std::fmt;

use crate::host;

/// The level of a line, with the ABI's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// Each step.
    Trace = 0,
    /// Each decision.
    Debug = 1,
    /// Normal events that are useful to an operator.
    Info = 2,
    /// Something unexpected.
    Warn = 3,
    /// A failure.
    Error = 4,
    /// The plug-in does not work at all.
    Critical = 5,
}

thread_local! {
    static LEVEL: Cell<u32> = const { Cell::new(Level::Info as u32) };
}

/// Reads the log level from the host.
pub fn refresh() {
    if let Ok(level) = host::log_level() {
        LEVEL.set(level);
    }
}

/// Returns true if lines of this level are written.
pub fn enabled(level: Level) -> bool {
    level as u32 >= LEVEL.get()
}

/// Writes a line. Called by the macros.
#[doc(hidden)]
pub fn write(level: Level, line: fmt::Arguments<'_>) {
    match line.as_str() {
        Some(line) => host::log(level as u32, line),
        None => host::log(level as u32, &line.to_string()),
    }
}

/// Writes a line if its [`Level`] is enabled.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($line:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, ::core::format_args!($($line)+));
        }
    };
}

/// Logs at level trace: `trace!("chunk of {} bytes", chunk.len())`.
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::__log!(Trace, $($line)+) };
}

/// Logs at level debug.
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) };
}

/// Logs at level info.
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::__log!(Info, $($line)+) };
}

/// Logs at level warn.
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) };
}

/// Logs at level error.
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::__log!(Error, $($line)+) };
}
