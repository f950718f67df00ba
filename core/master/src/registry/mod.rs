//! The durable part of a master's state: its contents, its changes, its records, and the continuations that wait for a
//! change to become durable.

mod continuation;
mod failures;
mod gc;
mod operation;
mod pending;
mod records;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use continuation::{Continuation, registry_is_full, store, stored};
pub(crate) use gc::prune_registry;
pub use operation::RegistryOperation;
pub(crate) use pending::Registry;
pub use records::{CorruptRegistry, Entry};
pub use state::{AgentRecord, MachineKey, RegistryState, UnreachableRecord};
