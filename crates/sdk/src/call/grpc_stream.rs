//! gRPC streams.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::{CallError, Cluster, Delivery, GrpcError, Kind, adopt, grpc, register, remove};
use crate::{headers, host};

/// A gRPC stream: messages are sent and received until either side ends it. Dropping it cancels the stream.
///
/// ```no_run
/// use sdk::call::{Cluster, GrpcError, GrpcStream};
///
/// async fn ask_twice(cluster: Cluster) -> Result<Vec<Vec<u8>>, GrpcError> {
///     let stream = GrpcStream::open(cluster, "chat.Chat", "Talk", &[])?;
///     stream.send(b"first", false)?;
///     stream.send(b"second", true)?;
///     let mut messages = Vec::new();
///     while let Some(message) = stream.receive().await? {
///         messages.push(message);
///     }
///     Ok(messages)
/// }
/// ```
pub struct GrpcStream {
    token: u32,
    inbox: Rc<RefCell<Inbox>>,
}

/// The gRPC status for an unreachable service.
const UNAVAILABLE: u32 = 14;

#[derive(Default)]
struct Inbox {
    messages: VecDeque<Result<Vec<u8>, GrpcError>>,
    /// The gRPC status, once the service has ended the stream.
    closed: Option<u32>,
}

impl GrpcStream {
    /// Opens a stream to a method of `package.Service`, with initial metadata.
    ///
    /// # Errors
    ///
    /// The gateway rejects the stream: the cluster does not exist.
    pub fn open(
        cluster: Cluster,
        service: &str,
        method: &str,
        metadata: &[(String, Vec<u8>)],
    ) -> Result<Self, GrpcError> {
        let service_message = grpc::grpc_service(&cluster);
        let metadata = headers::serialise(metadata);
        let token = host::grpc_stream(&service_message, service, method, &metadata)
            .map_err(|status| GrpcError::Call(CallError::Refused(status)))?;
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        let place = inbox.clone();
        register(Kind::Grpc, token, true, move |delivery| {
            let Ok(mut inbox) = place.try_borrow_mut() else { return };
            match delivery {
                Delivery::GrpcStatus(status) => inbox.closed = Some(status),
                Delivery::Lost => inbox.closed = Some(UNAVAILABLE),
                message => inbox.messages.push_back(grpc::read(message)),
            }
        });
        Ok(GrpcStream { token, inbox })
    }

    /// Sends a message. `last` ends the request side of the stream.
    ///
    /// # Errors
    ///
    /// The gateway rejects the message: the stream has ended.
    pub fn send(&self, message: &[u8], last: bool) -> Result<(), GrpcError> {
        host::grpc_send(self.token, message, last)
            .map_err(|status| GrpcError::Call(CallError::Refused(status)))
    }

    /// Waits for the next message. Returns `None` when the service has ended the stream with status 0.
    ///
    /// # Errors
    ///
    /// The service, or the gateway in its place, has ended the stream with another status.
    pub async fn receive(&self) -> Result<Option<Vec<u8>>, GrpcError> {
        poll_fn(|_| {
            let Ok(mut inbox) = self.inbox.try_borrow_mut() else { return Poll::Pending };
            match (inbox.messages.pop_front(), inbox.closed) {
                (Some(message), _) => Poll::Ready(message.map(Some)),
                (None, Some(0)) => Poll::Ready(Ok(None)),
                (None, Some(status)) => Poll::Ready(Err(GrpcError::Status(status))),
                (None, None) => {
                    adopt(Kind::Grpc, self.token);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for GrpcStream {
    fn drop(&mut self) {
        if remove(Kind::Grpc, self.token) {
            host::grpc_cancel(self.token);
        }
    }
}
