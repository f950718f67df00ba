//! Brings the files a task asks for into its sandbox, and nothing outside it.
//!
//! [`fetch`] blocks, so it belongs on a thread of its own. It works with the rights of the task's user: local files
//! are read, and files are created, as the task itself could have done it.

mod archive;
mod archive_tar;
mod archive_zip;
mod download;
mod error;
mod fetch;
mod inside;
mod local;
mod meter;
mod plan;
mod rights;
mod sandbox;
mod uri;

pub use error::{Error, Reason};
pub use fetch::fetch;
pub use plan::{Fetched, Item, Limits, Owner, Plan, Report};
