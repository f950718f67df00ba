//! Sends calls to one peer in order over one connection.
//!
//! A scheduler acknowledges every update. A separate connection for each would cost more than the call itself, and
//! calls on different connections may overtake each other.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::Mutex;

use crate::address::Address;
use crate::error::Error;
use crate::transport::{self, Call};

#[derive(Debug, Clone)]
pub(crate) struct Channel {
    address: Address,
    /// The connection; `None` before the first call and after a peer has closed it. It is locked during a call.
    connection: Arc<Mutex<Option<SendRequest<Full<Bytes>>>>>,
}

impl Channel {
    /// Makes a channel that connects with the first call.
    pub fn new(address: Address) -> Self {
        Channel { address, connection: Arc::default() }
    }

    /// Returns the address of the peer.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a call and returns the body of the successful response. A call that was written is never sent twice.
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn exchange(&self, call: &Call) -> Result<Bytes, Error> {
        let mut connection = self.connection.lock().await;
        let mut request = call.request(&self.address)?;
        if let Some(mut open) = connection.take().filter(|open| !open.is_closed())
            && open.ready().await.is_ok()
        {
            match open.try_send_request(request).await {
                Ok(response) => {
                    let body = self.body(response).await;
                    *connection = Some(open);
                    return body;
                }
                // A server may close an idle connection at any moment. Only a call that the server has not seen is sent
                // again.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.broke(failed.into_error())),
                },
            }
        }
        let mut open = transport::connect(&self.address).await?;
        let response = open.send_request(request).await.map_err(|source| self.broke(source))?;
        let body = self.body(response).await;
        *connection = Some(open);
        body
    }

    async fn body(&self, response: http::Response<hyper::body::Incoming>) -> Result<Bytes, Error> {
        if response.status() == StatusCode::TEMPORARY_REDIRECT {
            return Err(Error::NotLeading(self.address.clone()));
        }
        transport::body_of(&self.address, response).await
    }

    fn broke(&self, source: hyper::Error) -> Error {
        Error::Transport { address: self.address.clone(), source }
    }
}
