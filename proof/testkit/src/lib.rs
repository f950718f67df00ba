//! The helpers that the tests of Tepui share, and that the tests of a framework can use.
//!
//! | module | contents |
//! | --- | --- |
//! | [`builders`] | messages, built by sentences: frameworks, tasks, resources, operations, calls |
//! | `inputs` | every field of the messages that a process receives, filled or changed, and what that costs |
//! | [`core`] | a harness for state machines: steps, records effects, answers stores, lets time pass |
//! | `http` | a client that shows raw responses and event streams, a subscribed scheduler, a server that follows a
//! script |
//! | `network` | network namespaces of tests, and the plugins of CNI |
//! | `nvml` | a library that stands in for that of NVIDIA's driver |
//! | `process` | a program with its log, which ends with the test; a local cluster of Tepui |
//! | `registry` | container images made on the spot, and a registry that serves them well or badly |
//! | `scratch` | free ports, cgroup roots, a search for files |
//! | `wait` | waits for a condition, with a deadline |
//! | [`skip`] | reports tests that cannot run on this machine |
//!
//! The modules without a link need the feature `hosts`; for `inputs`, the feature of this name is enough. Nothing but tests depends on this crate.
//!
//! # A test of a scheduler
//!
//! A scheduler is tested against a server that follows a script: the answers to the first connection, the second and so
//! on. The server also records its requests. Here the scheduler of `tepui_client` subscribes and declines an
//! offer:
//!
//! ```
//! # #[cfg(feature = "hosts")]
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use tepui_client::{Address, Scheduler};
//! use messages::v1::scheduler::call;
//! use testkit::builders::{framework, offer_id, subscribed};
//! use testkit::http::{ScriptedServer, accepted, event_stream};
//!
//! let subscription = event_stream("s-1", &[subscribed("f-0", 15.0)]);
//! let master = ScriptedServer::start(vec![vec![subscription], vec![accepted()]]).await;
//!
//! let address = Address::new("127.0.0.1", master.address.port());
//! let (scheduler, _events) = Scheduler::subscribe(&address, framework("web")).await.unwrap();
//! scheduler.decline(vec![offer_id("O1")], None).await.unwrap();
//!
//! let asked: Vec<call::Type> = master.requests().iter().map(|r| r.scheduler_call().r#type()).collect();
//! assert_eq!(asked, [call::Type::Subscribe, call::Type::Decline]);
//! # });
//! ```
//!
//! `bin/tepui/tests/framework.rs` has the same with a real cluster and a real task: `process::LocalCluster` runs
//! `tepui local`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here is the test that uses it")]

pub mod builders;
pub mod core;
#[cfg(feature = "hosts")]
pub mod http;
#[cfg(feature = "inputs")]
pub mod inputs;
#[cfg(feature = "hosts")]
pub mod network;
#[cfg(feature = "hosts")]
pub mod nvml;
#[cfg(feature = "hosts")]
pub mod process;
#[cfg(feature = "hosts")]
pub mod registry;
#[cfg(feature = "hosts")]
pub mod scratch;
pub mod skip;
pub mod wait;
