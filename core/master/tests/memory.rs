//! The memory of agents and tasks in the core and in the view of its readers together, counted by the memory allocator.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a scenario that cannot go on fails, and says its figures"
)]

mod common;

use std::alloc::System;

use common::{AgentPeer, Cluster, Scheduler, task_on};
use messages::v1;
use model::Upid;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use testkit::builders::{accept, acknowledge, decline, launch, suppress};
use views::Query;
use views::master::{Limits, StaticInfo, View};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const AGENTS: usize = 400;
/// The numbers of tasks on each agent. The memory of an agent is divided among its tasks.
const TASKS_OF_EACH: [usize; 2] = [1, 5];

/// The id of the master. Ids in the test are as long as those of a real cluster: a UUID and a number.
const MASTER_ID: &str = "7e8dd75b-5dd5-4b3c-a0a9-7b6a4e0b7e1a";

struct MeasuredCluster {
    tasks_of_each: usize,
    cluster: Cluster,
    view: View,
    scheduler: Scheduler,
    agents: Vec<AgentPeer>,
}

impl MeasuredCluster {
    fn new(tasks_of_each: usize) -> Self {
        let mut cluster = Cluster::with(|config| config.master_id = Some(MASTER_ID.to_owned()));
        let limits = Limits { completed_tasks_per_framework: AGENTS * tasks_of_each, ..Limits::default() };
        let mut view = View::new(StaticInfo { limits, ..StaticInfo::new(Upid::none(), v1::MasterInfo::default()) });
        let agents = (0..AGENTS).map(|_| cluster.agent("cpus:8;mem:16384;disk:102400;ports:[31000-32000]")).collect();
        let scheduler = cluster.framework();
        cluster.recorded.changes.iter().for_each(|change| view.apply(change));
        cluster.forget();
        MeasuredCluster { tasks_of_each, cluster, view, scheduler, agents }
    }

    /// Applies the recorded changes to the view, and clears the record.
    fn publish(&mut self) {
        self.cluster.recorded.changes.drain(..).for_each(|change| self.view.apply(&change));
        self.cluster.forget();
        self.cluster.recorded.replies.clear();
    }

    fn launch(&mut self) {
        let offers = self.cluster.offered(&self.scheduler);
        assert_eq!(offers.len(), AGENTS);
        self.publish();
        // Offers arrive in no particular order.
        for offer in &offers {
            let at = self.agents.iter().position(|agent| agent.id == offer.agent_id.value).unwrap();
            let tasks = (0..self.tasks_of_each).map(|n| task_on(&task_id(at, n), offer, "cpus:0.1;mem:32")).collect();
            self.cluster.call(&self.scheduler, accept(&[offer], vec![launch(tasks)]));
            self.publish();
        }
        // No offers are made while memory is counted.
        self.cluster.call(&self.scheduler, suppress(&[]));
        self.cluster.settle();
        for offer in self.cluster.offers(&self.scheduler) {
            self.cluster.call(&self.scheduler, decline(&offer, 3600.0));
        }
        self.publish();
    }

    fn update(&mut self, state: v1::TaskState, number: u8) {
        for (at, agent) in self.agents.clone().iter().enumerate() {
            for n in 0..self.tasks_of_each {
                let id = task_id(at, n);
                self.cluster.update(agent, &self.scheduler.id, &id, state, number);
                self.publish();
                self.cluster.call(&self.scheduler, acknowledge(&agent.id, &id, number));
                self.publish();
            }
        }
        self.cluster.settle();
        self.publish();
    }
}

fn task_id(agent: usize, number: usize) -> String {
    format!("task-{agent}-{number}")
}

fn in_use() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Registered,
    Launched,
    Running,
    Ended,
}

/// Returns the bytes of the core and of the view when the tasks have reached this stage.
fn sizes_at(stage: Stage, tasks_of_each: usize, read: bool) -> (isize, isize) {
    let mut measured = MeasuredCluster::new(tasks_of_each);
    if stage >= Stage::Launched {
        measured.launch();
    }
    if stage >= Stage::Running {
        measured.update(v1::TaskState::TaskRunning, 1);
    }
    if stage >= Stage::Ended {
        measured.update(v1::TaskState::TaskFinished, 2);
    }
    if read {
        measured.view.get("/state", &Query::default());
    }
    let MeasuredCluster { cluster, view, scheduler, agents, .. } = measured;
    let count =
        |name: &str| cluster.metrics.iter().find(|(metric, _)| *metric == name).map(|(_, count)| count as usize);
    let (running, ended) = (count("master/tasks_running"), count("master/tasks_finished"));
    assert_eq!(running == Some(AGENTS * tasks_of_each), stage == Stage::Running);
    assert_eq!(ended == Some(AGENTS * tasks_of_each), stage == Stage::Ended);
    drop((scheduler, agents));
    let all = in_use();
    drop(cluster);
    let without_core = in_use();
    drop(view);
    (all - without_core, without_core - in_use())
}

/// The most bytes that a live task may take, without the overhead of the memory allocator. The next constant bounds a
/// task that has ended.
const MAX_LIVE: isize = 1_150;
const MAX_ENDED: isize = 1_050;

/// `cargo test -p master --test memory -- --nocapture` prints the figures.
#[test]
fn the_memory_of_a_task_is_bounded() {
    for (read, tasks) in [false, true].into_iter().flat_map(|read| TASKS_OF_EACH.map(|tasks| (read, tasks))) {
        let (core_before, view_before) = sizes_at(Stage::Registered, tasks, read);
        println!("/state was read: {read}; an agent: {} bytes", (core_before + view_before) / AGENTS as isize);
        for stage in [Stage::Launched, Stage::Running, Stage::Ended] {
            let (core, view) = sizes_at(stage, tasks, read);
            let per_task = |bytes: isize| bytes / (AGENTS * tasks) as isize;
            let (core, view) = (per_task(core - core_before), per_task(view - view_before));
            println!("{stage:?}, {tasks} on each agent: core {core}, view {view} bytes per task");
            let max = if stage == Stage::Ended { MAX_ENDED } else { MAX_LIVE };
            assert!(read || tasks == 1 || core + view <= max, "{stage:?}: {} bytes per task", core + view);
        }
    }
}
