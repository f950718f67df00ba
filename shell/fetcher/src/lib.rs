//! Fetches the files that a task asks for into its sandbox, and writes nothing outside it.
//!
//! [`fetch`] blocks, so that it needs a thread of its own. It works with the credentials of the task's user: it reads
//! local files and creates files as the task itself could.

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
