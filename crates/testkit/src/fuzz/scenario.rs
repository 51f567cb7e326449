//! Scenarios generated from bytes: a configuration, and requests with their bodies whole and in pieces.

use arbitrary::{Result, Unstructured};

use super::material::{Material, Served, is_open_ended};
use crate::ByteString;
use engine::exchange::{Chunks, Header, Protocol, Request, Setup, Upstream};

/// The most requests of one scenario.
const MOST_REQUESTS: usize = 4;

/// The longest text that is repeated into a path, a value or a body.
const LONGEST: usize = 20_000;

/// The size to which a piece of a body is repeated: enough to notice that each piece takes memory or time for all of them.
const LARGE: usize = 64 << 10;

/// A configuration with requests.
pub(super) struct Scenario {
    /// The place of the case that it begins from.
    pub(super) case: usize,
    pub(super) setup: Setup,
    /// Whether the configuration is not that of the case.
    pub(super) own_configuration: bool,
    pub(super) upstream: Upstream,
    pub(super) requests: Vec<Pair>,
    /// The number that the order follows from in which parts of requests come that are open at once; nothing when one
    /// request follows the other.
    pub(super) at_once: Option<u64>,
    /// Configurations that are applied meanwhile.
    pub(super) changes: Vec<Option<String>>,
}

/// One request, and the same in other pieces.
pub(super) struct Pair {
    pub(super) whole: Request,
    pub(super) cut: Request,
    /// Whether both must have the same result.
    pub(super) comparable: bool,
}

impl Scenario {
    /// Any bytes make one; those that are missing count as zeros.
    pub(super) fn read(bytes: &[u8], material: &Material) -> Self {
        let mut source = Unstructured::new(bytes);
        let case = source.choose_index(material.cases.len()).unwrap_or_default();
        let Some(served) = material.cases.get(case).or(material.cases.first()) else {
            return Self {
                case,
                setup: Setup::default(),
                own_configuration: true,
                upstream: Upstream::default(),
                requests: Vec::new(),
                at_once: None,
                changes: Vec::new(),
            };
        };
        let mut reader = Reader { source, material, served };
        let setup = reader.setup().ok().flatten();
        let at_once = reader.at_once().unwrap_or_default();
        let changes = reader.changes(at_once.is_some()).unwrap_or_default();
        let mut requests = Vec::new();
        while requests.len() < MOST_REQUESTS && (requests.is_empty() || !reader.source.is_empty()) {
            let Ok(pair) = reader.pair() else { break };
            requests.push(pair);
        }
        let upstream = reader.upstream().unwrap_or_else(|_| served.upstream.clone());
        let can_be = requests.len() > 1
            && served.setup.gateway.workers == 1
            && requests.iter().all(|pair| !is_open_ended(&pair.cut))
            && !(served.upstream.echo || served.upstream.open);
        Self {
            case,
            at_once: at_once.filter(|_| can_be),
            changes,
            own_configuration: setup.is_some(),
            setup: setup.unwrap_or_else(|| served.setup.clone()),
            upstream,
            requests,
        }
    }
}

struct Reader<'a> {
    source: Unstructured<'a>,
    material: &'a Material,
    served: &'a Served,
}

impl Reader<'_> {
    /// The upstream of the case, a piece of whose response is repeated now and then.
    fn upstream(&mut self) -> Result<Upstream> {
        let upstream = self.served.upstream.clone();
        let declares = upstream.headers.iter().any(|(name, _)| crate::cuts::frames(name));
        if upstream.body.is_empty()
            || upstream.open
            || upstream.reset_after.is_some()
            || declares
            || !self.source.ratio(1_u8, 20)?
        {
            return Ok(upstream);
        }
        Ok(match self.repeated(&upstream.body)? {
            Some(body) => Upstream { body: body.into(), chunks: None, ..upstream },
            None => upstream,
        })
    }

    /// Whether requests are concurrent, in half of the scenarios.
    fn at_once(&mut self) -> Result<Option<u64>> {
        Ok(if self.source.ratio(1_u8, 2)? { Some(self.source.arbitrary()?) } else { None })
    }

    /// Other configurations while requests are open, in a third of the scenarios that have such: the same again, or one
    /// that is changed somewhere, which most plug-ins refuse.
    fn changes(&mut self, at_once: bool) -> Result<Vec<Option<String>>> {
        let mut changes = Vec::new();
        if at_once && self.source.ratio(1_u8, 3)? {
            for _ in 0..=self.source.int_in_range(0..=2)? {
                changes.push(match self.source.ratio(1_u8, 4)? {
                    true => self.served.setup.configuration.clone(),
                    false => Some(self.configuration()?),
                });
            }
        }
        Ok(changes)
    }

    /// Another configuration than the case's, now and then.
    fn setup(&mut self) -> Result<Option<Setup>> {
        if !self.source.ratio(1_u8, 24)? {
            return Ok(None);
        }
        let configuration = Some(self.configuration()?);
        Ok(Some(Setup { configuration, ..self.served.setup.clone() }))
    }

    /// The configuration of the case, changed somewhere.
    fn configuration(&mut self) -> Result<String> {
        let mut text = self.served.setup.configuration.clone().unwrap_or_default().into_bytes();
        for _ in 0..=self.source.int_in_range(0..=3)? {
            let at = self.source.int_in_range(0..=text.len())?;
            let end = (at + self.source.int_in_range(0..=8)?).min(text.len());
            let new = match self.source.int_in_range(0..=5)? {
                0 => Vec::new(),
                1 => b"\"".to_vec(),
                2 => b"{}".to_vec(),
                3 => vec![b'['; self.source.int_in_range(1..=300)?],
                4 => self.source.bytes(4.min(self.source.len()))?.to_vec(),
                _ => self.word()?,
            };
            text.splice(at..end, new);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn pair(&mut self) -> Result<Pair> {
        let mut request = self.request()?;
        if is_open_ended(&request) {
            return Ok(Pair { whole: request.clone(), cut: request, comparable: false });
        }
        let limit = usize::try_from(self.served.setup.gateway.buffer_limit).unwrap_or(usize::MAX);
        let size = request.body.as_deref().map_or(0, <[u8]>::len);
        let goes_away = request.reset_after.is_some() || request.reset_when_called.is_some();
        let mut cut = request.clone();
        let mut alike = true;
        if size > 1 {
            cut.chunks = Some(self.chunks(size)?);
            // A plug-in sees `content-length` or `transfer-encoding` as it sees every header, and may decide by it: one
            // piece is framed as several are. A length of its own now and then is only to be answered.
            alike = self.source.ratio(3_u8, 4)?;
            if alike {
                request.chunks = Some(Chunks::Sizes(vec![size]));
            }
            let declares = request.headers.iter().any(|(name, _)| crate::cuts::frames(name));
            if !goes_away && request.trailers.is_empty() && !declares && self.source.ratio(1_u8, 3)? {
                cut.trailers.push(("x-fuzz".into(), "1".into()));
            }
        }
        // A reset after pieces counts those that there are.
        if let Some(pieces) = request.reset_after {
            request.reset_after = Some(pieces.min(request.pieces().len()));
            cut.reset_after = Some(pieces.min(cut.pieces().len()));
        }
        Ok(Pair { whole: request, cut, comparable: alike && !goes_away && size <= limit })
    }

    fn request(&mut self) -> Result<Request> {
        let requests = &self.served.requests;
        let base = match self.source.ratio(3_u8, 4)? {
            true if !requests.is_empty() => requests.get(self.source.choose_index(requests.len())?).cloned(),
            _ => None,
        };
        let mut request = base.unwrap_or_default();
        if self.source.ratio(1_u8, 3)? {
            request.path = self.path()?;
        }
        if self.source.ratio(1_u8, 4)? {
            request.host = self.line()?.into();
        }
        // What is said on a stream that stays open is the case's, and so is how it begins.
        let open_ended = is_open_ended(&request);
        if !open_ended && self.source.ratio(1_u8, 4)? {
            let methods: [&[u8]; 6] = [b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"connect"];
            request.method = (*self.source.choose(&methods)?).into();
        }
        for _ in 0..self.source.int_in_range(0..=3)? {
            let header = self.header()?;
            let at = self.source.int_in_range(0..=request.headers.len())?;
            request.headers.insert(at, header);
        }
        if open_ended {
            return Ok(request);
        }
        let declared = request.body.clone();
        if self.source.ratio(1_u8, 2)? {
            request.body = Some(self.text()?.into());
            request.chunks = None;
        }
        if let Some(body) = request.body.as_deref()
            && self.source.ratio(1_u8, 40)?
            && let Some(body) = self.repeated(body)?
        {
            request.body = Some(body.into());
            request.chunks = None;
        }
        if request.body.is_some() && self.source.ratio(1_u8, 6)? {
            request.trailers.push(self.header()?);
        }
        // A length that the case declares is that of its own body, without trailers.
        if request.body != declared || !request.trailers.is_empty() {
            request.headers.retain(|(name, _)| !crate::cuts::frames(name));
        }
        if self.source.ratio(1_u8, 6)? {
            request.protocol = Protocol::Http2;
        }
        let has_body = request.body.as_deref().is_some_and(|body| !body.is_empty());
        if has_body && request.reset_when_called.is_none() && self.source.ratio(1_u8, 16)? {
            request.reset_after = Some(self.source.int_in_range(0..=3)?);
            request.trailers.clear();
        }
        Ok(request)
    }

    fn path(&mut self) -> Result<ByteString> {
        let mut path = self.line()?;
        if path.first() != Some(&b'/') {
            path.insert(0, b'/');
        }
        Ok(path.into())
    }

    fn header(&mut self) -> Result<Header> {
        let names: [&[u8]; 8] = [
            b"x-a",
            b"cookie",
            b"content-type",
            b"accept",
            b"authorization",
            b"x-forwarded-for",
            b"te",
            b"x",
        ];
        let word = self.word()?;
        let is_name =
            !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        // The framing is the client's to choose.
        let name = if is_name && !crate::cuts::frames(&word) && !word.eq_ignore_ascii_case(b"host") {
            word
        } else {
            self.source.choose(&names)?.to_vec()
        };
        Ok((name.into(), self.line()?.into()))
    }

    /// Text without the bytes that would end a line.
    fn line(&mut self) -> Result<Vec<u8>> {
        let mut line = self.text()?;
        line.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
        Ok(line)
    }

    /// Words, bytes and repetitions of them.
    fn text(&mut self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        for _ in 0..self.source.int_in_range(0..=4)? {
            match self.source.int_in_range(0..=9)? {
                0..=4 => text.extend(self.word()?),
                5 => {
                    let size = self.source.int_in_range(0..=16)?.min(self.source.len());
                    text.extend(self.source.bytes(size)?);
                }
                6 => {
                    // A truncated word.
                    let word = self.word()?;
                    let size = self.source.int_in_range(0..=word.len())?;
                    text.extend(word.into_iter().take(size));
                }
                7 => {
                    let word = self.word()?;
                    let times = self.source.int_in_range(0..=LONGEST)? / word.len().max(1);
                    text.extend(word.repeat(times.min(200)));
                }
                8 => text.extend(self.word()?.to_ascii_uppercase()),
                _ => text.push(*self.source.choose(b" &=;/.:-\"\\x")?),
            }
        }
        Ok(text)
    }

    /// A body in which one piece is repeated: a field of a form, an element, an event. `None` if it is too large for that.
    fn repeated(&mut self, body: &[u8]) -> Result<Option<Vec<u8>>> {
        let limit = usize::try_from(self.served.setup.gateway.buffer_limit).unwrap_or(usize::MAX);
        // What the gateway still holds near its limit depends on how it reads.
        let Some(room) = LARGE.min(limit / 2).checked_sub(body.len()) else { return Ok(None) };
        let is_end =
            |byte: &u8| matches!(byte, b'\n' | b',' | b'&' | b';' | b'{' | b'}' | b'[' | b']' | b'>');
        let ends = body.iter().enumerate().filter(|(_, byte)| is_end(byte)).map(|(at, _)| at + 1);
        let places: Vec<usize> = std::iter::once(0).chain(ends).chain([body.len()]).collect();
        let mut place = || self.source.choose(&places).copied();
        let (one, other) = (place()?, place()?);
        let (start, end) = (one.min(other), one.max(other));
        let piece = body.get(start..end).filter(|piece| !piece.is_empty()).unwrap_or(body);
        let times = 1 + room / piece.len().max(1);
        let (before, after) = (body.get(..start), body.get(end..));
        Ok(Some([before.unwrap_or_default(), &piece.repeat(times), after.unwrap_or_default()].concat()))
    }

    fn word(&mut self) -> Result<Vec<u8>> {
        Ok(self.source.choose(&self.material.words)?.clone())
    }

    fn chunks(&mut self, size: usize) -> Result<Chunks> {
        let mut sizes = Vec::new();
        for _ in 0..=self.source.int_in_range(0..=6)? {
            let most = if self.source.ratio(1_u8, 2)? { 3 } else { size };
            sizes.push(self.source.int_in_range(1..=most.min(size))?);
        }
        Ok(Chunks::Sizes(sizes))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use engine::Random;

    /// A fuzzer found a keyword that stands in `content-length`: the request in pieces, without that header, passed.
    #[test]
    fn what_must_come_out_the_same_shows_a_plug_in_the_same_framing() {
        let cases =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/request-block/tests/cases.yaml");
        let material = Material::read(&cases).unwrap();
        let mut random = Random::new(1);
        let mut compared = 0;
        for _ in 0..2000 {
            let bytes = random.bytes(200);
            for pair in Scenario::read(&bytes, &material).requests.iter().filter(|pair| pair.comparable) {
                assert_eq!(pair.whole.framing_header(), pair.cut.framing_header(), "{:?}", pair.whole);
                compared += usize::from(pair.cut.pieces().len() > 1);
            }
        }
        assert!(compared > 500, "{compared}");
    }
}
