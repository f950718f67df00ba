//! Fills a sandbox with the files that a command names.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::agent::ContainerLaunch;
use containerizer::User;
use fetcher::{Cache, Item, Owner, Plan};
use messages::v1;
use model::ContainerId;

/// The settings of the fetcher.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// `--frameworks_home`: the directory that relative paths of URIs refer to.
    pub frameworks_home: Option<PathBuf>,
    /// `--fetcher_stall_timeout`: the time after which a download without progress fails.
    pub stall_timeout: Duration,
    /// `--fetcher_cache_dir`: the directory of the cache; `None` for no cache.
    pub cache_dir: Option<PathBuf>,
    /// `--fetcher_cache_size`: the size of the cache in bytes; with 0 there is none.
    pub cache_size: u64,
    /// `--fetcher_host_settings`: the file of headers and credentials for hosts.
    pub host_settings: Option<PathBuf>,
    /// `--hadoop_home`: the directory of the Hadoop client.
    pub hadoop_home: Option<PathBuf>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        FetchOptions {
            frameworks_home: None,
            stall_timeout: Duration::from_secs(60),
            cache_dir: None,
            cache_size: 2 << 30,
            host_settings: None,
            hadoop_home: None,
        }
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

/// The cache of the fetcher, and the counters of `containerizer/fetcher/*`.
#[derive(Debug, Default)]
pub struct Fetches {
    /// The directory and the size of the cache; `None` for no cache.
    cache_options: Option<(PathBuf, u64)>,
    /// The cache, once it was needed. It is `None` if it could not be opened.
    cache: OnceLock<Option<Arc<Cache>>>,
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Fetches {
    /// Removes the files that an earlier agent has left in the cache. Its directory is made when a task needs it.
    pub fn new(options: &FetchOptions) -> Self {
        let directory = options.cache_dir.clone().filter(|_| options.cache_size > 0);
        let cache_options = directory.map(|directory| (directory, options.cache_size));
        let fetches = Fetches { cache_options, ..Fetches::default() };
        if fetches.cache_options.as_ref().is_some_and(|(directory, _)| directory.exists()) {
            fetches.cache();
        }
        fetches
    }

    /// Returns the cache. Files are fetched without a cache if it cannot be opened.
    fn cache(&self) -> Option<Arc<Cache>> {
        let (directory, size) = self.cache_options.as_ref()?;
        let open = || match Cache::open(directory, *size) {
            Ok(cache) => Some(Arc::new(cache)),
            Err(error) => {
                tracing::warn!("files are fetched without a cache: {error}");
                None
            }
        };
        self.cache.get_or_init(open).clone()
    }

    /// Returns the counters under the names of the metrics.
    pub fn gauges(&self) -> [(&'static str, f64); 4] {
        let used = self.cache.get().and_then(Option::as_deref).map_or(0, Cache::used);
        let total = self.cache_options.as_ref().map_or(0, |(_, size)| *size);
        [
            ("containerizer/fetcher/cache_size_total_bytes", total as f64),
            ("containerizer/fetcher/cache_size_used_bytes", used as f64),
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
            user: user.map(|user| user.name.clone()),
            cache: uris.iter().any(|uri| uri.cache()).then(|| self.cache()).flatten(),
            host_settings: options.host_settings.clone(),
            hadoop_home: options.hadoop_home.clone(),
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
