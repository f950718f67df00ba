//! `tepui-client` is the Rust library for frameworks and operators of a cluster of Tepui or of Apache Mesos. It speaks
//! the v1 HTTP APIs of masters and agents; it needs no C library and no `protoc`.
//!
//! A *framework* is offered resources by the master and launches tasks on them. An *operator* reads the state of the
//! cluster and changes its settings. Messages are the types of [`v1`], which are Mesos' own.
//!
//! | type | for |
//! | --- | --- |
//! | [`Driver`] | a framework that survives a change of the master |
//! | [`Scheduler`], [`Events`] | one subscription: its calls and its events |
//! | [`MasterOperator`], [`AgentOperator`], [`operator_calls`] | everything that an operator may read or change |
//! | [`ContainerOutput`], [`ContainerInput`] | sessions in containers, and attaching to them |
//! | [`get_json`], [`put_json`], [`post_form`], [`delete`], [`lines`] | the JSON endpoints and streams |
//! | [`Files`], [`Follow`], [`FollowRotated`] | sandboxes and logs |
//! | [`detect`], [`Address`] | the leading master, by its address or by ZooKeeper |
//!
//! # First steps
//!
//! A program beside a checkout of Tepui has these dependencies:
//!
//! ```toml
//! [dependencies]
//! tepui-client = { path = "../tepui/lib/client" }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! `tepui local` starts a cluster on this machine, at 127.0.0.1:5050. The program lists its agents:
//!
//! ```no_run
//! use tepui_client::v1::master::call::Type;
//! use tepui_client::{Address, MasterOperator};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), tepui_client::Error> {
//!     let master = MasterOperator::new(Address::new("127.0.0.1", 5050));
//!     let agents = master.get(Type::GetAgents).await?.get_agents.unwrap_or_default();
//!     for agent in agents.agents {
//!         println!("{} is {}", agent.agent_info.hostname, if agent.active { "active" } else { "inactive" });
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # A complete framework
//!
//! The program subscribes at a master, launches one task on the first offer that suffices, waits for its end, and
//! removes the framework. It survives a failover of the master: the driver subscribes again with the same framework id.
//!
//! ```no_run
//! use tepui_client::{Driver, DriverEvent, Scheduler, v1};
//!
//! const CPUS: f64 = 0.1;
//! const MEM: f64 = 32.0;
//!
//! /// Returns an amount of a scalar resource; memory is in MB.
//! fn scalar(name: &str, value: f64) -> v1::Resource {
//!     v1::Resource {
//!         name: name.into(),
//!         r#type: v1::value::Type::Scalar as i32,
//!         scalar: Some(v1::value::Scalar { value }),
//!         ..Default::default()
//!     }
//! }
//!
//! /// Returns the amount of a scalar resource in an offer.
//! fn amount(offer: &v1::Offer, name: &str) -> f64 {
//!     let named = offer.resources.iter().filter(|resource| resource.name == name);
//!     named.filter_map(|resource| resource.scalar.as_ref()).map(|scalar| scalar.value).sum()
//! }
//!
//! /// Launches the task, unless it was launched before or the offer is too small. Then the offer is declined.
//! async fn use_offer(scheduler: &Scheduler, offer: v1::Offer, launched: &mut bool) -> Result<(), tepui_client::Error> {
//!     if *launched || amount(&offer, "cpus") < CPUS || amount(&offer, "mem") < MEM {
//!         return scheduler.decline(vec![offer.id], None).await;
//!     }
//!     *launched = true;
//!     let task = v1::TaskInfo {
//!         name: "hello".into(),
//!         task_id: v1::TaskId { value: "hello-1".into() },
//!         agent_id: offer.agent_id,
//!         resources: vec![scalar("cpus", CPUS), scalar("mem", MEM)],
//!         command: Some(Box::new(v1::CommandInfo { value: Some("echo hello".into()), ..Default::default() })),
//!         ..Default::default()
//!     };
//!     scheduler.launch(vec![offer.id], vec![task]).await
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), tepui_client::Error> {
//!     let info = v1::FrameworkInfo {
//!         user: "root".into(),
//!         name: "example".into(),
//!         failover_timeout: Some(60.0),
//!         ..Default::default()
//!     };
//!     let mut driver = Driver::at("127.0.0.1:5050", info)?;
//!     let mut launched = false;
//!     loop {
//!         let event = match driver.next().await? {
//!             DriverEvent::Event(event) => event,
//!             DriverEvent::Disconnected { error, retry_in } => {
//!                 eprintln!("{error}; subscribing again in {retry_in:?}");
//!                 continue;
//!             }
//!             DriverEvent::Subscribed { framework, master } => {
//!                 println!("subscribed at {master} as {}", framework.value);
//!                 // Updates may have been missed since an earlier subscription.
//!                 if let Some(scheduler) = driver.scheduler() {
//!                     scheduler.reconcile(Vec::new()).await?;
//!                 }
//!                 continue;
//!             }
//!         };
//!         let Some(scheduler) = driver.scheduler() else { continue };
//!         for offer in event.offers.map(|offers| offers.offers).unwrap_or_default() {
//!             use_offer(scheduler, offer, &mut launched).await?;
//!         }
//!         if let Some(update) = event.update {
//!             let status = update.status;
//!             println!("{}: {}", status.task_id.value, status.state().as_str_name());
//!             scheduler.acknowledge(&status).await?;
//!             match status.state() {
//!                 v1::TaskState::TaskStaging | v1::TaskState::TaskStarting | v1::TaskState::TaskRunning => {}
//!                 _ => return scheduler.teardown().await,
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! # Errors
//! Every function returns [`Error`], whose text names the peer and the next step. [`Error::is_transient`] says whether a
//! retry may succeed. Functions are asynchronous, and need a tokio runtime with I/O and time enabled.

mod address;
mod channel;
mod containers;
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
pub use containers::{ContainerEnd, ContainerInput, ContainerOutput, InputClosed, OutputPiece};
pub use detect::detect;
pub use driver::{Backoff, Driver, DriverEvent};
pub use error::Error;
pub use events::Events;
pub use files::{Chunk, FileInfo, Files, Follow};
pub use lines::{Lines, lines};
pub use messages::v1;
pub use operator::{AgentOperator, FileContents, MasterOperator, delete, get_json, post_form, put_json};
pub use rotated::{FollowRotated, Piece};
pub use scheduler::Scheduler;
