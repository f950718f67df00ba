//! The cost of input: no input of a peer takes more than a hundred times its bytes in memory, or time that grows faster
//! than its bytes. Every string and every list of every call and message is filled, one after the other, and processed
//! like any input: decoding, validation, the step of the core and an allocation run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../inputs/mod.rs"]
mod inputs;

use std::alloc::System;
use std::time::Duration;

use inputs::{PreparedCluster, input_kinds};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use testkit::inputs::cost::{self, Meter};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Names of roles become entries of several tables, so a short input may cost 2 MiB.
const METER: Meter = Meter {
    allocated: || ALLOCATOR.stats().bytes_allocated,
    time: cpu_time,
    floor: 2 << 20,
    descriptors: None,
    each_kind: true,
};

fn prepared() -> PreparedCluster {
    PreparedCluster::new("cpus:100000;mem:10000000;disk:1000000;ports:[1-65000]", |cluster, _| cluster.settle())
}

/// Returns the time that this thread has computed.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// This is one test, since the allocator counts for the whole program.
#[test]
fn the_cost_of_an_input_is_proportional_to_its_size() {
    let (kinds, samples) = (input_kinds(&prepared()), prepared().samples());
    let complaints = cost::sweep(&kinds, &samples, &prepared, METER);
    assert!(complaints.is_empty(), "{} fields cost too much:\n{}", complaints.len(), complaints.join("\n"));
}
