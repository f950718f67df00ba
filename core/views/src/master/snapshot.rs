//! The state of a view at one moment, for readers.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use messages::v1;
use model::Role;
use model::master::{AgentSnapshot, FrameworkSnapshot};

use super::entity::{Agent, Framework};
use super::policy::Policy;
use super::resource_totals::ResourceTotals;
use super::{
    Document, StaticInfo, events, operator, operator_json, operator_protobuf, policy_json, roles, state_json, summary,
    tasks,
};
use crate::history::History;
use crate::snapshot_map::SnapshotMap;
use crate::{Query, Visibility};

/// The state of a view at one moment. A clone shares all memory, and later changes of the view do not show in it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) static_info: Arc<StaticInfo>,
    pub(crate) agents: SnapshotMap<Agent>,
    /// The agents that were recovered from the registry and have not re-registered yet.
    pub(crate) recovered: SnapshotMap<Arc<v1::AgentInfo>>,
    pub(crate) frameworks: SnapshotMap<Framework>,
    pub(crate) completed: History<Framework>,
    pub(crate) operations: SnapshotMap<Arc<v1::Operation>>,
    pub(crate) failures: SnapshotMap<Arc<model::incident::Incident>>,
    pub(crate) unreachable_agents: usize,
    pub(crate) totals: Arc<ResourceTotals>,
    pub(crate) policy: Arc<Policy>,
    /// The number of active offer filters by role; roles without filters are absent.
    pub(crate) offer_filters: Arc<BTreeMap<Role, usize>>,
    /// The rights of the reader.
    pub(crate) visibility: Visibility,
    /// The JSON of `/state`, which readers of this moment share.
    pub(crate) state: Arc<OnceLock<Bytes>>,
}

impl Snapshot {
    /// Returns the snapshot as a reader with these rights sees it. Nothing is copied.
    pub fn seen_by(mut self, visibility: Visibility) -> Self {
        if self.visibility != visibility {
            self.visibility = visibility;
            self.state = Arc::default();
        }
        self
    }

    /// Returns the JSON of an endpoint's path; `None` if there is no document at it.
    pub fn get(&self, path: &str, query: &Query) -> Option<Bytes> {
        Some(self.document(Document::at(path)?, query))
    }

    /// Returns a document as JSON.
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

    /// Iterates over the registered frameworks that the reader may see.
    pub fn frameworks(&self) -> impl Iterator<Item = &FrameworkSnapshot> {
        self.visible_frameworks().map(|framework| &*framework.snapshot)
    }

    /// Iterates over the registered agents.
    pub fn agents(&self) -> impl Iterator<Item = &AgentSnapshot> {
        self.agents.iter().map(|agent| &*agent.snapshot)
    }

    /// Returns the response to a read of the operator API; `None` if the call is not a read of a view.
    pub fn operator(&self, call: &v1::master::Call) -> Option<v1::master::Response> {
        operator::answer(self, call)
    }

    /// Returns the same response as protobuf; large responses are put together from encoded parts.
    pub fn operator_protobuf(&self, call: &v1::master::Call) -> Option<Bytes> {
        operator_protobuf::answer(self, call).map(Bytes::from)
    }

    /// Returns the same response as JSON, which in Mesos has empty lists where the generic mapping has none; large
    /// responses are put together from encoded parts.
    pub fn operator_json(&self, call: &v1::master::Call) -> Option<Bytes> {
        operator_json::answer(self, call).map(Bytes::from)
    }

    /// Returns the JSON of one of `/partitions`; `None` if there is none with this id.
    pub fn partition(&self, id: &str) -> Option<Bytes> {
        policy_json::one_partition(self, id).map(Bytes::from)
    }

    /// Returns the first event of an operator's stream.
    pub fn subscribed(&self) -> v1::master::Event {
        events::subscribed(self)
    }

    /// Returns the same event as protobuf.
    pub fn subscribed_protobuf(&self) -> Bytes {
        operator_protobuf::subscribed(self).into()
    }

    /// Returns the first event of an operator's stream as JSON.
    pub fn subscribed_json(&self) -> Bytes {
        operator_json::subscribed(self).into()
    }
}
