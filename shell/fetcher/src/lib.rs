//! Brings the files a task asks for into its sandbox, and nothing outside it.
//!
//! [`fetch`] blocks, so it belongs on a thread of its own. It works with the rights of the task's user: local files
//! are read, and files are created, as the task itself could have done it.

mod archive;
mod archive_tar;
mod archive_zip;
mod byte_limit;
mod credentials;
mod download;
mod error;
mod fetch;
mod local;
mod plan;
mod sandbox;
mod sandbox_path;
mod uri;
mod warnings;

pub use error::{Error, Reason};
pub use fetch::fetch;
pub use plan::{Fetched, Item, Limits, Owner, Plan, Report};
