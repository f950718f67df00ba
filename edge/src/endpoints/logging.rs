//! The verbosity of the log, for `/logging/toggle` and the operator API.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::task::AbortHandle;

use crate::http::request::Request;
use crate::http::respond::{Response, bad_request, empty, text};

/// Sets the verbosity of the log: 0 is the normal level, higher values log more.
pub type SetLevel = fn(u32);

/// The verbosity of the log, which a request changes for some time.
pub struct Logging {
    level: AtomicU32,
    /// The task that returns the level to normal. There is one at a time, so that frequent changes for long times leave
    /// no tasks behind.
    reset: Mutex<Option<AbortHandle>>,
    set: Option<SetLevel>,
}

impl Logging {
    /// Makes the control of the log. `set` is `None` for a program whose verbosity is fixed.
    pub fn new(set: Option<SetLevel>) -> Arc<Self> {
        Arc::new(Logging { level: AtomicU32::new(0), reset: Mutex::new(None), set })
    }

    /// Returns the current level.
    pub fn level(&self) -> u32 {
        self.level.load(Ordering::Relaxed)
    }

    /// Sets the level, and returns it to normal after `duration`.
    pub fn set(self: &Arc<Self>, level: u32, duration: Duration) {
        let mut reset = self.reset.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = reset.take() {
            earlier.abort();
        }
        self.apply(level);
        let logging = self.clone();
        let later = tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            logging.apply(0);
        });
        *reset = Some(later.abort_handle());
    }

    fn apply(&self, level: u32) {
        self.level.store(level, Ordering::Relaxed);
        if let Some(set) = self.set {
            set(level);
        }
    }

    /// Answers `/logging/toggle?level=&duration=`.
    pub fn toggle(self: &Arc<Self>, request: &Request) -> Response {
        let (level, duration) = (request.query.get("level"), request.query.get("duration"));
        let (level, duration) = match (level, duration) {
            (None, None) => return text(StatusCode::OK, format!("{}\n", self.level())),
            (None, Some(_)) => return bad_request("Expecting 'level=value' in query.\n"),
            (Some(_), None) => return bad_request("Expecting 'duration=value' in query.\n"),
            (Some(level), Some(duration)) => (level, duration),
        };
        let Ok(level) = level.parse::<u32>() else {
            return bad_request(format!("Failed to convert '{level}' to number.\n"));
        };
        match model::parse_duration(duration) {
            Ok(duration) => {
                self.set(level, duration);
                empty(StatusCode::OK)
            }
            Err(error) => bad_request(format!("{error}.\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_reset_of_an_earlier_change_does_not_end_a_later_one() {
        let logging = Logging::new(None);
        logging.set(1, Duration::from_secs(10));
        logging.set(2, Duration::from_secs(100));
        for (after, level) in [(50, 2), (60, 0)] {
            tokio::time::sleep(Duration::from_secs(after)).await;
            assert_eq!(logging.level(), level);
        }
    }
}
