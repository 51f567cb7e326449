//! Shared queues, through which the VMs of a gateway process exchange bytes in order.
//!
//! ```no_run
//! use sdk::{Status, queue::Queue};
//!
//! fn send(event: &[u8]) -> Result<(), Status> {
//!     Queue::register("my-plugin.events")?.push(event)
//! }
//!
//! fn receive() -> Result<(), Status> {
//!     let queue = Queue::register("my-plugin.events")?;
//!     while let Some(event) = queue.pop()? {
//!         sdk::debug!("{} bytes", event.len());
//!     }
//!     Ok(())
//! }
//! # let _ = (send(b""), receive());
//! ```
//!
//! A queue is identified by a `vm_id` and a name, `<plug-in>.<queue>` as for [`shared`](crate::shared) data, and has the
//! same lifetime. Each entry is popped once, by the first VM that asks. Gateways do not limit the size of a queue, so if
//! entries depend on what clients send, make sure that they are popped.

use crate::{Status, host};

/// A queue of this gateway process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue(u32);

impl Queue {
    /// The queue with the host's number.
    pub(crate) fn from_id(id: u32) -> Self {
        Queue(id)
    }

    /// Returns the queue with this name for this plug-in's `vm_id`, and creates it if necessary.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn register(name: &str) -> Result<Self, Status> {
        host::register_queue(name).map(Queue)
    }

    /// Returns the queue that a VM has registered under its `vm_id`, if there is one.
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

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn push(self, entry: impl AsRef<[u8]>) -> Result<(), Status> {
        host::enqueue(self.0, entry.as_ref())
    }

    /// Removes and returns the first entry, or `None` if the queue is empty.
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
