//! Heartbeats on the streams of HTTP schedulers, by which they notice a master that is gone.

use model::FrameworkId;

use crate::connection::heartbeat;
use crate::effects::{Context, Timer};
use crate::framework::Connection;
use crate::master::Master;

impl Master {
    /// The first heartbeat comes at once: clients that read line by line wait for it to see
    /// the record before it.
    pub(crate) fn start_heartbeats(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        self.stop_heartbeats(cx, id);
        let Some(framework) = self.frameworks.get_mut(id.as_str()) else { return };
        let Connection::Http(stream) = framework.connection else { return };
        cx.event(stream, heartbeat());
        let (slot, rearm) = self.heartbeats.insert(cx.now.monotonic, id.clone());
        framework.heartbeat_slot = Some(slot);
        if let Some(rearm) = rearm {
            cx.arm(Timer::Heartbeat(rearm.slot), rearm.at);
        }
    }

    pub(crate) fn stop_heartbeats(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let slot = self.frameworks.get_mut(id.as_str()).and_then(|f| f.heartbeat_slot.take());
        if let Some(slot) = slot
            && self.heartbeats.remove(slot, id)
        {
            cx.disarm(Timer::Heartbeat(slot));
        }
    }

    pub(crate) fn heartbeat(&mut self, cx: &mut Context<'_>, slot: u32) {
        let (due, rearm) = self.heartbeats.fire(slot, cx.now.monotonic);
        for id in due {
            if let Some(framework) = self.frameworks.get(id.as_str())
                && let Connection::Http(stream) = framework.connection
            {
                cx.event(stream, heartbeat());
            }
        }
        if let Some(rearm) = rearm {
            cx.arm(Timer::Heartbeat(rearm.slot), rearm.at);
        }
    }

    pub(crate) fn heartbeat_seconds(&self) -> f64 {
        self.config.heartbeat_interval.as_secs_f64()
    }
}
