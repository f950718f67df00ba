//! `disk/xfs`: the disk space of sandboxes and persistent volumes by project quotas of XFS, which the kernel counts and
//! enforces at each write.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cause, ContainerContext, Isolator};
use crate::disk_size::disk_size;
use crate::launch_spec::LaunchSpec;
use crate::xfs::{self, ProjectIds, QuotaWatcher, TrackedDirectory, Violation};
use crate::{Bind, Config, Error, Launch, Limitation, LimitationKind, Limits, Usage, VolumeUsage};

/// What is done about disk space beyond the limit (`xfs::QuotaPolicy` of Mesos).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// It is only counted.
    Accounting,
    /// Writes fail.
    Refusing,
    /// The container is ended. Writes fail at this many bytes beyond the limit.
    Ending(u64),
}

/// Gives each sandbox and each persistent volume a project with a quota.
#[derive(Debug)]
pub(crate) struct DiskXfs {
    policy: Policy,
    projects: Mutex<ProjectIds>,
    watcher: QuotaWatcher,
    work_dir: Option<PathBuf>,
}

impl DiskXfs {
    pub(super) fn new(config: &Config) -> Self {
        let policy = match (config.enforce_container_disk_quota, config.xfs.kill_containers) {
            (false, _) => Policy::Accounting,
            (true, false) => Policy::Refusing,
            (true, true) => Policy::Ending(config.xfs.quota_headroom),
        };
        let interval = Some(config.container_disk_watch_interval).filter(|_| matches!(policy, Policy::Ending(_)));
        let mut projects = ProjectIds::new(config.xfs.project_range.clone());
        for directory in config.work_dir.iter().flat_map(|work_dir| directories_with_projects(work_dir)) {
            if let Ok(Some(project)) = xfs::project_of(&directory) {
                projects.adopt(project, &directory);
            }
        }
        DiskXfs {
            policy,
            projects: Mutex::new(projects),
            watcher: QuotaWatcher::new(interval),
            work_dir: config.work_dir.clone(),
        }
    }

    /// Checks that the work directory has project quotas.
    ///
    /// # Errors
    /// Returns why it has not, with Mesos' words.
    pub(crate) fn check(config: &Config, is_root: bool) -> Result<(), Error> {
        let refused = |why: String| Error::Request(format!("--isolation=disk/xfs: {why}"));
        if !is_root {
            return Err(refused("The XFS disk isolator requires running as root.".to_owned()));
        }
        let work_dir = config.work_dir.as_deref().unwrap_or(Path::new("/"));
        xfs::check_support(work_dir).map_err(refused)
    }

    fn projects(&self) -> MutexGuard<'_, ProjectIds> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a directory a free project. Those of removed directories are free again.
    fn assign(&self, directory: &Path) -> Result<u32, Error> {
        let project = {
            let mut projects = self.projects();
            let mut project = projects.take(directory);
            if project.is_none() {
                for free in projects.reclaim(Path::exists) {
                    self.clear(free);
                }
                project = projects.take(directory);
            }
            let total = projects.total();
            project.ok_or_else(|| {
                Error::Request(format!(
                    "Failed to assign project ID, range exhausted: all {total} of --xfs_project_range are in use by \
                     sandboxes and volumes"
                ))
            })?
        };
        // A former directory with this project may have left a limit.
        self.clear_in(directory, project);
        xfs::assign_project(directory, project).map_err(|error| failed("assign project", project, &error))?;
        Ok(project)
    }

    fn clear(&self, project: u32) {
        if let Some(work_dir) = &self.work_dir {
            self.clear_in(work_dir, project);
        }
    }

    fn clear_in(&self, directory: &Path, project: u32) {
        if let Err(error) = xfs::clear_limit(directory, project) {
            tracing::warn!(project, %error, "cannot clear the quota of a project");
        }
    }

    /// Puts a limit in force.
    fn limit(&self, directory: &TrackedDirectory) -> Result<(), Error> {
        let (path, project) = (&directory.path, directory.project);
        let set = match (directory.limit, self.policy) {
            (None, _) => return Ok(()),
            (Some(_), Policy::Accounting) => xfs::clear_limit(path, project),
            (Some(limit), Policy::Refusing) => xfs::set_limits(path, project, limit, limit),
            (Some(limit), Policy::Ending(headroom)) => {
                xfs::set_limits(path, project, limit, limit.saturating_add(headroom))
            }
        };
        set.map_err(|error| failed("update quota for project", project, &error))
    }

    fn track(&self, container: &ContainerContext<'_>, directory: TrackedDirectory) -> Result<(), Error> {
        self.limit(&directory)?;
        self.watcher.track(container.id, directory);
        Ok(())
    }

    /// Gives a persistent volume a project, unless it has one that is its own, and its quota.
    fn track_volume(&self, container: &ContainerContext<'_>, bind: &Bind) -> Result<(), Error> {
        let Some(volume) = &bind.volume else { return Ok(()) };
        // A disk that is one volume as a whole needs no quota, and may have another file system.
        let Some(size) = volume.size else { return Ok(()) };
        let path = &bind.source;
        let known = xfs::project_of(path);
        let known = known.map_err(|_| match xfs::check_support(path) {
            Err(why) => Error::Request(format!("disk/xfs: {why}")),
            Ok(()) => Error::Request(format!("disk/xfs: Failed to get the project of '{}'", path.display())),
        })?;
        let project = match known.filter(|project| self.projects().may_belong_to(*project, path)) {
            Some(project) => {
                self.projects().adopt(project, path);
                project
            }
            None => self.assign(path)?,
        };
        let volume = Some(volume.id.clone());
        self.track(container, TrackedDirectory { path: path.clone(), project, limit: Some(size), volume })
    }
}

fn failed(action: &str, project: u32, error: &io::Error) -> Error {
    Error::Request(format!("Failed to {action} {project}: {error}"))
}

/// Returns the sandboxes and persistent volumes below a work directory, and the files of containers with an image.
fn directories_with_projects(work_dir: &Path) -> Vec<PathBuf> {
    const SANDBOXES: &[&str] = &["slaves", "*", "frameworks", "*", "executors", "*", "runs", "*"];
    const VOLUMES: &[&str] = &["volumes", "roles", "*", "*"];
    const IMAGES: &[&str] = &["provisioner", "containers", "*"];
    let mut found = Vec::new();
    for pattern in [SANDBOXES, VOLUMES, IMAGES] {
        let mut directories = vec![work_dir.to_owned()];
        for part in pattern {
            directories = directories.iter().flat_map(|directory| below(directory, part)).collect();
        }
        found.extend(directories);
    }
    found
}

fn below(directory: &Path, part: &str) -> Vec<PathBuf> {
    if part != "*" {
        return vec![directory.join(part)];
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

impl Isolator for DiskXfs {
    fn name(&self) -> &'static str {
        "disk/xfs"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        // As in Mesos, nested containers are part of the sandbox of their parent.
        if container.id.parent().is_some() {
            return Ok(());
        }
        let path = launch.working_directory.clone();
        let project = self.assign(&path)?;
        // What a container writes to the root of its image counts like its sandbox.
        if let Some(directory) = launch.requests.image.as_ref().and_then(|image| image.isolation.parent()) {
            self.projects().adopt(project, directory);
            xfs::assign_project(directory, project).map_err(|error| failed("assign project", project, &error))?;
        }
        self.track(container, TrackedDirectory { path, project, limit: launch.limits.disk, volume: None })?;
        launch.binds.iter().try_for_each(|bind| self.track_volume(container, bind))
    }

    fn add_volume(&self, container: &ContainerContext<'_>, bind: &Bind) -> Result<(), Error> {
        if container.id.parent().is_none() { self.track_volume(container, bind) } else { Ok(()) }
    }

    fn watch(&self, container: &ContainerContext<'_>) -> io::Result<Option<OwnedFd>> {
        self.watcher.watch(container.id)
    }

    fn limitation(&self, container: &ContainerContext<'_>, _: Cause<'_>) -> Option<Limitation> {
        let Violation { used, limit, volume } = self.watcher.violation(container.id)?;
        let of_volume = volume.map(|id| format!(" for volume '{id}'")).unwrap_or_default();
        let message = format!("Disk usage ({}) exceeded quota ({}){of_volume}", disk_size(used), disk_size(limit));
        Some(Limitation { kind: LimitationKind::Disk { limit }, message })
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        let sandbox = self.watcher.directories(container.id).into_iter().find(|directory| directory.volume.is_none());
        match (sandbox, limits.disk) {
            (Some(sandbox), Some(_)) => self.track(container, TrackedDirectory { limit: limits.disk, ..sandbox }),
            _ => Ok(()),
        }
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        for directory in self.watcher.directories(container.id) {
            let used = xfs::usage_of(&directory.path, directory.project);
            let used = used.inspect_err(|error| tracing::warn!(id = %container.id, %error, "no disk usage")).ok();
            match directory.volume {
                None => usage.disk_used_bytes = used,
                Some(id) => usage.volumes.push(VolumeUsage { id, used, limit: directory.limit }),
            }
        }
    }

    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        // The environment of the first process names the sandbox. The limit follows with the next update.
        let pid = container.pid.filter(|_| container.id.parent().is_none());
        let environment = pid.map(|pid| container.kernel.environment(pid.as_raw_nonzero().get())).unwrap_or_default();
        let Some(path) = crate::recovery::sandbox_path(&environment) else { return Ok(()) };
        // As in Mesos, containers from the time before the isolator was enabled have no project.
        let project = xfs::project_of(&path).map_err(Error::io("cannot read the project of", &path))?;
        if let Some(project) = project {
            self.projects().adopt(project, &path);
            self.watcher.track(container.id, TrackedDirectory { path, project, limit: None, volume: None });
        }
        Ok(())
    }

    /// The project stays with the files until they are removed.
    fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        self.watcher.remove(container.id);
        Ok(())
    }
}
