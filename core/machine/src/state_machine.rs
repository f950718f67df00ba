//! The trait of a machine, whose one method takes every input.

use model::Now;

use crate::effect::EffectTypes;
use crate::outbox::Outbox;

/// All decisions of a process, as a deterministic function of its inputs: no I/O, no clock, no randomness but a seed.
pub trait StateMachine {
    /// The inputs of the machine. They are decoded and have passed the syntactic checks.
    type Input;
    /// The types of its effects.
    type Effects: EffectTypes;

    /// Handles `input` at the time `now` and appends its effects to `out`, in order.
    fn step(&mut self, now: Now, input: Self::Input, out: &mut Outbox<Self::Effects>);
}
