//! What a master tells about frameworks.

use std::sync::Arc;

use messages::internal;
use model::{FrameworkId, Upid};

use crate::agent::Agent;
use crate::effects::Context;
use model::agent::{Change, FrameworkSnapshot};

impl Agent {
    /// The scheduler has failed over or has changed its description.
    pub(crate) fn update_framework(&mut self, cx: &mut Context<'_>, message: internal::UpdateFrameworkMessage) {
        if !self.master.is_registered() {
            return;
        }
        let id = FrameworkId::from(&message.framework_id);
        // It may have operations here, and nothing that runs.
        self.restart_operations(cx, &message.framework_id);
        let Some(framework) = self.frameworks.get_mut(&id).filter(|f| !f.terminating) else { return };
        let info = match message.framework_info {
            Some(info) => Arc::new(*info),
            None => framework.snapshot.info.clone(),
        };
        let pid = message.pid.as_deref().and_then(|pid| pid.parse().ok()).filter(|pid: &Upid| !pid.is_none());
        let snapshot = Arc::new(FrameworkSnapshot { id: id.clone(), info, pid });
        framework.snapshot = snapshot.clone();
        self.store_framework(cx, &snapshot);
        cx.publish(Change::FrameworkAdded(snapshot));
        // The old scheduler may have died with updates in its hands.
        for task in self.status_update_manager.restart(&id) {
            self.forward_next(cx, &id, &task);
        }
    }
}
