//! The bounds of a container when tasks set limits of their own.

mod scenario;

use std::collections::BTreeMap;

use agent::{Command, ContainerCommand, Effect};
use messages::v1;
use scenario::*;

fn limited(id: &str, limits: &[(&str, f64)]) -> v1::TaskInfo {
    let limits: BTreeMap<String, v1::value::Scalar> =
        limits.iter().map(|(name, value)| ((*name).to_owned(), v1::value::Scalar { value: *value })).collect();
    v1::TaskInfo { limits, ..custom(id, "e") }
}

/// Expects the limits of a container with these tasks; the executor itself has 0.5 cpus and 32 MB, each task 1 cpu and
/// 64 MB.
fn check_limits(cfs: bool, tasks: Vec<v1::TaskInfo>, expect: &[(&str, f64)]) {
    let mut scenario = Scenario::with(|config| config.cgroups_enable_cfs = cfs);
    scenario.master_is(MASTER).fires(agent::Timer::Register).master_registers_it();
    for task in tasks {
        scenario.runs(task);
    }
    scenario.subscribes("e");
    let limits = scenario.effects().filter_map(|effect| match effect {
        Effect::Command(Command::Container(ContainerCommand::Update { limits, .. })) => Some(limits),
        _ => None,
    });
    let limits: Vec<(String, f64)> = limits
        .last()
        .into_iter()
        .flatten()
        .map(|limit| (limit.name.clone(), limit.scalar.map_or(f64::NAN, |scalar| scalar.value)))
        .collect();
    let expect: Vec<(String, f64)> = expect.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    assert_eq!(limits, expect);
}

#[test]
fn limits_are_the_sum_of_what_the_tasks_and_the_executor_may_use() {
    check_limits(true, vec![limited("a", &[])], &[]);
    check_limits(true, vec![limited("a", &[("cpus", 2.0), ("mem", 128.0)])], &[("cpus", 2.5), ("mem", 160.0)]);
    // A task without a limit counts with its request.
    check_limits(true, vec![limited("a", &[("mem", 128.0)]), limited("b", &[])], &[("mem", 224.0)]);
    check_limits(true, vec![limited("a", &[("cpus", 2.0)]), limited("b", &[])], &[("cpus", 3.5)]);
    // Requests of cpus bound nothing without CFS quotas.
    check_limits(false, vec![limited("a", &[("cpus", 2.0)]), limited("b", &[])], &[]);
    check_limits(false, vec![limited("a", &[("cpus", 2.0)])], &[("cpus", 2.5)]);
    check_limits(true, vec![limited("a", &[("mem", f64::INFINITY)]), limited("b", &[])], &[("mem", f64::INFINITY)]);
}
