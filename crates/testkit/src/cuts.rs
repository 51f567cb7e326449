//! Bodies in other pieces: the result of a case must not depend on how the network cuts bodies.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::SystemTime;

use engine::Random;

use crate::ByteString;
use crate::case::{Case, Chunks, Each, Expect, HeaderName, Request, Then, UpstreamExpect, Values};

/// The seed of random cuts; by default, another one in every run.
pub(crate) const SEED: &str = "PORTCULLIS_SEED";

/// The maximum number of pieces: a larger body is cut into as many equal pieces instead of bytes.
const MOST_PIECES: usize = 4096;

/// The headers that frame a body, which depend on the cuts.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// Whether a header of this name frames a body.
pub(crate) fn frames(name: &[u8]) -> bool {
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
}

/// The seed of this run.
///
/// # Errors
///
/// The variable is set and not a number.
pub(crate) fn seed() -> anyhow::Result<u64> {
    static NEW: OnceLock<u64> = OnceLock::new();
    match std::env::var(SEED) {
        Ok(written) => written
            .parse()
            .map_err(|_| anyhow::anyhow!("{SEED}: `{written}` is not a number: write one, or unset it")),
        Err(_) => Ok(*NEW.get_or_init(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.map_or(0, |now| u64::from(now.subsec_nanos()))
        })),
    }
}

/// Cuts a body of a size into pieces of at most another size.
type Cut<'a> = dyn FnMut(usize, usize) -> Chunks + 'a;

/// Returns the same requests with every body cut differently, each with a name; none if there is nothing to cut.
/// Bodies of more than `largest` bytes stay as they are.
pub(crate) fn variants(case: &Case, seed: u64, largest: usize) -> Vec<(String, Vec<Request>)> {
    let Then::Requests(requests) = &case.then else { return Vec::new() };
    let mut random = Random::new(seed);
    let mut variants = Vec::new();
    let random_name = format!("cut at random ({SEED}={seed})");
    let cuts: [(&str, &mut Cut<'_>); 2] = [
        ("cut byte by byte", &mut |size, _| Chunks::Each(Each { each: size.div_ceil(MOST_PIECES) })),
        (&random_name, &mut |size, most| random_chunks(&mut random, size, most)),
    ];
    for (name, cut) in cuts {
        let mut any = false;
        let cut_all = requests.iter().map(|request| {
            let (request, was_cut) = otherwise(request, case, largest, cut);
            any |= was_cut;
            request
        });
        let requests: Vec<_> = cut_all.collect();
        if any {
            variants.push((name.to_owned(), requests));
        }
    }
    variants
}

/// A request with its body and its response's body cut differently, and whether there was anything to cut.
fn otherwise(request: &Request, case: &Case, largest: usize, cut: &mut Cut<'_>) -> (Request, bool) {
    let mut request = request.clone();
    let mut any = false;
    // Bodies of concurrent requests are not checked; resets and events refer to numbers of chunks.
    if !request.answers.is_empty() || request.name.is_some() {
        return (request, false);
    }
    let size = request.body.as_deref().map_or(0, <[u8]>::len);
    // A body that the gateway cannot hold goes through or not as it arrives.
    let buffer = usize::try_from(case.setup.gateway.buffer_limit).unwrap_or(usize::MAX);
    if (2..=buffer.min(largest)).contains(&size) && request.reset_after.is_none() {
        request.chunks = Some(cut(size, size));
        any = true;
    }
    let mut upstream = request.upstream.take().unwrap_or_else(|| case.upstream.clone());
    let size = upstream.body.len();
    if (2..=largest).contains(&size) && upstream.reset_after.is_none() {
        // A gateway cuts off a response if a piece and what is held before it do not fit into its buffer.
        let most = if size > buffer { (buffer / 2).max(1) } else { size };
        upstream.chunks = Some(cut(size, most));
        any = true;
    }
    request.upstream = Some(upstream);
    if any {
        forget_framing(&mut request.expect);
    }
    (request, any)
}

/// What is expected of the framing and of the number of host calls holds for the cuts that the case has.
fn forget_framing(expect: &mut Expect) {
    let forget = |headers: &mut BTreeMap<HeaderName, Values>| {
        headers.retain(|name, _| !FRAMING.iter().any(|framing| name.is(framing.as_bytes())));
    };
    let forget_exact = |headers: &mut Option<Vec<(HeaderName, ByteString)>>| {
        headers.iter_mut().for_each(|headers| headers.retain(|(name, _)| !frames(name.as_bytes())));
    };
    expect.host_calls = None;
    forget(&mut expect.headers);
    forget_exact(&mut expect.headers_exact);
    if let Some(UpstreamExpect::Request(wanted)) = &mut expect.upstream {
        forget(&mut wanted.headers);
        forget_exact(&mut wanted.headers_exact);
    }
}

/// Two to eight pieces, some of which may be single bytes; more if a piece may only have `most` bytes.
fn random_chunks(random: &mut Random, size: usize, most: usize) -> Chunks {
    let mut sizes = Vec::new();
    for _ in 0..=random.below(7) {
        let most = if random.below(3) == 0 { 3 } else { most };
        sizes.push(1 + random.below(most));
    }
    let rest = size.saturating_sub(sizes.iter().sum());
    sizes.extend(std::iter::repeat_n(most, rest.saturating_sub(1) / most.max(1)));
    Chunks::Sizes(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(requests: &str) -> Case {
        serde_yaml::from_str(&format!(
            "{{ name: n, gateway: {{ buffer_limit: 9 }}, requests: [{requests}] }}"
        ))
        .unwrap()
    }

    fn pieces(request: &Request) -> Vec<usize> {
        request.pieces().iter().map(|piece| piece.len()).collect()
    }

    #[test]
    fn every_body_is_cut_and_the_same_seed_cuts_alike() {
        let case = case("{ body: abcdef, expect: { status: 200, host_calls: 3 } }");
        let all = variants(&case, 7, 99);
        assert_eq!(all.len(), 2);
        let (_, each) = &all[0];
        assert_eq!(pieces(&each[0]), [1; 6]);
        assert_eq!(each[0].upstream.as_ref().unwrap().pieces().len(), case.upstream.body.len());
        assert_eq!(each[0].expect.host_calls, None);
        assert_eq!(pieces(&all[1].1[0]), pieces(&variants(&case, 7, 99)[1].1[0]));
    }

    #[test]
    fn what_the_gateway_cannot_hold_stays_in_one() {
        let large = case("{ body: abcdefghij, upstream: { body: '' }, expect: { status: 200 } }");
        assert!(variants(&large, 7, 99).is_empty());
    }

    #[test]
    fn no_piece_of_a_response_is_larger_than_half_of_a_buffer_that_cannot_hold_it() {
        let case = case("{ upstream: { body: abcdefghijklmnopqrstuvwxyz }, expect: { status: 200 } }");
        for seed in 0..50 {
            let all = variants(&case, seed, 99);
            let upstream = all[1].1[0].upstream.as_ref().unwrap();
            let pieces: Vec<usize> = upstream.pieces().iter().map(|piece| piece.len()).collect();
            assert_eq!(pieces.iter().sum::<usize>(), 26);
            assert!(pieces.iter().all(|size| *size <= 4), "{seed}: {pieces:?}");
        }
    }

    #[test]
    fn the_framing_follows_the_cuts_and_is_not_expected() {
        let case = case(
            "{ body: ab, expect: { status: 200, headers: { content-length: '8', a: b }, \
               upstream: { headers: { Transfer-Encoding: null } } } }",
        );
        let expect = &variants(&case, 1, 99)[0].1[0].expect;
        assert_eq!(expect.headers.len(), 1);
        let Some(UpstreamExpect::Request(upstream)) = &expect.upstream else { panic!("a request") };
        assert!(upstream.headers.is_empty());
    }
}
