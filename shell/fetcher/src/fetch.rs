//! Fetches one item after the other with the credentials of the task's user.

use std::io::Read;
use std::path::Path;

use crate::archive;
use crate::byte_limit::{self, ByteBudget};
use crate::error::{Error, Reason};
use crate::plan::{Fetched, Item, Plan, Report};
use crate::sandbox::{Sandbox, set_file_mode};
use crate::sandbox_path::SandboxPath;
use crate::uri::Source;
use crate::warnings::Warnings;
use crate::{credentials, download, local, uri};

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
    // A thread that has given up its credentials cannot get them back, so it ends with the fetch. A panic of a decoder
    // ends this thread only.
    let worker = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                owner.map_or(Ok(()), credentials::become_user).map_err(Error::Credentials)?;
                fetch_all(plan, &sandbox)
            })
            .join()
    });
    worker.unwrap_or(Err(Error::Aborted))
}

fn fetch_all(plan: &Plan, sandbox: &Sandbox) -> Result<Report, Error> {
    let mut report = Report::default();
    // All items are validated before the first one is downloaded.
    for item in &plan.items {
        let checked = uri::source(item, plan.frameworks_home.as_deref()).and_then(|_| uri::destination(item));
        checked.map_err(|reason| Error::Item { uri: item.uri.clone(), reason })?;
    }
    for item in &plan.items {
        tracing::info!("fetching '{}'", item.uri);
        let fetched = fetch_item(plan, sandbox, item);
        report.fetched.push(fetched.map_err(|reason| Error::Item { uri: item.uri.clone(), reason })?);
    }
    Ok(report)
}

fn fetch_item(plan: &Plan, sandbox: &Sandbox, item: &Item) -> Result<Fetched, Reason> {
    let source = uri::source(item, plan.frameworks_home.as_deref())?;
    let destination = uri::destination(item)?;
    let bytes = match source {
        Source::Http(uri) => save(plan, sandbox, &destination, &mut download::open(&uri, plan)?, download::failed)?,
        Source::File(path) => save(plan, sandbox, &destination, &mut local::open(&path)?, Reason::Read)?,
    };
    let mut warnings = Warnings::default();
    let extracted = if item.executable {
        make_executable(sandbox, &destination)?;
        Ok(false)
    } else if item.extract {
        unpack(plan, sandbox, &destination, &mut warnings)
    } else {
        Ok(false)
    };
    let warnings = warnings.into_lines();
    write_warnings(sandbox, &item.uri, &warnings);
    let path = destination.names().iter().fold(plan.sandbox.clone(), |path, name| path.join(name));
    Ok(Fetched { uri: item.uri.clone(), path, bytes, extracted: extracted?, warnings })
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

fn save(
    plan: &Plan,
    sandbox: &Sandbox,
    destination: &SandboxPath,
    from: &mut dyn Read,
    failed_to_read: impl Fn(std::io::Error) -> Reason,
) -> Result<u64, Reason> {
    let failed_to_write = |source| write_error(destination, source);
    let mut file = sandbox.create(destination).map_err(failed_to_write)?;
    let budget = ByteBudget::new(plan.limits.file_bytes);
    byte_limit::copy(from, &mut file, &budget, &plan.cancelled, failed_to_read, failed_to_write)
}

/// Sets the mode `rwxr-xr-x`, as Mesos does.
fn make_executable(sandbox: &Sandbox, path: &SandboxPath) -> Result<(), Reason> {
    let file = sandbox.open_file(path).map_err(|source| write_error(path, source))?;
    set_file_mode(&file, 0o755).map_err(|source| write_error(path, source))
}

/// Unpacks an archive. Returns false if the name is not that of an archive, which is not an error, since `extract` is
/// true by default.
fn unpack(plan: &Plan, sandbox: &Sandbox, path: &SandboxPath, warnings: &mut Warnings) -> Result<bool, Reason> {
    let (_, name) = path.split();
    let Some(kind) = archive::Kind::of(&name.to_string_lossy()) else {
        tracing::debug!("not extracting {name:?}: it does not seem to be an archive");
        return Ok(false);
    };
    let file = sandbox.open_file(path).map_err(Reason::Read)?;
    archive::unpack(kind, file, Path::new(name), sandbox, plan, warnings)?;
    Ok(true)
}

pub(crate) fn write_error(path: &SandboxPath, source: std::io::Error) -> Reason {
    let names: Vec<_> = path.names().iter().map(|name| name.to_string_lossy()).collect();
    Reason::Write { path: names.join("/"), source }
}
