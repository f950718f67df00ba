//! The visit of one agent within an allocation run.
//!
//! A run has two stages over all agents, as in Mesos: the first allocates to roles with an unsatisfied guarantee, the
//! second to all roles in the order of their shares. In both stages resources that count for quota are cut to the
//! allowance of the role; other resources are not limited by quota.

use std::ops::ControlFlow;

use model::Role;
use resources::Resources;

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::amounts::{AmountLimits, Cluster, counts_for_quota};
use crate::eligibility;
use crate::framework::Framework;
use crate::offer_filters::{AgentOfferFilters, ContainsCache};
use crate::quota::{Account, Ledger, RoleAllowance};
use crate::slab::Ix;
use crate::tree::{Kind, Node, VisitScope, Visitor};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stage {
    /// Allocates to roles with an unsatisfied guarantee of this priority, until the guarantee is satisfied.
    Guarantees(i32),
    /// Allocates to all roles in the order of their shares.
    FairShare,
}

/// Resources of the visited agent that are allocated to a framework in a role.
#[derive(Debug)]
pub(crate) struct Grant {
    pub framework: Ix<Framework>,
    pub role: Role,
    pub resources: Resources,
    /// The resources, allocated to the role.
    pub allocated: Resources,
}

pub(crate) struct AgentVisit<'a> {
    pub allocator: &'a Allocator,
    ix: Ix<Agent>,
    agent: &'a Agent,
    offer_filters: Option<&'a AgentOfferFilters>,
    /// The quota ledger. Every grant is entered at once, so that the allowance of the next role takes it into account.
    pub ledger: &'a mut Ledger,
    pub stage: Stage,
    pub left: Resources,
    pub grants: Vec<Grant>,
    /// Whether quota withheld resources from at least one role.
    pub quota_withheld: bool,
    /// Whether everything that is left counts for quota.
    all_quota_resources: bool,
    contains_cache: ContainsCache,
}

/// The resources of an agent that remain for one role. It is computed once for all frameworks of the role: most of them
/// differ only in their offer filters.
struct RemainingForRole {
    resources: Resources,
    /// Whether no resource needs a capability of the framework.
    unrestricted: bool,
    /// Whether the resources reach `--min_allocatable_resources`.
    allocatable: bool,
    /// Whether they contain resources that an unsatisfied guarantee lacks.
    helps: bool,
}

impl<'a> AgentVisit<'a> {
    /// Begins a visit. `ledger` is the ledger of the allocator, which is taken out of it during a run.
    pub fn new(
        allocator: &'a Allocator,
        ledger: &'a mut Ledger,
        ix: Ix<Agent>,
        agent: &'a Agent,
        left: Resources,
    ) -> Self {
        AgentVisit {
            allocator,
            ix,
            agent,
            offer_filters: allocator.offer_filters.on(ix),
            ledger,
            stage: Stage::FairShare,
            all_quota_resources: left.iter().all(counts_for_quota),
            left,
            grants: Vec::new(),
            quota_withheld: false,
            contains_cache: ContainsCache::default(),
        }
    }

    /// Returns whether everything that is left is headroom for guarantees, so that no role without a guarantee can be
    /// allocated any of it.
    pub fn is_all_needed_for_guarantees(&self) -> bool {
        self.all_quota_resources
            && self.ledger.needs_all(self.left.iter().filter_map(|one| self.allocator.cluster.find(one.name())))
    }

    /// Returns the resources of the agent that may be allocated to a role.
    fn remaining_for_role(&mut self, role: &Role, account: Ix<Account>) -> RemainingForRole {
        let resources = self.left.allocatable_to(role.as_str());
        let allowance = self.ledger.allowance(account);
        let helps = allowance.as_ref().is_some_and(|allowance| self.advances_guarantee(&resources, allowance));
        let cut = allowance.and_then(|allowance| self.shrink(&resources, allowance.total));
        self.quota_withheld |= cut.is_some();
        let resources = cut.unwrap_or(resources);
        RemainingForRole {
            unrestricted: !resources.iter().any(eligibility::needs_capability),
            allocatable: eligibility::is_allocatable(&self.allocator.options.min_allocatable, &resources),
            helps,
            resources,
        }
    }

    fn advances_guarantee(&self, resources: &Resources, allowance: &RoleAllowance) -> bool {
        resources.iter().filter(|resource| counts_for_quota(resource)).any(|resource| {
            let guaranteed =
                self.allocator.cluster.find(resource.name()).map_or(0, |name| allowance.guaranteed.get(name));
            let amount = resource.value().as_scalar().unwrap_or_default().thousandths();
            guaranteed > 0 && (!resource.is_exclusive() || amount <= guaranteed)
        })
    }

    /// Cuts the resources that count for quota to a total; `None` if nothing is cut. Indivisible resources that do
    /// not fit as a whole are left out.
    fn shrink(&self, resources: &Resources, total: AmountLimits) -> Option<Resources> {
        shrink_to(&self.allocator.cluster, resources, total)
    }

    /// Returns the part of the resources left for the role that the framework could be offered, offer filters aside.
    fn offerable(&self, role: &Role, leaf: Ix<Node>, left: &RemainingForRole) -> Option<(Ix<Framework>, Resources)> {
        let ix = self.framework_of(leaf)?;
        let framework = self.allocator.frameworks.get(ix)?;
        if eligibility::reason_not_capable(&self.allocator.options, self.agent, framework, role).is_some() {
            return None;
        }
        let offerable = |resources: Resources, enough: bool| match framework.min_allocatable.get(role) {
            Some(minimums) => eligibility::is_allocatable(minimums, &resources).then_some((ix, resources)),
            None => enough.then_some((ix, resources)),
        };
        if left.unrestricted {
            return offerable(left.resources.clone(), left.allocatable);
        }
        let usable = left.resources.filter(|resource| eligibility::missing_capability(framework, resource).is_none());
        let enough = eligibility::is_allocatable(&self.allocator.options.min_allocatable, &usable);
        offerable(usable, enough)
    }

    fn framework_of(&self, leaf: Ix<Node>) -> Option<Ix<Framework>> {
        match self.allocator.tree.get(leaf)?.kind {
            Kind::Leaf { framework, .. } => Some(framework),
            _ => None,
        }
    }

    fn is_filtered(&mut self, leaf: Ix<Node>, resources: &Resources) -> bool {
        self.offer_filters.is_some_and(|filters| filters.until(leaf, resources, &mut self.contains_cache).is_some())
    }

    fn give(&mut self, role: &Role, account: Ix<Account>, framework: Ix<Framework>, resources: Resources) {
        self.ledger.track(account, &self.allocator.cluster.quota_amounts(&resources));
        // A shared resource is offered to one framework per run and agent.
        self.left -= &resources;
        let allocated = resources.allocated(role);
        self.grants.push(Grant { framework, role: role.clone(), resources, allocated });
    }
}

impl Visitor for AgentVisit<'_> {
    fn visit_scope(&mut self, account: Ix<Account>) -> VisitScope {
        match self.stage {
            Stage::Guarantees(priority) if self.ledger.is_short(account, priority) => VisitScope::Subtree,
            Stage::Guarantees(_) if self.ledger.has_children_in_need(account) => VisitScope::ChildrenOnly,
            Stage::Guarantees(_) => VisitScope::Skip,
            Stage::FairShare if self.all_quota_resources && self.ledger.is_at_limit(account) => {
                self.quota_withheld = true;
                VisitScope::Skip
            }
            Stage::FairShare => VisitScope::RoleThenChildren,
        }
    }

    fn includes(&mut self, account: Ix<Account>) -> bool {
        match self.stage {
            Stage::Guarantees(priority) => self.ledger.is_within_short(account, priority),
            Stage::FairShare => {
                let closed =
                    self.all_quota_resources && self.ledger.upwards(account).any(|ix| self.ledger.is_at_limit(ix));
                self.quota_withheld |= closed;
                !closed
            }
        }
    }

    fn visit(&mut self, role: &Role, account: Ix<Account>, leaves: &[Ix<Node>]) -> ControlFlow<()> {
        if self.left.is_empty() {
            return ControlFlow::Break(());
        }
        let mut for_role = self.remaining_for_role(role, account);
        for leaf in leaves {
            if for_role.resources.is_empty() || (self.stage != Stage::FairShare && !for_role.helps) {
                break;
            }
            if self.allocator.exclusions.is_agent_excluded(*leaf, self.ix) {
                continue;
            }
            let Some((framework, resources)) = self.offerable(role, *leaf, &for_role) else { continue };
            if self.is_filtered(*leaf, &resources) {
                continue;
            }
            self.give(role, account, framework, resources);
            for_role = self.remaining_for_role(role, account);
        }
        ControlFlow::Continue(())
    }
}

pub(crate) fn shrink_to(cluster: &Cluster, resources: &Resources, mut total: AmountLimits) -> Option<Resources> {
    let mut cut = false;
    let kept: Vec<_> = resources
        .iter()
        .filter_map(|resource| {
            let Some(name) = cluster.find(resource.name()).filter(|_| counts_for_quota(resource)) else {
                return Some(resource.clone());
            };
            let amount = resource.value().as_scalar().unwrap_or_default();
            match total.take(name, amount.thousandths(), resource.is_exclusive()) {
                taken if taken == amount.thousandths() => Some(resource.clone()),
                0 => {
                    cut = true;
                    None
                }
                taken => {
                    cut = true;
                    Some(resource.with_scalar(resources::Scalar::from_thousandths(taken)))
                }
            }
        })
        .collect();
    cut.then(|| kept.into_iter().collect())
}
