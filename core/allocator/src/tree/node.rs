//! One node of the tree and the comparison of siblings.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use model::Role;
use resources::roles;

use crate::amounts::{Amounts, Cluster};
use crate::framework::Framework;
use crate::quota::Account;
use crate::slab::Ix;

#[derive(Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    /// The name, unique among the siblings.
    pub name: Arc<str>,
    pub parent: Option<Ix<Node>>,
    pub children: BTreeMap<Arc<str>, Ix<Node>>,
    /// The active children in the order of the sorter, as of `sorted_at`.
    pub order: Vec<Ix<Node>>,
    /// The version of the total of the cluster with which `order` was computed; zero if it has to be computed.
    pub sorted_at: u64,
    /// Whether it wants resources: a leaf if its framework does, another node if one of its children does.
    pub active: bool,
    pub weight: f64,
    pub share: f64,
    /// The number of allocations, which breaks ties so that equal siblings take turns.
    pub count: u64,
    /// The account of a role in the quota ledger.
    pub account: Option<Ix<Account>>,
    pub allocated: Amounts,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Root,
    /// A role with the roles below it.
    Role(Role),
    /// The frameworks of a role itself: the virtual leaf of Mesos' sorter.
    VirtualLeaf(Role),
    /// A framework in a role.
    Leaf {
        role: Role,
        framework: Ix<Framework>,
    },
}

impl Node {
    pub fn new(kind: Kind, name: Arc<str>, parent: Option<Ix<Node>>) -> Self {
        Node {
            kind,
            name,
            parent,
            children: BTreeMap::new(),
            order: Vec::new(),
            sorted_at: 0,
            active: false,
            weight: 1.0,
            share: 0.0,
            count: 0,
            account: None,
            allocated: Amounts::default(),
        }
    }

    pub fn update_share(&mut self, cluster: &Cluster) {
        self.share = cluster.dominant_share(&self.allocated) / self.weight;
    }

    pub fn cmp_share(&self, other: &Node) -> Ordering {
        self.share
            .total_cmp(&other.share)
            .then_with(|| self.count.cmp(&other.count))
            .then_with(|| self.name.cmp(&other.name))
    }

    /// Returns whether an allocation of the framework in the role counts for this node.
    pub fn covers(&self, framework: Ix<Framework>, role: &Role) -> bool {
        match &self.kind {
            Kind::Root => true,
            Kind::Role(subtree) => roles::is_within(role.as_str(), subtree.as_str()),
            Kind::VirtualLeaf(own) => own == role,
            Kind::Leaf { role: own, framework: member } => own == role && *member == framework,
        }
    }
}
