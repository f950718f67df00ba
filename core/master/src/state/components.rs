//! The components of a master's state. Each owns its indices; handlers take the components that they need.

use std::sync::Arc;

use allocator::Allocator;
use messages::v1;
use model::{AgentId, FrameworkId, Random};

use crate::agents::{AgentRemovalLimiter, Agents, Recovery};
use crate::allocation::AllocationTimer;
use crate::failures::FailurePersistence;
use crate::frameworks::Frameworks;
use crate::interface::Config;
use crate::offers::Offers;
use crate::operations::Operations;
use crate::peers::Links;
use crate::policy::{InverseOffers, Policy, PreemptedTasks};
use crate::registry::{Registry, RegistryState};
use crate::support::{Ids, TimingWheel};
use crate::tasks::Tasks;
use model::master::Metrics;

/// The state of a master.
#[derive(Debug)]
pub(crate) struct State {
    pub config: Config,
    pub info: v1::MasterInfo,
    pub metrics: Arc<Metrics>,
    pub ids: Ids,
    pub frameworks: Frameworks,
    pub agents: Agents,
    pub tasks: Tasks,
    pub offers: Offers,
    pub links: Links,
    pub registry: Registry,
    pub policy: Policy,
    pub inverse_offers: InverseOffers,
    pub preempted_tasks: PreemptedTasks,
    pub recovery: Recovery,
    pub removal_limiter: AgentRemovalLimiter,
    pub pings: TimingWheel<AgentId>,
    pub heartbeats: TimingWheel<FrameworkId>,
    pub operations: Operations,
    pub monitor: failures::Monitor,
    pub failure_persistence: FailurePersistence,
    pub allocator: Allocator,
    pub allocation_timer: AllocationTimer,
}

impl State {
    /// Creates the state at the beginning of a term; the parameters are those of [`crate::Master::new`].
    pub fn new(config: Config, seed: [u8; 32], metrics: Arc<Metrics>, registry: RegistryState) -> Self {
        let mut random = Random::from_seed(seed);
        let id = config.master_id.clone().unwrap_or_else(|| random.uuid().to_string());
        let policy = config.recovery_policy.clone().unwrap_or_else(|| failures::Policy::new(config.agent_ping_timeout));
        State {
            monitor: failures::Monitor::new(policy, id.clone()),
            failure_persistence: FailurePersistence::default(),
            info: config.master_info(&id),
            metrics,
            ids: Ids::new(id),
            frameworks: Frameworks::new(config.max_completed_frameworks),
            agents: Agents::default(),
            tasks: Tasks::default(),
            offers: Offers::default(),
            links: Links::default(),
            policy: Policy::new(&registry),
            inverse_offers: InverseOffers::default(),
            preempted_tasks: PreemptedTasks::default(),
            registry: Registry::new(registry),
            recovery: Recovery::default(),
            removal_limiter: AgentRemovalLimiter::new(config.agent_removal_interval),
            pings: TimingWheel::new(config.agent_ping_timeout),
            heartbeats: TimingWheel::new(config.heartbeat_interval),
            operations: Operations::new(Random::from_u64(random.clone().next_u64())),
            allocator: crate::allocation::allocator(&config, random),
            allocation_timer: AllocationTimer::default(),
            config,
        }
    }
}
