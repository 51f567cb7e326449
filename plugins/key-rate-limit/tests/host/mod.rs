//! A host with shared data and the headers of one request, whose calls can be made to fail.

use std::collections::BTreeMap;

use sdk::Status;
use sdk::native::{Answer, Host};

/// Implements the calls that a request needs. A call set here fails with that status.
#[derive(Default)]
pub struct TestHost {
    pub get: Option<Status>,
    pub set: Option<Status>,
    pub time: Option<Status>,
    /// Value of every key that was not set.
    pub value: Option<Vec<u8>>,
    /// Shared data with versions.
    pub data: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    /// Number of times a key was set.
    pub sets: u32,
    pub replies: Vec<(u32, String)>,
    pub configuration: Vec<u8>,
    /// Headers of the request.
    pub headers: Vec<(&'static str, String)>,
}

fn answer<T>(failure: Option<Status>, value: T) -> Answer<T> {
    failure.map_or(Ok(value), Err)
}

impl Host for TestHost {
    fn shared_data(&mut self, key: &[u8]) -> Answer<(Vec<u8>, u32)> {
        let value = self.data.get(key).cloned().or_else(|| Some((self.value.clone()?, 1)));
        answer(self.get, ()).and(value.ok_or(Status::NOT_FOUND))
    }

    fn set_shared_data(&mut self, key: &[u8], value: &[u8], version: u32) -> Answer<()> {
        // Setting the seed succeeds; only counting fails.
        if !key.ends_with(b".seed") {
            self.sets += 1;
            answer(self.set, ())?;
        }
        if self.data.get(key).is_some_and(|(_, current)| version != 0 && version != *current) {
            return Err(Status::CAS_MISMATCH);
        }
        self.data.insert(key.into(), (value.into(), self.sets + 2));
        Ok(())
    }

    fn time(&mut self) -> Answer<u64> {
        answer(self.time, 1_767_225_600_000_000_000)
    }

    fn buffer(&mut self, _: u32, _: usize, _: usize) -> Answer<Vec<u8>> {
        Ok(self.configuration.clone())
    }

    fn send_local_response(&mut self, status: u32, details: &[u8], _: &[u8], _: &[u8], _: i32) -> Answer<()> {
        self.replies.push((status, String::from_utf8_lossy(details).into_owned()));
        Ok(())
    }

    fn log(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        Ok(())
    }

    fn log_level(&mut self) -> Answer<u32> {
        Ok(2)
    }

    fn define_metric(&mut self, _: u32, _: &[u8]) -> Answer<u32> {
        Ok(1)
    }

    fn increment_metric(&mut self, _: u32, _: i64) -> Answer<()> {
        Ok(())
    }

    fn set_effective_context(&mut self, _: u32) -> Answer<()> {
        Ok(())
    }

    fn header_pairs(&mut self, _: u32) -> Answer<Vec<u8>> {
        let size = |text: &str| u32::try_from(text.len()).unwrap().to_le_bytes();
        let mut bytes = u32::try_from(self.headers.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in &self.headers {
            bytes.extend([size(name), size(value)].concat());
        }
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
        }
        Ok(bytes)
    }

    fn set_tick_period(&mut self, _: u32) -> Answer<()> {
        Ok(())
    }

    // Not used by any limit of the tests.

    fn set_buffer(&mut self, _: u32, _: usize, _: usize, _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn set_header_pairs(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn header(&mut self, _: u32, _: &[u8]) -> Answer<Vec<u8>> {
        Err(Status::UNIMPLEMENTED)
    }

    fn add_header(&mut self, _: u32, _: &[u8], _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn replace_header(&mut self, _: u32, _: &[u8], _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn remove_header(&mut self, _: u32, _: &[u8]) -> Answer<()> {
        Err(Status::UNIMPLEMENTED)
    }

    fn property(&mut self, _: &[u8]) -> Answer<Vec<u8>> {
        Err(Status::UNIMPLEMENTED)
    }

    fn unknown(&mut self, _: &'static str) -> Status {
        Status::UNIMPLEMENTED
    }
}
