//! `/containers`, `/monitor/statistics` and `GET_CONTAINERS`: executors with the shell's measurements of their
//! containers.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::agent::response::get_containers::Container;
use model::ContainerId;
use model::agent::{ExecutorSnapshot, ExecutorState};

use super::Snapshot;
use crate::Query;
use crate::json::{self, Object};

/// The shell's measurements of a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// The resources that it uses; `None` if they could not be measured.
    pub statistics: Option<v1::ResourceStatistics>,
    /// The state of the container, besides its id and the process of the executor.
    pub status: Option<v1::ContainerStatus>,
}

/// A query of `/containers` that Mesos does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Supported query parameters are container_id only, framework_id only, or executor_id and framework_id only")]
pub struct InvalidSelection;

impl Snapshot {
    /// Returns the containers that `/containers` shows for this query; the shell measures them first. With an empty
    /// query they are those of `/monitor/statistics` and `GET_CONTAINERS`.
    ///
    /// # Errors
    ///
    /// Returns an error for a query that Mesos does not know.
    pub fn containers(&self, query: &Query) -> Result<Vec<ContainerId>, InvalidSelection> {
        let given = |key| query.get(key).is_some();
        match (given("container_id"), given("framework_id"), given("executor_id")) {
            (_, false, false) | (false, true, _) => {}
            _ => return Err(InvalidSelection),
        }
        Ok(live(self).filter(|executor| selects(query, executor)).map(|executor| executor.container.clone()).collect())
    }

    /// Returns whether this is the container of an executor that has not ended.
    pub fn has_container(&self, id: &str) -> bool {
        live(self).any(|executor| executor.container.as_str() == id)
    }
}

fn live(snapshot: &Snapshot) -> impl Iterator<Item = &ExecutorSnapshot> {
    snapshot.visible_containers().filter(|executor| executor.state != ExecutorState::Terminated)
}

fn selects(query: &Query, executor: &ExecutorSnapshot) -> bool {
    query.selects("container_id", executor.container.as_str())
        && query.selects("framework_id", executor.framework.as_str())
        && query.selects("executor_id", executor.id.as_str())
}

pub(super) fn containers(snapshot: &Snapshot, query: &Query, usage: &BTreeMap<ContainerId, Usage>) -> Vec<u8> {
    let mut out = Vec::new();
    json::array(&mut out, live(snapshot).filter(|executor| selects(query, executor)), |out, executor| {
        json::object(out, |object| {
            object.string("container_id", executor.container.as_str());
            describe(object, executor);
            let measured = usage.get(&executor.container);
            if let Some(statistics) = measured.and_then(|usage| usage.statistics.as_ref()) {
                object.message("statistics", statistics);
            }
            object.message("status", &status(executor, measured));
        });
    });
    out
}

/// Returns the statistics of the containers that could be measured.
pub(super) fn statistics(snapshot: &Snapshot, usage: &BTreeMap<ContainerId, Usage>) -> Vec<u8> {
    let measured = live(snapshot).filter_map(|executor| {
        let statistics = usage.get(&executor.container)?.statistics.as_ref()?;
        Some((executor, statistics))
    });
    let mut out = Vec::new();
    json::array(&mut out, measured, |out, (executor, statistics)| {
        json::object(out, |object| {
            describe(object, executor);
            object.message("statistics", statistics);
        });
    });
    out
}

fn describe(object: &mut Object<'_>, executor: &ExecutorSnapshot) {
    object.string("executor_id", executor.id.as_str());
    object.string("executor_name", executor.info.name());
    object.string("framework_id", executor.framework.as_str());
    object.string("source", executor.info.source());
}

pub(super) fn protos(snapshot: &Snapshot, usage: &BTreeMap<ContainerId, Usage>) -> Vec<Container> {
    live(snapshot)
        .map(|executor| {
            let measured = usage.get(&executor.container);
            Container {
                framework_id: Some(executor.framework.to_proto()),
                executor_id: Some(executor.id.to_proto()),
                executor_name: Some(executor.info.name().to_owned()),
                container_id: v1::ContainerId::from(&executor.container),
                container_status: Some(Box::new(status(executor, measured))),
                resource_statistics: measured.and_then(|usage| usage.statistics.clone()).map(Box::new),
            }
        })
        .collect()
}

fn status(executor: &ExecutorSnapshot, measured: Option<&Usage>) -> v1::ContainerStatus {
    let mut status = measured.and_then(|usage| usage.status.clone()).unwrap_or_default();
    status.container_id.get_or_insert_with(|| Box::new(v1::ContainerId::from(&executor.container)));
    status.executor_pid = status.executor_pid.or(executor.pid);
    status
}
