//! What a core wants done.

/// Collects the effects of a step, in order.
#[derive(Debug)]
pub struct Outbox<Effect> {
    effects: Vec<Effect>,
}

impl<Effect> Outbox<Effect> {
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Room for what is known to come: a step may make ten thousand offers.
    pub fn reserve(&mut self, effects: usize) {
        self.effects.reserve(effects);
    }

    /// A change for the views, which is an effect like others.
    pub fn publish<Change: Into<Effect>>(&mut self, change: Change) {
        self.effects.push(change.into());
    }

    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.effects.drain(..)
    }
}

impl<Effect> Default for Outbox<Effect> {
    fn default() -> Self {
        Outbox { effects: Vec::new() }
    }
}
