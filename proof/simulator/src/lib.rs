//! Masters, agents, schedulers, network, clock and disks in one thread of virtual time, with faults.
//!
//! The cores are the real ones. Everything around them is simulated, and everything that happens follows from one
//! number, the seed. A failure can therefore be repeated, and the faults that it does not need can be left out.
//!
//! | module | owns |
//! | --- | --- |
//! | `run` | one run: faults, then quiescence |
//! | `world` | the cluster and its events |
//! | `context`, `event` | virtual time, the event queue, randomness |
//! | `node`, `network` | the nodes and their connections |
//! | `coordination`, `disk` | leadership; durable records |
//! | `hosts` | the processes around the cores |
//! | `faults`, `mutant` | the faults of a run, and planted bugs |
//! | `checks`, `quiescence` | the invariants |
//! | `minimise`, `report` | the shortest failing plan, and the outcome of a run |

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
