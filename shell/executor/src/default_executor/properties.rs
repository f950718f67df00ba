//! Properties of the default executor over random sequences of inputs: every task reaches exactly one terminal update,
//! nothing is launched twice, and the executor ends. An agent is simulated as far as its answers go.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1::agent::response::WaitNestedContainer;
use messages::v1::executor::{Event, event};
use messages::v1::{TaskState, TaskStatus};

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::executor::DefaultExecutor;
use super::tests::{FakeClock, answer, ended, kill, launch_group, plain, settings, subscribed, task};

/// A source of choices that is the same for the same seed (an LCG of Knuth's MMIX).
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit.max(1)
    }
}

/// The state of a container at the simulated agent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum AtAgent {
    Runs,
    Ended(i32),
}

struct Run {
    executor: DefaultExecutor,
    clock: FakeClock,
    choices: Choices,
    agent_is_up: bool,
    open: BTreeMap<Purpose, Action>,
    timers: BTreeSet<Timer>,
    at_agent: BTreeMap<String, AtAgent>,
    launched: BTreeMap<Key, String>,
    unacknowledged: Vec<TaskStatus>,
    terminal: BTreeMap<String, TaskState>,
    known: BTreeSet<String>,
    done: bool,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut run = Run {
            executor: DefaultExecutor::new(settings(true)),
            clock: FakeClock::default(),
            choices: Choices(seed),
            agent_is_up: true,
            open: BTreeMap::new(),
            timers: BTreeSet::new(),
            at_agent: BTreeMap::new(),
            launched: BTreeMap::new(),
            unacknowledged: Vec::new(),
            terminal: BTreeMap::new(),
            known: BTreeSet::new(),
            done: false,
        };
        run.event(subscribed());
        run
    }

    fn event(&mut self, event: Event) {
        let actions = self.executor.on_event(event, &mut self.clock);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(!self.done, "nothing follows the end: {action:?}");
            match action {
                Action::Send(call) => self.updated(call.update.expect("an update").status),
                Action::Request(purpose, ref call) => {
                    assert!(self.agent_is_up, "a request while there is no subscription: {purpose:?}");
                    if let (Purpose::Launch(key), Some(launch)) = (purpose, &call.launch_container) {
                        let id = launch.container_id.value.clone();
                        let known = self.launched.entry(key).or_insert_with(|| id.clone());
                        assert_eq!(*known, id, "a repeated launch has the same id");
                    }
                    self.open.insert(purpose, action);
                }
                Action::Cancel(purpose) => drop(self.open.remove(&purpose)),
                Action::CancelAll => self.open.clear(),
                Action::Arm(timer, _) => drop(self.timers.insert(timer)),
                Action::Exit => self.done = true,
                Action::LinkSandbox(..) | Action::Log(_) => {}
                Action::Probe(..) => panic!("no task has a check"),
            }
        }
    }

    fn updated(&mut self, status: TaskStatus) {
        let id = status.task_id.value.clone();
        assert!(!self.terminal.contains_key(&id), "an update after the terminal one: {id} {:?}", status.state());
        if model::is_terminal(status.state()) {
            self.terminal.insert(id, status.state());
        }
        self.unacknowledged.push(status);
    }

    /// Answers an open request as an agent does, or loses it.
    fn answer(&mut self, purpose: Purpose) {
        let Some(Action::Request(_, call)) = self.open.remove(&purpose) else { return };
        let lost = self.choices.below(8) == 0;
        #[allow(deprecated)]
        let reply = match purpose {
            Purpose::Launch(_) => {
                let id = call.launch_container.expect("a launch").container_id.value;
                match (self.at_agent.get(&id), self.choices.below(6)) {
                    (Some(_), _) => answer(202, ""),
                    (None, 0) => answer(400, "no"),
                    (None, _) => {
                        self.at_agent.insert(id, AtAgent::Runs);
                        answer(200, "")
                    }
                }
            }
            Purpose::Wait(_) => {
                let id = call.wait_nested_container.as_ref().expect("a wait").container_id.value.clone();
                match self.at_agent.get(&id) {
                    None => answer(404, ""),
                    Some(AtAgent::Ended(status)) => {
                        ended(WaitNestedContainer { exit_status: Some(*status), ..Default::default() })
                    }
                    Some(AtAgent::Runs) => {
                        self.open.insert(purpose, Action::Request(purpose, call));
                        return;
                    }
                }
            }
            Purpose::Kill(_) => {
                let kill = call.kill_nested_container.expect("a kill");
                match self.at_agent.get_mut(&kill.container_id.value) {
                    Some(state @ AtAgent::Runs) => {
                        if kill.signal() == 9 || self.choices.below(2) == 0 {
                            *state = AtAgent::Ended(kill.signal());
                        }
                        answer(200, "")
                    }
                    Some(AtAgent::Ended(_)) | None => answer(404, ""),
                }
            }
            other => panic!("no task has a check: {other:?}"),
        };
        let reply = if lost { Reply::Broken } else { reply };
        let actions = self.executor.on_reply(purpose, reply, &mut self.clock);
        self.perform(actions);
    }

    fn answer_some(&mut self) {
        let open: Vec<Purpose> = self.open.keys().copied().collect();
        if let Some(purpose) = open.get(self.choices.below(open.len())) {
            self.answer(*purpose);
        }
    }

    fn fire(&mut self, timer: Timer) {
        self.timers.remove(&timer);
        let actions = self.executor.on_timer(timer, &mut self.clock);
        self.perform(actions);
    }

    fn acknowledge_first(&mut self) {
        if self.unacknowledged.is_empty() || !self.agent_is_up {
            return;
        }
        let status = self.unacknowledged.remove(0);
        let uuid = status.uuid.expect("an update has a uuid");
        let acknowledged = Some(Box::new(event::Acknowledged { task_id: status.task_id, uuid }));
        self.event(Event { acknowledged, ..plain(event::Type::Acknowledged) });
    }

    fn disconnect(&mut self) {
        self.agent_is_up = false;
        let actions = self.executor.on_disconnected();
        self.perform(actions);
    }

    fn reconnect(&mut self) {
        self.agent_is_up = true;
        self.event(subscribed());
    }

    fn step(&mut self) {
        match self.choices.below(12) {
            0 if self.agent_is_up && self.known.len() < 12 => {
                let names: Vec<String> =
                    (0..=self.choices.below(3)).map(|index| format!("t{}", self.known.len() + index)).collect();
                self.known.extend(names.iter().cloned());
                self.event(launch_group(names.iter().map(|name| task(name)).collect()));
            }
            1 if self.agent_is_up => {
                let name = format!("t{}", self.choices.below(12));
                self.event(kill(&name, None));
            }
            2 if self.agent_is_up => self.disconnect(),
            3 | 4 if !self.agent_is_up => self.reconnect(),
            5 => {
                let running: Vec<String> =
                    self.at_agent.iter().filter(|(_, s)| **s == AtAgent::Runs).map(|(id, _)| id.clone()).collect();
                let status = if self.choices.below(2) == 0 { 0 } else { 256 };
                if let Some(id) = running.get(self.choices.below(running.len())) {
                    self.at_agent.insert(id.clone(), AtAgent::Ended(status));
                }
            }
            6 => {
                let timers: Vec<Timer> = self.timers.iter().copied().filter(|timer| is_short(*timer)).collect();
                if let Some(timer) = timers.get(self.choices.below(timers.len())) {
                    self.fire(*timer);
                }
            }
            7 => self.acknowledge_first(),
            _ => self.answer_some(),
        }
    }

    /// Lets everything end: the agent is up, containers end, timers fire and updates are acknowledged.
    fn settle(&mut self) {
        if !self.agent_is_up && !self.done {
            self.reconnect();
        }
        for _ in 0..2000 {
            if self.done {
                return;
            }
            for state in self.at_agent.values_mut() {
                if *state == AtAgent::Runs {
                    *state = AtAgent::Ended(0);
                }
            }
            self.answer_some();
            if self.done {
                return;
            }
            let timer = self.timers.iter().copied().find(|timer| is_short(*timer));
            if let Some(timer) = timer {
                self.fire(timer);
            }
            if !self.done {
                self.acknowledge_first();
            }
        }
    }
}

/// Returns whether a timer fires within seconds, as opposed to those that give up on the agent.
fn is_short(timer: Timer) -> bool {
    !matches!(timer, Timer::Recovery | Timer::Acknowledgement | Timer::Shutdown)
}

#[test]
fn every_task_ends_exactly_once() {
    for seed in 0..3000 {
        let mut run = Run::new(seed);
        for _ in 0..80 {
            if run.done {
                break;
            }
            run.step();
        }
        let idle = run.known.is_empty();
        if !run.done {
            run.settle();
        }
        assert!(run.done || idle, "seed {seed} has not ended: {:?}", run.executor);
        let ended: BTreeSet<String> = run.terminal.keys().cloned().collect();
        assert_eq!(ended, run.known, "seed {seed}");
    }
}

/// Whatever is in progress, SHUTDOWN ends it.
#[test]
fn a_random_shutdown_ends_the_executor() {
    for seed in 0..1000 {
        let mut run = Run::new(seed);
        for _ in 0..seed % 60 {
            if !run.done {
                run.step();
            }
        }
        if run.done {
            continue;
        }
        if !run.agent_is_up {
            run.reconnect();
        }
        run.event(plain(event::Type::Shutdown));
        if !run.done {
            run.settle();
        }
        assert!(run.done, "seed {seed} has not ended");
    }
}
