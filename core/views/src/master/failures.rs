//! The open incidents and a bounded history.

use std::collections::VecDeque;
use std::sync::Arc;

use model::incident::{Filter, Incident};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::Snapshot;
use crate::snapshot_map::SnapshotMap;

/// The number of closed incidents; the core keeps the same number, and bounds the open ones.
const MAX_CLOSED: usize = 1_000;

/// The keys of incidents in the snapshot map.
#[derive(Debug, Default)]
pub(super) struct Failures {
    keys: FxHashMap<u64, u64>,
    closed: VecDeque<u64>,
}

impl Failures {
    pub fn put(&mut self, incidents: &mut SnapshotMap<Arc<Incident>>, incident: &Arc<Incident>) {
        let known = self.keys.get(&incident.number).and_then(|key| incidents.get_mut(*key));
        let was_open = known.as_ref().is_none_or(|known| known.is_open());
        match known {
            Some(known) => *known = Arc::clone(incident),
            // This is a late change of an incident that has been dropped from the history.
            None if !incident.is_open() && !incident.actions.is_empty() && self.is_past(incident.number) => return,
            None => drop(self.keys.insert(incident.number, incidents.push(Arc::clone(incident)))),
        }
        if was_open && !incident.is_open() {
            self.closed.push_back(incident.number);
        }
        while self.closed.len() > MAX_CLOSED {
            let Some(oldest) = self.closed.pop_front() else { break };
            if let Some(key) = self.keys.remove(&oldest) {
                incidents.remove(key);
            }
        }
    }

    fn is_past(&self, number: u64) -> bool {
        self.closed.front().is_some_and(|oldest| number < *oldest)
    }
}

impl Snapshot {
    /// Returns the incidents that the filter admits, the oldest first.
    pub fn failures(&self, filter: &Filter) -> Vec<Arc<Incident>> {
        let is_wanted = |incident: &&Arc<Incident>| filter.admits(incident) && self.shows_incident(incident);
        let newest_first = self.failures.iter().rev().filter(is_wanted);
        let mut wanted: Vec<_> = newest_first.take(filter.limit.unwrap_or(usize::MAX)).cloned().collect();
        wanted.reverse();
        wanted
    }

    /// Returns the JSON of `/failures`.
    pub fn failures_json(&self, filter: &Filter) -> Vec<u8> {
        let failures: Vec<Value> = self.failures(filter).iter().map(|incident| incident.to_json()).collect();
        json!({"failures": failures}).to_string().into_bytes()
    }
}
