//! Heartbeats on the streams of HTTP schedulers, by which they notice a lost master.

use model::FrameworkId;

use super::connection::heartbeat_event;
use super::framework::{Connection, Framework};
use super::index::Frameworks;
use crate::interface::{Config, Context, Timer};
use crate::support::TimingWheel;

/// Starts heartbeats. The first one is sent at once: clients that read line by line need it to see the record before
/// it.
pub(crate) fn start_heartbeats(
    frameworks: &mut Frameworks,
    heartbeats: &mut TimingWheel<FrameworkId>,
    cx: &mut Context<'_>,
    id: &FrameworkId,
) {
    stop_heartbeats(frameworks, heartbeats, cx, id);
    let Some(framework) = frameworks.get_mut(id.as_str()) else { return };
    let Connection::Http(stream) = *framework.connection() else { return };
    cx.event(stream, heartbeat_event());
    let (slot, rearm) = heartbeats.insert(cx.now.monotonic, id.clone());
    framework.set_heartbeat_slot(slot);
    if let Some(rearm) = rearm {
        cx.arm(Timer::Heartbeat(rearm.slot), rearm.at);
    }
}

pub(crate) fn stop_heartbeats(
    frameworks: &mut Frameworks,
    heartbeats: &mut TimingWheel<FrameworkId>,
    cx: &mut Context<'_>,
    id: &FrameworkId,
) {
    let slot = frameworks.get_mut(id.as_str()).and_then(Framework::take_heartbeat_slot);
    if let Some(slot) = slot
        && heartbeats.remove(slot, id)
    {
        cx.disarm(Timer::Heartbeat(slot));
    }
}

pub(crate) fn heartbeat(
    frameworks: &Frameworks,
    heartbeats: &mut TimingWheel<FrameworkId>,
    cx: &mut Context<'_>,
    slot: u32,
) {
    let (due, rearm) = heartbeats.fire(slot, cx.now.monotonic);
    for id in due {
        if let Some(framework) = frameworks.get(id.as_str())
            && let Connection::Http(stream) = *framework.connection()
        {
            cx.event(stream, heartbeat_event());
        }
    }
    if let Some(rearm) = rearm {
        cx.arm(Timer::Heartbeat(rearm.slot), rearm.at);
    }
}

pub(crate) fn heartbeat_seconds(config: &Config) -> f64 {
    config.heartbeat_interval.as_secs_f64()
}
