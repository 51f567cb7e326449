//! The source of scenarios: a plug-in's cases, and the words in them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::bail;

use crate::case::{self, Then};
use crate::{ByteString, EngineName};
use engine::exchange::{Request, Setup, Upstream};

/// A case that serves requests.
pub(super) struct Served {
    pub(super) name: String,
    pub(super) setup: Setup,
    pub(super) upstream: Upstream,
    pub(super) requests: Vec<Request>,
    /// Whether Envoy can run it too.
    pub(super) in_envoy: bool,
}

/// All that scenarios begin from.
pub(super) struct Material {
    pub(super) cases: Vec<Served>,
    /// Words that a plug-in may look for, and values that are hard to read.
    pub(super) words: Vec<Vec<u8>>,
}

/// Edge cases of numbers, paths and texts.
pub(super) const EDGES: [&[u8]; 22] = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"7",
    b"63",
    b"64",
    b"255",
    b"65536",
    b"4294967295",
    b"18446744073709551616",
    b"1e9",
    b"\xff",
    b"\xf0\x9f",
    b"\xe2\x84\xaa",
    b"/../",
    b"%2e%2e%2f",
    b"%00",
    b"?",
    b"#",
    b",",
    b"[::1]:80",
];

impl Material {
    /// Reads a plug-in's cases, without requests that stay open, which have no end to check.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        Self::with(path, |request| !is_open_ended(request))
    }

    /// Reads a plug-in's cases, talks and upgrades included.
    pub(super) fn with_open_ended(path: &Path) -> anyhow::Result<Self> {
        Self::with(path, |_| true)
    }

    fn with(path: &Path, wanted: impl Fn(&Request) -> bool) -> anyhow::Result<Self> {
        let mut words: BTreeSet<Vec<u8>> = EDGES.iter().map(|word| word.to_vec()).collect();
        let mut cases = Vec::new();
        for case in case::load(path)? {
            strings(case.setup.configuration.as_deref().unwrap_or_default(), &mut words);
            let Then::Requests(requests) = case.then else { continue };
            for request in &requests {
                words.extend([request.path.to_vec(), request.host.to_vec(), request.method.to_vec()]);
                words
                    .extend(request.headers.iter().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]));
                words.extend(request.body.iter().map(|body| body.to_vec()));
            }
            // The clock of a case is part of what it says, and of nothing that is looked at here.
            let in_envoy = !case.skip.contains_key(&EngineName::Envoy);
            let mut upstream = case.upstream;
            shorten(&mut upstream.body);
            let requests = requests.into_iter().map(|request| {
                let mut request = shortened(request.sent);
                // An upstream that echoes, or does not end, is one of these requests alone.
                if is_open_ended(&request) && request.upstream.is_none() {
                    request.upstream = Some(upstream.clone());
                }
                request
            });
            let requests = requests.filter(&wanted).collect();
            (upstream.echo, upstream.open) = (false, false);
            cases.push(Served { name: case.name, setup: case.setup, upstream, requests, in_envoy });
        }
        if cases.is_empty() {
            bail!("{}: no case has requests: write one", path.display());
        }
        // Long ones would dominate.
        words.retain(|word| word.len() <= 200);
        Ok(Self { cases, words: words.into_iter().collect() })
    }

    /// The cases that Envoy can run, each with all the words.
    pub(super) fn one_by_one(self) -> Vec<Self> {
        let Self { cases, words } = self;
        let in_envoy = cases.into_iter().filter(|case| case.in_envoy);
        in_envoy.map(|case| Self { cases: vec![case], words: words.clone() }).collect()
    }
}

/// Whether a request stays open while both sides talk, or is an upgrade.
pub(super) fn is_open_ended(request: &Request) -> bool {
    !request.talk.is_empty() || request.is_upgrade()
}

/// Requests are short, so that many can be sent.
const LONGEST: usize = 16 * 1024;

fn shortened(mut request: Request) -> Request {
    request.body.iter_mut().for_each(shorten);
    if let Some(upstream) = &mut request.upstream {
        shorten(&mut upstream.body);
    }
    request
}

fn shorten(body: &mut ByteString) {
    if body.len() > LONGEST {
        *body = body.get(..LONGEST).unwrap_or_default().into();
    }
}

/// The texts in a document of JSON.
fn strings(document: &str, words: &mut BTreeSet<Vec<u8>>) {
    fn walk(value: &serde_json::Value, words: &mut BTreeSet<Vec<u8>>) {
        match value {
            serde_json::Value::String(text) => drop(words.insert(text.as_bytes().to_vec())),
            serde_json::Value::Array(list) => list.iter().for_each(|value| walk(value, words)),
            serde_json::Value::Object(map) => map.values().for_each(|value| walk(value, words)),
            _ => {}
        }
    }
    if let Ok(document) = serde_json::from_str(document) {
        walk(&document, words);
    }
}
