//! Shared queues: bytes that one VM of a gateway process hands to another, in order.
//!
//! ```no_run
//! use sdk::{Status, queue::Queue};
//!
//! fn pass_on(event: &[u8]) -> Result<(), Status> {
//!     Queue::register("my-plugin.events")?.push(event)
//! }
//!
//! fn work_off() -> Result<(), Status> {
//!     let queue = Queue::register("my-plugin.events")?;
//!     while let Some(event) = queue.pop()? {
//!         sdk::debug!("{} bytes", event.len());
//!     }
//!     Ok(())
//! }
//! # let _ = (pass_on(b""), work_off());
//! ```
//!
//! A queue belongs to a `vm_id` and a name, `<plug-in>.<what>` as for [`shared`](crate::shared) data, and lives as
//! long as that does. Each entry is popped once, by whoever comes first. A gateway sets no limit, so whoever
//! pushes what clients send must see to it that somebody pops.

use crate::{Status, host};

/// A queue of this gateway process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// The queue that a host calls by its number.
    pub(crate) fn from_id(id: u32) -> Self {
        Queue(id)
    }

    /// The queue of that name among VMs of this plug-in's `vm_id`; it is made when there is none.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn register(name: &str) -> Result<Self, Status> {
        host::register_queue(name).map(Queue)
    }

    /// A queue that some VM has registered under its `vm_id`; nothing when there is none.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn resolve(vm_id: &str, name: &str) -> Result<Option<Self>, Status> {
        match host::resolve_queue(vm_id, name) {
            Ok(queue) => Ok(Some(Queue(queue))),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Puts an entry at the end.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn push(self, entry: impl AsRef<[u8]>) -> Result<(), Status> {
        host::enqueue(self.0, entry.as_ref())
    }

    /// Takes the first entry; nothing when the queue is empty.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn pop(self) -> Result<Option<Vec<u8>>, Status> {
        match host::dequeue(self.0) {
            Ok(entry) => Ok(Some(entry)),
            Err(Status::EMPTY) => Ok(None),
            Err(status) => Err(status),
        }
    }
}
