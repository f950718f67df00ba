//! Decides which task is placed on which offer, and tracks the state of each. It does no I/O.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::TaskState as State;
use model::is_terminal;

use crate::commands::killed_as_unhealthy;

/// The unreserved resources of an offer, or those that a task needs of it.
#[derive(Debug, Clone, Default)]
struct Fit {
    /// Amounts in thousandths, by name.
    scalars: BTreeMap<String, i64>,
    /// Ranges such as ports, by name. They do not overlap.
    ranges: BTreeMap<String, Vec<(u64, u64)>>,
}

/// One task of the batch.
#[derive(Debug, Clone)]
pub struct TaskState {
    pub info: v1::TaskInfo,
    pub state: Option<State>,
    pub reason: Option<String>,
    pub message: String,
    /// The reason for its end if it was killed because it was not healthy.
    pub unhealthy: Option<String>,
    pub agent: Option<v1::AgentId>,
    pub launched: Option<f64>,
    pub ended: Option<f64>,
    /// The id of its container, as its agent reports it.
    pub container: Option<v1::ContainerId>,
    /// Whether updates of the task may have been missed.
    needs_reconciliation: bool,
}

impl TaskState {
    pub fn is_over(&self) -> bool {
        self.state.is_some_and(is_terminal)
    }

    fn is_live(&self) -> bool {
        self.launched.is_some() && !self.is_over()
    }
}

/// The tasks of a batch.
#[derive(Debug, Default)]
pub struct Plan {
    tasks: Vec<TaskState>,
    by_id: BTreeMap<String, usize>,
    waiting: Vec<usize>,
    /// The executor of a pod, whose tasks are launched together; `None` for tasks that are independent of each other.
    pod: Option<v1::ExecutorInfo>,
}

/// The tasks that are launched on one offer.
#[derive(Debug)]
pub struct Placement {
    pub offer: v1::OfferId,
    pub tasks: Vec<v1::TaskInfo>,
    /// The executor that runs them as a group, if they are a pod.
    pub pod: Option<v1::ExecutorInfo>,
}

impl Plan {
    pub fn new(infos: Vec<v1::TaskInfo>) -> Self {
        let mut plan = Plan::default();
        for info in infos {
            plan.by_id.insert(info.task_id.value.clone(), plan.tasks.len());
            plan.waiting.push(plan.tasks.len());
            plan.tasks.push(TaskState {
                info,
                state: None,
                reason: None,
                message: String::new(),
                unhealthy: None,
                agent: None,
                launched: None,
                ended: None,
                container: None,
                needs_reconciliation: false,
            });
        }
        // Tasks are popped from the end, so the first task is placed first.
        plan.waiting.reverse();
        plan
    }

    /// Makes the plan of a pod, whose tasks run together under this executor.
    pub fn pod(executor: v1::ExecutorInfo, infos: Vec<v1::TaskInfo>) -> Self {
        Plan { pod: Some(executor), ..Plan::new(infos) }
    }

    pub fn tasks(&self) -> &[TaskState] {
        &self.tasks
    }

    pub fn is_over(&self) -> bool {
        self.tasks.iter().all(TaskState::is_over)
    }

    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns the resources that the first waiting task, or the whole pod, asks for: `cpus:1000;mem:32`; `None` if no
    /// task waits.
    pub fn demand(&self) -> Option<String> {
        let first = self.tasks.get(*self.waiting.last()?)?;
        let need = match &self.pod {
            None => Fit::of(&first.info.resources),
            Some(executor) => self.need_of_pod(executor),
        };
        let amounts = need.scalars.iter().map(|(name, amount)| format!("{name}:{}", *amount as f64 / 1000.0));
        Some(amounts.collect::<Vec<_>>().join(";"))
    }

    /// Fills each offer with waiting tasks in their order.
    pub fn place(&mut self, offers: &[v1::Offer], now: f64) -> Vec<Placement> {
        offers.iter().map(|offer| self.place_on(offer, now)).collect()
    }

    /// Returns what a pod needs: the resources of its executor and of all its tasks.
    fn need_of_pod(&self, executor: &v1::ExecutorInfo) -> Fit {
        let mut need = Fit::of(&executor.resources);
        self.tasks.iter().for_each(|task| need.add(&task.info.resources));
        need
    }

    fn place_on(&mut self, offer: &v1::Offer, now: f64) -> Placement {
        let mut left = Fit::of(&offer.resources);
        let mut placement = Placement { offer: offer.id.clone(), tasks: Vec::new(), pod: None };
        if let Some(executor) = &self.pod {
            // A pod runs as a whole or not at all.
            if self.waiting.is_empty() || !left.take(&self.need_of_pod(executor)) {
                return placement;
            }
            let mut executor = executor.clone();
            allocate_to_role_of(offer, &mut executor.resources);
            placement.pod = Some(executor);
            while let Some(index) = self.waiting.pop() {
                placement.tasks.extend(self.launch_on(index, offer, now));
            }
            return placement;
        }
        let mut passed = Vec::new();
        while let Some(index) = self.waiting.pop() {
            let need = self.tasks.get(index).map(|task| Fit::of(&task.info.resources)).unwrap_or_default();
            if left.take(&need) {
                placement.tasks.extend(self.launch_on(index, offer, now));
            } else {
                passed.push(index);
            }
        }
        passed.reverse();
        self.waiting = passed;
        placement
    }

    /// Returns the task as it is launched on an offer.
    fn launch_on(&mut self, index: usize, offer: &v1::Offer, now: f64) -> Option<v1::TaskInfo> {
        let task = self.tasks.get_mut(index)?;
        let mut info = task.info.clone();
        info.agent_id = offer.agent_id.clone();
        allocate_to_role_of(offer, &mut info.resources);
        if let Some(executor) = info.executor.as_deref_mut() {
            allocate_to_role_of(offer, &mut executor.resources);
        }
        task.agent = Some(offer.agent_id.clone());
        task.launched = Some(now);
        Some(info)
    }

    /// Records an update. Returns true if it changes something.
    pub fn update(&mut self, status: &v1::TaskStatus, now: f64) -> bool {
        let Some(task) = self.by_id.get(&status.task_id.value).and_then(|index| self.tasks.get_mut(*index)) else {
            return false;
        };
        task.needs_reconciliation = false;
        let state = status.state();
        if task.is_over() || task.state == Some(state) {
            return false;
        }
        task.state = Some(state);
        task.unhealthy = killed_as_unhealthy(status, task.info.health_check.as_deref());
        task.message = status.message.clone().unwrap_or_default();
        task.reason =
            status.reason.and_then(|r| v1::task_status::Reason::try_from(r).ok()).map(|r| r.as_str_name().to_owned());
        if let Some(agent) = &status.agent_id {
            task.agent = Some(agent.clone());
        }
        if let Some(id) = status.container_status.as_ref().and_then(|status| status.container_id.as_deref()) {
            task.container = Some(id.clone());
        }
        if is_terminal(state) {
            task.ended = Some(now);
        }
        true
    }

    /// Returns the ids of the tasks that were launched and are not over.
    pub fn live(&self) -> Vec<v1::TaskId> {
        self.tasks.iter().filter(|task| task.is_live()).map(|t| t.info.task_id.clone()).collect()
    }

    /// Marks all live tasks for reconciliation, because updates may have been missed while the connection was broken.
    pub fn reconcile_live(&mut self) {
        self.tasks.iter_mut().filter(|task| task.is_live()).for_each(|task| task.needs_reconciliation = true);
    }

    /// Marks tasks for reconciliation of which it is unknown whether they were launched.
    pub fn reconcile(&mut self, tasks: &[v1::TaskInfo]) {
        for index in tasks.iter().filter_map(|task| self.by_id.get(&task.task_id.value)) {
            if let Some(task) = self.tasks.get_mut(*index) {
                task.needs_reconciliation = true;
            }
        }
    }

    /// Returns the tasks that need reconciliation, with their agents.
    pub fn needs_reconciliation(&self) -> Vec<(v1::TaskId, Option<v1::AgentId>)> {
        let needs_reconciliation = |t: &&TaskState| t.needs_reconciliation && t.is_live();
        self.tasks.iter().filter(needs_reconciliation).map(|t| (t.info.task_id.clone(), t.agent.clone())).collect()
    }
}

impl Fit {
    fn of(resources: &[v1::Resource]) -> Self {
        let mut fit = Fit::default();
        fit.add(resources);
        fit
    }

    /// Adds the unreserved scalars and ranges. Revocable ones have a name of their own, so that only a task that asks for them
    /// gets them. Masters send `role` to frameworks without RESERVATION_REFINEMENT and
    /// `reservations` to the others.
    #[allow(deprecated)]
    fn add(&mut self, resources: &[v1::Resource]) {
        let reserved = |resource: &v1::Resource| {
            !resource.reservations.is_empty() || resource.role.as_deref().is_some_and(|role| role != "*")
        };
        for resource in resources.iter().filter(|resource| !reserved(resource)) {
            let revocable = if resource.revocable.is_some() { "{REV}" } else { "" };
            let name = format!("{}{revocable}", resource.name);
            if let Some(scalar) = &resource.scalar {
                // Mesos keeps three decimals.
                *self.scalars.entry(name.clone()).or_default() += (scalar.value * 1000.0).round() as i64;
            }
            if let Some(ranges) = &resource.ranges {
                let ranges = ranges.range.iter().map(|range| (range.begin, range.end));
                self.ranges.entry(name).or_default().extend(ranges);
            }
        }
    }

    /// Subtracts what is needed. Returns false and changes nothing if it is not all there.
    fn take(&mut self, need: &Fit) -> bool {
        let lacks = |(name, amount): (&String, &i64)| self.scalars.get(name).copied().unwrap_or_default() < *amount;
        if need.scalars.iter().any(lacks) {
            return false;
        }
        if !need.ranges.is_empty() {
            let mut ranges = self.ranges.clone();
            for (name, needed) in &need.ranges {
                let left = ranges.entry(name.clone()).or_default();
                if !needed.iter().all(|range| take_range(left, *range)) {
                    return false;
                }
            }
            self.ranges = ranges;
        }
        for (name, amount) in &need.scalars {
            if let Some(rest) = self.scalars.get_mut(name) {
                *rest -= amount;
            }
        }
        true
    }
}

/// Removes a range from the one that contains it. Returns false if there is none.
fn take_range(left: &mut Vec<(u64, u64)>, (begin, end): (u64, u64)) -> bool {
    let Some(at) = left.iter().position(|(first, last)| *first <= begin && end <= *last) else { return false };
    let (first, last) = left.swap_remove(at);
    if first < begin {
        left.push((first, begin - 1));
    }
    if end < last {
        left.push((end + 1, last));
    }
    true
}

/// Allocates resources to the role of the offer, as a MULTI_ROLE framework must.
fn allocate_to_role_of(offer: &v1::Offer, resources: &mut [v1::Resource]) {
    for resource in resources {
        resource.allocation_info = offer.allocation_info.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str, value: f64) -> v1::Resource {
        v1::Resource {
            name: name.into(),
            r#type: v1::value::Type::Scalar.into(),
            scalar: Some(v1::value::Scalar { value }),
            ..Default::default()
        }
    }

    fn task(id: &str, cpus: f64) -> v1::TaskInfo {
        v1::TaskInfo {
            name: id.into(),
            task_id: v1::TaskId { value: id.into() },
            resources: vec![scalar("cpus", cpus)],
            ..Default::default()
        }
    }

    fn offer(id: &str, cpus: f64) -> v1::Offer {
        v1::Offer {
            id: v1::OfferId { value: id.into() },
            agent_id: v1::AgentId { value: format!("agent-{id}") },
            resources: vec![scalar("cpus", cpus)],
            ..Default::default()
        }
    }

    fn update(id: &str, state: State) -> v1::TaskStatus {
        v1::TaskStatus { task_id: v1::TaskId { value: id.into() }, state: state.into(), ..Default::default() }
    }

    fn placed(plan: &mut Plan, offers: &[v1::Offer]) -> Vec<Vec<String>> {
        plan.place(offers, 0.0).into_iter().map(|p| p.tasks.into_iter().map(|t| t.task_id.value).collect()).collect()
    }

    #[test]
    fn offers_are_filled_in_order_and_large_tasks_do_not_block_small_ones() {
        let mut plan = Plan::new(vec![task("a", 1.0), task("b", 3.0), task("c", 0.5), task("d", 0.6)]);
        assert_eq!(plan.demand().as_deref(), Some("cpus:1"));
        assert_eq!(placed(&mut plan, &[offer("1", 2.0)]), [vec!["a", "c"]]);
        assert_eq!(plan.demand().as_deref(), Some("cpus:3"));
        assert_eq!(placed(&mut plan, &[offer("2", 3.5), offer("3", 1.0)]), [vec!["b"], vec!["d"]]);
        assert!(!plan.has_waiting() && plan.demand().is_none());
        assert_eq!(placed(&mut plan, &[offer("4", 8.0)]), [Vec::<String>::new()]);
    }

    #[test]
    fn revocable_resources_are_for_tasks_that_ask_for_them() {
        let revocable = |value: f64| v1::Resource { revocable: Some(Default::default()), ..scalar("cpus", value) };
        let mut plan =
            Plan::new(vec![task("a", 1.0), v1::TaskInfo { resources: vec![revocable(1.0)], ..task("b", 0.0) }]);
        let offer = v1::Offer { resources: vec![scalar("cpus", 0.5), revocable(2.0)], ..offer("1", 0.0) };
        assert_eq!(placed(&mut plan, &[offer]), [vec!["b"]]);
    }

    fn ports(ranges: &[(u64, u64)]) -> v1::Resource {
        let range = ranges.iter().map(|(begin, end)| v1::value::Range { begin: *begin, end: *end }).collect();
        v1::Resource {
            name: "ports".into(),
            r#type: v1::value::Type::Ranges.into(),
            ranges: Some(Box::new(v1::value::Ranges { range })),
            ..Default::default()
        }
    }

    #[test]
    fn a_port_is_given_to_one_task_of_an_agent() {
        let check = |offered: &[(u64, u64)], needed: &[&[(u64, u64)]], expect: &[&str]| {
            let mut offer = offer("1", 8.0);
            offer.resources.push(ports(offered));
            let with_ports = |(index, ranges): (usize, &&[(u64, u64)])| {
                let mut task = task(&index.to_string(), 1.0);
                task.resources.push(ports(ranges));
                task
            };
            let mut plan = Plan::new(needed.iter().enumerate().map(with_ports).collect());
            assert_eq!(placed(&mut plan, &[offer]), [expect], "{offered:?} {needed:?}");
        };
        check(&[(10, 20)], &[&[(15, 15)], &[(15, 15)], &[(10, 14), (16, 20)]], &["0", "2"]);
        check(&[(10, 20)], &[&[(9, 10)], &[(20, 21)], &[(20, 20)]], &["2"]);
        check(&[(10, 12), (14, 20)], &[&[(12, 14)], &[(12, 12), (14, 14)]], &["1"]);
    }

    #[test]
    fn a_group_is_placed_as_a_whole() {
        let executor = || v1::ExecutorInfo {
            executor_id: v1::ExecutorId { value: "e".into() },
            resources: vec![scalar("cpus", 0.5)],
            ..Default::default()
        };
        let mut plan = Plan::pod(executor(), vec![task("a", 1.0), task("b", 2.0)]);
        assert_eq!(plan.demand().as_deref(), Some("cpus:3.5"));
        assert_eq!(placed(&mut plan, &[offer("1", 3.4)]), [Vec::<String>::new()]);
        let placements = plan.place(&[offer("2", 3.5), offer("3", 9.0)], 0.0);
        let ids: Vec<_> = placements[0].tasks.iter().map(|task| task.task_id.value.as_str()).collect();
        assert_eq!((ids, placements[0].pod.is_some()), (vec!["a", "b"], true));
        assert_eq!(placements[0].tasks[1].agent_id.value, "agent-2");
        assert!(placements[1].tasks.is_empty() && !plan.has_waiting());
    }

    #[test]
    #[allow(deprecated)]
    fn reserved_resources_are_not_used() {
        let mut plan = Plan::new(vec![task("a", 1.0)]);
        let mut reserved = offer("1", 4.0);
        reserved.resources[0].role = Some("eng".into());
        assert_eq!(placed(&mut plan, &[reserved]), [Vec::<String>::new()]);
        assert!(plan.has_waiting());
    }

    #[test]
    fn a_pod_is_placed_as_a_whole() {
        let executor = v1::ExecutorInfo { resources: vec![scalar("cpus", 0.5)], ..Default::default() };
        let mut plan = Plan::pod(executor, vec![task("a", 1.0), task("b", 0.5)]);
        assert_eq!(plan.demand().as_deref(), Some("cpus:2"));
        assert_eq!(placed(&mut plan, &[offer("1", 1.9)]), [Vec::<String>::new()]);
        let placement = plan.place(&[offer("2", 2.0)], 0.0).remove(0);
        assert_eq!((placement.tasks.len(), placement.pod.is_some(), plan.demand()), (2, true, None));
        let placement = plan.place(&[offer("3", 2.0)], 0.0).remove(0);
        assert!(placement.tasks.is_empty() && placement.pod.is_none());
    }

    #[test]
    fn the_first_terminal_state_stays() {
        let mut plan = Plan::new(vec![task("a", 1.0)]);
        placed(&mut plan, &[offer("1", 1.0)]);
        assert!(plan.update(&update("a", State::TaskRunning), 1.0));
        assert!(!plan.update(&update("a", State::TaskRunning), 2.0), "a resent update says nothing new");
        assert_eq!(plan.live().len(), 1);
        assert!(plan.update(&update("a", State::TaskFinished), 3.0));
        assert!(!plan.update(&update("a", State::TaskLost), 4.0));
        assert!(!plan.update(&update("unknown", State::TaskLost), 4.0));
        assert!(plan.is_over());
        assert_eq!(plan.tasks()[0].ended, Some(3.0));
    }

    #[test]
    fn reconciliation_ends_with_the_next_update_of_a_task() {
        let mut plan = Plan::new(vec![task("a", 1.0), task("b", 1.0), task("c", 1.0), task("waiting", 9.0)]);
        placed(&mut plan, &[offer("1", 3.0)]);
        plan.update(&update("a", State::TaskFinished), 1.0);
        plan.update(&update("b", State::TaskRunning), 1.0);
        let needs_reconciliation =
            |plan: &Plan| plan.needs_reconciliation().into_iter().map(|(id, _)| id.value).collect::<Vec<_>>();
        assert_eq!(needs_reconciliation(&plan), Vec::<String>::new());

        plan.reconcile_live();
        assert_eq!(needs_reconciliation(&plan), ["b", "c"]);
        assert_eq!(plan.needs_reconciliation()[0].1.as_ref().map(|agent| agent.value.as_str()), Some("agent-1"));
        assert!(!plan.update(&update("b", State::TaskRunning), 2.0));
        assert_eq!(needs_reconciliation(&plan), ["c"], "also if its state is known");
        assert!(plan.update(&update("c", State::TaskGone), 2.0));
        assert_eq!(needs_reconciliation(&plan), Vec::<String>::new());

        plan.reconcile(&[task("b", 1.0)]);
        assert_eq!(needs_reconciliation(&plan), ["b"]);
    }
}
