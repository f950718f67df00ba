//! Properties for all inputs in all orders: the master does not panic, answers each request once, and never allocates
//! the same resources twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::*;
use master::{Effect, SchedulerEvent};
use messages::{internal, v1};
use model::Upid;
use model::master::{Change, TaskSnapshot};
use proptest::prelude::*;
use resources::Resources;
use testkit::builders::*;

const AGENTS: usize = 3;
const FRAMEWORKS: usize = 3;
const TASKS: usize = 4;

/// The next action of a peer. Numbers select existing entities, so that most steps are valid.
#[derive(Debug, Clone)]
enum Step {
    Register {
        agent: usize,
    },
    Reregister {
        agent: usize,
        tasks: bool,
    },
    Unregister {
        agent: usize,
    },
    Oversubscribe {
        agent: usize,
        cpus: u8,
    },
    BreakLink {
        agent: usize,
    },
    FallSilent {
        agent: usize,
        silent: bool,
    },
    Subscribe {
        framework: usize,
        driver: bool,
        again: bool,
        old: bool,
        has_failover_timeout: bool,
    },
    HangUp {
        framework: usize,
    },
    Teardown {
        framework: usize,
    },
    Deactivate {
        framework: usize,
    },
    Launch {
        framework: usize,
        offers: usize,
        task: usize,
        cpus: u8,
        executor: bool,
    },
    Decline {
        framework: usize,
        offer: usize,
        seconds: i8,
    },
    Suppress {
        framework: usize,
        revive: bool,
    },
    ChangeRoles {
        framework: usize,
        other: bool,
    },
    Kill {
        framework: usize,
        task: usize,
    },
    Reconcile {
        framework: usize,
        task: usize,
        all: bool,
    },
    Acknowledge {
        framework: usize,
        task: usize,
        agent: usize,
        uuid: u8,
    },
    Update {
        framework: usize,
        task: usize,
        agent: usize,
        state: i32,
        uuid: u8,
    },
    ExecutorExits {
        framework: usize,
        agent: usize,
    },
    /// An operator marks it gone, drains, deactivates or reactivates it.
    ChangeAgentState {
        agent: usize,
        how: u8,
    },
    FailOver,
    SlowDisk {
        slow: bool,
    },
    Pass {
        millis: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let agent = || 0..AGENTS;
    let framework = || 0..FRAMEWORKS;
    let task = || 0..TASKS;
    prop_oneof![
        3 => agent().prop_map(|agent| Register { agent }),
        2 => (agent(), any::<bool>()).prop_map(|(agent, tasks)| Reregister { agent, tasks }),
        1 => agent().prop_map(|agent| Unregister { agent }),
        1 => (agent(), 0..4u8).prop_map(|(agent, cpus)| Oversubscribe { agent, cpus }),
        1 => agent().prop_map(|agent| BreakLink { agent }),
        1 => (agent(), any::<bool>()).prop_map(|(agent, silent)| FallSilent { agent, silent }),
        2 => (framework(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(framework, driver, again, old, has_failover_timeout)| Subscribe { framework, driver, again, old, has_failover_timeout }
        ),
        1 => (agent(), 0..12u8).prop_map(|(agent, how)| ChangeAgentState { agent, how }),
        1 => (0..8u8).prop_map(|n| if n == 0 { FailOver } else { Pass { millis: 30_000 } }),
        1 => framework().prop_map(|framework| HangUp { framework }),
        1 => framework().prop_map(|framework| Teardown { framework }),
        1 => framework().prop_map(|framework| Deactivate { framework }),
        20 => (framework(), 1..3usize, task(), 0..3u8, any::<bool>()).prop_map(
            |(framework, offers, task, cpus, executor)| Launch { framework, offers, task, cpus, executor }
        ),
        2 => (framework(), 0..3usize, -1..10i8)
            .prop_map(|(framework, offer, seconds)| Decline { framework, offer, seconds }),
        1 => (framework(), any::<bool>()).prop_map(|(framework, revive)| Suppress { framework, revive }),
        1 => (framework(), any::<bool>()).prop_map(|(framework, other)| ChangeRoles { framework, other }),
        1 => (framework(), task()).prop_map(|(framework, task)| Kill { framework, task }),
        1 => (framework(), task(), any::<bool>())
            .prop_map(|(framework, task, all)| Reconcile { framework, task, all }),
        8 => (framework(), task(), agent(), 0..3u8)
            .prop_map(|(framework, task, agent, uuid)| Acknowledge { framework, task, agent, uuid }),
        12 => (framework(), task(), agent(), prop_oneof![4 => 0..3i32, 2 => Just(TaskUnreachable as i32), 1 => 0..15i32], 0..3u8)
            .prop_map(|(framework, task, agent, state, uuid)| Update { framework, task, agent, state, uuid }),
        1 => (framework(), agent()).prop_map(|(framework, agent)| ExecutorExits { framework, agent }),
        1 => any::<bool>().prop_map(|slow| SlowDisk { slow }),
        12 => prop_oneof![4 => Just(20), 2 => 0..7_000u32, 1 => 0..30_000u32].prop_map(|millis| Pass { millis }),
    ]
}

/// A reader: it sees only changes, and checks the accounting that follows from them.
#[derive(Default)]
struct Reader {
    totals: BTreeMap<String, Resources>,
    offers: BTreeMap<String, (String, String, Resources)>,
    tasks: BTreeMap<(String, String), (String, Resources)>,
    executors: BTreeMap<(String, String, String), Resources>,
    frameworks: BTreeSet<String>,
    operations: BTreeSet<Vec<u8>>,
    /// Agents that are not registered but may be, or are marked gone.
    away: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self, change: &Change) {
        match change {
            Change::AgentAdded(agent) | Change::AgentUpdated(agent) => {
                self.totals.insert(agent.id.to_string(), agent.total.clone());
                self.away.remove(agent.id.as_str());
                assert!(!agent.deactivated || !agent.active, "a deactivated agent is not active");
            }
            Change::AgentsRecovered(agents) => {
                self.away.extend(agents.iter().filter_map(|info| Some(info.id.as_ref()?.value.clone())));
            }
            Change::UnreachableRecovered(agents) => self.away.extend(agents.iter().map(ToString::to_string)),
            Change::UnreachableForgotten(agents) => {
                assert!(
                    agents.iter().all(|agent| self.away.remove(agent.as_str())),
                    "only unreachable agents are forgotten"
                );
            }
            Change::AgentRemoved { agent, removal, .. } => {
                let known = self.totals.remove(agent.as_str()).is_some() | self.away.remove(agent.as_str());
                assert!(known, "only known agents leave");
                if removal.is_unreachable() {
                    self.away.insert(agent.to_string());
                }
                assert!(self.offers.values().all(|(_, on, _)| on != agent.as_str()), "no offer outlives its agent");
                assert!(self.tasks.values().all(|(on, _)| on != agent.as_str()), "no task outlives its agent");
            }
            Change::FrameworkAdded(framework) => {
                assert!(self.frameworks.insert(framework.id.to_string()), "a framework is added once");
            }
            Change::FrameworkUpdated(framework) => assert!(self.frameworks.contains(framework.id.as_str())),
            Change::FrameworkRemoved(framework) => {
                let id = framework.id.as_str();
                assert!(self.frameworks.remove(id));
                assert!(self.offers.values().all(|(of, ..)| of != id), "no offer outlives its framework");
                assert!(self.tasks.keys().all(|(of, _)| of != id), "no task outlives its framework");
                assert!(self.executors.keys().all(|(of, ..)| of != id), "no executor outlives its framework");
            }
            Change::TaskAdded(task) => self.hold(task),
            Change::TaskUpdated { task, .. } => {
                // This may also be the last update of an unreachable task whose framework is torn down.
                if self.tasks.contains_key(&key(task)) {
                    self.hold(task);
                }
            }
            Change::TaskRemoved { framework, task, .. } => {
                self.tasks.remove(&(framework.to_string(), task.to_string()));
            }
            Change::ExecutorAdded(executor) => {
                let key = (
                    executor.framework.to_string(),
                    executor.agent.to_string(),
                    executor.info.executor_id.value.clone(),
                );
                let held = Resources::from_proto(&executor.info.resources).unwrap();
                assert!(self.executors.insert(key, held).is_none(), "an executor is added once");
            }
            Change::ExecutorRemoved { framework, agent, executor } => {
                let key = (framework.to_string(), agent.to_string(), executor.to_string());
                assert!(self.executors.remove(&key).is_some(), "only known executors leave");
            }
            Change::OperationAdded(operation) => {
                assert!(self.operations.insert(operation.uuid.value.clone()), "an operation is added once");
            }
            Change::OperationUpdated(operation) => assert!(self.operations.contains(&operation.uuid.value)),
            Change::OperationRemoved(uuid) => assert!(self.operations.remove(&uuid.to_proto().value)),
            Change::OfferAdded(offer) => {
                let entry = (offer.framework.to_string(), offer.agent_id().to_string(), offer.resources.clone());
                assert!(self.offers.insert(offer.id.to_string(), entry).is_none());
            }
            Change::OfferRemoved(offer) => assert!(self.offers.remove(offer.as_str()).is_some()),
            Change::WeightsUpdated(_)
            | Change::QuotasUpdated(_)
            | Change::PartitionsUpdated(_)
            | Change::MaintenanceUpdated(_)
            | Change::InverseOfferStatusesCleared(_)
            | Change::OfferFiltersCounted { .. }
            | Change::IncidentsRestored(_)
            | Change::Incident(..) => {}
            Change::InverseOfferAnswered { agent, framework, .. } => {
                assert!(self.totals.contains_key(agent.as_str()) && self.frameworks.contains(framework.as_str()));
            }
        }
    }

    fn hold(&mut self, task: &TaskSnapshot) {
        let over = matches!(
            task.state(),
            TaskFinished
                | TaskFailed
                | TaskKilled
                | TaskLost
                | TaskError
                | TaskDropped
                | TaskGone
                | TaskGoneByOperator
                | TaskUnreachable
        );
        let held = if over { Resources::new() } else { Resources::from_proto(&task.message().resources).unwrap() };
        assert!(over || held == *task.resources(), "the resources are those of the message");
        self.tasks.insert(key(task), (task.agent().to_string(), held));
    }

    /// Checks that the offered and used resources of each agent fit into its total.
    fn check(&self) {
        for (agent, total) in &self.totals {
            let mut held = Resources::new();
            self.offers
                .values()
                .filter(|(_, on, _)| on == agent)
                .for_each(|(_, _, offered)| held += offered.unallocated());
            self.tasks.values().filter(|(on, _)| on == agent).for_each(|(_, used)| held += used.unallocated());
            self.executors
                .iter()
                .filter(|((_, on, _), _)| on == agent)
                .for_each(|(_, used)| held += used.unallocated());
            // Oversubscribed resources may be withdrawn from running tasks.
            let firm = held.non_revocable();
            assert!(total.contains(&firm), "agent {agent} has {total} but {firm} is held");
        }
    }
}

fn key(task: &TaskSnapshot) -> (String, String) {
    (task.framework().to_string(), task.id().to_string())
}

struct Simulation {
    c: Cluster,
    reader: Reader,
    agents: Vec<AgentPeer>,
    frameworks: Vec<FrameworkPeer>,
}

/// A framework: its current connection, and its offers.
struct FrameworkPeer {
    id: String,
    http: Option<Scheduler>,
    driver: Upid,
    offers: Vec<v1::Offer>,
    subscriptions: u32,
}

impl Simulation {
    fn new() -> Self {
        let agent = |n: usize| AgentPeer {
            // Two agents each share an address.
            pid: format!("slave({n})@127.0.0.1:{}", 5051 + n / 2).parse().unwrap(),
            id: String::new(),
        };
        let framework = |n: usize| FrameworkPeer {
            id: String::new(),
            http: None,
            driver: format!("scheduler-{n}@127.0.0.1:{}", 9000 + n).parse().unwrap(),
            offers: Vec::new(),
            subscriptions: 0,
        };
        let mut simulation = Simulation {
            c: Cluster::with(|config| config.max_unreachable_tasks_per_framework = 2),
            reader: Reader::default(),
            agents: (0..AGENTS).map(agent).collect(),
            frameworks: (0..FRAMEWORKS).map(framework).collect(),
        };
        // The cluster is busy, so that most steps have an effect.
        (0..AGENTS).for_each(|agent| simulation.take(&Step::Register { agent }));
        for framework in 0..FRAMEWORKS {
            let driver = framework == 0;
            simulation.take(&Step::Subscribe {
                framework,
                driver,
                again: false,
                old: driver,
                has_failover_timeout: true,
            });
        }
        simulation
    }

    fn take(&mut self, step: &Step) {
        self.act(step);
        self.learn();
        for change in std::mem::take(&mut self.c.recorded.changes) {
            self.reader.read(&change);
            self.reader.check();
        }
        assert!(self.c.recorded.replies.values().all(|answers| answers.len() == 1), "each request is answered once");
    }

    /// Lets peers process the messages that they were sent.
    fn learn(&mut self) {
        for effect in std::mem::take(&mut self.c.recorded.effects) {
            match effect {
                Effect::Event { stream, event: SchedulerEvent::Message(event) } => {
                    for peer in &mut self.frameworks {
                        if peer.http.as_ref().is_some_and(|http| http.stream == stream)
                            && let Some(subscribed) = &event.subscribed
                        {
                            peer.id.clone_from(&subscribed.framework_id.value);
                        }
                    }
                }
                Effect::Event { stream, event: SchedulerEvent::Offers(offers) } => {
                    let known = self.frameworks.iter_mut();
                    for peer in known.filter(|peer| peer.http.as_ref().is_some_and(|http| http.stream == stream)) {
                        peer.offers.extend(offers.to_proto().offers.unwrap().offers);
                    }
                }
                Effect::Send { to, message, .. } => self.hear(&to, message),
                _ => {}
            }
        }
    }

    fn hear(&mut self, to: &Upid, message: messages::Message) {
        use messages::Message::*;
        for peer in self.frameworks.iter_mut().filter(|peer| peer.driver == *to) {
            match &message {
                FrameworkRegistered(message) => peer.id.clone_from(&message.framework_id.value),
                ResourceOffers(message) => {
                    assert_eq!(message.offers.len(), message.pids.len());
                    peer.offers.extend(message.offers.clone());
                }
                _ => {}
            }
        }
        for agent in self.agents.iter_mut().filter(|agent| agent.pid == *to) {
            if let SlaveRegistered(message) = &message {
                agent.id.clone_from(&message.slave_id.value);
            }
        }
    }

    fn call(&mut self, framework: usize, mut call: v1::scheduler::Call) {
        let peer = &self.frameworks[framework];
        match peer.http.clone() {
            Some(http) => drop(self.c.call_on(Some(Ok(http.stream)), &peer.id.clone(), call)),
            None => {
                call.framework_id = Some(v1::FrameworkId { value: peer.id.clone() });
                let driver = peer.driver.clone();
                self.c.driver_call(&driver, &call, false);
            }
        }
    }

    fn act(&mut self, step: &Step) {
        let c = &mut self.c;
        match *step {
            Step::Register { agent } => c.send(&self.agents[agent].pid, register("cpus:4;mem:1024")),
            Step::Reregister { agent, tasks } => self.reregister(agent, tasks),
            Step::Unregister { agent } => {
                let AgentPeer { pid, id } = self.agents[agent].clone();
                c.send(&pid, internal::UnregisterSlaveMessage { slave_id: v1::AgentId { value: id } });
            }
            Step::Oversubscribe { agent, cpus } => {
                let AgentPeer { pid, id } = self.agents[agent].clone();
                let mut oversubscribed = resources(&format!("cpus:{cpus}"));
                oversubscribed.iter_mut().for_each(|r| r.revocable = Some(v1::resource::RevocableInfo {}));
                c.send(
                    &pid,
                    internal::UpdateSlaveMessage {
                        slave_id: v1::AgentId { value: id },
                        oversubscribed_resources: oversubscribed,
                        update_oversubscribed_resources: Some(true),
                        ..Default::default()
                    },
                );
            }
            Step::BreakLink { agent } => c.exited(self.agents[agent].pid.address),
            Step::FallSilent { agent, silent: true } => {
                c.environment.silent.insert(self.agents[agent].pid.clone());
            }
            Step::FallSilent { agent, silent: false } => {
                c.environment.silent.remove(&self.agents[agent].pid);
            }
            Step::Subscribe { framework, driver, again, old, has_failover_timeout } => {
                self.subscribe(framework, driver, again, old, has_failover_timeout);
            }
            Step::HangUp { framework } => match self.frameworks[framework].http.clone() {
                Some(http) => c.hang_up(&http),
                None => c.exited(self.frameworks[framework].driver.address),
            },
            Step::Teardown { framework } => self.call(framework, teardown()),
            Step::Deactivate { framework } => {
                let FrameworkPeer { driver, id, .. } = &self.frameworks[framework];
                let framework_id = v1::FrameworkId { value: id.clone() };
                c.send(driver, internal::DeactivateFrameworkMessage { framework_id });
            }
            Step::Launch { framework, offers, task, cpus, executor } => {
                self.launch(framework, offers, task, cpus, executor);
            }
            Step::Decline { framework, offer, seconds } => {
                let offers = &mut self.frameworks[framework].offers;
                if offer < offers.len() {
                    let offer = offers.remove(offer);
                    self.call(framework, decline(&offer, f64::from(seconds)));
                }
            }
            Step::Suppress { framework, revive: true } => self.call(framework, revive()),
            Step::Suppress { framework, revive: false } => self.call(framework, suppress(&[])),
            Step::ChangeRoles { framework, other } => {
                let mut info = framework_info().with_id(&self.frameworks[framework].id.clone());
                info.roles = vec![if other { "other" } else { "r" }.to_owned()];
                self.call(framework, update_framework(info));
            }
            Step::Kill { framework, task } => self.call(framework, kill(&format!("t{task}"), None)),
            Step::Reconcile { framework, all: true, .. } => self.call(framework, reconcile(&[])),
            Step::Reconcile { framework, task, .. } => {
                self.call(framework, reconcile(&[(&format!("t{task}"), None)]));
            }
            Step::Acknowledge { framework, task, agent, uuid } => {
                let agent = self.agents[agent].id.clone();
                self.call(framework, acknowledge(&agent, &format!("t{task}"), uuid));
            }
            Step::Update { framework, task, agent, state, uuid } => {
                let (agent, framework) = (self.agents[agent].clone(), self.frameworks[framework].id.clone());
                let mut message = update(&agent, &framework, &format!("t{task}"), TaskRunning, uuid);
                message.update.status.state = state;
                c.send(&agent.pid, message);
            }
            Step::ExecutorExits { framework, agent } => {
                let agent = self.agents[agent].clone();
                c.send(
                    &agent.pid,
                    internal::ExitedExecutorMessage {
                        slave_id: v1::AgentId { value: agent.id.clone() },
                        framework_id: v1::FrameworkId { value: self.frameworks[framework].id.clone() },
                        executor_id: v1::ExecutorId { value: "e".to_owned() },
                        status: 1,
                    },
                );
            }
            Step::ChangeAgentState { agent, how } => {
                let id = self.agents[agent].id.as_str();
                let call = match how {
                    0 => mark_agent_gone(id),
                    1..4 => drain_agent(id, how == 1),
                    4..8 => deactivate_agent(id),
                    _ => reactivate_agent(id),
                };
                c.ask(call);
            }
            Step::FailOver => {
                c.fail_over();
                self.reader = Reader::default();
                for peer in &mut self.frameworks {
                    peer.http = None;
                    peer.offers.clear();
                }
            }
            Step::SlowDisk { slow: true } => c.disk_is_slow = true,
            Step::SlowDisk { slow: false } => {
                c.disk_is_slow = false;
                c.confirm();
            }
            Step::Pass { millis } => c.pass(Duration::from_millis(u64::from(millis))),
        }
    }

    fn subscribe(&mut self, framework: usize, driver: bool, again: bool, old: bool, has_failover_timeout: bool) {
        let peer = &mut self.frameworks[framework];
        let mut info = if old { old_framework_info() } else { framework_info() };
        info.failover_timeout = has_failover_timeout.then_some(60.0);
        if again && !peer.id.is_empty() {
            info = info.with_id(&peer.id);
        }
        peer.offers.clear();
        peer.subscriptions += 1;
        if driver {
            let (from, force) = (peer.driver.clone(), peer.subscriptions.is_multiple_of(2));
            peer.http = None;
            self.c.driver_call(&from, &subscribe(info), force);
        } else {
            let http = self.c.subscribe(info);
            self.frameworks[framework].http = Some(http);
        }
    }

    fn launch(&mut self, framework: usize, offers: usize, id: usize, cpus: u8, with_executor: bool) {
        let peer = &mut self.frameworks[framework];
        let count = peer.offers.len().min(offers);
        let taken: Vec<v1::Offer> = peer.offers.drain(..count).collect();
        let Some(first) = taken.first() else { return };
        let mut info = task_on(&format!("t{id}"), first, &format!("cpus:{cpus};mem:64"));
        if with_executor {
            info = info.under(executor_with("e", "cpus:0.5;mem:32"));
        }
        let twice = vec![info.clone(), info];
        self.call(framework, accept(&taken.iter().collect::<Vec<_>>(), vec![launch(twice)]));
    }

    /// The agent reports the tasks that the reader knows of, or none.
    fn reregister(&mut self, agent: usize, tasks: bool) {
        let agent = self.agents[agent].clone();
        if agent.id.is_empty() {
            return;
        }
        let mut message = reregister(&agent, "cpus:4;mem:1024");
        if tasks {
            let own = self.frameworks.iter().find(|peer| !peer.id.is_empty());
            if let Some(peer) = own {
                message.frameworks = vec![framework_info().with_id(&peer.id)];
                let mut held = resources("cpus:1;mem:64");
                for resource in &mut held {
                    resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some("r".to_owned()) });
                }
                message.tasks = vec![v1::Task {
                    name: "t0".to_owned(),
                    task_id: task_id("t0"),
                    framework_id: v1::FrameworkId { value: peer.id.clone() },
                    agent_id: v1::AgentId { value: agent.id.clone() },
                    state: TaskStaging as i32,
                    resources: held,
                    ..Default::default()
                }];
            }
        }
        self.c.send(&agent.pid, message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_resource_is_allocated_twice(steps in proptest::collection::vec(step(), 1..250)) {
        let mut simulation = Simulation::new();
        for step in &steps {
            simulation.take(step);
        }
        // No resources are allocated after all tasks have ended.
        simulation.c.disk_is_slow = false;
        simulation.c.confirm();
        simulation.c.environment.silent.extend(simulation.agents.iter().map(|agent| agent.pid.clone()));
        simulation.c.pass(Duration::from_secs(3600));
        simulation.learn();
        for change in std::mem::take(&mut simulation.c.recorded.changes) {
            simulation.reader.read(&change);
            simulation.reader.check();
        }
        prop_assert!(simulation.reader.totals.is_empty());
        prop_assert!(simulation.reader.offers.is_empty());
        prop_assert!(simulation.reader.tasks.is_empty());
        prop_assert!(simulation.reader.executors.is_empty());
        let metrics = &simulation.c.metrics;
        prop_assert_eq!(metrics.slaves_connected.get() + metrics.slaves_disconnected.get(), 0);
        prop_assert_eq!(metrics.slaves_active.get() + metrics.slaves_inactive.get(), 0);
        prop_assert_eq!(metrics.outstanding_offers.get(), 0);
        prop_assert_eq!(
            metrics.tasks_staging.get() + metrics.tasks_starting.get() + metrics.tasks_running.get()
                + metrics.tasks_killing.get(),
            0
        );
        let resources = |name: &str| {
            ["cpus", "mem"].iter().any(|kind| name.starts_with(&format!("master/{kind}")))
        };
        for (name, value) in metrics.iter().filter(|(name, _)| resources(name)) {
            prop_assert_eq!(value, 0.0, "{}", name);
        }
        let frameworks = simulation.reader.frameworks.len() as i64;
        prop_assert_eq!(metrics.frameworks_connected.get() + metrics.frameworks_disconnected.get(), frameworks);
        prop_assert_eq!(metrics.frameworks_active.get() + metrics.frameworks_inactive.get(), frameworks);
    }
}
