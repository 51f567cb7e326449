//! Quotas: amounts per period, such as requests per minute, that no key may exceed.
//!
//! A [`Limit`] is an amount per [`Period`]. A [`Budget`] is what a limit grants: to all requests together, or to one of
//! many keys. A store counts what has been used of budgets: the [`Process`] in the gateway's memory, and a [`Store`] there or
//! in a service that all replicas of the gateway share, as the configuration says. [`Seen`] stores keys that may occur once.
//!
//! ```no_run
//! use sdk::Status;
//! use sdk::quota::{Budget, Limit, Period, Process, Verdict};
//!
//! /// Returns true if the client may send another request.
//! fn passes(limit: &Limit, client: &[u8]) -> Result<bool, Status> {
//!     let budget = Budget { limit, key: Some(client.to_vec()) };
//!     let taken = Process::new("my-plugin").take(&[budget], 1)?;
//!     Ok(!matches!(taken, Some((_, Verdict::Refused { .. }))))
//! }
//! # let limit = Limit::new(100, Period::Minute, "per client", "limits[0]");
//! # let _ = passes(&limit, b"1.2.3.4");
//! ```

mod lease;
mod process;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod row;
mod seen;
mod service;
mod store;
mod table;
mod window;

use std::cell::OnceCell;
use std::time::Duration;

pub use process::Process;
#[cfg(feature = "redis")]
pub use redis::{RedisFields, RedisQuotaFields, RedisQuotas, RedisSeen, RedisSeenFields};
pub use seen::{First, Seen};
pub use service::{Mode, ServiceFields};
pub use store::{Store, StoreError, Taken, wake};
pub use window::Period;

#[cfg(feature = "redis")]
pub(crate) use {service::Unavailable, store::is_due};

/// An amount per period.
#[derive(Debug, PartialEq, Eq)]
pub struct Limit {
    /// The amount.
    pub amount: u32,
    /// The period.
    pub period: Period,
    /// Path of the limit in the configuration, for messages.
    pub path: String,
    identity: String,
    /// Name of its counts in the process, computed once.
    name: OnceCell<String>,
    /// The limit while a service is unavailable, computed once.
    scaled: OnceCell<Box<Limit>>,
    /// The key of its counts in Redis, or what begins the keys of many.
    #[cfg(feature = "redis")]
    redis_key: String,
}

impl Limit {
    /// Creates a limit, which is used with one store. Limits of a store with equal amounts, periods and identities share
    /// their counts.
    pub fn new(amount: u32, period: Period, identity: impl Into<String>, path: impl Into<String>) -> Self {
        Limit {
            amount,
            period,
            path: path.into(),
            identity: identity.into(),
            name: OnceCell::new(),
            scaled: OnceCell::new(),
            #[cfg(feature = "redis")]
            redis_key: String::new(),
        }
    }

    /// Sets the key of its counts in Redis. For a limit that applies to many keys separately, it is what begins the key of
    /// each.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn with_redis_key(self, redis_key: String) -> Self {
        Limit { redis_key, ..self }
    }

    /// Returns the name of the limit in a rate limit service: its identity, amount and period.
    pub fn descriptor(&self) -> String {
        format!("{}:{}/{}", self.identity, self.amount, self.period.name())
    }

    /// Returns the limit with a percentage of its amount, at least 1. The percentage must be the same in each call.
    fn scaled(&self, percent: u16) -> &Limit {
        self.scaled.get_or_init(|| {
            let amount = u64::from(self.amount) * u64::from(percent) / 100;
            let amount = u32::try_from(amount).unwrap_or(self.amount).max(1);
            Box::new(Limit::new(amount, self.period, self.identity.as_str(), self.path.as_str()))
        })
    }
}

/// A limit as the configuration of a rate limit service describes it. Native tools write that file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(target_family = "wasm"), derive(serde::Serialize))]
pub struct ServiceLimit {
    /// The domain of the limit.
    pub domain: String,
    /// Its name, as in [`Limit::descriptor`].
    pub limit: String,
    /// The amount.
    pub amount: u32,
    /// The length of a window in seconds.
    pub seconds: u64,
    /// True if it applies to many keys separately.
    pub per_key: bool,
}

/// What a limit grants.
#[derive(Debug, PartialEq, Eq)]
pub struct Budget<'l> {
    /// The limit.
    pub limit: &'l Limit,
    /// The key, for a limit that applies to many keys separately.
    pub key: Option<Vec<u8>>,
}

/// The result of taking an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is taken.
    Granted {
        /// The rest of the budget, if the store knows it.
        left: Option<u32>,
    },
    /// Nothing is taken, because the budget has less.
    Refused {
        /// The time after which the budget has this amount; `None` if it exceeds the limit.
        wait: Option<Duration>,
    },
}
