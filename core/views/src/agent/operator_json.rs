//! The larger reads of an agent's operator API as JSON, in which empty lists are present.

use std::collections::BTreeMap;
use std::sync::Arc;

use messages::v1::agent::{Call, call};
use model::ContainerId;

use super::containers::Usage;
use super::entity::{Executor, Framework};
use super::operator::tasks_of;
use super::task::Task;
use super::{Snapshot, operator};
use crate::json::{self, Object};

pub(super) fn answer(snapshot: &Snapshot, call: &Call, usage: &BTreeMap<ContainerId, Usage>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match call.r#type() {
        call::Type::GetState => json::typed(&mut out, "GET_STATE", |object| {
            object.object("get_state", |object| {
                tasks(object, snapshot);
                executors(object, snapshot);
                frameworks(object, snapshot);
            });
        }),
        call::Type::GetFrameworks => json::typed(&mut out, "GET_FRAMEWORKS", |object| frameworks(object, snapshot)),
        call::Type::GetExecutors => json::typed(&mut out, "GET_EXECUTORS", |object| executors(object, snapshot)),
        call::Type::GetTasks => json::typed(&mut out, "GET_TASKS", |object| tasks(object, snapshot)),
        _ => json::message(&mut out, &operator::answer(snapshot, call, usage)?),
    }
    Some(out)
}

fn tasks(object: &mut Object<'_>, snapshot: &Snapshot) {
    const NOT_HERE: [&str; 0] = [];
    object.object("get_tasks", |object| {
        object.array("pending_tasks", NOT_HERE, json::string);
        object.array("queued_tasks", tasks_of(snapshot, Executor::queued), task);
        object.array("launched_tasks", tasks_of(snapshot, Executor::launched), task);
        object.array("terminated_tasks", tasks_of(snapshot, Executor::terminated), task);
        object.array("completed_tasks", tasks_of(snapshot, |executor| executor.completed.iter()), task);
    });
}

fn task(out: &mut Vec<u8>, task: &Arc<Task>) {
    task.write_v1(out);
}

fn executors(object: &mut Object<'_>, snapshot: &Snapshot) {
    let write = |out: &mut Vec<u8>, executor: &Executor| json::message(out, &operator::executor(executor));
    object.object("get_executors", |object| {
        object.array("executors", operator::live_executors(snapshot), write);
        object.array("completed_executors", operator::completed_executors(snapshot), write);
    });
}

fn frameworks(object: &mut Object<'_>, snapshot: &Snapshot) {
    let write = |out: &mut Vec<u8>, framework: &Framework| json::message(out, &operator::framework(framework));
    object.object("get_frameworks", |object| {
        object.array("frameworks", snapshot.visible_frameworks(), write);
        object.array("completed_frameworks", snapshot.visible_completed(), write);
    });
}
