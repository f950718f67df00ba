//! The state of a view at one moment, for readers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use messages::v1;
use vocabulary::ContainerId;

use super::Facts;
use crate::Query;

/// What the shell measured of a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    pub statistics: Option<v1::ResourceStatistics>,
    pub status: Option<v1::ContainerStatus>,
}

/// Cloning shares everything; nothing the view does later shows in it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) facts: Arc<Facts>,
}

impl Snapshot {
    /// The JSON of a legacy endpoint (`/state`, `/containers`, `/monitor/statistics`), or
    /// nothing when the path is none of a view's. `usage` need hold only what the last two show.
    pub fn get(&self, _path: &str, _query: &Query, _usage: &BTreeMap<ContainerId, Usage>) -> Option<Bytes> {
        None
    }

    /// The answer to a read of the operator API, or nothing when the call is no read of a view's.
    pub fn operator(
        &self,
        _call: &v1::agent::Call,
        _usage: &BTreeMap<ContainerId, Usage>,
    ) -> Option<v1::agent::Response> {
        None
    }

    /// The containers whose usage the shell should measure before it asks for `/containers`,
    /// `/monitor/statistics` or `GET_CONTAINERS`.
    pub fn containers(&self) -> Vec<ContainerId> {
        Vec::new()
    }

    /// The directories that `/files` serves: virtual path and where it leads. Longer (virtual)
    /// paths are inside.
    pub fn sandboxes(&self) -> Vec<(String, PathBuf)> {
        Vec::new()
    }

    /// Where a virtual path of `/files` leads, when a sandbox answers to it: the sandbox's
    /// directory and the path inside, not yet checked for `..` or links.
    pub fn resolve(&self, _virtual_path: &str) -> Option<(PathBuf, String)> {
        None
    }
}
