//! Oversubscription: idle resources are offered again, and reclaimed.

#![allow(clippy::unwrap_used, reason = "a broken promise fails the test")]

mod scenario;

use std::collections::BTreeMap;
use std::time::Duration;

use agent::{ContainerUsage, Input, LoadAverage, MachineUsage, QosController, ResourceEstimator, Timer};
use messages::v1;
use messages::v1::TaskState::TaskRunning;
use resources::Resources;
use scenario::*;

const INTERVAL: Duration = Duration::from_secs(15);

fn parse(text: &str) -> Resources {
    Resources::parse(text, "*").unwrap()
}

fn registered(estimator: ResourceEstimator, qos: QosController) -> Scenario {
    let mut scenario = Scenario::with(|config| {
        config.estimator = estimator;
        config.qos = qos;
    });
    scenario.master_is(MASTER).fires(Timer::Register).master_registers_it().clear_log();
    scenario
}

fn fixed() -> Scenario {
    registered(ResourceEstimator::Fixed(parse("cpus:2")), QosController::default())
}

fn loaded(qos: QosController) -> Scenario {
    registered(ResourceEstimator::Noop, qos)
}

/// Returns a task with one revocable cpu for executor `e`.
fn revocable(id: &str, executor: &str) -> v1::TaskInfo {
    let mut task = custom(id, executor);
    for resource in task.resources.iter_mut().filter(|resource| resource.name == "cpus") {
        resource.revocable = Some(v1::resource::RevocableInfo::default());
    }
    task
}

impl Scenario {
    fn measures(&mut self, due: Timer, usage: MachineUsage) -> &mut Self {
        self.input(Input::Usage { due, usage })
    }

    fn uses(&self, container: &str, cpu_seconds: f64, mebibytes: u64) -> MachineUsage {
        let usage = ContainerUsage { cpu_seconds, memory_bytes: mebibytes << 20 };
        MachineUsage {
            containers: BTreeMap::from([(self.environment.names.container_id(container), usage)]),
            ..MachineUsage::default()
        }
    }
}

#[test]
fn a_fixed_estimate_is_sent_once_to_every_master() {
    let mut scenario = fixed();
    scenario.fires(Timer::Oversubscription);
    check(
        &mut scenario,
        "arm Oversubscription 15s
         send master@10.0.0.1:5050: UpdateSlave oversubscribed [cpus{REV}:2]",
    );
    assert_eq!(scenario.metrics.total.revocable("cpus"), 2.0);
    scenario.fires(Timer::Oversubscription);
    check(&mut scenario, "arm Oversubscription 15s");
    scenario.master_is(MASTER).fires(Timer::Register).master_reregisters_it();
    assert!(scenario.take_log().contains("UpdateSlave oversubscribed [cpus{REV}:2]"));
}

#[test]
fn resources_in_use_stay_in_the_total() {
    let mut scenario = fixed();
    for id in ["a", "b", "c"] {
        scenario.runs(revocable(id, "e"));
    }
    scenario.clear_log();
    scenario.fires(Timer::Oversubscription);
    assert!(scenario.take_log().contains("oversubscribed [cpus{REV}:3]"), "more was launched than is estimated now");
}

#[test]
fn an_empty_estimate_is_not_sent() {
    let mut scenario = registered(ResourceEstimator::Load { margin: 0.2 }, QosController::default());
    scenario.fires(Timer::Oversubscription);
    check(&mut scenario, "measure for Oversubscription");
    scenario.measures(Timer::Oversubscription, MachineUsage::default());
    check(&mut scenario, "arm Oversubscription 15s");
}

#[test]
fn unused_resources_of_executors_are_oversubscribed() {
    let mut scenario = registered(ResourceEstimator::Load { margin: 0.2 }, QosController::default());
    scenario.runs(custom("t", "e")).subscribes("e").updates("e", "t", TaskRunning).clear_log();
    // One sample says nothing about processors: 96 MB are allocated, and 20 MB and a fifth are in use.
    let usage = scenario.uses("C1", 100.0, 20);
    scenario.fires(Timer::Oversubscription).measures(Timer::Oversubscription, usage);
    assert!(scenario.take_log().contains("oversubscribed [mem{REV}:64]"));
    // 0.4 of 1.5 cpus and a fifth are used: 1.02 are idle.
    let usage = scenario.uses("C1", 100.0 + 0.4 * INTERVAL.as_secs_f64(), 20);
    scenario.fires(Timer::Oversubscription).measures(Timer::Oversubscription, usage);
    assert!(scenario.take_log().contains("oversubscribed [cpus{REV}:1; mem{REV}:64]"));
    // The task uses its memory again.
    let usage = scenario.uses("C1", 200.0, 96);
    scenario.fires(Timer::Oversubscription).measures(Timer::Oversubscription, usage);
    assert!(scenario.take_log().contains("oversubscribed [{}]"));
}

#[test]
fn a_high_load_ends_executors_on_revocable_resources_only() {
    let mut scenario = loaded(QosController { load_5min: Some(8.0), ..QosController::default() });
    scenario.runs(revocable("a", "revocable")).runs(custom("b", "own"));
    scenario.subscribes("revocable").subscribes("own").clear_log();
    let load = |five_minutes| MachineUsage {
        load: Some(LoadAverage { five_minutes, fifteen_minutes: 100.0 }),
        ..MachineUsage::default()
    };
    scenario.fires(Timer::QosCorrection).clear_log();
    scenario.measures(Timer::QosCorrection, load(8.0));
    check(&mut scenario, "arm QosCorrection 1s");
    scenario.measures(Timer::QosCorrection, load(8.1));
    check(
        &mut scenario,
        "arm QosCorrection 1s
         disarm ExecutorRegistration(\"C1\")
         destroy C1",
    );
    assert_eq!(scenario.metrics.executors_preempted.get(), 1);
    // One correction reclaims enough resources.
    scenario.measures(Timer::QosCorrection, load(9.0));
    check(&mut scenario, "arm QosCorrection 1s");
    scenario.exits("C1", 9);
    let log = scenario.take_log();
    assert!(log.contains("a GONE REASON_CONTAINER_PREEMPTED 'Container preempted by QoS correction'"), "{log}");
    assert!(!log.contains("b GONE"));
}

#[test]
fn a_preempted_executor_that_has_not_started_is_not_started() {
    let mut scenario = loaded(QosController { load_15min: Some(1.0), ..QosController::default() });
    scenario.disk_is_slow();
    scenario.runs(revocable("a", "e")).clear_log();
    let load = Some(LoadAverage { five_minutes: 0.0, fifteen_minutes: 2.0 });
    scenario.measures(Timer::QosCorrection, MachineUsage { load, ..MachineUsage::default() });
    assert!(!scenario.take_log().contains("destroy"));
    scenario.disk_catches_up();
    let log = scenario.take_log();
    assert!(!log.contains("start") && log.contains("a GONE"), "{log}");
}

#[test]
fn the_largest_executor_ends_when_memory_is_short() {
    let mut scenario = loaded(QosController { memory_available: Some(0.1), ..QosController::default() });
    for id in ["a", "b"] {
        scenario.runs(revocable(id, id)).subscribes(id);
    }
    scenario.clear_log();
    let usage = MachineUsage {
        processors: None,
        containers: [("C1", 10), ("C2", 500)]
            .map(|(name, memory_bytes)| {
                (scenario.environment.names.container_id(name), ContainerUsage { cpu_seconds: 0.0, memory_bytes })
            })
            .into(),
        memory_available: Some(0.05),
        load: None,
        cpu_waiting: None,
    };
    scenario.measures(Timer::QosCorrection, usage.clone());
    let log = scenario.take_log();
    assert!(log.contains("destroy C2") && !log.contains("destroy C1"), "{log}");
    scenario.measures(Timer::QosCorrection, MachineUsage { memory_available: Some(0.5), ..usage });
    check(&mut scenario, "arm QosCorrection 1s");
}

#[test]
fn the_usage_of_the_machine_is_sent_to_masters() {
    let mut scenario = loaded(QosController::default());
    scenario.input(Input::DiskUsage(0.75));
    scenario.take_log();
    let load = Some(LoadAverage { five_minutes: 2.5, fifteen_minutes: 0.0 });
    let cpu_waiting = Some(0.125);
    let usage =
        MachineUsage { load, processors: Some(4), cpu_waiting, memory_available: Some(0.5), ..MachineUsage::default() };
    scenario.measures(Timer::DiskWatch, usage.clone());
    check(&mut scenario, "send master@10.0.0.1:5050: tepui.AgentUsage load 2.5 of 4, cpu 0.125, memory 0.5, disk 0.75");
    // No estimate is sent while there is no master.
    scenario.input(Input::MasterDetected(None));
    scenario.take_log();
    scenario.measures(Timer::DiskWatch, usage);
    check(&mut scenario, "");
}
