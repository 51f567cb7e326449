//! Shows that fuzzing finds what it is there for: plug-ins with one fault each, and one without.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "one of the faults; and tests may")]

use std::fs;

use testkit::Changes;
use testkit::fuzz::{Bounds, Ran, seeded};
use testkit::native::{Entry, Native};

/// What scenarios begin from. The faults are not in these very requests.
const CASES: &str = "\
cases:
- name: a body with the word is blocked
  config: { word: keyword }
  requests:
  - { method: POST, path: /a, headers: [[x-level, '1']], body: a keyword b, expect: { status: 403 } }
  - { method: POST, path: /a, body: nothing, expect: { status: 200 } }
";

/// So many scenarios are enough for each of them.
const RUNS: u64 = 3_000;

fn fuzz(entry: fn() -> Entry) -> Ran {
    fuzz_in(entry, &tempfile::tempdir().unwrap())
}

fn fuzz_in(entry: fn() -> Entry, folder: &tempfile::TempDir) -> Ran {
    fs::create_dir(folder.path().join("tests")).unwrap();
    fs::write(folder.path().join("tests/cases.yaml"), CASES).unwrap();
    let bounds = Bounds { runs: Some(RUNS), time: None, findings: 10 };
    seeded(folder.path(), Native::new(entry), |_| Changes::none(), 1, bounds, &folder.path().join("findings"))
        .unwrap()
}

/// Blocks a body that has a word; what it keeps from piece to piece is so many bytes shorter than the word.
macro_rules! blocker {
    ($module:ident, $shorter:expr, |$request:ident| $headers:expr) => {
        blocker!($module, $shorter, |$request| $headers, |reply, _| reply);
    };
    ($module:ident, $shorter:expr, |$request:ident| $headers:expr, $reply:expr) => {
        mod $module {
            use sdk::prelude::*;

            #[derive(Deserialize)]
            pub(super) struct Config {
                word: String,
            }

            pub(super) struct Blocker;

            fn with(reply: Reply, seen: &[u8], change: impl FnOnce(Reply, &[u8]) -> Reply) -> Reply {
                change(reply, seen)
            }

            #[plugin]
            impl Plugin for Blocker {
                type Config = Config;
                type State = Vec<u8>;

                fn on_request_headers($request: &mut RequestHeaders<Self::State>, _: &Config) -> Flow {
                    let () = $headers;
                    Flow::Continue
                }

                fn on_request_body(body: &mut RequestBody<Self::State>, config: &Config) -> Flow {
                    let chunk = body.chunk();
                    body.state.extend_from_slice(&chunk);
                    let word = config.word.as_bytes();
                    if body.state.windows(word.len().max(1)).any(|window| window == word) {
                        let reply = Reply::new(StatusCode::FORBIDDEN);
                        return Flow::Reply(with(reply, &body.state, $reply));
                    }
                    let kept: usize = word.len().saturating_sub($shorter);
                    let gone = body.state.len().saturating_sub(kept);
                    body.state.drain(..gone);
                    Flow::Hold
                }
            }
        }
    };
}

blocker!(good, 1, |_request| ());
// Missed is a word of which all but one byte are in one piece.
blocker!(off_by_one, 2, |_request| ());
blocker!(index_by_header, 1, |request| {
    let level = request.get("x-level").and_then(|level| String::from_utf8(level.to_vec()).ok());
    let level: usize = level.and_then(|level| level.parse().ok()).unwrap_or(0);
    let _ = [0; 8][level];
});

// Each of these changes a header and nothing else.
blocker!(duplicated, 1, |request| if let Some(accept) = request.get("accept") {
    request.add("accept", accept);
});
blocker!(dropped, 1, |request| if request.get("cookie").is_some() {
    request.remove("x-level");
});
blocker!(leaked, 1, |_request| (), |reply, seen| match seen.starts_with(b"a") {
    true => reply.header("x-seen", seen),
    false => reply,
});

#[test]
fn a_header_that_is_duplicated_dropped_or_leaked_is_found() {
    for (entry, header) in [
        (duplicated::entry as fn() -> Entry, "accept"),
        (dropped::entry, "x-level"),
        (leaked::entry, "x-seen"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ran = fuzz_in(entry, &folder);
        let finding =
            ran.findings.first().and_then(|file| fs::read_to_string(file.with_extension("yaml")).ok());
        assert!(finding.is_some_and(|finding| finding.contains(header)), "{header}: {ran}");
    }
}

#[test]
fn a_plug_in_without_a_fault_is_found_to_have_none() {
    assert_eq!(fuzz(good::entry).findings.len(), 0);
}

#[test]
fn an_off_by_one_over_the_border_of_two_pieces_is_found() {
    assert!(!fuzz(off_by_one::entry).findings.is_empty());
}

#[test]
fn an_index_by_the_value_of_a_header_is_found() {
    assert!(!fuzz(index_by_header::entry).findings.is_empty());
}

#[test]
fn a_missing_verdict_at_trailers_is_found() {
    // What is held goes on when trailers end the body.
    let found =
        fuzz(|| Entry { on_request_body: Some(only_at_the_end), on_request_trailers: None, ..good::entry() });
    assert!(!found.findings.is_empty());

    fn only_at_the_end(context: u32, size: usize, end_of_stream: bool) -> u32 {
        const PAUSE: u32 = 1;
        match good::entry().on_request_body {
            Some(body) if end_of_stream => body(context, size, true),
            _ => PAUSE,
        }
    }
}

#[test]
fn a_request_that_is_never_let_go_is_found() {
    let found = fuzz(|| Entry { on_request_body: Some(|_, _, _| 1), ..good::entry() });
    assert!(!found.findings.is_empty());
}
