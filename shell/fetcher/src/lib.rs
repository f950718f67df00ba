//! Fetches the files that a task asks for into its sandbox, and writes nothing outside it.
//!
//! [`fetch`] blocks, so that it needs a thread of its own. It works with the credentials of the task's user: it reads
//! local files and creates files as the task itself could.

mod archive;
mod archive_tar;
mod archive_zip;
mod byte_limit;
mod cache;
mod cache_entries;
mod cache_files;
mod cached;
mod checksum;
mod credentials;
mod download;
mod error;
mod fetch;
mod hadoop;
mod host_settings;
mod local;
mod output;
mod plan;
mod redirect;
mod retry;
mod sandbox;
mod sandbox_path;
mod source;
mod temporary_directory;
mod uri;
mod warnings;

pub use cache::{Cache, CacheError};
pub use error::{Error, Reason};
pub use fetch::fetch;
pub use host_settings::{HostSettings, HostSettingsError};
pub use plan::{Fetched, Item, Limits, Owner, Plan, Report};
