//! Persistent volumes: their places on the disk (Mesos' layout, so that an agent finds the volumes of its predecessor),
//! the changes that make and delete them, and those that a container sees.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use messages::v1;
use resources::{Resource, Resources, Scalar, SourceKind};

/// One change of a volume's directory. It may have been made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeChange {
    /// Makes `path` with its parents. Existing data stays, since it is the volume's.
    Create {
        /// The directory of the volume; absolute.
        path: PathBuf,
    },
    /// Deletes the contents of `path`, which lies below `base` or is `base`. Links are deleted, never followed.
    Remove {
        /// The directory of the disk that the volume is on; absolute.
        base: PathBuf,
        /// The directory of the volume; absolute.
        path: PathBuf,
        /// Whether the volume is a whole mounted disk, whose root stays.
        keep_root: bool,
    },
}

/// A volume as a container sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerVolume {
    /// The persistence id.
    pub id: String,
    /// The size in bytes; `None` if the volume is a whole disk.
    pub size: Option<u64>,
    /// The directory of the volume; absolute.
    pub source: PathBuf,
    /// The path in the container: plain names below the sandbox, or an absolute path.
    pub container_path: PathBuf,
    /// Whether writing to it is refused inside the container.
    pub read_only: bool,
    /// Whether several containers may have it at the same time.
    pub shared: bool,
}

/// The directory of a volume, and the directory of the disk it is on.
struct VolumeLocation {
    base: PathBuf,
    path: PathBuf,
    whole_disk: bool,
}

impl VolumeLocation {
    /// Returns the location of a volume; `None` if it is no volume of the agent's own, or one that masters refuse to
    /// create.
    fn of(work_dir: &Path, volume: &Resource) -> Option<VolumeLocation> {
        let disk = volume.disk()?;
        let id = &disk.persistence.as_ref()?.id;
        let role = volume.reservation_role()?.as_str();
        // The role and the id become parts of a path. Masters have checked them, but a path out of the work directory
        // must not depend on that.
        if volume.provider_id().is_some()
            || resources::roles::validate(role).is_err()
            || validation::ids::validate(id).is_err()
        {
            return None;
        }
        // Roles may be nested, directories of roles are not; a role contains no spaces.
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

/// Returns the changes on the disk when `before` becomes `after`.
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

/// The reason for which a volume cannot be shown at the requested path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidContainerPath {
    #[error(
        "the container_path '{0}' of a persistent volume is the sandbox itself: give it a directory in the sandbox"
    )]
    Sandbox(String),
    #[error("the container_path '{0}' of a persistent volume must have plain names only, without '..'")]
    Names(String),
    #[error("two persistent volumes cannot have the container_paths '{0}' and '{1}'")]
    Overlap(String, String),
}

/// Returns the path of a volume in normal form (`./a//b` is `a/b`).
fn container_path(text: &str) -> Result<PathBuf, InvalidContainerPath> {
    let mut path = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::RootDir => path.push("/"),
            Component::CurDir => {}
            Component::Normal(name) if name.to_str().is_some_and(|name| validation::ids::validate(name).is_ok()) => {
                path.push(name);
            }
            _ => return Err(InvalidContainerPath::Names(text.to_owned())),
        }
    }
    match path.as_os_str().is_empty() || path == Path::new("/") {
        true => Err(InvalidContainerPath::Sandbox(text.to_owned())),
        false => Ok(path),
    }
}

/// Checks the paths at which the volumes among these resources are to be shown. Mesos only logs and does not show a
/// volume whose path has a slash: its data are then deleted with the sandbox.
pub(crate) fn check_container_paths(resources: &Resources) -> Result<(), InvalidContainerPath> {
    let mut shown: BTreeMap<PathBuf, &Resource> = BTreeMap::new();
    for (volume, text) in volumes(resources) {
        let path = container_path(text)?;
        let overlaps = |other: &PathBuf| other.starts_with(&path) || path.starts_with(other);
        let same =
            |other: &Resource| volume.disk() == other.disk() && volume.reservation_role() == other.reservation_role();
        let other = shown.iter().find(|(other, resource)| overlaps(other) && !(**other == path && same(resource)));
        if let Some((other, _)) = other {
            return Err(InvalidContainerPath::Overlap(other.display().to_string(), path.display().to_string()));
        }
        shown.insert(path, volume);
    }
    Ok(())
}

/// Iterates over the persistent volumes that are to be shown, with their paths.
fn volumes(resources: &Resources) -> impl Iterator<Item = (&Resource, &str)> {
    let persistent = resources.iter().filter(|resource| resource.is_persistent_volume());
    persistent.filter_map(|resource| Some((resource, resource.disk()?.volume.as_deref()?.container_path.as_str())))
}

/// Returns the volumes among a container's resources, those above others first. All have passed
/// [`check_container_paths`], except those of executors that an agent of Mesos has started: a volume that it did not
/// show is not shown either.
pub(crate) fn container_volumes(work_dir: &Path, allocated: &Resources) -> Vec<ContainerVolume> {
    let mut shown: BTreeMap<PathBuf, ContainerVolume> = BTreeMap::new();
    for (resource, text) in volumes(allocated) {
        let path = match container_path(text) {
            Ok(path) => path,
            Err(error) => {
                tracing::warn!("a volume is not shown: {error}");
                continue;
            }
        };
        let Some(location) = VolumeLocation::of(work_dir, resource) else { continue };
        let persistence = resource.disk().and_then(|disk| disk.persistence.as_ref());
        let mode = resource.disk().and_then(|disk| disk.volume.as_deref()).map(|volume| volume.mode());
        let volume = ContainerVolume {
            id: persistence.map(|persistence| persistence.id.to_string()).unwrap_or_default(),
            size: Some(bytes(resource.value().quantity())).filter(|_| !location.whole_disk),
            source: location.path,
            container_path: path.clone(),
            read_only: mode == Some(v1::volume::Mode::Ro),
            shared: resource.is_shared(),
        };
        shown.entry(path).or_insert(volume);
    }
    shown.into_values().collect()
}

/// Returns the bytes of an amount of `disk`, which is counted in MB.
fn bytes(megabytes: Scalar) -> u64 {
    // The conversion saturates.
    (megabytes.as_f64() * f64::from(1 << 20)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_path_is_plain_names() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(container_path(text).ok().as_deref(), expect.map(Path::new), "{text:?}");
        };
        check("data", Some("data"));
        check("data/db", Some("data/db"));
        check("./data//db/", Some("data/db"));
        check("/var/lib/db", Some("/var/lib/db"));
        for text in ["", ".", "./", "/", "..", "a/../b", "../x", "/..", "a\0b"] {
            check(text, None);
        }
    }
}
