//! The state of a view at one moment, for readers.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use messages::v1;
use model::Role;

use super::cumulative_counts::CumulativeCounts;
use super::entity::{Agent, Framework};
use super::policy::Policy;
use super::{StaticInfo, events, operator, operator_json, policy_json, roles, state_json, summary, tasks};
use crate::Query;
use crate::history::History;
use crate::snapshot_map::SnapshotMap;

/// Cloning shares everything; nothing the view does later shows in it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) static_info: Arc<StaticInfo>,
    pub(crate) agents: SnapshotMap<Agent>,
    /// Of the master before, and not back yet.
    pub(crate) recovered: SnapshotMap<Arc<v1::AgentInfo>>,
    pub(crate) frameworks: SnapshotMap<Framework>,
    pub(crate) completed: History<Framework>,
    pub(crate) operations: SnapshotMap<Arc<v1::Operation>>,
    pub(crate) failures: SnapshotMap<Arc<model::incident::Incident>>,
    pub(crate) unreachable_agents: usize,
    pub(crate) counts: Arc<CumulativeCounts>,
    pub(crate) policy: Arc<Policy>,
    /// How many refusals are in force, by role; none where there is nothing.
    pub(crate) refusals: Arc<BTreeMap<Role, usize>>,
    /// `/state` of this moment, so that readers who come at once share one answer.
    pub(crate) state: Arc<OnceLock<Bytes>>,
}

impl Snapshot {
    /// The JSON of a v0 endpoint (`/state`, with or without `/master` before it), or
    /// nothing when the path is none of a view's.
    pub fn get(&self, path: &str, query: &Query) -> Option<Bytes> {
        let path = path.trim_matches('/');
        let json = match path.strip_prefix("master/").unwrap_or(path) {
            "state" => return Some(self.state.get_or_init(|| state_json::state(self).into()).clone()),
            "state-summary" => summary::state_summary(self),
            "slaves" => state_json::slaves(self, query),
            "frameworks" => state_json::frameworks(self, query),
            "tasks" => tasks::tasks(self, query),
            "roles" => roles::roles(self),
            "weights" => policy_json::weights(self),
            "quota" => policy_json::quota(self),
            "partitions" => policy_json::partitions(self),
            "maintenance/schedule" => policy_json::schedule(self),
            "maintenance/status" => policy_json::status(self),
            _ => return None,
        };
        Some(json.into())
    }

    /// The answer to a read of the operator API, or nothing when the call is no read of a view's.
    pub fn operator(&self, call: &v1::master::Call) -> Option<v1::master::Response> {
        operator::answer(self, call)
    }

    /// The same as JSON, which in Mesos has empty lists where the generic mapping has none; large answers come from
    /// encoded parts.
    pub fn operator_json(&self, call: &v1::master::Call) -> Option<Bytes> {
        operator_json::answer(self, call).map(Bytes::from)
    }

    /// One of `/partitions`, or nothing when there is none with this id.
    pub fn partition(&self, id: &str) -> Option<Bytes> {
        policy_json::one_partition(self, id).map(Bytes::from)
    }

    /// The first event of an operator's stream.
    pub fn subscribed(&self) -> v1::master::Event {
        events::subscribed(self)
    }

    pub fn subscribed_json(&self) -> Bytes {
        operator_json::subscribed(self).into()
    }
}
