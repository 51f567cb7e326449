//! Keys that a service publishes, such as an identity provider's `jwks_uri`.
//!
//! One worker of a process fetches them and stores them in [shared data](sdk::shared), where the others find them. They are
//! refreshed in the background before they are too old; a request never waits for a refresh. If the service does not
//! respond, the keys that are known stay valid.
//!
//! [`take_turn`](RemoteKeys::take_turn) limits the fetches of all workers together, so that clients that send unknown
//! `kid`s cannot cause more.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use sdk::call::{CallError, Cluster, HttpCall};
use sdk::{Status, shared, time};
use sha2::{Digest, Sha256};

use crate::jwk::{KeyError, KeySet, Origin};

/// The maximum size of a key set in bytes.
pub const MAX_SIZE: usize = 256 * 1024;

/// While there are no keys, they may be fetched this often.
const WITHOUT_KEYS: Duration = Duration::from_secs(1);

/// More than the number of workers of a gateway.
const ATTEMPTS: u32 = 256;

/// Where keys are published, and how often they are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The cluster of the service.
    pub cluster: Cluster,
    /// The path with its query.
    pub path: String,
    /// The timeout of a fetch.
    pub timeout: Duration,
    /// The age at which keys are old.
    pub cache_duration: Duration,
    /// The minimum time between two fetches.
    pub min_refresh: Duration,
}

/// The keys of a source, as this worker knows them.
pub struct RemoteKeys {
    source: Source,
    /// The keys of shared data: the body of the last response, its time, and the time of the last attempt.
    body_key: String,
    time_key: String,
    attempt_key: String,
    keys: RefCell<Option<Rc<KeySet>>>,
    /// The time at which the keys were fetched, in nanoseconds.
    fetched: Cell<u64>,
    /// The digest of the text of the keys.
    digest: Cell<[u8; 32]>,
    generation: Cell<u64>,
}

/// The reason for which a fetch failed.
#[derive(Debug)]
pub enum FetchError {
    /// There is no response.
    Call(CallError),
    /// The response has another status than 200.
    Status(u16),
    /// The body is too large.
    TooLarge,
    /// The body is not a key set.
    Keys(KeyError),
    /// A host call failed.
    Host(Status),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Call(error) => error.fmt(f),
            FetchError::Status(status) => write!(f, "status {status}"),
            FetchError::TooLarge => write!(f, "more than {MAX_SIZE} bytes"),
            FetchError::Keys(error) => error.fmt(f),
            FetchError::Host(Status(status)) => write!(f, "host status {status}"),
        }
    }
}

impl std::error::Error for FetchError {}

impl RemoteKeys {
    /// Creates the keys of a source; none are known yet. `plugin` begins the names in shared data. Configurations with the
    /// same address share what is fetched.
    pub fn new(plugin: &str, source: Source) -> Self {
        let address = [source.cluster.name(), source.cluster.host(), &source.path].join("\n");
        let id: String = Sha256::digest(address).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        RemoteKeys {
            source,
            body_key: format!("{plugin}.jwks.{id}"),
            time_key: format!("{plugin}.jwks_time.{id}"),
            attempt_key: format!("{plugin}.jwks_attempt.{id}"),
            keys: RefCell::new(None),
            fetched: Cell::new(0),
            digest: Cell::new([0; 32]),
            generation: Cell::new(0),
        }
    }

    /// Returns the source.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns the keys, if any are known.
    pub fn keys(&self) -> Option<Rc<KeySet>> {
        self.keys.try_borrow().ok().and_then(|keys| keys.clone())
    }

    /// Returns a number that changes whenever the keys do.
    pub fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// Takes over the keys that another worker has fetched, if there are any.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn reload(&self) -> Result<(), Status> {
        let Some(fetched) = shared::get(&self.time_key)?.and_then(|entry| nanoseconds(&entry.value)) else {
            return Ok(());
        };
        if fetched == self.fetched.get() {
            return Ok(());
        }
        // The body is stored before its time, so it is at least as new.
        if let Some(body) = shared::get(&self.body_key)?
            && self.replace(&body.value).is_ok()
        {
            self.fetched.set(fetched);
        }
        Ok(())
    }

    /// Returns true if it is time for a refresh: at four fifths of the age at which keys are old.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn is_due(&self) -> Result<bool, Status> {
        let age = time::nanoseconds()?.checked_sub(self.fetched.get()).map(Duration::from_nanos);
        // Keys from the future were fetched before the clock was turned back.
        Ok(age.is_none_or(|age| age >= self.source.cache_duration.mul_f64(0.8)))
    }

    /// Returns true if the keys may be fetched now, which is then true for no other worker until `min_refresh` has passed.
    /// Without any keys, it is at most a second.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn take_turn(&self) -> Result<bool, Status> {
        let now = time::nanoseconds()?;
        let min = self.source.min_refresh;
        let min = if self.keys().is_some() { min } else { min.min(WITHOUT_KEYS) };
        shared::update(&self.attempt_key, ATTEMPTS, |last| {
            // An attempt in the future was made before the clock was turned back.
            let since = last.and_then(nanoseconds).and_then(|last| now.checked_sub(last));
            match since.is_some_and(|since| Duration::from_nanos(since) < min) {
                true => (None, false),
                false => (Some(now.to_le_bytes().into()), true),
            }
        })
    }

    /// Fetches the keys, for this worker and all others. Call it if [`take_turn`](Self::take_turn) returned true.
    ///
    /// # Errors
    ///
    /// A [`FetchError`]; the keys that were known stay valid.
    pub async fn fetch(&self) -> Result<(), FetchError> {
        let call = HttpCall::get(self.source.cluster.clone(), self.source.path.clone());
        let call = call.header("accept", "application/json, application/jwk-set+json");
        let response = call.timeout(self.source.timeout).send().await.map_err(FetchError::Call)?;
        if response.status() != 200 {
            return Err(FetchError::Status(response.status()));
        }
        if response.body.len() > MAX_SIZE {
            return Err(FetchError::TooLarge);
        }
        self.replace(&response.body).map_err(FetchError::Keys)?;
        let now = time::nanoseconds().map_err(FetchError::Host)?;
        self.fetched.set(now);
        let store = || {
            shared::set(&self.body_key, &response.body)?;
            shared::set(&self.time_key, now.to_le_bytes())
        };
        store().map_err(FetchError::Host)
    }

    /// Replaces the keys, if the text is a valid key set and differs.
    fn replace(&self, text: &[u8]) -> Result<(), KeyError> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        if self.digest.get() == digest {
            return Ok(());
        }
        let keys = Rc::new(KeySet::parse(text, Origin::Service)?);
        if let Ok(mut place) = self.keys.try_borrow_mut() {
            *place = Some(keys);
            self.digest.set(digest);
            self.generation.set(self.generation.get() + 1);
        }
        Ok(())
    }
}

fn nanoseconds(value: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(value.try_into().ok()?))
}
