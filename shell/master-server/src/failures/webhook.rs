//! A sink that POSTs each notification as JSON. One request is in progress at a time, so that notifications arrive in
//! order. A request is repeated until it is accepted or the attempts are used up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ring::hmac;
use tokio::sync::mpsc::Receiver;
use tracing::{debug, warn};
use ureq::Agent;
use ureq::http::StatusCode;

use super::config::InvalidSinks;
use super::sinks::{DeliveryCounters, Notification};

const ATTEMPTS: u32 = 6;
/// The pause after the first attempt. It doubles after each attempt: 1, 2, 4, 8, 16 s.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The header with `sha256=` and the HMAC-SHA256 of the body in hexadecimal, in the form of GitHub's webhooks.
const SIGNATURE: &str = "X-Tepui-Signature-256";
/// The header with the id of the notification. A receiver that sees an id again has accepted it before.
const DELIVERY: &str = "X-Tepui-Delivery";

/// Posts notifications to a URL.
pub struct Webhook {
    url: String,
    key: Option<hmac::Key>,
    agent: Agent,
}

#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Transport(#[from] ureq::Error),
    #[error("the receiver answers {0}")]
    Status(StatusCode),
    #[error("the task that sends it has ended")]
    Task(#[from] tokio::task::JoinError),
}

impl DeliveryError {
    /// Returns whether the same request may succeed later. The other errors are about the request itself.
    fn is_transient(&self) -> bool {
        match self {
            DeliveryError::Transport(_) => true,
            DeliveryError::Status(status) => {
                status.is_server_error()
                    || matches!(*status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            }
            DeliveryError::Task(_) => false,
        }
    }
}

impl Webhook {
    /// Makes the sink. `secret` is the file with the key of the signature.
    ///
    /// # Errors
    /// Returns [`InvalidSinks`] if the file cannot be read or is empty.
    pub fn new(url: String, secret: Option<&Path>, timeout: Duration) -> Result<Self, InvalidSinks> {
        // A redirect would send information about the cluster to an address that is not configured.
        let config = Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false).max_redirects(0);
        Ok(Webhook { url, key: secret.map(key).transpose()?, agent: config.build().into() })
    }

    /// Posts every notification of the channel until the channel closes.
    pub async fn run(self, mut notifications: Receiver<Arc<Notification>>, deliveries: Arc<DeliveryCounters>) {
        let webhook = Arc::new(self);
        while let Some(notification) = notifications.recv().await {
            let counter = match webhook.deliver(&notification).await {
                Ok(()) => &deliveries.sent,
                Err(error) => {
                    warn!(url = webhook.url, notification = notification.id, %error, "a notification could not be delivered to a webhook; it is dropped");
                    &deliveries.failed
                }
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn deliver(self: &Arc<Self>, notification: &Arc<Notification>) -> Result<(), DeliveryError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.attempt(notification).await {
                Err(error) if error.is_transient() => {
                    debug!(url = self.url, notification = notification.id, %error, "a notification could not be delivered to a webhook; the request will be repeated");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.attempt(notification).await
    }

    async fn attempt(self: &Arc<Self>, notification: &Arc<Notification>) -> Result<(), DeliveryError> {
        let (webhook, notification) = (self.clone(), notification.clone());
        tokio::task::spawn_blocking(move || webhook.post(&notification)).await?
    }

    fn post(&self, notification: &Notification) -> Result<(), DeliveryError> {
        let mut request =
            self.agent.post(&self.url).header("Content-Type", "application/json").header(DELIVERY, &notification.id);
        if let Some(key) = &self.key {
            request = request.header(SIGNATURE, format!("sha256={}", signature(key, &notification.body)));
        }
        let status = request.send(&notification.body[..])?.status();
        if status.is_success() { Ok(()) } else { Err(DeliveryError::Status(status)) }
    }
}

fn key(path: &Path) -> Result<hmac::Key, InvalidSinks> {
    let secret = std::fs::read(path).map_err(|source| InvalidSinks::Secret { path: path.to_owned(), source })?;
    let secret = secret.trim_ascii_end();
    if secret.is_empty() {
        return Err(InvalidSinks::EmptySecret(path.to_owned()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, secret))
}

fn signature(key: &hmac::Key, body: &[u8]) -> String {
    hmac::sign(key, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn signatures_are_hmac_sha256() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        let expect = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature(&key, b"what do ya want for nothing?"), expect);
    }
}
