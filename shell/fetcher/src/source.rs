//! The opened source of a file: a download, a local file, or the copy of the Hadoop client.

use std::fs::File;

use crate::download::Download;
use crate::error::Reason;
use crate::hadoop::Copied;
use crate::host_settings::HostSettings;
use crate::output::{CopyFailure, Output};
use crate::plan::Plan;
use crate::sandbox::Sandbox;
use crate::uri::Source;
use crate::{hadoop, local};

/// A source whose beginning can be read.
pub(crate) enum Opened<'p> {
    Http(Box<Download<'p>>),
    File(File),
    Hadoop(Copied<'p>),
}

impl<'p> Opened<'p> {
    /// Opens a source.
    ///
    /// # Errors
    /// Returns [`Reason`] if it cannot be read.
    pub fn open(
        source: &Source,
        plan: &'p Plan,
        hosts: &'p HostSettings,
        sandbox: &'p Sandbox,
    ) -> Result<Self, Reason> {
        Ok(match source {
            Source::Http(uri) => Opened::Http(Box::new(Download::open(uri, plan, hosts)?)),
            Source::File(path) => Opened::File(local::open(path)?),
            Source::Hadoop(uri) => Opened::Hadoop(hadoop::copy(uri, plan, sandbox)?),
        })
    }

    /// Returns the size in bytes, if it is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Opened::Http(download) => download.size(),
            Opened::File(file) => file.metadata().ok().map(|metadata| metadata.len()),
            Opened::Hadoop(copied) => Some(copied.bytes),
        }
    }

    /// Writes all of the source.
    ///
    /// # Errors
    /// Returns [`Reason`] if it cannot be read or written.
    pub fn save(self, output: &mut Output<'_>) -> Result<(), Reason> {
        let mut file = match self {
            Opened::Http(download) => return download.save(output),
            Opened::File(file) | Opened::Hadoop(Copied { file, .. }) => file,
        };
        output.copy(&mut file).map_err(|failure| match failure {
            CopyFailure::Read(error) => Reason::Read(error),
            CopyFailure::Other(reason) => reason,
        })
    }
}
