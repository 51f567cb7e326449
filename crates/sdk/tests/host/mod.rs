//! A host whose every answer a test sets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sdk::Status;
use sdk::native::{Answer, Host};

/// What the host knows and what it was told. A call in `failing` fails with its status.
#[derive(Default)]
pub struct TestHost {
    pub configuration: &'static str,
    pub headers: BTreeMap<&'static str, &'static str>,
    pub properties: BTreeMap<&'static str, &'static str>,
    pub body: Vec<u8>,
    pub level: u32,
    pub failing: BTreeMap<&'static str, Status>,
    pub calls: Vec<&'static str>,
    pub log: Vec<String>,
    pub set: Vec<(String, String)>,
    pub replies: Vec<(u32, String)>,
    pub counters: Vec<String>,
}

/// Installs a host on this thread.
pub fn install() -> Rc<RefCell<TestHost>> {
    let host = Rc::new(RefCell::new(TestHost::default()));
    sdk::native::install(host.clone());
    host
}

impl TestHost {
    fn called(&mut self, name: &'static str) -> Answer<()> {
        self.calls.push(name);
        self.failing.get(name).map_or(Ok(()), |status| Err(*status))
    }
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

    fn time(&mut self) -> Answer<u64> {
        self.called("time")?;
        Ok(0)
    }

    fn buffer(&mut self, buffer: u32, start: usize, size: usize) -> Answer<Vec<u8>> {
        self.called("buffer")?;
        let bytes = if buffer == 7 { self.configuration.as_bytes() } else { &self.body };
        Ok(bytes.iter().skip(start).take(size).copied().collect())
    }

    fn set_buffer(&mut self, _: u32, _: usize, _: usize, _: &[u8]) -> Answer<()> {
        self.called("set_buffer")
    }

    fn header_pairs(&mut self, _: u32) -> Answer<Vec<u8>> {
        self.called("header_pairs")?;
        Ok(Vec::new())
    }

    fn set_header_pairs(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        self.called("set_header_pairs")
    }

    fn header(&mut self, _: u32, name: &[u8]) -> Answer<Vec<u8>> {
        self.called("header")?;
        self.headers.get(text(name).as_str()).map(|value| value.as_bytes().to_vec()).ok_or(Status::NOT_FOUND)
    }

    fn add_header(&mut self, _: u32, name: &[u8], value: &[u8]) -> Answer<()> {
        self.set.push((text(name), text(value)));
        self.called("add_header")
    }

    fn replace_header(&mut self, _: u32, name: &[u8], value: &[u8]) -> Answer<()> {
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

    fn unknown(&mut self, name: &'static str) -> Status {
        self.calls.push(name);
        Status::UNIMPLEMENTED
    }
}
