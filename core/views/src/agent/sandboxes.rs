//! Where the virtual paths of `/files` lead.
//!
//! Mesos serves a sandbox under its own path, under `latest` beside it, and, for those
//! who know neither work directory nor container, under
//! `/frameworks/<id>/executors/<id>/runs/latest`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::agent::ExecutorSnapshot;
use model::{ExecutorId, FrameworkId};

use super::Snapshot;

#[derive(Debug, Clone)]
pub(super) struct Sandbox {
    framework: FrameworkId,
    executor: ExecutorId,
    pub path: Arc<Path>,
}

impl Sandbox {
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
    /// The directories that `/files` serves, as `/files/debug` lists them: virtual path and where it leads.
    pub fn sandboxes(&self) -> Vec<(String, PathBuf)> {
        let mut paths: std::collections::BTreeMap<String, PathBuf> = std::collections::BTreeMap::new();
        // Later runs of an executor take over its `latest`.
        for sandbox in self.sandboxes.iter() {
            let itself = sandbox.path.to_string_lossy().into_owned();
            let names = [Some(itself), sandbox.latest_beside(), Some(sandbox.latest_by_ids())];
            paths.extend(names.into_iter().flatten().map(|name| (name, sandbox.path.to_path_buf())));
        }
        paths.into_iter().collect()
    }

    /// The directory that serves a virtual path, and the rest of the path below it. The rest
    /// is the client's text: it may hold `..`, and lead through links.
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
