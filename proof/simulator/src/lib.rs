//! Masters, agents, schedulers, network, clock and disks in one thread of virtual time, with faults.
//!
//! The cores are the real ones. Everything around them is simulated, and everything that happens follows from one number,
//! the seed: so a failure can be repeated, and the faults that it does not need can be left out.
//!
//! | module | owns |
//! | --- | --- |
//! | `run` | one run: faults, then quiescence |
//! | `world` | the cluster, and what happens in it |
//! | `context`, `event` | time, the queue of events, chance |
//! | `node`, `network` | who takes part, and how they are connected |
//! | `coordination`, `disk` | who leads; what is durable |
//! | `hosts` | the processes around the cores |
//! | `faults`, `mutant` | what goes wrong, on purpose |
//! | `checks`, `quiescence` | the invariants |
//! | `minimise`, `report` | what is said of a failure |

mod checks;
mod context;
mod coordination;
mod disk;
mod event;
mod faults;
mod hosts;
mod minimise;
mod mutant;
mod network;
mod node;
mod quiescence;
mod report;
mod run;
mod world;

pub use faults::Faults;
pub use minimise::minimise;
pub use mutant::Mutant;
pub use report::{Counts, Outcome};
pub use run::{Options, Plan, plan, run};
