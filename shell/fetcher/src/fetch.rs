//! Fetches one item after the other with the credentials of the task's user.

use std::fs::File;
use std::path::Path;

use crate::archive;
use crate::cache_files::cache_files;
use crate::cached::{CacheAccess, FileRequest, Provided};
use crate::credentials;
use crate::error::{Error, Reason};
use crate::host_settings::HostSettings;
use crate::output::{Output, Place};
use crate::plan::{Fetched, Item, Plan, Report};
use crate::sandbox::{Sandbox, set_file_mode};
use crate::sandbox_path::SandboxPath;
use crate::source::Opened;
use crate::uri::{self, Request};
use crate::warnings::Warnings;

/// The longest URI in bytes whose file is cached, because the cache remembers the URIs of its files.
const MAX_CACHED_URI: usize = 8192;

/// Fetches all items of the plan. It blocks. Items before a failing one stay in the sandbox.
///
/// # Errors
/// Returns the [`Error`] of the first item that cannot be fetched.
pub fn fetch(plan: &Plan) -> Result<Report, Error> {
    let sandbox = Sandbox::open(&plan.sandbox).map_err(Error::Sandbox)?;
    let owner = plan.owner.as_ref().filter(|owner| credentials::can_become(owner));
    if let Some(owner) = owner {
        sandbox.give_to(owner.uid, owner.gid).map_err(Error::Sandbox)?;
    }
    // The task's user need not be able to read the file.
    let hosts = plan.host_settings.as_deref().map(HostSettings::read).transpose()?.unwrap_or_default();
    let (files, keeper) = plan.cache.as_deref().map(cache_files).unzip();
    // A thread that has given up its credentials cannot get them back, so it ends with the fetch. A panic of a decoder
    // ends this thread only.
    let worker = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            owner.map_or(Ok(()), credentials::become_user).map_err(Error::Credentials)?;
            let user = plan.user.as_deref();
            let cache = plan.cache.as_deref().zip(files).map(|(cache, files)| CacheAccess { cache, files, user });
            Fetch { plan, sandbox: &sandbox, hosts: &hosts, cache }.all()
        });
        // This thread may enter the cache. It serves the other one until that ends.
        if let Some(keeper) = keeper {
            keeper.serve();
        }
        worker.join()
    });
    worker.unwrap_or(Err(Error::Aborted))
}

struct Fetch<'p> {
    plan: &'p Plan,
    sandbox: &'p Sandbox,
    hosts: &'p HostSettings,
    cache: Option<CacheAccess<'p>>,
}

impl<'p> Fetch<'p> {
    fn all(&self) -> Result<Report, Error> {
        let failed = |item: &Item, reason| Error::Item { uri: item.uri.clone(), reason };
        // All items are validated before the first one is downloaded.
        let requests = self.plan.items.iter().map(|item| {
            let request = uri::request(item, self.plan.frameworks_home.as_deref());
            request.map(|request| (item, request)).map_err(|reason| failed(item, reason))
        });
        let mut report = Report::default();
        for (item, request) in requests.collect::<Result<Vec<_>, _>>()? {
            tracing::info!("fetching '{}'", item.uri);
            report.fetched.push(self.item(item, &request).map_err(|reason| failed(item, reason))?);
        }
        Ok(report)
    }

    fn item(&self, item: &Item, request: &Request) -> Result<Fetched, Reason> {
        let open = || Opened::open(&request.source, self.plan, self.hosts, self.sandbox);
        let provided = match self.cache.as_ref().filter(|_| item.cache && item.uri.len() <= MAX_CACHED_URI) {
            None => Provided::Bypass(None),
            Some(cache) => {
                let request = FileRequest {
                    uri: item.uri.trim(),
                    base_name: &request.base_name,
                    checksum: request.checksum.as_ref(),
                    cancelled: &self.plan.cancelled,
                };
                cache.provide(&request, open)?
            }
        };
        let mut warnings = Warnings::default();
        let destination = &request.destination;
        let (bytes, extracted) = match provided {
            Provided::Bypass(opened) => {
                let bytes = self.save(opened.map_or_else(open, Ok)?, request)?;
                let name = destination.split().1.to_string_lossy();
                let opened = || self.sandbox.open_file(destination).map_err(Reason::Read);
                (bytes, self.extract(item, &name, opened, &mut warnings)?)
            }
            // The kind of an archive follows from the URI here, and the archive itself does not come into the sandbox.
            Provided::Cached { file, bytes, _reference } => {
                let extracted =
                    self.extract(item, &request.base_name, || file.try_clone().map_err(Reason::Read), &mut warnings)?;
                if !extracted {
                    // A different checksum would have failed the download.
                    self.save(Opened::File(file), &Request { checksum: None, ..request.clone() })?;
                }
                (bytes, extracted)
            }
        };
        if item.executable {
            make_executable(self.sandbox, destination)?;
        }
        let warnings = warnings.into_lines();
        write_warnings(self.sandbox, &item.uri, &warnings);
        let path = destination.names().iter().fold(self.plan.sandbox.clone(), |path, name| path.join(name));
        Ok(Fetched { uri: item.uri.clone(), path, bytes, extracted, warnings })
    }

    /// Writes a source to its place in the sandbox, and returns its size.
    fn save(&self, opened: Opened<'_>, request: &Request) -> Result<u64, Reason> {
        let destination = &request.destination;
        let failed_to_write = |source| write_error(destination, source);
        let opened = match opened {
            // The file is there already, and is moved if nothing has to be computed from it.
            Opened::Hadoop(copied) if request.checksum.is_none() => {
                let bytes = copied.bytes;
                copied.move_to(destination).map_err(failed_to_write)?;
                return Ok(bytes);
            }
            opened => opened,
        };
        let file = self.sandbox.create(destination).map_err(failed_to_write)?;
        let place = Place::Sandbox(destination.clone());
        let limit = self.plan.limits.file_bytes;
        let mut output = Output::new(file, place, limit, request.checksum.as_ref(), &self.plan.cancelled);
        let saved = opened.save(&mut output).and_then(|()| output.finish());
        if matches!(saved, Err(Reason::ChecksumMismatch { .. })) {
            // Nobody should use a file that is not the one that was asked for.
            self.sandbox.remove_file(destination).map_err(failed_to_write)?;
        }
        saved
    }

    /// Unpacks an archive. Returns false if the item is not to be unpacked, or its name is not that of an archive, which
    /// is not an error, since `extract` is true by default.
    fn extract(
        &self,
        item: &Item,
        name: &str,
        open: impl FnOnce() -> Result<File, Reason>,
        warnings: &mut Warnings,
    ) -> Result<bool, Reason> {
        if item.executable || !item.extract {
            return Ok(false);
        }
        let Some(kind) = archive::Kind::of(name) else {
            tracing::debug!("not extracting {name:?}: it does not seem to be an archive");
            return Ok(false);
        };
        archive::unpack(kind, open()?, Path::new(name), self.sandbox, self.plan, warnings)?;
        Ok(true)
    }
}

/// Writes warnings to the `stderr` of the sandbox, which Mesos' fetcher writes to as well, and to the log.
fn write_warnings(sandbox: &Sandbox, uri: &str, warnings: &[String]) {
    let mut text = String::new();
    for warning in warnings {
        tracing::warn!("fetched '{uri}': {warning}");
        text.push_str(&format!("fetcher: '{uri}': {warning}\n"));
    }
    if text.is_empty() {
        return;
    }
    let appended = match SandboxPath::new(Path::new("stderr")) {
        Ok(stderr) => sandbox.append(&stderr, text.as_bytes()),
        Err(_) => Ok(()),
    };
    if let Err(error) = appended {
        tracing::warn!(%error, "the sandbox's stderr cannot be written");
    }
}

/// Sets the mode `rwxr-xr-x`, as Mesos does.
fn make_executable(sandbox: &Sandbox, path: &SandboxPath) -> Result<(), Reason> {
    let file = sandbox.open_file(path).map_err(|source| write_error(path, source))?;
    set_file_mode(&file, 0o755).map_err(|source| write_error(path, source))
}

pub(crate) fn write_error(path: &SandboxPath, source: std::io::Error) -> Reason {
    let names: Vec<_> = path.names().iter().map(|name| name.to_string_lossy()).collect();
    Reason::Write { path: names.join("/"), source }
}
