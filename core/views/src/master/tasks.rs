//! `/tasks`: one page of all tasks, the newest first unless the query asks for another order.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Snapshot;
use super::task::Task;
use crate::{Query, json};

const DEFAULT_LIMIT: usize = 100;

pub(super) fn tasks(snapshot: &Snapshot, query: &Query) -> Vec<u8> {
    let mut tasks = selected(snapshot, query);
    match query.get("order") {
        Some("asc") => tasks.sort_by(|a, b| by_first_status(a, b)),
        _ => tasks.sort_by(|a, b| by_first_status(b, a)),
    }
    let offset = count(query, "offset").unwrap_or(0);
    let limit = count(query, "limit").unwrap_or(DEFAULT_LIMIT);
    let mut out = Vec::new();
    json::object(&mut out, |object| {
        object.array("tasks", tasks.into_iter().skip(offset).take(limit), |out, task| {
            task.write_v0(out);
        });
    });
    out
}

/// Reads a count. As in Mesos, a negative number becomes a huge one.
fn count(query: &Query, key: &str) -> Option<usize> {
    query.number(key).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn selected<'a>(snapshot: &'a Snapshot, query: &Query) -> Vec<&'a Arc<Task>> {
    snapshot
        .visible_frameworks()
        .chain(snapshot.visible_completed())
        .filter(|framework| query.selects("framework_id", framework.snapshot.id.as_str()))
        .flat_map(|framework| snapshot.visible_tasks(framework, framework.all_tasks()))
        .filter(|task| query.selects("task_id", task.snapshot.id().as_str()))
        .collect()
}

/// Compares tasks by the time of the first status; tasks without any come before all others.
fn by_first_status(a: &Task, b: &Task) -> Ordering {
    match (a.snapshot.first_status(), b.snapshot.first_status()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
