//! gRPC streams.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::{CallError, Cluster, Delivery, GrpcError, Kind, adopt, forget, grpc, register};
use crate::{headers, host};

/// A gRPC stream: messages go out and come in until either side ends it. Dropped, it is cancelled.
///
/// ```no_run
/// use sdk::call::{Cluster, GrpcError, GrpcStream};
///
/// async fn ask_twice(cluster: Cluster) -> Result<Vec<Vec<u8>>, GrpcError> {
///     let stream = GrpcStream::open(cluster, "chat.Chat", "Talk", &[])?;
///     stream.send(b"first", false)?;
///     stream.send(b"second", true)?;
///     let mut answers = Vec::new();
///     while let Some(answer) = stream.receive().await? {
///         answers.push(answer);
///     }
///     Ok(answers)
/// }
/// ```
pub struct GrpcStream {
    token: u32,
    inbox: Rc<RefCell<Inbox>>,
}

/// gRPC's status for a service that is not there.
const UNAVAILABLE: u32 = 14;

#[derive(Default)]
struct Inbox {
    messages: VecDeque<Result<Vec<u8>, GrpcError>>,
    /// gRPC's status, once the service has ended the stream.
    closed: Option<u32>,
}

impl GrpcStream {
    /// Opens a stream to a method of `package.Service`, with initial metadata.
    ///
    /// # Errors
    ///
    /// The gateway refuses it: there is no such cluster.
    pub fn open(
        cluster: Cluster,
        service: &str,
        method: &str,
        metadata: &[(String, Vec<u8>)],
    ) -> Result<Self, GrpcError> {
        let service_message = grpc::grpc_service(cluster.name());
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

    /// Sends a message; with `last` there will be no more.
    ///
    /// # Errors
    ///
    /// The gateway refuses it: the stream has ended.
    pub fn send(&self, message: &[u8], last: bool) -> Result<(), GrpcError> {
        host::grpc_send(self.token, message, last)
            .map_err(|status| GrpcError::Call(CallError::Refused(status)))
    }

    /// Waits for the next message; nothing when the service has ended the stream well.
    ///
    /// # Errors
    ///
    /// The service, or the gateway in its place, ended the stream with another status than 0.
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
        if forget(Kind::Grpc, self.token) {
            host::grpc_cancel(self.token);
        }
    }
}
