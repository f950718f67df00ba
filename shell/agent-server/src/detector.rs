//! Tells the core which master leads.

use std::sync::Arc;

use ::agent::Input;
use election::Detector;
use tokio::sync::watch;

use super::host::AgentHost;
use edge::Ended;
use edge::core_thread::{Inbox, InboxItem};

/// Forwards changes of the leading master to the core until the agent ends.
pub async fn follow(detector: Detector, inbox: Arc<Inbox<AgentHost>>, mut ended: watch::Receiver<Option<Ended>>) {
    let mut leader = detector.leader();
    // Before the first answer of the detector there is nothing to forward.
    let mut forwarded = leader.borrow_and_update().clone();
    if forwarded.is_some() {
        notify_core(&inbox, &forwarded);
    }
    loop {
        let changed = tokio::select! {
            _ = ended.wait_for(Option::is_some) => return,
            changed = leader.changed() => changed,
        };
        if changed.is_err() {
            // The detector of a fixed master never reports a change.
            return;
        }
        let found = leader.borrow_and_update().clone();
        if found != forwarded {
            notify_core(&inbox, &found);
            forwarded = found;
        }
    }
}

fn notify_core(inbox: &Inbox<AgentHost>, leader: &election::Leader) {
    let master = leader.as_ref().map(|master| Box::new((**master).clone()));
    inbox.send_control(InboxItem::Input(Input::MasterDetected(master)));
}
