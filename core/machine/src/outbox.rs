//! The effects of a step, in order.

use crate::effect::{Effect, EffectTypes};

/// Collects the effects of a step, in order.
#[derive(Debug)]
pub struct Outbox<T: EffectTypes> {
    effects: Vec<Effect<T>>,
}

impl<T: EffectTypes> Outbox<T> {
    /// Appends an effect.
    pub fn push(&mut self, effect: Effect<T>) {
        self.effects.push(effect);
    }

    /// Reserves memory for this many more effects.
    pub fn reserve(&mut self, effects: usize) {
        self.effects.reserve(effects);
    }

    /// Returns whether there are no effects.
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// Returns the effects so far, the oldest first.
    pub fn effects(&self) -> &[Effect<T>] {
        &self.effects
    }

    /// Removes and returns all effects, the oldest first; the memory is kept for the next step.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect<T>> {
        self.effects.drain(..)
    }
}

impl<T: EffectTypes> Default for Outbox<T> {
    fn default() -> Self {
        Outbox { effects: Vec::new() }
    }
}
