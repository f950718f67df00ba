//! The state of a view at one moment, for readers.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use messages::v1;
use model::ContainerId;
use resources::Resources;

use super::containers::Usage;
use super::entity::{Description, Framework};
use super::sandboxes::Sandbox;
use super::{StaticInfo, containers, operator, operator_json, state_json};
use crate::Query;
use crate::history::History;
use crate::snapshot_map::SnapshotMap;

/// Cloning shares everything; nothing the view does later shows in it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) static_info: Arc<StaticInfo>,
    /// Not before the agent knows its resources.
    pub(crate) agent: Option<Arc<Description>>,
    pub(super) operations: Arc<[Arc<v1::Operation>]>,
    pub(crate) frameworks: SnapshotMap<Framework>,
    pub(super) completed: History<Framework>,
    pub(super) sandboxes: SnapshotMap<Sandbox>,
}

impl Snapshot {
    /// The JSON of a v0 endpoint (`/state`, `/containers`, `/monitor/statistics`, with or
    /// without `/slave(1)` before it), or nothing when the path is none of a view's. `usage`
    /// holds what the shell measured of [`Snapshot::containers`]; `/state` needs none.
    pub fn get(&self, path: &str, query: &Query, usage: &BTreeMap<ContainerId, Usage>) -> Option<Bytes> {
        let path = path.trim_matches('/');
        let own = format!("{}/", self.static_info.pid.id);
        let json = match path.strip_prefix(&own).unwrap_or(path) {
            "state" => state_json::state(self),
            "containers" => containers::containers(self, query, usage),
            "monitor/statistics" => containers::statistics(self, usage),
            _ => return None,
        };
        Some(json.into())
    }

    /// The answer to a read of the operator API, or nothing when the call is no read of a view's.
    pub fn operator(
        &self,
        call: &v1::agent::Call,
        usage: &BTreeMap<ContainerId, Usage>,
    ) -> Option<v1::agent::Response> {
        operator::answer(self, call, usage)
    }

    /// The same as JSON, which in Mesos has empty lists where the generic mapping has none.
    pub fn operator_json(&self, call: &v1::agent::Call, usage: &BTreeMap<ContainerId, Usage>) -> Option<Bytes> {
        operator_json::answer(self, call, usage).map(Bytes::from)
    }

    /// What all executors hold.
    pub(crate) fn allocated(&self) -> Resources {
        let executors = self.frameworks.iter().flat_map(|framework| framework.executors.iter());
        executors.fold(Resources::default(), |mut sum, executor| {
            sum += &executor.snapshot.resources;
            sum
        })
    }
}
