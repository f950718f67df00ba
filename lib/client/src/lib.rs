//! The Rust library for frameworks and operators of a Mesos cluster (v1 API).
//!
//! | type | for |
//! | --- | --- |
//! | [`Driver`] | a framework that survives a change of master |
//! | [`Scheduler`], [`Events`] | one subscription: calls, and the events it brings |
//! | [`MasterOperator`], [`AgentOperator`], [`operator_calls`] | everything an operator may ask or order |
//! | [`Files`], [`Follow`], [`FollowRotated`] | sandboxes and logs |
//!
//! A framework that runs one task and goes home:
//!
//! ```no_run
//! use client::{Address, Driver, DriverEvent};
//! use messages::v1;
//!
//! # async fn run() -> Result<(), client::Error> {
//! let master: Address = "127.0.0.1:5050".parse()?;
//! let info = v1::FrameworkInfo {
//!     user: "root".into(),
//!     name: "example".into(),
//!     failover_timeout: Some(60.0),
//!     ..Default::default()
//! };
//! let mut driver = Driver::new([master], info);
//! loop {
//!     let event = match driver.next().await? {
//!         DriverEvent::Event(event) => event,
//!         DriverEvent::Subscribed { .. } => continue,
//!         DriverEvent::Disconnected { error, .. } => {
//!             eprintln!("{error}");
//!             continue;
//!         }
//!     };
//!     let Some(scheduler) = driver.scheduler() else { continue };
//!     if let Some(offer) = event.offers.and_then(|offers| offers.offers.into_iter().next()) {
//!         let task = v1::TaskInfo {
//!             name: "hello".into(),
//!             task_id: v1::TaskId { value: "hello-1".into() },
//!             agent_id: offer.agent_id,
//!             resources: offer.resources,
//!             command: Some(Box::new(v1::CommandInfo { value: Some("echo hello".into()), ..Default::default() })),
//!             ..Default::default()
//!         };
//!         scheduler.launch(vec![offer.id], vec![task]).await?;
//!     }
//!     if let Some(update) = event.update {
//!         scheduler.acknowledge(&update.status).await?;
//!         if update.status.state() == v1::TaskState::TaskFinished {
//!             return scheduler.teardown().await;
//!         }
//!     }
//! }
//! # }
//! ```

mod address;
mod channel;
mod detect;
mod driver;
mod error;
mod events;
mod files;
mod lines;
mod operator;
pub mod operator_calls;
mod rotated;
mod scheduler;
mod transport;

pub use address::Address;
pub use detect::detect;
pub use driver::{Backoff, Driver, DriverEvent};
pub use error::Error;
pub use events::Events;
pub use files::{Chunk, FileInfo, Files, Follow};
pub use lines::{Lines, lines};
pub use operator::{AgentOperator, FileContents, MasterOperator, delete, get_json, post_form, put_json};
pub use rotated::{FollowRotated, Piece};
pub use scheduler::Scheduler;
