//! The CPU time of a task in the core and in the view of its readers, in small and in large clusters. A task is
//! launched, runs, finishes and is acknowledged. The tasks run first on agents that were not accessed for a long time,
//! and then on the same agents again: the difference is the cost of memory that is in no cache of the processor.
//!
//! `cargo bench -p master --bench tasks` prints a table; numbers as arguments choose the numbers of agents.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of its own")]

#[path = "../../allocator/benches/clock/mod.rs"]
mod clock;
#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use clock::Clock;
use common::{AgentPeer, Cluster, Scheduler, task_on};
use messages::v1;
use messages::v1::TaskState;
use model::Upid;
use testkit::builders::{accept, acknowledge, launch};
use views::master::{StaticInfo, View};

const TASKS: usize = 2_000;
const ROUNDS: usize = 4;

fn main() {
    // cargo passes `--bench`.
    let wanted: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if wanted.is_empty() { vec![10_000, 50_000, 200_000] } else { wanted };
    println!("{:<48}{:>14}{:>14}", "CPU time of a task", "core", "view");
    sizes.into_iter().for_each(measure);
}

struct MeasuredCluster {
    cluster: Cluster,
    view: View,
    scheduler: Scheduler,
    agents: BTreeMap<String, AgentPeer>,
    core: Duration,
    viewing: Duration,
}

fn measure(size: usize) {
    let mut measured = MeasuredCluster::new(size);
    let offers = measured.cluster.offered(&measured.scheduler);
    assert_eq!(offers.len(), size);
    measured.publish();
    let (chosen, _) = offers.split_at(TASKS);
    let mut again = chosen.to_vec();
    drop(offers);
    for round in 0..ROUNDS {
        (measured.core, measured.viewing) = (Duration::ZERO, Duration::ZERO);
        for (number, offer) in again.iter().enumerate() {
            measured.run(offer, &format!("task-{round}-{number}"));
        }
        let per_task = |time: Duration| time.as_secs_f64() * 1e6 / TASKS as f64;
        let what = format!("{size} agents, {}", if round == 0 { "new ones" } else { "the same again" });
        println!("{what:<48}{:>11.1} µs{:>11.1} µs", per_task(measured.core), per_task(measured.viewing));
        // The time is longer than the duration of offer filters.
        measured.cluster.pass(Duration::from_secs(6));
        again = measured.cluster.offers(&measured.scheduler);
        measured.publish();
        assert_eq!(again.len(), TASKS);
    }
}

impl MeasuredCluster {
    fn new(size: usize) -> Self {
        let mut cluster = Cluster::new();
        let mut view = View::new(StaticInfo::new(Upid::none(), v1::MasterInfo::default()));
        let mut agents = BTreeMap::new();
        for number in 0..size {
            let pid = format!("slave(1)@10.{}.{}.{}:5051", number >> 16, number >> 8 & 255, number & 255);
            let agent = cluster.agent_at(&pid, "cpus:8;mem:16384;disk:102400;ports:[31000-32000]");
            agents.insert(agent.id.clone(), agent);
            cluster.recorded.changes.drain(..).for_each(|change| view.apply(&change));
            cluster.forget();
        }
        let scheduler = cluster.framework();
        let mut measured =
            MeasuredCluster { cluster, view, scheduler, agents, core: Duration::ZERO, viewing: Duration::ZERO };
        measured.publish();
        measured
    }

    fn run(&mut self, offer: &v1::Offer, id: &str) {
        let agent = self.agents.get(&offer.agent_id.value).unwrap().clone();
        let framework = self.scheduler.id.clone();
        let task = task_on(id, offer, "cpus:0.1;mem:32");
        self.timed(|cluster, scheduler| drop(cluster.call(scheduler, accept(&[offer], vec![launch(vec![task])]))));
        for (state, uuid) in [(TaskState::TaskRunning, 1), (TaskState::TaskFinished, 2)] {
            self.timed(|cluster, _| cluster.update(&agent, &framework, id, state, uuid));
            self.timed(|cluster, scheduler| drop(cluster.call(scheduler, acknowledge(&agent.id, id, uuid))));
        }
    }

    fn timed(&mut self, step: impl FnOnce(&mut Cluster, &Scheduler)) {
        let clock = Clock::start();
        step(&mut self.cluster, &self.scheduler);
        self.core += clock.elapsed();
        let clock = Clock::start();
        self.publish();
        self.viewing += clock.elapsed();
    }

    /// Applies the recorded changes to the view, and clears the record.
    fn publish(&mut self) {
        self.cluster.recorded.changes.drain(..).for_each(|change| self.view.apply(&change));
        self.cluster.forget();
        self.cluster.recorded.replies.clear();
    }
}
