//! A harness for state machines: steps one, records its effects, answers its stores, and lets time pass.
//!
//! A test implements [`Environment`] for what surrounds its machine, and drives it through a [`Harness`]. The example
//! counts pings and writes down every third one:
//!
//! ```
//! use std::time::Duration;
//! use machine::{EffectTypes, Outbox, StateMachine, StoreToken, Effect};
//! use model::Now;
//! use testkit::core::{Environment, Harness, Inputs, start_time};
//!
//! #[derive(Debug, Clone)]
//! struct CounterEffects;
//! impl EffectTypes for CounterEffects {
//!     type Timer = &'static str;
//!     type StreamEvent = ();
//!     type Record = u32;
//!     type Change = u32;
//!     type Command = ();
//! }
//!
//! enum Input { Start, Timer(&'static str), Stored(StoreToken) }
//!
//! struct Counter(u32);
//! impl StateMachine for Counter {
//!     type Input = Input;
//!     type Effects = CounterEffects;
//!     fn step(&mut self, now: Now, input: Input, out: &mut Outbox<CounterEffects>) {
//!         match input {
//!             Input::Stored(_) => out.push(Effect::Publish(self.0)),
//!             Input::Timer(_) => {
//!                 self.0 += 1;
//!                 if self.0 % 3 == 0 {
//!                     out.push(Effect::Store { token: StoreToken(self.0.into()), record: self.0 });
//!                 }
//!             }
//!             Input::Start => {}
//!         }
//!         out.push(Effect::Arm { timer: "ping", at: now.monotonic + Duration::from_secs(1) });
//!     }
//! }
//!
//! struct Quiet;
//! impl Environment for Quiet {
//!     type Machine = Counter;
//! }
//!
//! let inputs = Inputs { timer: Input::Timer, stored: Input::Stored };
//! let mut harness = Harness::new(Counter(0), Quiet, inputs, start_time());
//! harness.deliver(Input::Start);
//! harness.disk_is_slow = true;
//! harness.pass(Duration::from_secs(7));
//! assert!(harness.recorded.changes.is_empty(), "nothing is durable");
//! harness.disk_is_slow = false;
//! harness.confirm();
//! assert_eq!(harness.recorded.changes, [7, 7]);
//! ```

mod environment;
mod harness;
mod recording_interpreter;

pub use environment::{ChangeOf, EffectOf, Environment, InputOf, Inputs, RecordOf, TimerOf};
pub use harness::{Harness, start_time};
pub use recording_interpreter::RecordingInterpreter;
