//! The environment of a machine in a test.

use machine::{Effect, EffectTypes, StateMachine, StoreToken};
use model::Now;

/// The inputs of the machine of an environment.
pub type InputOf<E> = <<E as Environment>::Machine as StateMachine>::Input;
type EffectsOf<E> = <<E as Environment>::Machine as StateMachine>::Effects;
/// The effects of the machine of an environment.
pub type EffectOf<E> = Effect<EffectsOf<E>>;
/// The timers of the machine of an environment.
pub type TimerOf<E> = <EffectsOf<E> as EffectTypes>::Timer;
/// The records of the machine of an environment.
pub type RecordOf<E> = <EffectsOf<E> as EffectTypes>::Record;
/// The changes of the machine of an environment.
pub type ChangeOf<E> = <EffectsOf<E> as EffectTypes>::Change;

/// The inputs that clock and disk lead to: usually `Inputs { timer: Input::Timer, stored: Input::Stored }`.
pub struct Inputs<E: Environment> {
    /// The input for a timer that is due.
    pub timer: fn(TimerOf<E>) -> InputOf<E>,
    /// The input for a record that has become durable.
    pub stored: fn(StoreToken) -> InputOf<E>,
}

/// Everything around a machine except clock and disk, which the harness provides.
pub trait Environment {
    /// The machine.
    type Machine: StateMachine;

    /// Keeps a record that is durable from now on. The harness calls this before the machine learns of it.
    fn keep(&mut self, _record: &RecordOf<Self>) {}

    /// Sees each effect when it is emitted, and may answer it with an input: a peer that answers pings, a disk that makes
    /// directories.
    fn observe(&mut self, _now: Now, _effect: &EffectOf<Self>) -> Option<InputOf<Self>> {
        None
    }
}
