//! The messages of a master about frameworks.

use std::sync::Arc;

use messages::internal;
use model::agent::{Change, FrameworkSnapshot};
use model::{FrameworkId, Upid};

use crate::effects::Context;
use crate::operations::status;
use crate::state::State;
use crate::tasks::launch;
use crate::updates::status_update;

/// The scheduler has failed over or has changed its description.
pub(crate) fn update_framework(state: &mut State, cx: &mut Context<'_>, message: internal::UpdateFrameworkMessage) {
    if !state.master.is_registered() {
        return;
    }
    let id = FrameworkId::from(&message.framework_id);
    // The framework may have operations here, and nothing that runs.
    status::restart_operations(state, cx, &message.framework_id);
    let Some(framework) = state.frameworks.get_mut(&id).filter(|f| !f.is_terminating()) else { return };
    let info = match message.framework_info {
        Some(info) => Arc::new(*info),
        None => framework.snapshot().info.clone(),
    };
    let pid = message.pid.as_deref().and_then(|pid| pid.parse().ok()).filter(|pid: &Upid| !pid.is_none());
    let snapshot = Arc::new(FrameworkSnapshot { id: id.clone(), info, pid });
    framework.set_snapshot(snapshot.clone());
    launch::store_framework(&mut state.pending_writes, cx, &snapshot);
    cx.publish(Change::FrameworkAdded(snapshot));
    // The old scheduler may have failed with updates that it did not acknowledge.
    for task in state.status_updates.restart(&id) {
        status_update::forward_next(state, cx, &id, &task);
    }
}
