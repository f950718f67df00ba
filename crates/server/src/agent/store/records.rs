//! The log of an agent's records.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ::agent::{Chronicle, Input, Record, StoreToken};
use store::log::{Journal, Log, LogError, Trouble, Writer};
use tracing::{error, info, warn};
use vocabulary::ContainerId;

use super::{codec, import};
use crate::Error;

/// A log that has been read.
pub struct Opened {
    log: Log,
    pub chronicle: Chronicle,
    /// Records that could not be read, with `--no-strict`.
    pub errors: u64,
    /// Processes of containers that another containerizer has started.
    pub strangers: Vec<(ContainerId, i32)>,
}

/// Reads what an earlier process of this agent has left below the work directory; the first time, what a C++ Mesos agent
/// has. `strict`: what cannot be read is an error.
pub fn open(work_dir: &Path, strict: bool) -> Result<Opened, Error> {
    let directory = work_dir.join("records");
    if !Log::exists(&directory) {
        return first_time(work_dir, &directory, strict);
    }
    let (log, replay, mut errors) = match Log::open(&directory) {
        Ok((log, replay)) => (log, replay, 0),
        Err(damaged @ LogError::Damaged { .. }) if !strict => {
            let aside = Log::set_aside(&directory).map_err(Error::Records)?;
            error!("starting without records: {damaged}; they are kept as {}", aside.unwrap_or_default().display());
            let (log, replay) = Log::open(&directory).map_err(Error::Records)?;
            (log, replay, 1)
        }
        Err(error) => return Err(Error::Records(error)),
    };
    if replay.torn > 0 {
        info!("dropped {} bytes of a record that the earlier process had not finished writing", replay.torn);
    }
    let mut chronicle = Chronicle::default();
    for bytes in &replay.records {
        match codec::decode(bytes) {
            Ok(Some(record)) => {
                chronicle.apply(&record);
            }
            Ok(None) => warn!("passing over a record of a later version"),
            Err(source) if strict => return Err(Error::Record { directory, source }),
            Err(error) => {
                errors += 1;
                error!(%error, "passing over a record that cannot be read");
            }
        }
    }
    Ok(Opened { log, chronicle, errors, strangers: Vec::new() })
}

fn first_time(work_dir: &Path, directory: &Path, strict: bool) -> Result<Opened, Error> {
    let imported = import::read(&work_dir.join("meta"), strict)?;
    let (mut log, _) = Log::open(directory).map_err(Error::Records)?;
    let chronicle: Chronicle = imported.records.into_iter().collect();
    if !chronicle.is_new() {
        info!("taking over the state of a Mesos agent in {}", work_dir.join("meta").display());
        let records = chronicle.records();
        log.compact(records.iter().map(codec::encode)).map_err(Error::Records)?;
    }
    Ok(Opened { log, chronicle, errors: imported.errors, strangers: imported.pids })
}

impl Opened {
    /// From now on records are written.
    pub fn write(self, chronicle: Chronicle, tell: impl Fn(Input) + Send + 'static) -> Result<Records, Error> {
        let journal = Told { chronicle, tell };
        Ok(Records(Writer::start(self.log, journal).map_err(Error::Thread)?))
    }
}

/// Makes records durable, in order, and then has `Input::Stored` delivered for each.
pub struct Records(Writer<(StoreToken, Record)>);

impl Records {
    /// Waits when the disk is far behind: an agent that cannot write down what it does must not do more.
    pub fn store(&self, token: StoreToken, record: Record) {
        // A writer that has failed has said so, and the agent is about to end.
        let _ = self.0.write((token, record));
    }

    #[cfg(test)]
    pub fn statistics(&self) -> &store::log::Statistics {
        self.0.statistics()
    }
}

/// Knows what is in the log, and tells the core what is durable.
struct Told<F> {
    chronicle: Chronicle,
    tell: F,
}

impl<F: Fn(Input) + Send + 'static> Journal for Told<F> {
    type Entry = (StoreToken, Record);

    fn encode(&mut self, (_, record): &Self::Entry) -> Option<Vec<u8>> {
        // Before it is durable: what comes of it is looked at afterwards only.
        self.chronicle.apply(record).then(|| codec::encode(record))
    }

    fn durable(&mut self, entries: Vec<Self::Entry>) {
        for (token, _) in entries {
            (self.tell)(Input::Stored(token));
        }
    }

    fn snapshot(&mut self) -> Vec<Vec<u8>> {
        self.chronicle.records().iter().map(codec::encode).collect()
    }

    fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Stalled(full) => {
                error!(
                    error = with_source(&full),
                    "the disk is full: nothing is started or confirmed until there is room"
                );
            }
            Trouble::Resumed => info!("there is room on the disk again"),
            Trouble::Failed(failed) => {
                let reason = format!("cannot write records: {}", with_source(&failed));
                (self.tell)(Input::StoreFailed(reason));
            }
        }
    }
}

fn with_source(error: &LogError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Directories of runs of executors, whoever they were of, and for how long nothing has come or gone in them.
pub fn sandboxes(work_dir: &Path) -> Vec<(PathBuf, Duration)> {
    let mut level = vec![work_dir.join("slaves")];
    for below in ["", "frameworks", "", "executors", "", "runs"] {
        level = match below {
            "" => level.iter().flat_map(|path| directories(path)).collect(),
            name => level.into_iter().map(|path| path.join(name)).collect(),
        };
    }
    let now = SystemTime::now();
    let age = |path: &Path| now.duration_since(path.metadata().ok()?.modified().ok()?).ok();
    let runs = level.iter().flat_map(|path| directories(path));
    // A clock that was set back makes them young, not old.
    runs.map(|path| (age(&path).unwrap_or_default(), path)).map(|(age, path)| (path, age)).collect()
}

/// Not those that links lead to.
fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}
