//! A host whose every answer a test sets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sdk::Status;
use sdk::native::{Answer, Host, OutgoingGrpc, OutgoingHttp};

/// What the host knows and what it was told. A call in `failing` fails with its status.
#[derive(Default)]
pub struct TestHost {
    pub configuration: &'static str,
    pub headers: BTreeMap<&'static str, &'static str>,
    /// All headers, where they are read at once.
    pub pairs: Vec<(&'static str, &'static str)>,
    pub properties: BTreeMap<&'static str, &'static str>,
    pub body: Vec<u8>,
    pub level: u32,
    pub failing: BTreeMap<&'static str, Status>,
    pub calls: Vec<&'static str>,
    pub log: Vec<String>,
    pub set: Vec<(String, String)>,
    /// Headers that were set all at once.
    pub written: Vec<(String, String)>,
    /// Properties that were set.
    pub told: Vec<(String, String)>,
    pub replies: Vec<(u32, String)>,
    pub counters: Vec<String>,
    /// Calls that were made, as `cluster method path` or `grpc service/method`; a call's token is its place.
    pub made: Vec<String>,
    /// The answer that a callback can read.
    pub answer: (Vec<u8>, Vec<u8>),
    pub continued: Vec<u32>,
    pub cancelled: Vec<u32>,
    pub closed: Vec<u32>,
    pub periods: Vec<u32>,
    /// Nanoseconds.
    pub clock: u64,
    /// Shared data with versions.
    pub shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Runs when a header is asked for, inside the plug-in's callback.
    pub entered_by_headers: Option<Box<dyn FnOnce()>>,
}

/// Installs a host on this thread.
pub fn install() -> Rc<RefCell<TestHost>> {
    let host = Rc::new(RefCell::new(TestHost { level: 1, ..TestHost::default() }));
    sdk::native::install(host.clone());
    host
}

impl TestHost {
    fn called(&mut self, name: &'static str) -> Answer<()> {
        self.calls.push(name);
        self.failing.get(name).map_or(Ok(()), |status| Err(*status))
    }
}

/// Headers in the ABI's form.
fn serialised(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        bytes.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    bytes
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Host for TestHost {
    fn log(&mut self, _: u32, message: &[u8]) -> Answer<()> {
        self.log.push(text(message));
        self.called("log")
    }

    fn log_level(&mut self) -> Answer<u32> {
        self.called("log_level")?;
        Ok(self.level)
    }

    fn set_property(&mut self, path: &[u8], value: &[u8]) -> Answer<()> {
        self.told.push((text(path), text(value)));
        self.called("set_property")
    }

    fn time(&mut self) -> Answer<u64> {
        self.called("time")?;
        Ok(self.clock)
    }

    fn buffer(&mut self, buffer: u32, start: usize, size: usize) -> Answer<Vec<u8>> {
        self.called("buffer")?;
        let bytes = match buffer {
            7 => self.configuration.as_bytes(),
            4 | 5 => &self.answer.1,
            _ => &self.body,
        };
        Ok(bytes.iter().skip(start).take(size).copied().collect())
    }

    fn set_buffer(&mut self, _: u32, _: usize, _: usize, _: &[u8]) -> Answer<()> {
        self.called("set_buffer")
    }

    fn header_pairs(&mut self, map: u32) -> Answer<Vec<u8>> {
        self.called("header_pairs")?;
        Ok(if map == 6 { self.answer.0.clone() } else { serialised(&self.pairs) })
    }

    fn set_header_pairs(&mut self, _: u32, pairs: &[u8]) -> Answer<()> {
        let number = |at: usize| {
            let bytes = pairs.get(at..).and_then(|rest| rest.first_chunk::<4>());
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
        };
        let mut at = 4 + number(0) * 8;
        let mut next = |size: usize| {
            at += size + 1;
            text(pairs.get(at - size - 1..at - 1).unwrap_or_default())
        };
        for index in 0..number(0) {
            self.written.push((next(number(4 + index * 8)), next(number(8 + index * 8))));
        }
        self.called("set_header_pairs")
    }

    fn header(&mut self, _: u32, name: &[u8]) -> Answer<Vec<u8>> {
        if let Some(enter) = self.entered_by_headers.take() {
            enter();
        }
        self.called("header")?;
        self.headers.get(text(name).as_str()).map(|value| value.as_bytes().to_vec()).ok_or(Status::NOT_FOUND)
    }

    fn add_header(&mut self, _: u32, name: &[u8], value: &[u8]) -> Answer<()> {
        self.set.push((text(name), text(value)));
        self.called("add_header")
    }

    fn shared_data(&mut self, key: &[u8]) -> Answer<(Vec<u8>, u32)> {
        self.called("shared_data")?;
        self.shared.get(key).cloned().ok_or(Status::NOT_FOUND)
    }

    fn set_shared_data(&mut self, key: &[u8], value: &[u8], version: u32) -> Answer<()> {
        self.called("set_shared_data")?;
        let old = self.shared.get(key).map_or(0, |(_, version)| *version);
        if version != 0 && old != 0 && version != old {
            return Err(Status::CAS_MISMATCH);
        }
        self.shared.insert(key.to_vec(), (value.to_vec(), old + 1));
        Ok(())
    }

    fn replace_header(&mut self, _: u32, name: &[u8], value: &[u8]) -> Answer<()> {
        if let Some(enter) = self.entered_by_headers.take() {
            enter();
        }
        self.set.push((text(name), text(value)));
        self.called("replace_header")
    }

    fn remove_header(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        self.called("remove_header")
    }

    fn property(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        self.called("property")?;
        let path = text(path).replace('\0', ".");
        self.properties.get(path.as_str()).map(|value| value.as_bytes().to_vec()).ok_or(Status::NOT_FOUND)
    }

    fn send_local_response(&mut self, status: u32, details: &[u8], _: &[u8], _: &[u8], _: i32) -> Answer<()> {
        self.replies.push((status, text(details)));
        self.called("send_local_response")
    }

    fn define_metric(&mut self, _: u32, name: &[u8]) -> Answer<u32> {
        self.counters.push(text(name));
        self.called("define_metric")?;
        Ok(1)
    }

    fn increment_metric(&mut self, _: u32, _: i64) -> Answer<()> {
        self.called("increment_metric")
    }

    fn set_effective_context(&mut self, _: u32) -> Answer<()> {
        self.called("set_effective_context")
    }

    fn continue_stream(&mut self, stream: u32) -> Answer<()> {
        self.continued.push(stream);
        self.called("continue_stream")
    }

    fn http_call(&mut self, call: OutgoingHttp<'_>) -> Answer<u32> {
        self.called("http_call")?;
        // `:method`, `:path` and `:authority` come first, each with a NUL behind it.
        let parts: Vec<_> = call.headers.split(|byte| *byte == 0).map(text).collect();
        let value = |name: &str| {
            let place = parts.iter().position(|part| part.ends_with(name));
            place.and_then(|place| parts.get(place + 1)).cloned().unwrap_or_default()
        };
        self.made.push(format!("{} {} {}", text(call.cluster), value(":method"), value(":path")));
        Ok(self.made.len() as u32)
    }

    fn grpc_call(&mut self, call: OutgoingGrpc<'_>) -> Answer<u32> {
        self.called("grpc_call")?;
        self.made.push(format!("grpc {}/{}", text(call.service_name), text(call.method)));
        Ok(self.made.len() as u32)
    }

    fn grpc_stream(&mut self, stream: OutgoingGrpc<'_>) -> Answer<u32> {
        self.called("grpc_stream")?;
        self.made.push(format!("stream {}/{}", text(stream.service_name), text(stream.method)));
        Ok(self.made.len() as u32)
    }

    fn grpc_send(&mut self, _: u32, message: &[u8], _: bool) -> Answer<()> {
        self.made.push(format!("sent {}", text(message)));
        self.called("grpc_send")
    }

    fn close_stream(&mut self, stream: u32) -> Answer<()> {
        self.closed.push(stream);
        self.called("close_stream")
    }

    fn set_tick_period(&mut self, milliseconds: u32) -> Answer<()> {
        self.periods.push(milliseconds);
        self.called("set_tick_period")
    }

    fn grpc_cancel(&mut self, token: u32) -> Answer<()> {
        self.cancelled.push(token);
        self.called("grpc_cancel")
    }

    fn unknown(&mut self, name: &'static str) -> Status {
        self.calls.push(name);
        Status::UNIMPLEMENTED
    }
}
