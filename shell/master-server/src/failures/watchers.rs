//! The followers of the stream of failures. As with operators' event streams, the oldest stream ends when there are too
//! many, and a follower that does not read loses its connection.

use std::sync::Arc;

use bytes::Bytes;
use model::incident::{Filter, Incident, IncidentUpdate};
use serde_json::json;
use views::Visibility;
use views::master::View;

use edge::core_thread::queue::Pushed;
use edge::http::stream::StreamQueue;

/// The queue of one follower.
pub type Watcher = Arc<StreamQueue<Bytes>>;

/// The followers with their filters, oldest first.
#[derive(Default)]
pub struct Watchers(Vec<(Watcher, Filter, Visibility)>);

impl Watchers {
    pub fn add(&mut self, watcher: Watcher, filter: Filter, visibility: Visibility, most: usize) {
        if self.0.len() >= most && !self.0.is_empty() {
            self.0.remove(0).0.finish();
        }
        // A follower that asked for open incidents is notified of their end, too.
        self.0.push((watcher, Filter { open_only: false, ..filter }, visibility));
    }

    /// Removes a follower.
    pub fn remove(&mut self, watcher: &Watcher) {
        self.0.retain(|(other, ..)| !Arc::ptr_eq(other, watcher));
    }

    pub fn notify(&mut self, incident: &Incident, update: IncidentUpdate, view: &View) {
        if self.0.is_empty() {
            return;
        }
        let line = Bytes::from(line(incident, Some(update)));
        let is_shown = |visibility: &Visibility| {
            visibility.is_everything() || view.snapshot().seen_by(visibility.clone()).shows_incident(incident)
        };
        self.push(&line, |filter, visibility| filter.admits(incident) && is_shown(visibility));
    }

    /// Queues a heartbeat for all followers.
    pub fn heartbeat(&mut self) {
        self.push(&Bytes::from_static(b"\n"), |_, _| true);
    }

    fn push(&mut self, line: &Bytes, wants: impl Fn(&Filter, &Visibility) -> bool) {
        self.0.retain(|(watcher, filter, visibility)| {
            if !wants(filter, visibility) {
                return true;
            }
            match watcher.push(line.clone(), line.len()) {
                Pushed::First | Pushed::Behind => true,
                Pushed::Closed => false,
                Pushed::Full => {
                    watcher.kill();
                    false
                }
            }
        });
    }

    /// Wakes the tasks that write to the followers.
    pub fn wake(&self) {
        for (watcher, ..) in &self.0 {
            watcher.wake();
        }
    }

    /// Ends all streams after the queued lines.
    pub fn close(&mut self) {
        for (watcher, ..) in self.0.drain(..) {
            watcher.finish();
        }
    }
}

/// Renders an incident as one line of JSON. `update` is `None` for an incident from before the request.
pub fn line(incident: &Incident, update: Option<IncidentUpdate>) -> Vec<u8> {
    let mut line = json!({
        "event": update.map(IncidentUpdate::as_str),
        "failure": incident.to_json(),
    })
    .to_string()
    .into_bytes();
    line.push(b'\n');
    line
}
