//! The state of one framework: its roles, capabilities and minimums of offers.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::framework_info::capability::Type as Capability;
use model::{FrameworkId, Role};
use resources::{ResourceQuantities, Scalar};

use crate::slab::Ix;
use crate::tree::Node;

#[derive(Debug)]
pub(crate) struct Framework {
    pub id: FrameworkId,
    /// The capabilities: bit n stands for the capability with number n.
    capabilities: u64,
    /// Whether it is connected and not deactivated.
    pub active: bool,
    /// The roles that it is subscribed to or has resources allocated in.
    pub roles: BTreeMap<Role, Membership>,
    /// Minimums by role that replace `--min_allocatable_resources`; an empty list accepts any resources.
    pub min_allocatable: BTreeMap<Role, Vec<ResourceQuantities>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub leaf: Ix<Node>,
    pub subscribed: bool,
    pub suppressed: bool,
    /// The number of agents with resources allocated to it in this role.
    pub agents: usize,
}

impl Framework {
    pub fn new(info: &v1::FrameworkInfo, id: FrameworkId, active: bool) -> Self {
        Framework {
            id,
            capabilities: capabilities(info),
            active,
            roles: BTreeMap::new(),
            min_allocatable: min_allocatable(info),
        }
    }

    pub fn update_info(&mut self, info: &v1::FrameworkInfo) {
        self.capabilities = capabilities(info);
        self.min_allocatable = min_allocatable(info);
    }

    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities & (1 << capability as i32) != 0
    }
}

fn capabilities(info: &v1::FrameworkInfo) -> u64 {
    let numbers = info.capabilities.iter().filter_map(|capability| capability.r#type);
    numbers.filter(|number| (0..64).contains(number)).fold(0, |bits, number| bits | 1 << number)
}

/// Returns `roles` of a MULTI_ROLE framework and `role` of any other.
#[allow(deprecated, reason = "frameworks without MULTI_ROLE have one role, `*` unless they say otherwise")]
pub(crate) fn roles(info: &v1::FrameworkInfo) -> Vec<Role> {
    if capabilities(info) & (1 << Capability::MultiRole as i32) != 0 {
        info.roles.iter().map(Role::new).collect()
    } else {
        vec![Role::new(info.role())]
    }
}

fn min_allocatable(info: &v1::FrameworkInfo) -> BTreeMap<Role, Vec<ResourceQuantities>> {
    let minimums = info.offer_filters.iter().filter_map(|(role, filters)| {
        let minimum = filters.min_allocatable_resources.as_deref()?;
        let quantities = minimum.quantities.iter().map(|one| {
            one.quantities.iter().map(|(name, scalar)| (name.as_str().into(), Scalar::from_f64(scalar.value))).collect()
        });
        Some((Role::new(role), quantities.collect()))
    });
    minimums.collect()
}
