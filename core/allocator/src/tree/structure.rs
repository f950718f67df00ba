//! The structure of the tree: nodes are created for the first framework in a role and removed with the last.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{FrameworkId, Role};

use super::random_order::RandomOrder;
use super::{Kind, Node};
use crate::Sorter;
use crate::framework::Framework;
use crate::quota::{Account, Ledger};
use crate::slab::{Ix, Slab};

/// The name of the child with the frameworks of a role itself; no component of a role has this name.
const OWN: &str = ".";

#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) nodes: Slab<Node>,
    root: Ix<Node>,
    /// The version of the total at which all siblings are sorted; zero if some are not.
    pub(super) sorted_at: u64,
    /// Weights of roles, including roles without a node.
    weights: BTreeMap<Role, f64>,
    /// Weights of partitions by role; they take precedence over `weights`.
    partition_weights: BTreeMap<Role, f64>,
    pub(super) random_order: RandomOrder,
}

impl Tree {
    pub fn new(roles: Sorter, frameworks: Sorter) -> Self {
        let mut nodes = Slab::default();
        let root = nodes.insert(Node::new(Kind::Root, Arc::from(""), None));
        Tree {
            nodes,
            root,
            sorted_at: 0,
            weights: BTreeMap::new(),
            partition_weights: BTreeMap::new(),
            random_order: RandomOrder::new(roles, frameworks),
        }
    }

    pub fn root(&self) -> Ix<Node> {
        self.root
    }

    pub fn get(&self, ix: Ix<Node>) -> Option<&Node> {
        self.nodes.get(ix)
    }

    pub fn weight(&self, role: &Role) -> f64 {
        self.partition_weights.get(role).or_else(|| self.weights.get(role)).copied().unwrap_or(1.0)
    }

    /// Sets the weight of a role; a weight that is not a positive number is ignored.
    pub fn set_weight(&mut self, role: &Role, weight: f64) {
        if !(weight.is_finite() && weight > 0.0) {
            return;
        }
        self.weights.insert(role.clone(), weight);
        self.apply_weight(role);
    }

    /// Sets or removes the weight of the partition of a role.
    pub fn set_partition_weight(&mut self, role: &Role, weight: Option<f64>) {
        match weight.filter(|weight| weight.is_finite() && *weight > 0.0) {
            Some(weight) => self.partition_weights.insert(role.clone(), weight),
            None => self.partition_weights.remove(role),
        };
        self.apply_weight(role);
    }

    fn apply_weight(&mut self, role: &Role) {
        let weight = self.weight(role);
        let Some(ix) = self.find_role(role) else { return };
        if let Some(node) = self.nodes.get_mut(ix) {
            node.weight = weight;
            let parent = node.parent;
            self.mark_unsorted(parent);
        }
    }

    /// Returns the node of a role with the roles below it.
    pub fn find_role(&self, role: &Role) -> Option<Ix<Node>> {
        role.as_str().split('/').try_fold(self.root, |ix, component| self.child(ix, component))
    }

    /// Returns the account of the role that a leaf belongs to.
    pub fn account(&self, leaf: Ix<Node>) -> Option<Ix<Account>> {
        let own = self.nodes.get(self.nodes.get(leaf)?.parent?)?;
        self.nodes.get(own.parent?)?.account
    }

    fn child(&self, ix: Ix<Node>, name: &str) -> Option<Ix<Node>> {
        self.nodes.get(ix)?.children.get(name).copied()
    }

    /// Returns the roles that frameworks are in, by name.
    pub fn roles(&self) -> BTreeMap<&Role, &Node> {
        self.nodes
            .iter()
            .filter_map(|(_, node)| match &node.kind {
                Kind::VirtualLeaf(role) => Some((role, node)),
                _ => None,
            })
            .collect()
    }

    /// Returns the active leaves of a role and the roles below it, in no particular order.
    pub fn leaves(&self, role: &Role) -> Vec<Ix<Node>> {
        let mut leaves = Vec::new();
        let mut stack: Vec<Ix<Node>> = self.find_role(role).into_iter().collect();
        while let Some(ix) = stack.pop() {
            match self.nodes.get(ix) {
                Some(Node { kind: Kind::Leaf { .. }, .. }) => leaves.push(ix),
                Some(node) => stack.extend(&node.order),
                None => {}
            }
        }
        leaves
    }

    /// Creates an inactive leaf.
    pub fn add_leaf(
        &mut self,
        ledger: &mut Ledger,
        role: &Role,
        framework: Ix<Framework>,
        id: &FrameworkId,
    ) -> Ix<Node> {
        let mut parent = self.root;
        for (end, component) in components(role.as_str()) {
            let prefix = Role::new(role.as_str().get(..end).unwrap_or_default());
            parent = self.child_or_new(ledger, parent, component, || Kind::Role(prefix));
        }
        let own = self.child_or_new(ledger, parent, OWN, || Kind::VirtualLeaf(role.clone()));
        self.child_or_new(ledger, own, id.as_str(), || Kind::Leaf { role: role.clone(), framework })
    }

    fn child_or_new(
        &mut self,
        ledger: &mut Ledger,
        parent: Ix<Node>,
        name: &str,
        kind: impl FnOnce() -> Kind,
    ) -> Ix<Node> {
        if let Some(child) = self.child(parent, name) {
            return child;
        }
        let name: Arc<str> = Arc::from(name);
        let mut node = Node::new(kind(), name.clone(), Some(parent));
        if let Kind::Role(role) = &node.kind {
            node.weight = self.weight(role);
            node.account = Some(ledger.pin(role));
        }
        let child = self.nodes.insert(node);
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.insert(name, child);
        }
        child
    }

    /// Removes a leaf without allocations, and the nodes above it that become empty.
    pub fn remove_leaf(&mut self, ledger: &mut Ledger, leaf: Ix<Node>) {
        self.deactivate(leaf);
        let mut current = leaf;
        while current != self.root && self.nodes.get(current).is_some_and(|node| node.children.is_empty()) {
            let Some(Node { name, parent: Some(parent), account, .. }) = self.nodes.remove(current) else { return };
            if let Some(account) = account {
                ledger.unpin(account);
            }
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.children.remove(&name);
            }
            current = parent;
        }
    }
}

/// Iterates over the components of a role with the offset of the end of each.
fn components(role: &str) -> impl Iterator<Item = (usize, &str)> {
    role.split('/').scan(0, |start, component| {
        let end = *start + component.len();
        *start = end + 1;
        Some((end, component))
    })
}
