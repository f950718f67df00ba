//! The state of the allocator and the queries that other modules do not own.

use std::collections::{BTreeMap, BTreeSet};

use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::{ResourceQuantities, Resources};
use rustc_hash::FxHashMap;

use crate::agent::Agent;
use crate::amounts::Cluster;
use crate::constraints::Exclusions;
use crate::dirty::Dirty;
use crate::framework::Framework;
use crate::inverse_offers::MaintenanceWindows;
use crate::offer_filters::OfferFilters;
use crate::partitions::Partitions;
use crate::quota::{HeadroomAgents, Ledger};
use crate::recovery::Pause;
use crate::slab::{Ix, Slab};
use crate::tree::{Kind, Node, Tree};
use crate::{Options, Quota};

/// A role as the `/roles` endpoint shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleView {
    /// The role.
    pub role: Role,
    /// The weight in force: that of the role's partition, otherwise the one set for the role, otherwise 1.
    pub weight: f64,
    /// The frameworks that are subscribed to the role or have resources allocated in it.
    pub frameworks: Vec<FrameworkId>,
    /// The resources that are offered or allocated to exactly this role.
    pub allocated: ResourceQuantities,
}

/// The state and the decisions of the allocator. It does no I/O and reads no clock.
#[derive(Debug)]
pub struct Allocator {
    pub(crate) options: Options,
    pub(crate) agents: Slab<Agent>,
    pub(crate) frameworks: Slab<Framework>,
    /// The indices of agents, used for lookup only.
    pub(crate) agent_ids: FxHashMap<AgentId, Ix<Agent>>,
    pub(crate) framework_ids: FxHashMap<FrameworkId, Ix<Framework>>,
    pub(crate) tree: Tree,
    pub(crate) cluster: Cluster,
    pub(crate) offer_filters: OfferFilters,
    pub(crate) whitelist: Option<BTreeSet<String>>,
    pub(crate) dirty: Dirty,
    pub(crate) windows: MaintenanceWindows,
    pub(crate) exclusions: Exclusions,
    pub(crate) pause: Option<Pause>,
    /// Quotas by role. The partition of a role takes precedence over its quota.
    pub(crate) quotas: BTreeMap<Role, Quota>,
    pub(crate) partitions: Partitions,
    pub(crate) ledger: Ledger,
    pub(crate) headroom_agents: HeadroomAgents,
}

impl Allocator {
    /// Creates the allocator of an empty cluster.
    pub fn new(options: Options) -> Self {
        Allocator {
            cluster: Cluster::new(options.excluded_resource_names.clone()),
            tree: Tree::new(options.role_sorter, options.framework_sorter),
            options,
            agents: Slab::default(),
            frameworks: Slab::default(),
            agent_ids: FxHashMap::default(),
            framework_ids: FxHashMap::default(),
            offer_filters: OfferFilters::default(),
            whitelist: None,
            dirty: Dirty::default(),
            windows: MaintenanceWindows::default(),
            exclusions: Exclusions::default(),
            pause: None,
            quotas: BTreeMap::new(),
            partitions: Partitions::default(),
            ledger: Ledger::new(),
            headroom_agents: HeadroomAgents::default(),
        }
    }

    /// Sets the weight of a role. Weights that are not positive numbers are ignored.
    pub fn set_weight(&mut self, role: &Role, weight: f64) {
        self.tree.set_weight(role, weight);
    }

    /// Returns when to call [`allocate`](Self::allocate): a time in the past if something is dirty, otherwise the end
    /// of the next offer filter; `None` if there is nothing to wait for. During the pause after a failover it is the
    /// end of the pause.
    pub fn next_wakeup(&self) -> Option<Monotonic> {
        if !self.is_dirty() {
            return self.offer_filters.next_deadline().into_iter().chain(self.windows.next_deadline()).min();
        }
        Some(self.paused_until().unwrap_or_default())
    }

    /// Returns whether a run would visit any agent.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.windows.is_dirty() || self.headroom_agents.is_dirty(&self.ledger)
    }

    /// Returns the number of pairs of a framework in a role and an agent with an active offer filter.
    pub fn active_offer_filters(&self) -> usize {
        self.offer_filters.len()
    }

    /// Returns the roles whose number of active offer filters changed since the last call, with that number. It is
    /// the metric `allocator/mesos/offer_filters/roles/<role>/active`.
    pub fn take_changed_offer_filter_counts(&mut self) -> Vec<(Role, usize)> {
        self.offer_filters.take_changed_counts()
    }

    /// Returns the resources of an agent that are neither offered nor allocated; `None` for an unknown agent.
    pub fn available(&self, agent: &AgentId) -> Option<&Resources> {
        Some(self.agents.get(*self.agent_ids.get(agent)?)?.available())
    }

    /// Iterates over the roles that frameworks are in, by name.
    pub fn roles(&self) -> impl Iterator<Item = RoleView> + '_ {
        self.tree.roles().into_iter().map(|(role, own)| RoleView {
            role: role.clone(),
            weight: self.tree.weight(role),
            frameworks: own.children.values().filter_map(|leaf| self.framework_id(*leaf)).collect(),
            allocated: self.cluster.quantities(&own.allocated),
        })
    }

    fn framework_id(&self, leaf: Ix<Node>) -> Option<FrameworkId> {
        match self.tree.get(leaf)?.kind {
            Kind::Leaf { framework, .. } => Some(self.frameworks.get(framework)?.id.clone()),
            _ => None,
        }
    }
}
