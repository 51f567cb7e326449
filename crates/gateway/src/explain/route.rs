//! The route that Envoy takes, found without Envoy.

use config::host;

use crate::Route;

/// The route that Envoy takes: of the domain that fits best (the name itself, then the longest `*.suffix`, then `*`) the
/// one with the longest prefix.
pub(super) fn choose<'r>(routes: &'r [Route], host: &str, path: &str) -> Option<&'r Route> {
    let host = host::normalise(host.as_bytes());
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let fit = |domain: &str| match domain.strip_prefix('*') {
        None => (domain.to_lowercase().as_bytes() == &*host).then_some(usize::MAX),
        Some(suffix) => {
            let longer = host.len() > suffix.len() || suffix.is_empty();
            (longer && host.ends_with(suffix.to_lowercase().as_bytes())).then_some(suffix.len())
        }
    };
    let of = |route: &Route| match route.domains.as_slice() {
        [] => Some(0),
        domains => domains.iter().filter_map(|domain| fit(domain)).max(),
    };
    let best = routes.iter().filter_map(of).max()?;
    let takes = |route: &&Route| {
        let prefix = route.prefix.trim_end_matches('/');
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let candidates = routes.iter().filter(|route| of(route) == Some(best)).filter(takes);
    // Of two as long, the first.
    candidates.rev().max_by_key(|route| route.prefix.trim_end_matches('/').len())
}
