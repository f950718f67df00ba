//! The upper bounds of an executor's container, from the limits of its tasks.

use std::collections::BTreeMap;

use messages::v1;
use model::{TaskId, is_terminal};
use resources::{Resources, Scalar};

use crate::config::Config;
use crate::frameworks::executor::Executor;
use crate::frameworks::task::task_state;

/// Returns the limits; empty unless a task sets limits. Otherwise the bound is the sum of the tasks' limits, and of the
/// allocations of the executor and the tasks without a limit. An infinite limit makes the sum infinite.
pub(crate) fn executor_limits(executor: &Executor, config: &Config) -> Vec<v1::Resource> {
    let own = Resources::from_proto(&executor.info().resources).unwrap_or_default();
    let mut limits = Vec::new();
    if let Some(cpus) = limit("cpus", &own, executor.tasks()) {
        // Without CFS quotas a request bounds nothing, so a sum with a request in it would not be a bound either.
        if !cpus.with_request || config.cgroups_enable_cfs {
            limits.push(scalar("cpus", cpus.amount));
        }
    }
    if let Some(mem) = limit("mem", &own, executor.tasks()) {
        limits.push(scalar("mem", mem.amount));
    }
    limits
}

struct Limit {
    amount: f64,
    with_request: bool,
}

fn limit(name: &str, own: &Resources, tasks: &BTreeMap<TaskId, std::sync::Arc<v1::Task>>) -> Option<Limit> {
    let mut limited = None;
    let mut requested = 0.0;
    for task in tasks.values().filter(|task| !is_terminal(task_state(task.state))) {
        match task.limits.get(name) {
            Some(limit) => *limited.get_or_insert(0.0) += limit.value,
            None => requested += amount(name, &Resources::from_proto(&task.resources).unwrap_or_default()),
        }
    }
    let amount = limited? + amount(name, own) + requested;
    Some(Limit { amount, with_request: requested > 0.0 })
}

fn amount(name: &str, resources: &Resources) -> f64 {
    resources.get_scalar(name).map_or(0.0, Scalar::as_f64)
}

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value }),
        ..Default::default()
    }
}
