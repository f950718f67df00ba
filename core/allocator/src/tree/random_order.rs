//! The sorters `random`: at each agent siblings have another order, in which a larger weight tends to come first.
//!
//! Mesos shuffles all roles at once, by the product of their weights' fractions at each level; here each level is
//! shuffled for itself. Who comes first is as likely either way, and the frameworks that are next to each other in the
//! tree stay so.

use std::borrow::Cow;

use model::Random;

use super::{Kind, Node, Tree};
use crate::Sorter;
use crate::slab::Ix;

/// Which levels are left to chance, and the present seed: every place in every order follows from it, so that only
/// what is visited costs anything.
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
        let sorter = if matches!(parent.kind, Kind::Own(_)) { self.frameworks } else { self.roles };
        sorter == Sorter::Random
    }

    /// Exponentially distributed with the weight as its rate: then the smallest of several keys is each one's with a
    /// likelihood in proportion to its weight.
    fn key(&self, ix: Ix<Node>, node: &Node) -> f64 {
        let drawn = mix(self.seed ^ mix(ix.number()));
        // In (0, 1]: its logarithm is finite.
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
    /// To be called before each agent is looked at; costs nothing when nothing is left to chance.
    pub fn reshuffle(&mut self, random: &mut Random) {
        if self.random_order.roles == Sorter::Random || self.random_order.frameworks == Sorter::Random {
            self.random_order.seed = random.next_u64();
        }
    }

    /// The children of a node that want resources, best claim first.
    pub(super) fn sorted_children<'a>(&self, node: &'a Node) -> Cow<'a, [Ix<Node>]> {
        if !self.random_order.applies_below(node) {
            return Cow::Borrowed(&node.order);
        }
        let mut keyed: Vec<(f64, Ix<Node>)> = node.order.iter().map(|child| (self.key(*child), *child)).collect();
        keyed.sort_unstable_by(|(left, _), (right, _)| left.total_cmp(right));
        keyed.into_iter().map(|(_, child)| child).collect()
    }

    /// The order of two siblings when it is left to chance.
    pub(super) fn cmp_random(&self, left: Ix<Node>, right: Ix<Node>) -> Option<std::cmp::Ordering> {
        let parent = self.nodes.get(self.nodes.get(left)?.parent?)?;
        self.random_order.applies_below(parent).then(|| self.key(left).total_cmp(&self.key(right)))
    }

    fn key(&self, ix: Ix<Node>) -> f64 {
        self.nodes.get(ix).map_or(f64::INFINITY, |node| self.random_order.key(ix, node))
    }
}
