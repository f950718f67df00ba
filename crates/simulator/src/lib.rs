//! Masters, agents, schedulers, network, clock and disks in one thread of virtual time, with faults.
