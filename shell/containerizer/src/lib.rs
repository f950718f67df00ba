//! From a container description to isolated processes: launcher, isolators, volumes.
//!
//! | module | owns |
//! | --- | --- |
//! | [`Containerizer`] | the handle the agent's shell calls |
//! | [`Config`] | what the operator chose |
//! | [`Launch`], [`Limits`] | the description of one container |
//! | [`Init`] | who starts its program, where that needs somebody |
//! | [`Bind`] | a directory of the host inside a container |
//! | [`Event`], [`Limitation`], [`Usage`] | what is reported |
//! | [`User`], [`resolve_user`] | who a container runs as |
//! | [`SealedProgram`] | our own helpers, unwritable from inside a container |

mod binds;
mod cgroups;
mod config;
mod containerizer;
mod error;
mod event;
mod isolation;
mod isolators;
mod kernel;
mod launch;
mod launch_spec;
mod process_tree;
mod recovery;
mod rotate;
mod rotation;
mod runtime_dir;
mod sealed;
mod spawn;
mod user;
mod worker;

pub use binds::Bind;
pub use config::{Config, Launcher};
pub use containerizer::Containerizer;
pub use error::Error;
pub use event::{Event, Limitation, LimitationKind, Usage};
pub use launch::{Init, Launch, Limits, Output, Program, Rlimit, RlimitKind, Rotation};
pub use runtime_dir::adopt;
pub use sealed::SealedProgram;
pub use user::{User, resolve_user};
pub use worker::Recovered;
