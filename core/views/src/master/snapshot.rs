//! The state of a view at one moment, for readers.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use messages::v1;
use model::Role;
use model::master::{AgentSnapshot, FrameworkSnapshot};

use super::entity::{Agent, Framework};
use super::policy::Policy;
use super::{Document, StaticInfo, events, operator, operator_json, policy_json, roles, state_json, summary, tasks};
use crate::history::History;
use crate::snapshot_map::SnapshotMap;
use crate::{Query, Visibility};

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
    pub(crate) policy: Arc<Policy>,
    /// How many refusals are in force, by role; none where there is nothing.
    pub(crate) refusals: Arc<BTreeMap<Role, usize>>,
    /// What its reader may see.
    pub(crate) visibility: Visibility,
    /// `/state` of this moment, so that readers who come at once share one answer.
    pub(crate) state: Arc<OnceLock<Bytes>>,
}

impl Snapshot {
    /// What a reader with these rights sees of it. Nothing is copied.
    pub fn seen_by(mut self, visibility: Visibility) -> Self {
        if self.visibility != visibility {
            self.visibility = visibility;
            self.state = Arc::default();
        }
        self
    }

    /// The JSON of an endpoint's path, or nothing when there is no document at it.
    pub fn get(&self, path: &str, query: &Query) -> Option<Bytes> {
        Some(self.document(Document::at(path)?, query))
    }

    /// A document as JSON.
    pub fn document(&self, document: Document, query: &Query) -> Bytes {
        let json = match document {
            Document::State => return self.state.get_or_init(|| state_json::state(self).into()).clone(),
            Document::StateSummary => summary::state_summary(self),
            Document::Agents => state_json::slaves(self, query),
            Document::Frameworks => state_json::frameworks(self, query),
            Document::Tasks => tasks::tasks(self, query),
            Document::Roles => roles::roles(self),
            Document::Weights => policy_json::weights(self),
            Document::Quota => policy_json::quota(self),
            Document::Partitions => policy_json::partitions(self),
            Document::MaintenanceSchedule => policy_json::schedule(self),
            Document::MaintenanceStatus => policy_json::status(self),
        };
        json.into()
    }

    /// The registered frameworks that the reader may see.
    pub fn frameworks(&self) -> impl Iterator<Item = &FrameworkSnapshot> {
        self.visible_frameworks().map(|framework| &*framework.snapshot)
    }

    /// The registered agents.
    pub fn agents(&self) -> impl Iterator<Item = &AgentSnapshot> {
        self.agents.iter().map(|agent| &*agent.snapshot)
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
