//! Where persistent volumes lie on the disk (Mesos' layout, so that an agent finds the volumes of its predecessor), which
//! of them come and go, and which a container sees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use messages::v1;
use resources::{Resource, Resources, SourceKind};

/// One thing to do to a volume's directory. Both may have been done before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeChange {
    /// Make `path` with its parents. Data that is there already stays: it is the volume's.
    Create { path: PathBuf },
    /// Delete what is in `path`, which lies below `base` or is `base`. Links are deleted, never followed.
    Remove {
        base: PathBuf,
        path: PathBuf,
        /// The volume is a whole mounted disk: its root stays.
        keep_root: bool,
    },
}

/// A volume as a container sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerVolume {
    /// The directory of the volume; absolute.
    pub source: PathBuf,
    /// A plain name in the sandbox.
    pub name: String,
    /// The container may not write to it.
    pub read_only: bool,
    /// Several containers may have it at the same time.
    pub shared: bool,
}

/// The directory of a volume, and the directory of the disk it is on.
struct VolumeLocation {
    base: PathBuf,
    path: PathBuf,
    whole_disk: bool,
}

impl VolumeLocation {
    /// `None`: no volume of the agent's own, or one that masters refuse to create.
    fn of(work_dir: &Path, volume: &Resource) -> Option<VolumeLocation> {
        let disk = volume.disk()?;
        let id = &disk.persistence.as_ref()?.id;
        let role = volume.reservation_role()?.as_str();
        // Both become parts of a path. Masters have checked them; a path out of the work directory must not depend on it.
        if volume.provider_id().is_some()
            || resources::roles::validate(role).is_err()
            || validation::ids::validate(id).is_err()
        {
            return None;
        }
        // Roles may be nested, directories of roles are not; a role has no spaces.
        let below = |base: &Path| base.join("volumes").join("roles").join(role.replace('/', " ")).join(&**id);
        let Some(source) = &disk.source else {
            return Some(VolumeLocation { base: work_dir.to_owned(), path: below(work_dir), whole_disk: false });
        };
        let root = |root: &Option<Option<std::sync::Arc<str>>>| Some(work_dir.join(&**root.as_ref()?.as_ref()?));
        match source.kind {
            SourceKind::Path => {
                let base = root(&source.root.path)?;
                Some(VolumeLocation { path: below(&base), base, whole_disk: false })
            }
            SourceKind::Mount => {
                let base = root(&source.root.mount)?;
                Some(VolumeLocation { path: base.clone(), base, whole_disk: true })
            }
            SourceKind::Block | SourceKind::Raw => None,
        }
    }
}

/// What has to happen on the disk when `before` becomes `after`.
pub(crate) fn changes(work_dir: &Path, before: &Resources, after: &Resources) -> Vec<VolumeChange> {
    let (mut old, new) = (locations(work_dir, before), locations(work_dir, after));
    let created: Vec<PathBuf> = new.into_keys().filter(|path| old.remove(path).is_none()).collect();
    let removed = old.into_values().map(|location| VolumeChange::Remove {
        base: location.base,
        path: location.path,
        keep_root: location.whole_disk,
    });
    removed.chain(created.into_iter().map(|path| VolumeChange::Create { path })).collect()
}

fn locations(work_dir: &Path, resources: &Resources) -> BTreeMap<PathBuf, VolumeLocation> {
    let volumes = resources.iter().filter(|resource| resource.is_persistent_volume());
    volumes
        .filter_map(|volume| VolumeLocation::of(work_dir, volume))
        .map(|location| (location.path.clone(), location))
        .collect()
}

/// The volumes among a container's resources. As in Mesos those with an absolute or nested path are not shown.
pub(crate) fn container_volumes(work_dir: &Path, allocated: &Resources) -> Vec<ContainerVolume> {
    let mut volumes: BTreeMap<String, ContainerVolume> = BTreeMap::new();
    for resource in allocated.iter().filter(|resource| resource.is_persistent_volume()) {
        let Some(volume) = resource.disk().and_then(|disk| disk.volume.as_deref()) else { continue };
        let name = volume.container_path.as_str();
        if name.contains('/') || validation::ids::validate(name).is_err() {
            tracing::warn!("a volume is not shown at '{name}': only plain names in the sandbox are supported");
            continue;
        }
        let Some(location) = VolumeLocation::of(work_dir, resource) else { continue };
        let shown = ContainerVolume {
            source: location.path,
            name: name.to_owned(),
            read_only: volume.mode() == v1::volume::Mode::Ro,
            shared: resource.is_shared(),
        };
        volumes.entry(shown.name.clone()).or_insert(shown);
    }
    volumes.into_values().collect()
}
