//! The master's side of allocation: it reports changes to the allocator, and runs it shortly after a change.

use std::time::Duration;

use allocator::{AgentOptions, Allocator, FrameworkOptions, Options};
use messages::v1;
use model::master::Change;
use model::{AgentId, FrameworkId, Random};
use resources::Resources;

use super::timer::AllocationTimer;
use crate::agents::{Agent, Agents};
use crate::frameworks::{Framework, Frameworks};
use crate::interface::{Config, Context, Timer};
use crate::offers::{Allocation, offer};
use crate::policy::{make_inverse_offers, preempt};
use crate::state::State;
use model::master::Metrics;

/// The default of `Filters.refuse_seconds`, as in Mesos.
const DEFAULT_REFUSE_DURATION: Duration = Duration::from_secs(5);
/// The longest refuse duration; longer ones are cut (MESOS-1375: clients send absurd numbers to mean "never").
const LONGEST_REFUSE_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) fn allocator(config: &Config, random: Random) -> Allocator {
    let region = config
        .domain
        .as_ref()
        .and_then(|domain| domain.fault_domain.as_ref())
        .map(|fault_domain| fault_domain.region.name.clone());
    Allocator::new(Options {
        random,
        region,
        allocation_interval: config.allocation_interval,
        ..config.allocator.clone()
    })
}

/// Returns how long declined resources are not offered to the framework that declined them. An ACCEPT or DECLINE
/// without filters has the default ones.
pub(crate) fn refuse_duration(filters: Option<&v1::Filters>) -> Duration {
    match filters.and_then(|filters| filters.refuse_seconds) {
        None => DEFAULT_REFUSE_DURATION,
        // NaN is treated like a negative number.
        Some(seconds) if seconds.is_nan() || seconds < 0.0 => DEFAULT_REFUSE_DURATION,
        Some(seconds) => {
            Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_REFUSE_DURATION).min(LONGEST_REFUSE_DURATION)
        }
    }
}

/// Returns the format of agents and frameworks that predate reservation refinement. It cannot express refined
/// reservations; the allocator keeps them from those frameworks.
pub(crate) fn pre_refinement(resources: &Resources) -> Vec<v1::Resource> {
    resources.to_proto_pre_refinement().unwrap_or_else(|_| resources.to_proto())
}

/// Called after each step: schedules a run if the allocator needs one. The delay lets one run serve many events.
pub(crate) fn schedule_allocation(
    allocation_timer: &mut AllocationTimer,
    allocator: &Allocator,
    config: &Config,
    cx: &mut Context<'_>,
) {
    let Some(wakeup) = allocator.next_wakeup() else { return };
    let at = wakeup.max(cx.now.monotonic + config.allocation_delay);
    if allocation_timer.bring_forward(at) {
        cx.arm(Timer::Allocate, at);
    }
}

/// Called after each step: publishes the changed numbers of offer filters.
pub(crate) fn publish_offer_filter_counts(allocator: &mut Allocator, cx: &mut Context<'_>) {
    for (role, active) in allocator.take_changed_offer_filter_counts() {
        cx.publish(Change::OfferFiltersCounted { role, active });
    }
}

pub(crate) fn allocate(state: &mut State, cx: &mut Context<'_>) {
    state.allocation_timer.fired();
    state.metrics.allocation_runs.increment();
    let mut allocations = state.allocator.allocate(cx.now.monotonic);
    // There is one event per framework; within a framework the order is the allocator's.
    allocations.sort_by(|a, b| a.framework.cmp(&b.framework));
    let mut allocations = allocations.into_iter().peekable();
    while let Some(first) = allocations.next() {
        let framework = first.framework;
        let mut own = vec![Allocation { agent: first.agent, role: first.role, resources: first.resources }];
        while let Some(next) = allocations.next_if(|next| next.framework == framework) {
            own.push(Allocation { agent: next.agent, role: next.role, resources: next.resources });
        }
        offer(state, cx, &framework, own);
    }
    make_inverse_offers(state, cx);
    preempt(state, cx);
}

/// Recovers resources. `refuse` is the time for which they are not offered to this framework again.
pub(crate) fn recover_resources(
    allocator: &mut Allocator,
    cx: &Context<'_>,
    framework: &FrameworkId,
    agent: &AgentId,
    resources: &Resources,
    refuse: Option<Duration>,
) {
    if !resources.is_empty() {
        allocator.recover(cx.now.monotonic, framework, agent, resources, refuse);
    }
}

/// Recovers the resources of a task or an executor that ended.
pub(crate) fn recover_used(
    allocator: &mut Allocator,
    metrics: &Metrics,
    cx: &Context<'_>,
    framework: &FrameworkId,
    agent: &AgentId,
    resources: &Resources,
) {
    metrics.used.subtract(resources);
    recover_resources(allocator, cx, framework, agent, resources, None);
}

pub(crate) fn allocator_add_framework(allocator: &mut Allocator, framework: &Framework) {
    allocator.add_framework(options_of(framework), framework.state().is_active(), &[]);
}

pub(crate) fn allocator_update_framework(allocator: &mut Allocator, frameworks: &Frameworks, id: &FrameworkId) {
    if let Some(framework) = frameworks.get(id.as_str()) {
        allocator.update_framework(options_of(framework));
    }
}

pub(crate) fn allocator_add_agent(allocator: &mut Allocator, agent: &Agent, used: &[(FrameworkId, Resources)]) {
    allocator.add_agent(agent_options(agent), used);
}

pub(crate) fn allocator_update_agent(allocator: &mut Allocator, agents: &Agents, id: &AgentId) {
    if let Some(agent) = agents.get(id.as_str()) {
        allocator.update_agent(agent_options(agent));
    }
}

fn options_of(framework: &Framework) -> FrameworkOptions<'_> {
    FrameworkOptions {
        id: framework.id(),
        info: framework.info(),
        suppressed: &framework.snapshot().suppressed,
        constraints: framework.constraints(),
    }
}

fn agent_options(agent: &Agent) -> AgentOptions<'_> {
    AgentOptions {
        id: agent.id(),
        info: &agent.snapshot().info,
        capabilities: &agent.snapshot().capabilities,
        total: agent.snapshot().total.clone(),
        active: agent.snapshot().active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuse_seconds_follow_mesos() {
        let of = |seconds: f64| refuse_duration(Some(&v1::Filters { refuse_seconds: Some(seconds) }));
        assert_eq!(refuse_duration(None), DEFAULT_REFUSE_DURATION);
        assert_eq!(refuse_duration(Some(&v1::Filters::default())), DEFAULT_REFUSE_DURATION);
        assert_eq!(of(-1.0), DEFAULT_REFUSE_DURATION);
        assert_eq!(of(f64::NAN), DEFAULT_REFUSE_DURATION);
        assert_eq!(of(0.0), Duration::ZERO);
        assert_eq!(of(1.5), Duration::from_millis(1500));
        assert_eq!(of(4294967295.0), LONGEST_REFUSE_DURATION);
        assert_eq!(of(f64::INFINITY), LONGEST_REFUSE_DURATION);
    }
}
