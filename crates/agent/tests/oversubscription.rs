//! Offering idle resources once more, and taking them back.

#![allow(clippy::unwrap_used, reason = "a broken promise fails the test")]

mod story;

use std::collections::BTreeMap;
use std::time::Duration;

use agent::{ContainerUsage, Estimator, Input, LoadAverage, MachineUsage, QosController, Timer};
use messages::v1;
use messages::v1::TaskState::TaskRunning;
use resources::Resources;
use story::*;

const INTERVAL: Duration = Duration::from_secs(15);

fn parse(text: &str) -> Resources {
    Resources::parse(text, "*").unwrap()
}

fn registered(estimator: Estimator, qos: QosController) -> Story {
    let mut story = Story::with(|config| {
        config.estimator = estimator;
        config.qos = qos;
    });
    story.master_is(MASTER).fires(Timer::Register).master_registers_it().untold();
    story
}

fn fixed() -> Story {
    registered(Estimator::Fixed(parse("cpus:2")), QosController::default())
}

fn loaded(qos: QosController) -> Story {
    registered(Estimator::Noop, qos)
}

/// A task with one revocable cpu for executor `e`.
fn revocable(id: &str, executor: &str) -> v1::TaskInfo {
    let mut task = custom(id, executor);
    for resource in task.resources.iter_mut().filter(|resource| resource.name == "cpus") {
        resource.revocable = Some(v1::resource::RevocableInfo::default());
    }
    task
}

impl Story {
    fn measures(&mut self, due: Timer, usage: MachineUsage) -> &mut Self {
        self.input(Input::Usage { due, usage })
    }

    fn uses(&self, container: &str, cpu_seconds: f64, mebibytes: u64) -> MachineUsage {
        let usage = ContainerUsage { cpu_seconds, memory_bytes: mebibytes << 20 };
        MachineUsage {
            containers: BTreeMap::from([(self.names.container_id(container), usage)]),
            ..MachineUsage::default()
        }
    }
}

#[test]
fn a_fixed_estimate_is_told_once_and_to_every_master() {
    let mut story = fixed();
    story.fires(Timer::Oversubscription);
    check(
        &mut story,
        "arm Oversubscription 15s
         send master@10.0.0.1:5050: UpdateSlave oversubscribed [cpus{REV}:2]",
    );
    assert_eq!(story.metrics.revocable_total.cpus.get(), 2000);
    story.fires(Timer::Oversubscription);
    check(&mut story, "arm Oversubscription 15s");
    story.master_is(MASTER).fires(Timer::Register).master_reregisters_it();
    assert!(story.tell().contains("UpdateSlave oversubscribed [cpus{REV}:2]"));
}

#[test]
fn what_is_in_use_stays_in_the_total() {
    let mut story = fixed();
    for id in ["a", "b", "c"] {
        story.runs(revocable(id, "e"));
    }
    story.untold();
    story.fires(Timer::Oversubscription);
    assert!(story.tell().contains("oversubscribed [cpus{REV}:3]"), "more was launched than is estimated now");
}

#[test]
fn nothing_is_told_where_there_is_nothing_to_tell() {
    let mut story = registered(Estimator::Load { margin: 0.2 }, QosController::default());
    story.fires(Timer::Oversubscription);
    check(&mut story, "measure for Oversubscription");
    story.measures(Timer::Oversubscription, MachineUsage::default());
    check(&mut story, "arm Oversubscription 15s");
}

#[test]
fn idle_executors_lend_what_they_do_not_use() {
    let mut story = registered(Estimator::Load { margin: 0.2 }, QosController::default());
    story.runs(custom("t", "e")).subscribes("e").updates("e", "t", TaskRunning).untold();
    // One sample says nothing about processors: 96 MB are allocated, and 20 MB and a fifth are in use.
    let usage = story.uses("C1", 100.0, 20);
    story.fires(Timer::Oversubscription).measures(Timer::Oversubscription, usage);
    assert!(story.tell().contains("oversubscribed [mem{REV}:64]"));
    // 0.4 of 1.5 cpus and a fifth: 1.02 are idle.
    let usage = story.uses("C1", 100.0 + 0.4 * INTERVAL.as_secs_f64(), 20);
    story.fires(Timer::Oversubscription).measures(Timer::Oversubscription, usage);
    assert!(story.tell().contains("oversubscribed [cpus{REV}:1; mem{REV}:64]"));
    // It works again.
    let usage = story.uses("C1", 200.0, 96);
    story.fires(Timer::Oversubscription).measures(Timer::Oversubscription, usage);
    assert!(story.tell().contains("oversubscribed [{}]"));
}

#[test]
fn a_high_load_ends_executors_on_revocable_resources_only() {
    let mut story = loaded(QosController { load_5min: Some(8.0), ..QosController::default() });
    story.runs(revocable("a", "revocable")).runs(custom("b", "own"));
    story.subscribes("revocable").subscribes("own").untold();
    let load = |five_minutes| MachineUsage {
        load: Some(LoadAverage { five_minutes, fifteen_minutes: 100.0 }),
        ..MachineUsage::default()
    };
    story.fires(Timer::QosCorrection).untold();
    story.measures(Timer::QosCorrection, load(8.0));
    check(&mut story, "arm QosCorrection 1s");
    story.measures(Timer::QosCorrection, load(8.1));
    check(
        &mut story,
        "arm QosCorrection 1s
         disarm ExecutorRegistration(\"C1\")
         destroy C1",
    );
    assert_eq!(story.metrics.executors_preempted.get(), 1);
    // Once is enough.
    story.measures(Timer::QosCorrection, load(9.0));
    check(&mut story, "arm QosCorrection 1s");
    story.exits("C1", 9);
    let told = story.tell();
    assert!(told.contains("a GONE REASON_CONTAINER_PREEMPTED 'Container preempted by QoS correction'"), "{told}");
    assert!(!told.contains("b GONE"));
}

#[test]
fn an_executor_that_is_not_started_yet_never_is() {
    let mut story = loaded(QosController { load_15min: Some(1.0), ..QosController::default() });
    story.disk_is_slow();
    story.runs(revocable("a", "e")).untold();
    let load = Some(LoadAverage { five_minutes: 0.0, fifteen_minutes: 2.0 });
    story.measures(Timer::QosCorrection, MachineUsage { load, ..MachineUsage::default() });
    assert!(!story.tell().contains("destroy"));
    story.disk_catches_up();
    let told = story.tell();
    assert!(!told.contains("start") && told.contains("a GONE"), "{told}");
}

#[test]
fn when_memory_is_short_the_largest_ends() {
    let mut story = loaded(QosController { memory_available: Some(0.1), ..QosController::default() });
    for id in ["a", "b"] {
        story.runs(revocable(id, id)).subscribes(id);
    }
    story.untold();
    let usage = MachineUsage {
        processors: None,
        containers: [("C1", 10), ("C2", 500)]
            .map(|(name, memory_bytes)| {
                (story.names.container_id(name), ContainerUsage { cpu_seconds: 0.0, memory_bytes })
            })
            .into(),
        memory_available: Some(0.05),
        load: None,
        cpu_waiting: None,
    };
    story.measures(Timer::QosCorrection, usage.clone());
    let told = story.tell();
    assert!(told.contains("destroy C2") && !told.contains("destroy C1"), "{told}");
    story.measures(Timer::QosCorrection, MachineUsage { memory_available: Some(0.5), ..usage });
    check(&mut story, "arm QosCorrection 1s");
}

#[test]
fn masters_are_told_how_the_machine_is() {
    let mut story = loaded(QosController::default());
    story.input(Input::DiskUsage(0.75));
    story.tell();
    let load = Some(LoadAverage { five_minutes: 2.5, fifteen_minutes: 0.0 });
    let cpu_waiting = Some(0.125);
    let usage =
        MachineUsage { load, processors: Some(4), cpu_waiting, memory_available: Some(0.5), ..MachineUsage::default() };
    story.measures(Timer::DiskWatch, usage.clone());
    check(&mut story, "send master@10.0.0.1:5050: tepui.AgentHealth load 2.5 of 4, cpu 0.125, memory 0.5, disk 0.75");
    // Nobody, while there is none.
    story.input(Input::MasterDetected(None));
    story.tell();
    story.measures(Timer::DiskWatch, usage);
    check(&mut story, "");
}
