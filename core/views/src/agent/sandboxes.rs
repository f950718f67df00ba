//! The virtual paths of `/files`.
//!
//! Mesos serves a sandbox under its own path, under `latest` beside it, and, for clients that know neither work
//! directory nor container, under `/frameworks/<id>/executors/<id>/runs/latest`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::agent::ExecutorSnapshot;
use model::{ExecutorId, FrameworkId};

use super::Snapshot;

#[derive(Debug, Clone)]
pub(super) struct Sandbox {
    framework: FrameworkId,
    executor: ExecutorId,
    /// The directory; absolute.
    pub path: Arc<Path>,
}

impl Sandbox {
    /// Returns the sandbox of an executor.
    pub fn of(executor: &ExecutorSnapshot) -> Self {
        Sandbox {
            framework: executor.framework.clone(),
            executor: executor.id.clone(),
            path: Arc::from(executor.sandbox.as_path()),
        }
    }

    fn is_of_same_executor(&self, other: &Sandbox) -> bool {
        self.framework == other.framework && self.executor == other.executor
    }

    fn latest_by_ids(&self) -> String {
        format!("/frameworks/{}/executors/{}/runs/latest", self.framework, self.executor)
    }

    fn latest_beside(&self) -> Option<String> {
        Some(self.path.parent()?.join("latest").to_string_lossy().into_owned())
    }
}

impl Snapshot {
    /// Returns the directories that `/files` serves, as `/files/debug` lists them: the virtual path and the directory.
    pub fn sandboxes(&self) -> Vec<(String, PathBuf)> {
        let mut paths: std::collections::BTreeMap<String, PathBuf> = std::collections::BTreeMap::new();
        // `latest` leads to the last run of an executor.
        for sandbox in self.sandboxes.iter() {
            let itself = sandbox.path.to_string_lossy().into_owned();
            let names = [Some(itself), sandbox.latest_beside(), Some(sandbox.latest_by_ids())];
            paths.extend(names.into_iter().flatten().map(|name| (name, sandbox.path.to_path_buf())));
        }
        paths.into_iter().collect()
    }

    /// Returns the directory that serves a virtual path, and the rest of the path below it; `None` if no directory
    /// serves it. The rest is the client's text: it may contain `..` and lead through links.
    pub fn resolve(&self, virtual_path: &str) -> Option<(PathBuf, PathBuf)> {
        let wanted = Path::new(virtual_path.trim_end_matches('/'));
        let newest_first = || self.sandboxes.iter().rev();
        newest_first().find_map(|sandbox| {
            let below = |name: &Path| wanted.strip_prefix(name).ok().map(Path::to_path_buf);
            let newest = || {
                newest_first()
                    .find(|other| other.is_of_same_executor(sandbox))
                    .is_some_and(|other| other.path == sandbox.path)
            };
            let by_latest = || {
                let names = [Some(sandbox.latest_by_ids()), sandbox.latest_beside()];
                names.into_iter().flatten().find_map(|name| below(Path::new(&name)))
            };
            let rest = below(&sandbox.path).or_else(|| by_latest().filter(|_| newest()))?;
            Some((sandbox.path.to_path_buf(), rest))
        })
    }
}
