//! The details of a disk resource: its source and its persistent volume.

use std::cmp::Ordering;
use std::sync::Arc;

use messages::v1;

use crate::Labels;

/// The details of a disk. Two of them are equal if source and persistence id are equal, as in Mesos: the creator of a
/// volume and the path of its mount describe a use of the disk, not the disk.
#[derive(Debug, Clone)]
pub struct Disk {
    /// The source of the disk; `None` for the root disk.
    pub source: Option<Source>,
    /// The identity of the persistent volume; `None` for a disk that is no volume.
    pub persistence: Option<Persistence>,
    /// The use of the disk by a task: the path and the mode of its mount.
    pub volume: Option<Arc<v1::Volume>>,
}

/// The identity of a persistent volume.
#[derive(Debug, Clone)]
pub struct Persistence {
    /// The id, unique within a role on an agent.
    pub id: Arc<str>,
    /// The principal who created it; `None` without authentication.
    pub principal: Option<Arc<str>>,
}

/// The source of a disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The kind of source.
    pub kind: SourceKind,
    /// The root directory of a PATH or MOUNT disk.
    pub root: Root,
    /// The id that a resource provider gave the disk.
    pub id: Option<Arc<str>>,
    /// The storage profile that the disk was created with.
    pub profile: Option<Arc<str>>,
    /// The vendor of the resource provider's plug-in.
    pub vendor: Option<Arc<str>>,
    /// Labels that the plug-in attached to the disk.
    pub metadata: Option<Labels>,
}

/// The kinds of sources of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A directory. Its space can be divided.
    Path,
    /// A file system of its own. It is used as a whole.
    Mount,
    /// A block device. It is used as a whole.
    Block,
    /// Unformatted space of a resource provider.
    Raw,
}

/// The messages `path` and `mount`, each of which may be absent, empty, or name a root; Mesos distinguishes the three.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Root {
    pub path: Option<Option<Arc<str>>>,
    pub mount: Option<Option<Arc<str>>>,
}

impl Disk {
    fn key(&self) -> (Option<&Source>, Option<&str>) {
        (self.source.as_ref(), self.persistence.as_ref().map(|persistence| persistence.id.as_ref()))
    }

    /// Returns whether the disk can be neither split nor merged: a persistent volume, a mount, a block device, or a
    /// raw disk with an id.
    pub fn is_exclusive(&self) -> bool {
        let exclusive_source = self.source.as_ref().is_some_and(|source| match source.kind {
            SourceKind::Path => false,
            SourceKind::Mount | SourceKind::Block => true,
            SourceKind::Raw => source.id.is_some(),
        });
        exclusive_source || self.persistence.is_some()
    }
}

impl PartialEq for Disk {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Disk {}

impl PartialOrd for Disk {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Disk {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
