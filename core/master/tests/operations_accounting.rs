//! After any reservations, volumes, launches and losses in any order, quantities stay the same on every agent, nothing
//! is allocated twice, and in the end everything can be offered again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::operations::*;
use common::*;
use master::{Effect, SchedulerEvent};
use messages::{Message, internal, v1};
use model::master::Change;
use proptest::prelude::*;
use resources::{ResourceQuantities, Resources};
use testkit::builders::*;
use v1::framework_info::capability::Type as Capability;
use v1::offer::Operation;

const AGENTS: usize = 2;
const FRAMEWORKS: usize = 2;
const FLAGS: &str = "cpus:4;mem:1024;disk:100";
const VOLUMES: [&str; 2] = ["v0", "v1"];

/// An operation with an offer or by an operator.
#[derive(Debug, Clone)]
enum TestOperation {
    Reserve {
        disk: bool,
        amount: u32,
    },
    Unreserve {
        disk: bool,
        amount: u32,
    },
    Create {
        volume: usize,
        size: u32,
        shared: bool,
    },
    Destroy {
        volume: usize,
        size: u32,
        shared: bool,
    },
    Grow {
        volume: usize,
        size: u32,
        by: u32,
    },
    Shrink {
        volume: usize,
        size: u32,
        by: u32,
    },
    /// A launch with all volumes that are offered.
    Launch {
        task: usize,
        cpus: u8,
    },
}

#[derive(Debug, Clone)]
enum Step {
    Accept { framework: usize, offers: usize, test_operations: Vec<TestOperation> },
    Operate { agent: usize, test_operation: TestOperation },
    Report { agent: usize, state: i32 },
    Acknowledge { framework: usize, agent: usize },
    Finish { framework: usize, task: usize, agent: usize },
    Restart { agent: usize },
    Lose { agent: usize },
    Teardown { framework: usize },
    Pass { millis: u32 },
}

fn test_operation() -> impl Strategy<Value = TestOperation> {
    let size = || prop_oneof![3 => Just(10u32), 2 => Just(20), 1 => 1..60u32];
    let volume = || 0..VOLUMES.len();
    prop_oneof![
        3 => (any::<bool>(), size()).prop_map(|(disk, amount)| TestOperation::Reserve { disk, amount }),
        2 => (any::<bool>(), size()).prop_map(|(disk, amount)| TestOperation::Unreserve { disk, amount }),
        3 => (volume(), size(), any::<bool>()).prop_map(|(volume, size, shared)| TestOperation::Create { volume, size, shared }),
        2 => (volume(), size(), any::<bool>()).prop_map(|(volume, size, shared)| TestOperation::Destroy { volume, size, shared }),
        1 => (volume(), size(), size()).prop_map(|(volume, size, by)| TestOperation::Grow { volume, size, by }),
        1 => (volume(), size(), size()).prop_map(|(volume, size, by)| TestOperation::Shrink { volume, size, by }),
        3 => (0..4usize, 0..3u8).prop_map(|(task, cpus)| TestOperation::Launch { task, cpus }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (agent, framework) = (|| 0..AGENTS, || 0..FRAMEWORKS);
    prop_oneof![
        10 => (framework(), 1..3usize, proptest::collection::vec(test_operation(), 0..5))
            .prop_map(|(framework, offers, test_operations)| Step::Accept { framework, offers, test_operations }),
        3 => (agent(), test_operation()).prop_map(|(agent, test_operation)| Step::Operate { agent, test_operation }),
        3 => (agent(), prop_oneof![3 => Just(3i32), 1 => 0..12i32]).prop_map(|(agent, state)| Step::Report { agent, state }),
        2 => (framework(), agent()).prop_map(|(framework, agent)| Step::Acknowledge { framework, agent }),
        3 => (framework(), 0..4usize, agent())
            .prop_map(|(framework, task, agent)| Step::Finish { framework, task, agent }),
        1 => agent().prop_map(|agent| Step::Restart { agent }),
        1 => agent().prop_map(|agent| Step::Lose { agent }),
        1 => framework().prop_map(|framework| Step::Teardown { framework }),
        10 => prop_oneof![4 => Just(20u32), 1 => 0..7_000u32].prop_map(|millis| Step::Pass { millis }),
    ]
}

fn info() -> v1::FrameworkInfo {
    let capabilities = [
        Capability::MultiRole,
        Capability::ReservationRefinement,
        Capability::PartitionAware,
        Capability::SharedResources,
    ];
    framework_info().with_failover_timeout(3600.0).with_capabilities(&capabilities)
}

impl TestOperation {
    fn operation(&self, offered: &[v1::Resource], on: Option<&v1::Offer>) -> Option<Operation> {
        let volume_of = |volume: usize, size: u32, shared: bool| {
            let volume = volume_of_one("r", size, VOLUMES[volume]);
            if shared { volume.shared() } else { volume }
        };
        let amount_of = |disk: bool, amount: u32| {
            if disk { format!("disk:{amount}") } else { format!("cpus:{}", f64::from(amount) / 10.0) }
        };
        Some(match *self {
            TestOperation::Reserve { disk, amount } => reserve(reserved("r", &amount_of(disk, amount))),
            TestOperation::Unreserve { disk, amount } => unreserve(reserved("r", &amount_of(disk, amount))),
            TestOperation::Create { volume, size, shared } => create(vec![volume_of(volume, size, shared)]),
            TestOperation::Destroy { volume, size, shared } => destroy(vec![volume_of(volume, size, shared)]),
            TestOperation::Grow { volume, size, by } => {
                grow(volume_of(volume, size, false), reserved("r", &format!("disk:{by}")).remove(0))
            }
            TestOperation::Shrink { volume, size, by } => shrink(volume_of(volume, size, false), f64::from(by)),
            TestOperation::Launch { task: id, cpus } => {
                let mut info = task_on(&format!("t{id}"), on?, &format!("cpus:{cpus};mem:64"));
                info.resources.retain(|resource| resource.scalar.is_some_and(|scalar| scalar.value > 0.0));
                info.resources.extend(offered.iter().filter(|resource| resource.disk.is_some()).cloned());
                launch(vec![info])
            }
        })
    }

    fn call(&self, agent: &str) -> Option<v1::master::Call> {
        let operation = self.operation(&[], None)?;
        let kind = operation.r#type();
        use v1::offer::operation::Type;
        Some(match kind {
            Type::Reserve => {
                let mut call = reserve_resources(agent, reserved("r", "cpus:1"));
                call.reserve_resources.as_mut().unwrap().resources = operation.reserve.unwrap().resources;
                call
            }
            Type::Unreserve => {
                let mut call = unreserve_resources(agent, reserved("r", "cpus:1"));
                call.unreserve_resources.as_mut().unwrap().resources = operation.unreserve.unwrap().resources;
                call
            }
            Type::Create => create_volumes(agent, operation.create.unwrap().volumes),
            Type::Destroy => destroy_volumes(agent, operation.destroy.unwrap().volumes),
            Type::GrowVolume => {
                grow_volume(agent, operation.grow_volume.unwrap().volume, reserved("r", "disk:10").remove(0))
            }
            _ => {
                let shrink = operation.shrink_volume.unwrap();
                shrink_volume(agent, shrink.volume, shrink.subtract.value)
            }
        })
    }
}

fn volume_of_one(role: &str, size: u32, id: &str) -> v1::Resource {
    volume(role, size, id)
}

#[derive(Default)]
struct ExpectedResources {
    totals: BTreeMap<String, Resources>,
    offers: BTreeMap<String, (String, Resources)>,
    tasks: BTreeMap<(String, String), (String, Resources)>,
}

impl ExpectedResources {
    fn read(&mut self, change: &Change) {
        match change {
            Change::AgentAdded(agent) | Change::AgentUpdated(agent) => {
                self.totals.insert(agent.id.to_string(), agent.total.clone());
            }
            Change::AgentRemoved { agent, .. } => drop(self.totals.remove(agent.as_str())),
            Change::TaskAdded(task) | Change::TaskUpdated { task, .. } => {
                let over = !matches!(task.state(), TaskStaging | TaskStarting | TaskRunning | TaskKilling);
                let held = if over { Resources::new() } else { task.resources().clone() };
                let key = (task.framework().to_string(), task.id().to_string());
                self.tasks.insert(key, (task.agent().to_string(), held));
            }
            Change::TaskRemoved { framework, task, .. } => {
                self.tasks.remove(&(framework.to_string(), task.to_string()));
            }
            Change::OfferAdded(offer) => {
                self.offers.insert(offer.id.to_string(), (offer.agent_id().to_string(), offer.resources.clone()));
            }
            Change::OfferRemoved(offer) => drop(self.offers.remove(offer.as_str())),
            _ => {}
        }
    }

    fn check(&self) {
        let flags: ResourceQuantities = Resources::parse(FLAGS, "*").unwrap().quantities();
        for (agent, total) in &self.totals {
            assert_eq!(total.quantities(), flags, "agent {agent} has {total}");
            let offered = self.offers.values().filter(|(on, _)| on == agent).map(|(_, offered)| offered);
            let used = self.tasks.values().filter(|(on, _)| on == agent).map(|(_, used)| used);
            let mut held = Resources::new();
            for part in offered.chain(used) {
                held += part.non_shared().unallocated();
                let shared = part.shared().unallocated();
                assert!(shared.iter().all(|one| total.contains_resource(one)), "{shared} of {total}");
            }
            assert!(total.contains(&held), "agent {agent} has {total} but {held} is held");
        }
    }
}

struct Simulation {
    c: Cluster,
    expected: ExpectedResources,
    agents: Vec<AgentPeer>,
    frameworks: Vec<(Scheduler, Vec<v1::Offer>)>,
    applied: Vec<(usize, internal::ApplyOperationMessage)>,
}

impl Simulation {
    fn new() -> Self {
        let mut c = Cluster::new();
        let agents = (0..AGENTS).map(|_| c.agent(FLAGS)).collect();
        let frameworks = (0..FRAMEWORKS).map(|_| (c.subscribe(info()), Vec::new())).collect();
        let mut simulation =
            Simulation { c, expected: ExpectedResources::default(), agents, frameworks, applied: Vec::new() };
        simulation.take(&Step::Pass { millis: 20 });
        simulation
    }

    fn take(&mut self, step: &Step) {
        self.act(step);
        self.learn();
    }

    fn learn(&mut self) {
        for change in std::mem::take(&mut self.c.recorded.changes) {
            self.expected.read(&change);
            // A task may end before its framework is removed.
            self.expected.check();
        }
        for effect in std::mem::take(&mut self.c.recorded.effects) {
            match effect {
                Effect::Event { stream, event: SchedulerEvent::Message(event) } => {
                    let Some((_, offers)) = self.frameworks.iter_mut().find(|(f, _)| f.stream == stream) else {
                        continue;
                    };
                    if let Some(rescind) = &event.rescind {
                        offers.retain(|offer| offer.id != rescind.offer_id);
                    }
                }
                Effect::Event { stream, event: SchedulerEvent::Offers(made) } => {
                    let known = self.frameworks.iter_mut().filter(|(f, _)| f.stream == stream);
                    known.for_each(|(_, offers)| offers.extend(made.to_proto().offers.unwrap().offers));
                }
                Effect::Send { to, message: Message::ApplyOperation(message), .. } => {
                    let agent = self.agents.iter().position(|agent| agent.pid == to).unwrap();
                    self.applied.push((agent, *message));
                }
                _ => {}
            }
        }
    }

    fn act(&mut self, step: &Step) {
        match step {
            Step::Accept { framework, offers, test_operations } => {
                let (scheduler, held) = &mut self.frameworks[*framework];
                let Some(first) = held.first().map(|offer| offer.agent_id.clone()) else { return };
                let mut taken: Vec<v1::Offer> = held.iter().filter(|offer| offer.agent_id == first).cloned().collect();
                taken.truncate(*offers);
                held.retain(|offer| !taken.contains(offer));
                let offered: Vec<v1::Resource> = taken.iter().flat_map(|offer| offer.resources.clone()).collect();
                let operations = test_operations
                    .iter()
                    .filter_map(|test_operation| test_operation.operation(&offered, taken.first()))
                    .collect();
                let scheduler = scheduler.clone();
                self.c.call(&scheduler, accept(&taken.iter().collect::<Vec<_>>(), operations));
            }
            Step::Operate { agent, test_operation } => {
                if let Some(call) = test_operation.call(&self.agents[*agent].id) {
                    self.c.operator(call);
                }
            }
            Step::Report { agent, state } => {
                let Some(position) = self.applied.iter().position(|(of, _)| of == agent) else { return };
                let (_, applied) = self.applied.remove(position);
                let mut update =
                    operation_update(&self.agents[*agent], &applied, v1::OperationState::OperationFinished, Some(1));
                update.status.state = *state;
                self.c.send(&self.agents[*agent].pid, update);
            }
            Step::Acknowledge { framework, agent } => {
                let (scheduler, agent) = (self.frameworks[*framework].0.clone(), self.agents[*agent].id.clone());
                self.c.call(&scheduler, acknowledge_operation(&agent, "op", 1));
            }
            Step::Finish { framework, task, agent } => {
                let (agent, framework) = (self.agents[*agent].clone(), self.frameworks[*framework].0.id.clone());
                self.c.update(&agent, &framework, &format!("t{task}"), TaskFinished, 1);
            }
            Step::Restart { agent } => self.restart(*agent),
            Step::Lose { agent } => {
                self.c.exited(self.agents[*agent].pid.address);
                self.restart(*agent);
            }
            Step::Teardown { framework } => {
                let scheduler = self.frameworks[*framework].0.clone();
                self.c.call(&scheduler, teardown());
                self.frameworks[*framework] = (self.c.subscribe(info()), Vec::new());
            }
            Step::Pass { millis } => self.c.pass(Duration::from_millis(u64::from(*millis))),
        }
    }

    /// The agent returns with its checkpointed resources.
    fn restart(&mut self, agent: usize) {
        self.learn();
        let agent = self.agents[agent].clone();
        let mut message = reregister(&agent, FLAGS);
        if let Some(total) = self.expected.totals.get(&agent.id) {
            message.checkpointed_resources = total.checkpointed().to_proto();
        }
        self.c.send(&agent.pid, message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_master_and_the_agent_agree_on_operations_and_resources(steps in proptest::collection::vec(step(), 1..120)) {
        let mut simulation = Simulation::new();
        for step in &steps {
            simulation.take(step);
        }
        // All frameworks are removed, and a new framework is offered all resources.
        for framework in 0..FRAMEWORKS {
            let scheduler = simulation.frameworks[framework].0.clone();
            simulation.c.call(&scheduler, teardown());
        }
        simulation.frameworks = vec![(simulation.c.subscribe(info()), Vec::new())];
        simulation.take(&Step::Pass { millis: 10_000 });
        for (agent, total) in &simulation.expected.totals {
            let offered = simulation.expected.offers.values().filter(|(on, _)| on == agent);
            let offered = offered.fold(Resources::new(), |sum, (_, offered)| sum + offered.unallocated());
            prop_assert_eq!(&offered, total);
        }
        prop_assert_eq!(simulation.expected.totals.len(), AGENTS);
    }
}
