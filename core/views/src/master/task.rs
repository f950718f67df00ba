//! A task of a master, live, unreachable or completed.

use std::sync::{Arc, OnceLock};

use messages::v1;
use messages::v1::TaskState;
use model::is_terminal;
use model::master::TaskSnapshot;
use resources::Resources;

use crate::entity::Fragment;
use crate::{json, v0};

#[derive(Debug)]
pub(crate) struct Task {
    /// The task, as the last change described it.
    pub snapshot: Arc<TaskSnapshot>,
    /// Most tasks of a cluster are not read in each of their versions, so these are allocated by the first reader.
    fragments: OnceLock<Box<Fragments>>,
}

/// The JSON of a task.
#[derive(Debug, Default)]
struct Fragments {
    v0: Fragment,
    v1: Fragment,
}

impl Task {
    /// Creates the entity of a task.
    pub fn new(snapshot: Arc<TaskSnapshot>) -> Self {
        Task { snapshot, fragments: OnceLock::new() }
    }

    /// Appends the form of `/state`.
    pub fn write_v0(&self, out: &mut Vec<u8>) {
        self.fragments().v0.append(out, |out| v0::task(out, &self.snapshot.message(), self.snapshot.resources()));
    }

    /// Appends the form of the v1 API.
    pub fn write_v1(&self, out: &mut Vec<u8>) {
        self.fragments().v1.append(out, |out| json::message(out, &self.snapshot.message()));
    }

    fn fragments(&self) -> &Fragments {
        self.fragments.get_or_init(Box::default)
    }

    /// Returns the resources that the task uses; `None` if it is terminal or unreachable.
    pub fn used_resources(&self) -> Option<&Resources> {
        let state = self.snapshot.state();
        (!is_terminal(state) && state != TaskState::TaskUnreachable).then_some(self.snapshot.resources())
    }

    /// Returns whether the task becomes terminal with its next state.
    pub fn ends_as(&self, next: &TaskSnapshot) -> bool {
        !is_terminal(self.snapshot.state()) && is_terminal(next.state())
    }

    /// Returns whether Mesos announces an update. It announces changes of the state and every result of a check.
    pub fn is_announced(&self, status: &v1::TaskStatus) -> bool {
        use v1::task_status::Reason;
        matches!(status.reason(), Reason::TaskCheckStatusUpdated | Reason::TaskHealthCheckStatusUpdated)
            || self.snapshot.last_status_state() != Some(status.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a status that are written by hand equal the generic mapping.
    #[test]
    fn statuses_follow_the_mapping() {
        let id = |value: &str, parent| v1::ContainerId { value: value.to_owned(), parent };
        let status = v1::ContainerStatus {
            container_id: Some(Box::new(id("child", Some(Box::new(id("parent", None)))))),
            network_infos: vec![v1::NetworkInfo {
                ip_addresses: vec![
                    v1::network_info::IpAddress { protocol: None, ip_address: Some("10.0.0.1".to_owned()) },
                    v1::network_info::IpAddress {
                        protocol: Some(v1::network_info::Protocol::IPv6 as i32),
                        ip_address: None,
                    },
                ],
                ..v1::NetworkInfo::default()
            }],
            ..v1::ContainerStatus::default()
        };
        let generic: serde_json::Value = serde_json::from_slice(&wire::json::encode(&status)).unwrap();
        let task = v1::Task {
            statuses: vec![v1::TaskStatus { container_status: Some(Box::new(status)), ..v1::TaskStatus::default() }],
            ..v1::Task::default()
        };
        let mut out = Vec::new();
        Task::new(Arc::new(TaskSnapshot::from(&task))).write_v0(&mut out);
        let by_hand: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(by_hand["statuses"][0]["container_status"], generic);
    }
}
