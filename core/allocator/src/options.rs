//! The parameters of the allocator, of an agent and of a framework.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use messages::v1;
use model::{AgentId, FrameworkId, Random, Role};
use resources::{Name, ResourceQuantities, Resources, Scalar};

use crate::OfferConstraintsFilter;

/// The order of siblings in the tree of roles and frameworks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sorter {
    /// Dominant resource fairness: the role or framework with the smallest share is first.
    #[default]
    Drf,
    /// A random order for each agent, in which larger weights tend to come first.
    Random,
}

/// The error of a text that names no sorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected drf or random")]
pub struct UnknownSorter;

impl FromStr for Sorter {
    type Err = UnknownSorter;

    fn from_str(text: &str) -> Result<Self, UnknownSorter> {
        match text {
            "drf" => Ok(Sorter::Drf),
            "random" => Ok(Sorter::Random),
            _ => Err(UnknownSorter),
        }
    }
}

/// The policy of a cluster that is fixed for the life of a master. The defaults are those of Mesos' flags.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source of the order in which agents are visited.
    pub random: Random,
    /// `--fair_sharing_excluded_resource_names`.
    pub excluded_resource_names: BTreeSet<Name>,
    /// `--filter_gpu_resources`: agents with GPUs are for frameworks with GPU_RESOURCES.
    pub filter_gpu_resources: bool,
    /// `--min_allocatable_resources`: an offer covers at least one of these; an empty list accepts any offer.
    pub min_allocatable: Vec<ResourceQuantities>,
    /// `--allocation_interval`: the shortest offer filter.
    pub allocation_interval: Duration,
    /// `--role_sorter` and `--framework_sorter`.
    pub role_sorter: Sorter,
    /// `--framework_sorter`.
    pub framework_sorter: Sorter,
    /// `--allocator_agent_recovery_factor`.
    pub agent_recovery_factor: f64,
    /// `--allocator_recovery_timeout`.
    pub recovery_timeout: Duration,
    /// The master's region: agents of other regions are remote.
    pub region: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        let at_least = |name: Name, thousandths: i64| {
            ResourceQuantities::from_iter([(name, Scalar::from_thousandths(thousandths))])
        };
        Options {
            random: Random::from_u64(0),
            excluded_resource_names: BTreeSet::new(),
            filter_gpu_resources: true,
            min_allocatable: vec![at_least(Name::CPUS, 10), at_least(Name::MEM, 32_000)],
            allocation_interval: Duration::from_secs(1),
            role_sorter: Sorter::Drf,
            framework_sorter: Sorter::Drf,
            agent_recovery_factor: 0.8,
            recovery_timeout: Duration::from_secs(600),
            region: None,
        }
    }
}

/// An agent as it registers or reregisters.
#[derive(Debug, Clone)]
pub struct AgentOptions<'a> {
    /// The id that the master gave the agent.
    pub id: &'a AgentId,
    /// Host name, attributes and domain are read; its resources are not.
    pub info: &'a v1::AgentInfo,
    /// `agent_info::capability::Type` values as numbers.
    pub capabilities: &'a [i32],
    /// The total resources, without allocation.
    pub total: Resources,
    /// Whether its resources may be offered: it is connected, and neither draining nor deactivated.
    pub active: bool,
}

/// A framework as it subscribes or updates itself. Roles, capabilities and offer filters are read from `info`.
#[derive(Debug, Clone)]
pub struct FrameworkOptions<'a> {
    /// The id that the master gave the framework.
    pub id: &'a FrameworkId,
    /// The framework's description of itself.
    pub info: &'a v1::FrameworkInfo,
    /// The roles in which it wants no offers.
    pub suppressed: &'a [Role],
    /// The offer constraints of the framework. All roles in them are roles of the framework.
    pub constraints: Option<&'a Arc<OfferConstraintsFilter>>,
}
