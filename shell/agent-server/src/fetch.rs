//! Fills a sandbox with the files that a command names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ::agent::ContainerLaunch;
use containerizer::User;
use fetcher::{Item, Owner, Plan};
use messages::v1;
use model::ContainerId;

/// The settings of the fetcher.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// `--frameworks_home`: the directory that relative paths of URIs refer to.
    pub frameworks_home: Option<PathBuf>,
    /// `--fetcher_stall_timeout`: the time after which a download without progress fails.
    pub stall_timeout: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        FetchOptions { frameworks_home: None, stall_timeout: Duration::from_secs(60) }
    }
}

/// Returns whether the container has files to fetch.
pub fn has_files(launch: &ContainerLaunch) -> bool {
    !uris(launch).is_empty()
}

fn uris(launch: &ContainerLaunch) -> &[v1::command_info::Uri] {
    launch.executor_info.command.as_deref().map(|command| command.uris.as_slice()).unwrap_or_default()
}

/// The sandbox to fill.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The container.
    pub container: &'a ContainerId,
    /// The sandbox.
    pub sandbox: &'a Path,
}

/// The counters of `containerizer/fetcher/task_fetches_*`.
#[derive(Debug, Default)]
pub struct Fetches {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Fetches {
    /// Returns the counters under the names of the metrics.
    pub fn gauges(&self) -> [(&'static str, f64); 2] {
        [
            ("containerizer/fetcher/task_fetches_succeeded", self.succeeded.load(Ordering::Relaxed) as f64),
            ("containerizer/fetcher/task_fetches_failed", self.failed.load(Ordering::Relaxed) as f64),
        ]
    }

    /// Fetches the files of a container. It blocks for as long as the downloads take.
    ///
    /// # Errors
    /// Returns the text for the task's status if a file cannot be fetched or the container is destroyed meanwhile.
    pub fn fetch(
        &self,
        options: &FetchOptions,
        launch: &ContainerLaunch,
        user: Option<&User>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(), String> {
        let to = Destination { container: &launch.container, sandbox: &launch.sandbox };
        self.fetch_into(options, to, uris(launch), user, cancelled)
    }

    /// Fetches these files into a sandbox. It blocks for as long as the downloads take.
    ///
    /// # Errors
    /// Returns the text for the caller if a file cannot be fetched or the container is destroyed meanwhile.
    pub fn fetch_into(
        &self,
        options: &FetchOptions,
        to: Destination<'_>,
        uris: &[v1::command_info::Uri],
        user: Option<&User>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(), String> {
        if uris.is_empty() {
            return Ok(());
        }
        let plan = Plan {
            owner: user.map(owner),
            frameworks_home: options.frameworks_home.clone(),
            stall_timeout: options.stall_timeout,
            cancelled: cancelled.clone(),
            ..Plan::new(to.sandbox, uris.iter().map(item).collect())
        };
        match fetcher::fetch(&plan) {
            Ok(_) => {
                self.succeeded.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                Err(format!("Failed to fetch all URIs for container '{}': {error}", to.container))
            }
        }
    }
}

fn owner(user: &User) -> Owner {
    Owner { uid: user.uid, gid: user.gid, supplementary: user.groups.clone() }
}

fn item(uri: &v1::command_info::Uri) -> Item {
    Item {
        uri: uri.value.clone(),
        output_file: uri.output_file.clone(),
        executable: uri.executable.unwrap_or(false),
        // The value is the default of the schema.
        extract: uri.extract.unwrap_or(true),
        cache: uri.cache.unwrap_or(false),
    }
}
