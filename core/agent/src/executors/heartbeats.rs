//! The HEARTBEAT events of executors that speak HTTP.

use std::sync::Arc;
use std::time::Duration;

use messages::v1::executor::event;

use super::messages::event;
use crate::effects::{Context, Timer};
use crate::frameworks::index::Frameworks;

/// The interval of Mesos' `DEFAULT_EXECUTOR_HEARTBEAT_INTERVAL`.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// The timer of all heartbeats.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    armed: bool,
}

impl Heartbeats {
    /// Starts the timer, if it is not running, for a stream that has just been opened.
    pub fn stream_opened(&mut self, cx: &mut Context<'_>) {
        if !self.armed {
            self.armed = true;
            cx.arm_after(Timer::ExecutorHeartbeat, HEARTBEAT_INTERVAL);
        }
    }

    /// Sends a heartbeat on every stream; without streams the timer is not set again.
    pub fn due(&mut self, frameworks: &Frameworks, cx: &mut Context<'_>) {
        self.armed = frameworks.streams().len() > 0;
        if !self.armed {
            return;
        }
        let heartbeat = Arc::new(event(event::Type::Heartbeat));
        for stream in frameworks.streams() {
            cx.event(stream, heartbeat.clone());
        }
        cx.arm_after(Timer::ExecutorHeartbeat, HEARTBEAT_INTERVAL);
    }
}
