//! Decides which task is placed on which offer, and tracks the state of each. It does no I/O.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::TaskState as State;
use model::is_terminal;

/// The resources that a task needs of an offer, in thousandths, by name.
pub type Fit = BTreeMap<String, i64>;

/// One task of the batch.
#[derive(Debug, Clone)]
pub struct TaskState {
    pub info: v1::TaskInfo,
    pub state: Option<State>,
    pub reason: Option<String>,
    pub message: String,
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
        let task = self.tasks.get(*self.waiting.last()?)?;
        if let Some(executor) = &self.pod {
            let sum = self.needs_of_pod(executor).into_iter();
            let amount = |(name, thousandths): (String, i64)| format!("{name}:{}", thousandths as f64 / 1000.0);
            return Some(sum.map(amount).collect::<Vec<_>>().join(";"));
        }
        let scalars = task.info.resources.iter().filter_map(|r| Some((r.name.as_str(), r.scalar.as_ref()?.value)));
        Some(scalars.map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(";"))
    }

    /// Fills each offer with waiting tasks in their order.
    pub fn place(&mut self, offers: &[v1::Offer], now: f64) -> Vec<Placement> {
        offers.iter().map(|offer| self.place_on(offer, now)).collect()
    }

    fn needs_of_pod(&self, executor: &v1::ExecutorInfo) -> Fit {
        let of_tasks = self.tasks.iter().flat_map(|task| &task.info.resources);
        let all: Vec<v1::Resource> = of_tasks.chain(&executor.resources).cloned().collect();
        unreserved_scalars(&all)
    }

    fn place_on(&mut self, offer: &v1::Offer, now: f64) -> Placement {
        let mut left = unreserved_scalars(&offer.resources);
        let mut placement = Placement { offer: offer.id.clone(), tasks: Vec::new(), pod: None };
        if let Some(executor) = &self.pod {
            // A pod runs as a whole or not at all.
            if self.waiting.is_empty() || !take(&mut left.clone(), &self.needs_of_pod(executor)) {
                return placement;
            }
            let mut executor = executor.clone();
            allocate_to_role_of(offer, &mut executor.resources);
            placement.pod = Some(executor);
        }
        let mut passed = Vec::new();
        while let Some(index) = self.waiting.pop() {
            let Some(task) = self.tasks.get_mut(index) else { continue };
            let need = unreserved_scalars(&task.info.resources);
            if !take(&mut left, &need) {
                passed.push(index);
                continue;
            }
            let mut info = task.info.clone();
            info.agent_id = offer.agent_id.clone();
            allocate_to_role_of(offer, &mut info.resources);
            if let Some(executor) = info.executor.as_deref_mut() {
                allocate_to_role_of(offer, &mut executor.resources);
            }
            task.agent = Some(offer.agent_id.clone());
            task.launched = Some(now);
            placement.tasks.push(info);
        }
        passed.reverse();
        self.waiting = passed;
        placement
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

/// Sums up the unreserved scalars. Masters send `role` to frameworks without RESERVATION_REFINEMENT and `reservations`
/// to the others.
#[allow(deprecated)]
fn unreserved_scalars(resources: &[v1::Resource]) -> Fit {
    let mut sum = Fit::new();
    for resource in resources {
        let reserved = !resource.reservations.is_empty() || resource.role.as_deref().is_some_and(|r| r != "*");
        if let (Some(scalar), false) = (&resource.scalar, reserved) {
            // Mesos keeps three decimals.
            *sum.entry(resource.name.clone()).or_default() += (scalar.value * 1000.0).round() as i64;
        }
    }
    sum
}

fn take(left: &mut Fit, need: &Fit) -> bool {
    if need.iter().any(|(name, amount)| left.get(name).copied().unwrap_or_default() < *amount) {
        return false;
    }
    for (name, amount) in need {
        if let Some(rest) = left.get_mut(name) {
            *rest -= amount;
        }
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
    #[allow(deprecated)]
    fn reserved_resources_are_left_alone() {
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
        assert_eq!(needs_reconciliation(&plan), ["c"], "also if it is no news");
        assert!(plan.update(&update("c", State::TaskGone), 2.0));
        assert_eq!(needs_reconciliation(&plan), Vec::<String>::new());

        plan.reconcile(&[task("b", 1.0)]);
        assert_eq!(needs_reconciliation(&plan), ["b"]);
    }
}
