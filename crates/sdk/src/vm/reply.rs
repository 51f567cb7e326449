//! Local replies, and what is logged about them.

use std::fmt;

use crate::abi::{CONTINUE, PAUSE};
use crate::host::StreamType;
use crate::{Failure, Plugin, Reply, headers, host, log, metric, report};

/// Sends a reply, or only logs it in a dry run.
pub(super) fn send<P: Plugin>(reply: &Reply, rule: Option<usize>, stream: StreamType) -> u32 {
    log::refresh();
    let status = reply.status.get();
    let decision = Decision { reply, rule };
    if reply.dry_run {
        crate::info!("{}: dry run: would answer {status} {decision}", P::NAME);
        report::record_decision(rule, format_args!("dry run: would answer {status} {decision}"));
        if !reply.details.is_empty() {
            metric::add(&format!("{}.dry_run", reply.details), 1);
        }
        return CONTINUE;
    }
    if log::enabled(log::Level::Debug) {
        crate::debug!("{}: answers {status} {decision}", P::NAME);
        report::record_decision(rule, format_args!("answers {status} {decision}"));
    }
    if !reply.details.is_empty() {
        metric::add(reply.details, 1);
    }
    let headers = headers::serialise(&reply.headers);
    if host::send_local_response(status, reply.details, &reply.body, &headers).is_err() {
        return fail::<P>(stream, HOST_FAILURE);
    }
    PAUSE
}

/// The reason for a reply as it is logged: `(request-block.url_blocked) by _rules_[1]: block_urls[0]`.
struct Decision<'a> {
    reply: &'a Reply,
    rule: Option<usize>,
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}) by ", self.reply.details)?;
        match self.rule {
            Some(rule) => write!(f, "_rules_[{rule}]")?,
            None => f.write_str("the global configuration")?,
        }
        if !self.reply.cause.is_empty() {
            write!(f, ": {}", self.reply.cause)?;
        }
        Ok(())
    }
}

/// The usual reason for which a request cannot be processed.
pub(super) const HOST_FAILURE: &str = "a host call failed";

/// Ends a callback that cannot process its request, as [`Plugin::ON_FAILURE`] says.
pub(super) fn fail<P: Plugin>(stream: StreamType, why: &str) -> u32 {
    const SERVICE_UNAVAILABLE: u16 = 503;
    crate::error!(
        "{}: {why}: the request {}",
        P::NAME,
        match P::ON_FAILURE {
            Failure::Open => "passes",
            Failure::Closed => "is answered 503",
        }
    );
    match P::ON_FAILURE {
        Failure::Open => CONTINUE,
        Failure::Closed => {
            let details = format!("{}.host_failure", P::NAME);
            if host::send_local_response(SERVICE_UNAVAILABLE, &details, b"", b"").is_err() {
                // Without a reply, no client should wait for one. If even this fails, pausing keeps the request from
                // continuing.
                let _ = host::close_stream(stream);
            }
            PAUSE
        }
    }
}
