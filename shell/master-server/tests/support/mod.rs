//! A real master on an ephemeral port.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::Ipv4Addr;

use edge::Running;
use master_server::{MasterOptions, start};

pub fn master() -> Running {
    master_with(|_| {})
}

pub fn master_with(change: impl FnOnce(&mut MasterOptions)) -> Running {
    let mut options = MasterOptions::new(Ipv4Addr::LOCALHOST, 0, "localhost");
    change(&mut options);
    start(options).expect("the master starts")
}
