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
use super::{Document, StaticInfo, containers, operator, operator_json, state_json};
use crate::history::History;
use crate::snapshot_map::SnapshotMap;
use crate::{Query, Visibility};

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
    /// What its reader may see.
    pub(super) visibility: Visibility,
}

impl Snapshot {
    /// What a reader with these rights sees of it. Nothing is copied.
    pub fn seen_by(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// The JSON of an endpoint's path (with or without `/slave(1)` before it), or nothing when there is no document at it.
    pub fn get(&self, path: &str, query: &Query, usage: &BTreeMap<ContainerId, Usage>) -> Option<Bytes> {
        let path = path.trim_matches('/');
        let own = format!("{}/", self.static_info.pid.id);
        Some(self.document(Document::at(path.strip_prefix(&own).unwrap_or(path))?, query, usage))
    }

    /// A document as JSON. `usage` holds what the shell measured of [`Snapshot::containers`]; `/state` needs none.
    pub fn document(&self, document: Document, query: &Query, usage: &BTreeMap<ContainerId, Usage>) -> Bytes {
        let json = match document {
            Document::State => state_json::state(self),
            Document::Containers => containers::containers(self, query, usage),
            Document::Statistics => containers::statistics(self, usage),
        };
        json.into()
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
