//! The verbosity of the log, as `/logging/toggle` and the operator API see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;

use crate::edge::request::Request;
use crate::edge::respond::{Response, bad_request, empty, text};

/// Called with the new level: 0 is normal, higher is more.
pub type SetLevel = fn(u32);

pub struct Logging {
    level: AtomicU32,
    /// Counts changes, so that an older one's return to normal does not end a newer one.
    change: AtomicU64,
    set: Option<SetLevel>,
}

impl Logging {
    pub fn new(set: Option<SetLevel>) -> Arc<Self> {
        Arc::new(Logging { level: AtomicU32::new(0), change: AtomicU64::new(0), set })
    }

    pub fn level(&self) -> u32 {
        self.level.load(Ordering::Relaxed)
    }

    /// Returns to normal after `duration`.
    pub fn set(self: &Arc<Self>, level: u32, duration: Duration) {
        let change = self.change.fetch_add(1, Ordering::Relaxed) + 1;
        self.apply(level);
        let logging = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            if logging.change.load(Ordering::Relaxed) == change {
                logging.apply(0);
            }
        });
    }

    fn apply(&self, level: u32) {
        self.level.store(level, Ordering::Relaxed);
        if let Some(set) = self.set {
            set(level);
        }
    }

    /// `/logging/toggle?level=&duration=`.
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
        match flags::parse_duration(duration) {
            Ok(duration) => {
                self.set(level, duration);
                empty(StatusCode::OK)
            }
            Err(error) => bad_request(format!("{error}.\n")),
        }
    }
}
