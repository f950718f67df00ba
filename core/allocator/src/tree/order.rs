//! The order of siblings: a node moves when its share changes; all are sorted when the total of the cluster changes.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use model::Role;
use smallvec::SmallVec;

use super::{Kind, Node, Tree};
use crate::amounts::Cluster;
use crate::quota::Account;
use crate::slab::{Ix, Slab};

/// A visitor of the roles of the tree.
pub(crate) trait Visitor {
    /// Returns the part of a role and the roles below it that is visited.
    fn visit_scope(&mut self, account: Ix<Account>) -> VisitScope;

    /// Returns whether a role is visited, taking the roles above it into account.
    fn includes(&mut self, account: Ix<Account>) -> bool;

    fn visit(&mut self, role: &Role, account: Ix<Account>, leaves: &[Ix<Node>]) -> ControlFlow<()>;
}

/// The part of a role that is visited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum VisitScope {
    /// The role and all roles below it.
    Subtree,
    /// The role; the visitor decides about each role below it.
    RoleThenChildren,
    /// The role itself is not visited; the visitor decides about each role below it.
    ChildrenOnly,
    Skip,
}

impl Tree {
    /// Changes a leaf and the nodes above it, and moves each to its new place among its siblings.
    pub fn update_path(&mut self, leaf: Ix<Node>, cluster: &Cluster, mut change: impl FnMut(&mut Node)) {
        let mut current = Some(leaf);
        while let Some(ix) = current {
            self.update(ix, cluster, &mut change);
            current = self.nodes.get(ix).and_then(|node| node.parent);
        }
    }

    fn update(&mut self, ix: Ix<Node>, cluster: &Cluster, change: &mut impl FnMut(&mut Node)) {
        let place = self.place(ix, cluster);
        let Some(node) = self.nodes.get_mut(ix) else { return };
        change(node);
        node.update_share(cluster);
        let Some((parent, from)) = place else { return };
        let mut order = self.take_order(parent);
        move_to_place(&mut order, from, &self.nodes);
        self.put_order(parent, order);
    }

    /// Returns the place of a node among its sorted siblings; `None` if they are not sorted.
    fn place(&self, ix: Ix<Node>, cluster: &Cluster) -> Option<(Ix<Node>, usize)> {
        let node = self.nodes.get(ix).filter(|node| node.active)?;
        let parent_ix = node.parent?;
        let parent = self.nodes.get(parent_ix).filter(|parent| parent.sorted_at == cluster.version())?;
        let place = parent.order.binary_search_by(|other| cmp(&self.nodes, *other, ix)).ok()?;
        Some((parent_ix, place))
    }

    /// Sorts all siblings that are out of order.
    pub fn sort(&mut self, cluster: &Cluster) {
        if self.sorted_at == cluster.version() {
            return;
        }
        let mut stack = vec![self.root()];
        while let Some(ix) = stack.pop() {
            let mut order = self.take_order(ix);
            let Some(node) = self.nodes.get_mut(ix) else { continue };
            let stale = node.sorted_at != cluster.version();
            node.sorted_at = cluster.version();
            let has_leaves = matches!(node.kind, Kind::VirtualLeaf(_));
            if stale {
                for child in &order {
                    if let Some(child) = self.nodes.get_mut(*child) {
                        child.update_share(cluster);
                    }
                }
                order.sort_unstable_by(|left, right| cmp(&self.nodes, *left, *right));
            }
            if !has_leaves {
                stack.extend(&order);
            }
            self.put_order(ix, order);
        }
        self.sorted_at = cluster.version();
    }

    /// Visits the active roles that the visitor selects, with their active frameworks, in order.
    pub fn visit(&self, visitor: &mut impl Visitor) {
        if let Some(root) = self.nodes.get(self.root()) {
            let _ = self.visit_children(root, VisitScope::ChildrenOnly, visitor);
        }
    }

    fn visit_children(&self, node: &Node, part: VisitScope, visitor: &mut impl Visitor) -> ControlFlow<()> {
        for child in self.sorted_children(node).iter().filter_map(|child| self.nodes.get(*child)) {
            match (&child.kind, part, child.account) {
                (Kind::VirtualLeaf(_), VisitScope::ChildrenOnly, _) => {}
                (Kind::VirtualLeaf(role), _, _) => {
                    if let Some(account) = node.account {
                        visitor.visit(role, account, &self.sorted_children(child))?;
                    }
                }
                (_, VisitScope::Subtree, _) => self.visit_children(child, VisitScope::Subtree, visitor)?,
                (_, _, Some(account)) => match visitor.visit_scope(account) {
                    VisitScope::Skip => {}
                    part => self.visit_children(child, part, visitor)?,
                },
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits, like [`visit`](Self::visit), but only these leaves, which are given in any order. Inactive leaves are
    /// left out, and so are other nodes that have taken the index of a removed leaf.
    pub fn visit_only(&self, leaves: &[Ix<Node>], visitor: &mut impl Visitor) {
        let is_willing = |node: &Node| node.active && matches!(node.kind, Kind::Leaf { .. });
        let mut leaves: SmallVec<[Ix<Node>; 4]> = leaves
            .iter()
            .copied()
            .filter(|leaf| self.nodes.get(*leaf).is_some_and(is_willing))
            .filter(|leaf| self.account(*leaf).is_some_and(|account| visitor.includes(account)))
            .collect();
        if leaves.len() > 1 {
            let mut paths: Vec<Vec<Ix<Node>>> = leaves.iter().map(|leaf| self.path(*leaf)).collect();
            paths.sort_unstable_by(|left, right| self.cmp_paths(left, right));
            leaves = paths.iter().filter_map(|path| path.last().copied()).collect();
        }
        let parent = |leaf: &Ix<Node>| self.nodes.get(*leaf).and_then(|node| node.parent);
        for siblings in leaves.chunk_by(|left, right| parent(left) == parent(right)) {
            let Some(leaf) = siblings.first() else { continue };
            let role = self.nodes.get(*leaf).map(|node| &node.kind);
            let (Some(Kind::Leaf { role, .. }), Some(account)) = (role, self.account(*leaf)) else { continue };
            if visitor.visit(role, account, siblings).is_break() {
                return;
            }
        }
    }

    /// Returns the path from below the root to the node.
    fn path(&self, ix: Ix<Node>) -> Vec<Ix<Node>> {
        let parent = |ix: &Ix<Node>| self.nodes.get(*ix).and_then(|node| node.parent);
        let mut path: Vec<Ix<Node>> = std::iter::successors(Some(ix), parent).filter(|ix| *ix != self.root()).collect();
        path.reverse();
        path
    }

    fn cmp_paths(&self, left: &[Ix<Node>], right: &[Ix<Node>]) -> Ordering {
        let mut forks = left.iter().zip(right).filter(|(left, right)| left != right);
        forks.next().map_or(Ordering::Equal, |(left, right)| {
            self.cmp_random(*left, *right).unwrap_or_else(|| cmp(&self.nodes, *left, *right))
        })
    }

    pub fn activate(&mut self, leaf: Ix<Node>) {
        let mut current = Some(leaf);
        while let Some(ix) = current {
            let Some(node) = self.nodes.get_mut(ix).filter(|node| !node.active) else { return };
            node.active = true;
            current = node.parent;
            if let Some(parent) = current.and_then(|parent| self.nodes.get_mut(parent)) {
                parent.order.push(ix);
            }
            self.mark_unsorted(current);
        }
    }

    pub fn deactivate(&mut self, leaf: Ix<Node>) {
        let mut current = Some(leaf);
        while let Some(ix) = current {
            let Some(node) = self.nodes.get_mut(ix).filter(|node| node.active && node.order.is_empty()) else { return };
            node.active = false;
            current = node.parent;
            // The others stay in order.
            if let Some(parent) = current.and_then(|parent| self.nodes.get_mut(parent)) {
                parent.order.retain(|child| *child != ix);
            }
        }
    }

    pub(super) fn mark_unsorted(&mut self, ix: Option<Ix<Node>>) {
        if let Some(node) = ix.and_then(|ix| self.nodes.get_mut(ix)) {
            node.sorted_at = 0;
            self.sorted_at = 0;
        }
    }

    fn take_order(&mut self, ix: Ix<Node>) -> Vec<Ix<Node>> {
        self.nodes.get_mut(ix).map(|node| std::mem::take(&mut node.order)).unwrap_or_default()
    }

    fn put_order(&mut self, ix: Ix<Node>, order: Vec<Ix<Node>>) {
        if let Some(node) = self.nodes.get_mut(ix) {
            node.order = order;
        }
    }
}

/// Moves the node at `from`, the only one that is out of order, to its place.
fn move_to_place(order: &mut [Ix<Node>], from: usize, nodes: &Slab<Node>) {
    let Some((before, [moved, after @ ..])) = order.split_at_checked(from) else { return };
    let precedes = |other: &Ix<Node>| cmp(nodes, *other, *moved) == Ordering::Less;
    let ahead = after.partition_point(precedes);
    let behind = before.partition_point(precedes);
    if ahead > 0 {
        order[from..=from + ahead].rotate_left(1);
    } else if behind < from {
        order[behind..=from].rotate_right(1);
    }
}

fn cmp(nodes: &Slab<Node>, left: Ix<Node>, right: Ix<Node>) -> Ordering {
    match (nodes.get(left), nodes.get(right)) {
        (Some(left), Some(right)) => left.cmp_share(right),
        _ => left.cmp(&right),
    }
}
