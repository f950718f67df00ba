//! Heartbeats on the streams of HTTP schedulers, by which they notice a lost master.

use model::FrameworkId;

use super::connection::heartbeat_event;
use super::framework::Connection;
use crate::interface::{Context, Timer};
use crate::state::State;

/// Starts heartbeats. The first one is sent at once: clients that read line by line need it to see the record before
/// it.
pub(crate) fn start_heartbeats(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    stop_heartbeats(state, cx, id);
    let Some(framework) = state.frameworks.get_mut(id.as_str()) else { return };
    let Connection::Http(stream) = framework.connection else { return };
    cx.event(stream, heartbeat_event());
    let (slot, rearm) = state.heartbeats.insert(cx.now.monotonic, id.clone());
    framework.heartbeat_slot = Some(slot);
    if let Some(rearm) = rearm {
        cx.arm(Timer::Heartbeat(rearm.slot), rearm.at);
    }
}

pub(crate) fn stop_heartbeats(state: &mut State, cx: &mut Context<'_>, id: &FrameworkId) {
    let slot = state.frameworks.get_mut(id.as_str()).and_then(|f| f.heartbeat_slot.take());
    if let Some(slot) = slot
        && state.heartbeats.remove(slot, id)
    {
        cx.disarm(Timer::Heartbeat(slot));
    }
}

pub(crate) fn heartbeat(state: &mut State, cx: &mut Context<'_>, slot: u32) {
    let (due, rearm) = state.heartbeats.fire(slot, cx.now.monotonic);
    for id in due {
        if let Some(framework) = state.frameworks.get(id.as_str())
            && let Connection::Http(stream) = framework.connection
        {
            cx.event(stream, heartbeat_event());
        }
    }
    if let Some(rearm) = rearm {
        cx.arm(Timer::Heartbeat(rearm.slot), rearm.at);
    }
}

pub(crate) fn heartbeat_seconds(state: &State) -> f64 {
    state.config.heartbeat_interval.as_secs_f64()
}
