//! The Rust library for frameworks and operators of a Mesos cluster (v1 API).
//!
//! ```no_run
//! use client::{Address, Scheduler};
//! use messages::v1;
//!
//! # async fn run() -> Result<(), client::Error> {
//! let master: Address = "127.0.0.1:5050".parse()?;
//! let info = v1::FrameworkInfo { user: "root".into(), name: "example".into(), ..Default::default() };
//! let (scheduler, mut events) = Scheduler::subscribe(&master, info).await?;
//! while let Some(event) = events.next().await? {
//!     if let Some(offers) = event.offers {
//!         let ids = offers.offers.into_iter().map(|offer| offer.id).collect();
//!         scheduler.decline(ids, None).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod error;
mod events;
mod files;
mod operator;
mod scheduler;
mod transport;

pub use address::Address;
pub use error::Error;
pub use events::Events;
pub use files::{Chunk, FileInfo, Files};
pub use operator::{AgentOperator, MasterOperator, get_json};
pub use scheduler::Scheduler;
