//! A cluster as a scenario: agents and frameworks are added and removed, and each run is expected to make certain
//! offers.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use allocator::{
    AgentOptions, AllocatedResources, Allocation, Allocator, FrameworkOptions, IneligibilityReason,
    OfferConstraintsFilter, Options, Partition, PartitionId, Quota,
};
use messages::v1;
use messages::v1::framework_info::Capability;
pub use messages::v1::framework_info::capability::Type as Can;
use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::Resources;

pub struct Scenario {
    pub allocator: Allocator,
    pub now: Monotonic,
    /// The offers of the last run, which can be answered.
    pub offers: Vec<Allocation>,
}

/// An agent with all agent capabilities.
pub struct AgentSpec {
    pub info: v1::AgentInfo,
    pub id: AgentId,
    pub capabilities: Vec<i32>,
    pub total: Resources,
}

pub struct FrameworkSpec {
    pub info: v1::FrameworkInfo,
    pub id: FrameworkId,
    pub suppressed: Vec<Role>,
    pub constraints: Option<Arc<OfferConstraintsFilter>>,
}

pub fn resources(text: &str) -> Resources {
    Resources::parse(text, "*").unwrap()
}

pub fn agent(id: &str, total: &str) -> AgentSpec {
    AgentSpec {
        info: v1::AgentInfo { hostname: format!("host-{id}"), ..Default::default() },
        id: AgentId::new(id),
        capabilities: (1..=8).collect(),
        total: resources(total),
    }
}

/// Returns a MULTI_ROLE framework.
pub fn framework(id: &str, roles: &[&str]) -> FrameworkSpec {
    let info = v1::FrameworkInfo {
        user: "user".into(),
        name: id.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..Default::default()
    };
    FrameworkSpec { info, id: FrameworkId::new(id), suppressed: Vec::new(), constraints: None }.can(Can::MultiRole)
}

impl AgentSpec {
    pub fn without_capability(mut self, number: i32) -> Self {
        self.capabilities.retain(|own| *own != number);
        self
    }

    pub fn in_region(mut self, region: &str) -> Self {
        let fault_domain = v1::domain_info::FaultDomain {
            region: v1::domain_info::fault_domain::RegionInfo { name: region.into() },
            zone: v1::domain_info::fault_domain::ZoneInfo { name: "zone".into() },
        };
        self.info.domain = Some(Box::new(v1::DomainInfo { fault_domain: Some(Box::new(fault_domain)) }));
        self
    }

    pub fn with_attributes(mut self, text: &str) -> Self {
        self.info.attributes = resources::attributes::parse(text).unwrap();
        self
    }

    pub fn with(mut self, more: Resources) -> Self {
        self.total += more;
        self
    }

    pub fn options(&self) -> AgentOptions<'_> {
        AgentOptions {
            id: &self.id,
            info: &self.info,
            capabilities: &self.capabilities,
            total: self.total.clone(),
            active: true,
        }
    }
}

impl FrameworkSpec {
    pub fn can(mut self, capability: Can) -> Self {
        self.info.capabilities.push(Capability { r#type: Some(capability as i32) });
        self
    }

    pub fn suppressing(mut self, role: &str) -> Self {
        self.suppressed.push(Role::new(role));
        self
    }

    pub fn options(&self) -> FrameworkOptions<'_> {
        FrameworkOptions {
            id: &self.id,
            info: &self.info,
            suppressed: &self.suppressed,
            constraints: self.constraints.as_ref(),
        }
    }
}

pub fn scenario() -> Scenario {
    Scenario::with(Options::default())
}

impl Scenario {
    pub fn with(options: Options) -> Self {
        Scenario { allocator: Allocator::new(options), now: Monotonic::default(), offers: Vec::new() }
    }

    pub fn add_agent(mut self, agent: &AgentSpec) -> Self {
        self.allocator.add_agent(agent.options(), &[]);
        self
    }

    /// Adds an agent that returns with allocated resources.
    pub fn add_agent_with_used(mut self, agent: &AgentSpec, used: &[(&str, &str, &str)]) -> Self {
        let used: Vec<_> = used.iter().map(|(id, role, text)| (FrameworkId::new(id), held(text, role))).collect();
        self.allocator.add_agent(agent.options(), &used);
        self
    }

    pub fn update_agent(mut self, agent: &AgentSpec) -> Self {
        self.allocator.update_agent(agent.options());
        self
    }

    pub fn remove_agent(mut self, agent: &str) -> Self {
        self.allocator.remove_agent(&AgentId::new(agent));
        self
    }

    pub fn add_framework(mut self, framework: &FrameworkSpec) -> Self {
        self.allocator.add_framework(framework.options(), true, &[]);
        self
    }

    pub fn update_framework(mut self, framework: &FrameworkSpec) -> Self {
        self.allocator.update_framework(framework.options());
        self
    }

    pub fn remove_framework(mut self, framework: &str) -> Self {
        self.allocator.remove_framework(&FrameworkId::new(framework));
        self
    }

    pub fn with_allocator(mut self, act: impl FnOnce(&mut Allocator)) -> Self {
        act(&mut self.allocator);
        self
    }

    pub fn set_weight(mut self, role: &str, weight: f64) -> Self {
        self.allocator.set_weight(&Role::new(role), weight);
        self
    }

    /// Sets guarantees and limits to the same amounts, like the quota of Mesos' tests.
    pub fn set_quota(self, role: &str, text: &str) -> Self {
        self.set_guarantees_and_limits(role, text, text)
    }

    pub fn set_guarantees_and_limits(mut self, role: &str, guarantees: &str, limits: &str) -> Self {
        self.allocator.set_quota(&Role::new(role), quota(guarantees, limits));
        self
    }

    pub fn set_partition(mut self, partition: Partition) -> Self {
        self.allocator.set_partition(partition);
        self
    }

    pub fn expect_quota_used(self, role: &str, text: &str) -> Self {
        assert_eq!(self.allocator.quota_used(&Role::new(role)), resources(text).quantities());
        self
    }

    /// Expects the framework, role, agent and resources of each preemption.
    pub fn expect_preemptions(self, expected: &[(&str, &str, &str, &str)]) -> Self {
        let asked = self.allocator.preemptions(&[]);
        let asked: Vec<AllocatedResources> = asked.into_iter().map(|preemption| preemption.allocated).collect();
        let expected: Vec<AllocatedResources> =
            expected.iter().map(|(framework, role, agent, text)| allocated_to(framework, role, agent, text)).collect();
        assert_eq!(asked, expected);
        self
    }

    pub fn suppress(mut self, framework: &str, roles: &[&str]) -> Self {
        let roles: Vec<Role> = roles.iter().map(Role::new).collect();
        assert!(self.allocator.suppress(&FrameworkId::new(framework), &roles));
        self
    }

    pub fn revive(mut self, framework: &str, roles: &[&str]) -> Self {
        let roles: Vec<Role> = roles.iter().map(Role::new).collect();
        assert!(self.allocator.revive(&FrameworkId::new(framework), &roles));
        self
    }

    /// Declines everything that was offered to the framework last.
    pub fn decline(mut self, framework: &str, seconds: u64) -> Self {
        let id = FrameworkId::new(framework);
        let (declined, others) = self.offers.drain(..).partition(|offer| offer.framework == id);
        self.offers = others;
        let declined: Vec<Allocation> = declined;
        assert!(!declined.is_empty(), "{framework} has nothing to decline");
        for offer in declined {
            let refuse = Some(Duration::from_secs(seconds));
            self.allocator.recover(self.now, &id, &offer.agent, &offer.resources, refuse);
        }
        self
    }

    /// Recovers the resources of a task that ended.
    pub fn recover_resources(mut self, framework: &str, role: &str, agent: &str, text: &str) -> Self {
        let (framework, agent) = (FrameworkId::new(framework), AgentId::new(agent));
        self.allocator.recover(self.now, &framework, &agent, &held(text, role), None);
        self
    }

    pub fn advance_seconds(mut self, seconds: u64) -> Self {
        self.now = self.now + Duration::from_secs(seconds);
        self
    }

    /// Runs the allocator and expects exactly these offers: framework, role, agent, resources.
    pub fn expect_offers(mut self, expected: &[(&str, &str, &str, &str)]) -> Self {
        let mut got = self.allocate();
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(framework, role, agent, text)| {
                let wanted = if text.is_empty() { None } else { Some(held(text, role)) };
                ((*framework).to_owned(), (*role).to_owned(), (*agent).to_owned(), wanted)
            })
            .collect();
        let key = |o: &Allocation| (o.framework.to_string(), o.role.to_string(), o.agent.to_string());
        got.sort_by_key(key);
        expected.sort_by(|left, right| (&left.0, &left.1, &left.2).cmp(&(&right.0, &right.1, &right.2)));
        let got: Vec<_> = got
            .iter()
            .zip(expected.iter().map(|expected| expected.3.is_some()).chain(std::iter::repeat(true)))
            .map(|(o, shown)| {
                let (framework, role, agent) = key(o);
                (framework, role, agent, shown.then(|| o.resources.clone()))
            })
            .collect();
        assert_eq!(got, expected);
        self
    }

    /// Runs the allocator and expects this number of offers to each framework.
    pub fn expect_offer_counts(mut self, expected: &[(&str, usize)]) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for offer in self.allocate() {
            *counts.entry(offer.framework.to_string()).or_default() += 1;
        }
        let expected: BTreeMap<String, usize> = expected.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect();
        assert_eq!(counts, expected);
        self
    }

    fn allocate(&mut self) -> Vec<Allocation> {
        let offers = self.allocator.allocate(self.now);
        assert!(!self.allocator.is_dirty());
        self.offers.extend(offers.iter().cloned());
        offers
    }

    pub fn expect_reasons(self, framework: &str, role: &str, agent: &str, expected: &[IneligibilityReason]) -> Self {
        let (framework, agent) = (FrameworkId::new(framework), AgentId::new(agent));
        assert_eq!(self.allocator.explain(self.now, &framework, &Role::new(role), &agent), expected);
        self
    }

    pub fn expect_available(self, agent: &str, text: &str) -> Self {
        assert_eq!(self.allocator.available(&AgentId::new(agent)), Some(&resources(text)));
        self
    }
}

pub fn held(text: &str, role: &str) -> Resources {
    resources(text).allocated(&Role::new(role))
}

/// Returns a quota. An empty text guarantees nothing and limits nothing.
pub fn quota(guarantees: &str, limits: &str) -> Quota {
    let amounts = |text: &str| resources(text).quantities();
    let limits = amounts(limits).iter().map(|(name, limit)| (name.clone(), limit)).collect();
    Quota { guarantees: amounts(guarantees), limits }
}

pub fn allocated_to(framework: &str, role: &str, agent: &str, text: &str) -> AllocatedResources {
    let (framework, agent) = (FrameworkId::new(framework), AgentId::new(agent));
    AllocatedResources { framework, agent, role: Role::new(role), resources: held(text, role) }
}

/// Returns a partition that lends and can be preempted; its id is its role.
pub fn partition(role: &str, min: &str, max: &str) -> Partition {
    Partition {
        id: PartitionId::new(role),
        role: Role::new(role),
        quota: quota(min, max),
        priority: 0,
        weight: 1.0,
        lends: true,
        preemptible: true,
    }
}
