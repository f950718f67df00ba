//! A v1 scheduler as a state machine, with events as input and calls as output. It launches small tasks, by default one
//! per offer, and acknowledges every status update.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use messages::v1::scheduler::call::{Accept, Acknowledge, Decline, Subscribe, Type};
use messages::v1::scheduler::{Call, Event, event};
use messages::v1::{
    AgentId, CommandInfo, Filters, FrameworkId, FrameworkInfo, Offer, OfferId, Resource, TaskId, TaskInfo, TaskState,
    TaskStatus, framework_info, offer,
};

use crate::http::encode_call;
use crate::resources::{allocated, scalar};
use crate::stats::Sample;

const ROLE: &str = "load";
/// The resources of a task.
const TASK: [(&str, f64); 2] = [("cpus", 0.1), ("mem", 32.0)];
/// The seconds for which the rest of an agent is declined, which is longer than any run.
const REFUSE: f64 = 3600.0;

/// Counts and durations since the last [`Scheduler::take_measurements`].
#[derive(Debug, Default)]
pub struct Measurements {
    /// The times from ACCEPT to the TASK_RUNNING update.
    pub running: Sample,
    /// The times from ACCEPT to the TASK_FINISHED update.
    pub finished: Sample,
    /// The times from a call to its response.
    pub calls: Sample,
    /// The number of calls that were answered with another status than 200 or 202.
    pub calls_refused: usize,
    /// The number of tasks that ended in another state than TASK_FINISHED.
    pub tasks_failed: usize,
    /// The agents that were offered to a greedy scheduler, and when.
    pub offered: Vec<(String, Instant)>,
    /// The agents whose offers were declined so that others can use them, and when.
    pub declined_for_others: Vec<(String, Instant)>,
}

/// The progress of the scheduler since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The number of different agents that were offered.
    pub agents_offered: usize,
    /// The number of tasks that reached a terminal state.
    pub tasks_ended: usize,
    /// The number of those whose state was not TASK_FINISHED.
    pub tasks_failed: usize,
    /// The number of calls without a response so far.
    pub unanswered: usize,
}

pub struct Scheduler {
    host: String,
    tasks_per_offer: usize,
    /// Whether a task takes the whole offer.
    greedy: bool,
    framework: Option<FrameworkId>,
    stream: Option<String>,
    error: Option<String>,
    offers: VecDeque<Offered>,
    agents_offered: BTreeSet<String>,
    to_launch: usize,
    launched: usize,
    ended: usize,
    failed: usize,
    tasks: HashMap<String, Instant>,
    unanswered: VecDeque<Instant>,
    measurements: Measurements,
}

struct Offered {
    id: OfferId,
    agent: AgentId,
    /// The number of tasks that fit into the offer. What a finished task frees may be offered by itself.
    capacity: usize,
    /// The whole offer, for a greedy scheduler.
    resources: Vec<Resource>,
}

impl Scheduler {
    pub fn new(host: String, tasks_per_offer: usize) -> Self {
        Scheduler {
            host,
            tasks_per_offer: tasks_per_offer.max(1),
            greedy: false,
            framework: None,
            stream: None,
            error: None,
            offers: VecDeque::new(),
            agents_offered: BTreeSet::new(),
            to_launch: 0,
            launched: 0,
            ended: 0,
            failed: 0,
            tasks: HashMap::new(),
            unanswered: VecDeque::new(),
            measurements: Measurements::default(),
        }
    }

    /// Makes tasks take the whole offer, so that nothing is left to decline.
    pub fn greedy(self) -> Self {
        Scheduler { greedy: true, ..self }
    }

    /// Returns the number of offers that could be used now.
    pub fn offers(&self) -> usize {
        self.offers.len()
    }

    pub fn progress(&self) -> Progress {
        Progress {
            agents_offered: self.agents_offered.len(),
            tasks_ended: self.ended,
            tasks_failed: self.failed,
            unanswered: self.unanswered.len(),
        }
    }

    /// Returns the error of the master about this framework.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    pub fn take_measurements(&mut self) -> Measurements {
        std::mem::take(&mut self.measurements)
    }

    /// Returns the request that opens the event stream on a connection of its own.
    pub fn subscribe(&self) -> Vec<u8> {
        let framework_info = FrameworkInfo {
            user: "root".to_owned(),
            name: "load".to_owned(),
            roles: vec![ROLE.to_owned()],
            capabilities: vec![framework_info::Capability {
                r#type: Some(framework_info::capability::Type::MultiRole.into()),
            }],
            ..FrameworkInfo::default()
        };
        let call = Call {
            r#type: Some(Type::Subscribe.into()),
            subscribe: Some(Box::new(Subscribe { framework_info, ..Subscribe::default() })),
            ..Call::default()
        };
        let mut out = Vec::new();
        encode_call(&self.host, None, &wire::encode(&call), &mut out);
        out
    }

    pub fn opened(&mut self, stream: &str) {
        if self.stream.is_none() {
            self.stream = Some(stream.to_owned());
        }
    }

    /// Launches this many more tasks, as far as there are offers; the others follow as offers arrive.
    pub fn launch(&mut self, tasks: usize, now: Instant, out: &mut Vec<u8>) {
        self.to_launch += tasks;
        self.use_offers(now, out);
    }

    /// Declines the oldest offers, as far as there are any. Other frameworks may be offered them at once.
    pub fn decline_oldest(&mut self, count: usize, now: Instant, out: &mut Vec<u8>) {
        for _ in 0..count {
            let Some(offered) = self.offers.pop_front() else { return };
            self.measurements.declined_for_others.push((offered.agent.value, now));
            self.decline(offered.id, 0.0, now, out);
        }
    }

    /// Ends the framework with all of its tasks.
    pub fn teardown(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.call(Call { r#type: Some(Type::Teardown.into()), ..Call::default() }, now, out);
    }

    pub fn receive(&mut self, event: Event, now: Instant, out: &mut Vec<u8>) {
        match event.r#type() {
            event::Type::Subscribed => self.framework = event.subscribed.map(|subscribed| subscribed.framework_id),
            event::Type::Offers => self.offered(event.offers.map(|offers| offers.offers).unwrap_or_default(), now, out),
            event::Type::Rescind => {
                if let Some(rescind) = event.rescind {
                    self.offers.retain(|offered| offered.id != rescind.offer_id);
                }
            }
            event::Type::Update => {
                if let Some(update) = event.update {
                    self.updated(update.status, now, out);
                }
            }
            event::Type::Error => self.error = event.error.map(|error| error.message),
            _ => {}
        }
    }

    /// Handles the response to the oldest unanswered call; responses arrive in the order of the requests.
    pub fn answered(&mut self, status: u16, now: Instant) {
        if let Some(since) = self.unanswered.pop_front() {
            self.measurements.calls.add(now.duration_since(since));
        }
        if !matches!(status, 200 | 202) {
            self.measurements.calls_refused += 1;
        }
    }

    fn offered(&mut self, offers: Vec<Offer>, now: Instant, out: &mut Vec<u8>) {
        for offer in offers {
            self.agents_offered.insert(offer.agent_id.value.clone());
            if self.greedy {
                self.measurements.offered.push((offer.agent_id.value.clone(), now));
                self.offers.push_back(Offered {
                    id: offer.id,
                    agent: offer.agent_id,
                    capacity: 1,
                    resources: offer.resources,
                });
                continue;
            }
            match task_capacity(&offer) {
                0 => self.decline(offer.id, REFUSE, now, out),
                capacity => self.offers.push_back(Offered {
                    id: offer.id,
                    agent: offer.agent_id,
                    capacity,
                    resources: Vec::new(),
                }),
            }
        }
        self.use_offers(now, out);
    }

    fn use_offers(&mut self, now: Instant, out: &mut Vec<u8>) {
        while self.to_launch > 0
            && let Some(offered) = self.offers.pop_front()
        {
            let count = self.to_launch.min(self.tasks_per_offer).min(offered.capacity);
            self.to_launch -= count;
            let task_infos: Vec<_> = (0..count).map(|_| self.next_task(&offered)).collect();
            self.tasks.extend(task_infos.iter().map(|task| (task.task_id.value.clone(), now)));
            // With fewer offers than tasks, the rest of the agent is needed again at once.
            let refuse_seconds = if self.to_launch > self.offers.len() * self.tasks_per_offer { 0.0 } else { REFUSE };
            let accept = Accept {
                offer_ids: vec![offered.id],
                operations: vec![offer::Operation {
                    r#type: Some(offer::operation::Type::Launch.into()),
                    launch: Some(Box::new(offer::operation::Launch { task_infos })),
                    ..offer::Operation::default()
                }],
                filters: Some(Filters { refuse_seconds: Some(refuse_seconds) }),
            };
            let accept = Some(Box::new(accept));
            self.call(Call { r#type: Some(Type::Accept.into()), accept, ..Call::default() }, now, out);
        }
    }

    fn decline(&mut self, offer: OfferId, refuse_seconds: f64, now: Instant, out: &mut Vec<u8>) {
        let filters = Some(Filters { refuse_seconds: Some(refuse_seconds) });
        let decline = Some(Box::new(Decline { offer_ids: vec![offer], filters }));
        self.call(Call { r#type: Some(Type::Decline.into()), decline, ..Call::default() }, now, out);
    }

    fn next_task(&mut self, offered: &Offered) -> TaskInfo {
        self.launched += 1;
        let resources = if self.greedy {
            offered.resources.clone()
        } else {
            TASK.iter().map(|(name, amount)| allocated(scalar(name, *amount), ROLE)).collect()
        };
        TaskInfo {
            name: "load".to_owned(),
            task_id: TaskId { value: format!("task-{}", self.launched) },
            agent_id: offered.agent.clone(),
            resources,
            command: Some(Box::new(CommandInfo { value: Some("true".to_owned()), ..CommandInfo::default() })),
            ..TaskInfo::default()
        }
    }

    fn updated(&mut self, status: TaskStatus, now: Instant, out: &mut Vec<u8>) {
        let state = status.state();
        let since = self.tasks.get(&status.task_id.value).map(|accepted| now.duration_since(*accepted));
        match (state, since) {
            (TaskState::TaskRunning, Some(since)) => self.measurements.running.add(since),
            (TaskState::TaskFinished, Some(since)) => self.ended(&status.task_id, Some(since)),
            (TaskState::TaskStaging | TaskState::TaskStarting | TaskState::TaskRunning, _) | (_, None) => {}
            (_, Some(_)) => self.ended(&status.task_id, None),
        }
        if let (Some(uuid), Some(agent_id)) = (status.uuid, status.agent_id) {
            let acknowledge = Some(Box::new(Acknowledge { agent_id, task_id: status.task_id, uuid }));
            self.call(Call { r#type: Some(Type::Acknowledge.into()), acknowledge, ..Call::default() }, now, out);
        }
    }

    fn ended(&mut self, task: &TaskId, finished: Option<Duration>) {
        self.tasks.remove(&task.value);
        self.ended += 1;
        match finished {
            Some(duration) => self.measurements.finished.add(duration),
            None => {
                self.failed += 1;
                self.measurements.tasks_failed += 1;
            }
        }
    }

    fn call(&mut self, call: Call, now: Instant, out: &mut Vec<u8>) {
        let call = Call { framework_id: self.framework.clone(), ..call };
        encode_call(&self.host, self.stream.as_deref(), &wire::encode(&call), out);
        self.unanswered.push_back(now);
    }
}

/// Returns how many tasks fit into an offer. Mesos counts in thousandths, so a tenth is exact.
fn task_capacity(offer: &Offer) -> usize {
    let thousandths = |amount: f64| (amount * 1000.0).round() as usize;
    let fits = |(name, amount): &(&str, f64)| {
        let offered = offer.resources.iter().filter(|resource| resource.name == *name);
        let offered: usize = offered.filter_map(|r| r.scalar.as_ref()).map(|scalar| thousandths(scalar.value)).sum();
        offered / thousandths(*amount).max(1)
    };
    TASK.iter().map(fits).min().unwrap_or(0)
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
