//! The sorter `random`: siblings have a new random order for each agent, in which larger weights tend to come first.
//!
//! Mesos shuffles all roles at once, by the product of their relative weights at each level; here each level is
//! shuffled by itself. The probability of being first is the same, and frameworks that are neighbours in the tree
//! stay neighbours.

use std::borrow::Cow;

use model::Random;

use super::{Kind, Node, Tree};
use crate::Sorter;
use crate::slab::Ix;

/// The levels with a random order, and the current seed. All orders follow from the seed, so that only visited levels
/// are sorted.
#[derive(Debug)]
pub(crate) struct RandomOrder {
    roles: Sorter,
    frameworks: Sorter,
    seed: u64,
}

impl RandomOrder {
    pub fn new(roles: Sorter, frameworks: Sorter) -> Self {
        RandomOrder { roles, frameworks, seed: 0 }
    }

    fn applies_below(&self, parent: &Node) -> bool {
        let sorter = if matches!(parent.kind, Kind::VirtualLeaf(_)) { self.frameworks } else { self.roles };
        sorter == Sorter::Random
    }

    /// Returns a sort key that is exponentially distributed with the weight as its rate: the probability of having
    /// the smallest key is proportional to the weight (Efraimidis and Spirakis, 2006).
    fn key(&self, ix: Ix<Node>, node: &Node) -> f64 {
        let drawn = mix(self.seed ^ mix(ix.number()));
        // The number is in (0, 1], so its logarithm is finite.
        let unit = ((drawn >> 11) + 1) as f64 / (1u64 << 53) as f64;
        -unit.ln() / node.weight
    }
}

/// The finalizer of SplitMix64: neighbouring numbers get unrelated results.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Tree {
    /// Draws a new seed; called before each visit of an agent.
    pub fn reshuffle(&mut self, random: &mut Random) {
        if self.random_order.roles == Sorter::Random || self.random_order.frameworks == Sorter::Random {
            self.random_order.seed = random.next_u64();
        }
    }

    /// Returns the active children of a node in the order of the sorter.
    pub(super) fn sorted_children<'a>(&self, node: &'a Node) -> Cow<'a, [Ix<Node>]> {
        if !self.random_order.applies_below(node) {
            return Cow::Borrowed(&node.order);
        }
        let mut keyed: Vec<(f64, Ix<Node>)> = node.order.iter().map(|child| (self.key(*child), *child)).collect();
        keyed.sort_unstable_by(|(left, _), (right, _)| left.total_cmp(right));
        keyed.into_iter().map(|(_, child)| child).collect()
    }

    /// Returns the order of two siblings if it is random.
    pub(super) fn cmp_random(&self, left: Ix<Node>, right: Ix<Node>) -> Option<std::cmp::Ordering> {
        let parent = self.nodes.get(self.nodes.get(left)?.parent?)?;
        self.random_order.applies_below(parent).then(|| self.key(left).total_cmp(&self.key(right)))
    }

    fn key(&self, ix: Ix<Node>) -> f64 {
        self.nodes.get(ix).map_or(f64::INFINITY, |node| self.random_order.key(ix, node))
    }
}
