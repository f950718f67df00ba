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

/// The state of a view at one moment. A clone shares all memory, and later changes of the view do not show in it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) static_info: Arc<StaticInfo>,
    /// The agent; `None` before it knows its resources.
    pub(crate) agent: Option<Arc<Description>>,
    pub(super) operations: Arc<[Arc<v1::Operation>]>,
    pub(crate) frameworks: SnapshotMap<Framework>,
    pub(super) completed: History<Framework>,
    pub(super) sandboxes: SnapshotMap<Sandbox>,
    /// The rights of the reader.
    pub(super) visibility: Visibility,
}

impl Snapshot {
    /// Returns the snapshot as a reader with these rights sees it. Nothing is copied.
    pub fn seen_by(mut self, visibility: Visibility) -> Self {
        self.visibility = visibility;
        self
    }

    /// Returns the JSON of an endpoint's path (with or without `/slave(1)` before it); `None` if there is no document
    /// at it.
    pub fn get(&self, path: &str, query: &Query, usage: &BTreeMap<ContainerId, Usage>) -> Option<Bytes> {
        let path = path.trim_matches('/');
        let own = format!("{}/", self.static_info.pid.id);
        Some(self.document(Document::at(path.strip_prefix(&own).unwrap_or(path))?, query, usage))
    }

    /// Returns a document as JSON. `usage` contains the shell's measurements of [`Snapshot::containers`]; `/state`
    /// needs none.
    pub fn document(&self, document: Document, query: &Query, usage: &BTreeMap<ContainerId, Usage>) -> Bytes {
        let json = match document {
            Document::State => state_json::state(self),
            Document::Containers => containers::containers(self, query, usage),
            Document::Statistics => containers::statistics(self, usage),
        };
        json.into()
    }

    /// Returns the response to a read of the operator API; `None` if the call is not a read of a view.
    pub fn operator(
        &self,
        call: &v1::agent::Call,
        usage: &BTreeMap<ContainerId, Usage>,
    ) -> Option<v1::agent::Response> {
        operator::answer(self, call, usage)
    }

    /// Returns the same response as JSON, which in Mesos has empty lists where the generic mapping has none.
    pub fn operator_json(&self, call: &v1::agent::Call, usage: &BTreeMap<ContainerId, Usage>) -> Option<Bytes> {
        operator_json::answer(self, call, usage).map(Bytes::from)
    }

    /// Returns the resources of all executors.
    pub(crate) fn allocated(&self) -> Resources {
        let executors = self.frameworks.iter().flat_map(|framework| framework.executors.iter());
        executors.fold(Resources::default(), |mut sum, executor| {
            sum += &executor.snapshot.resources;
            sum
        })
    }
}
