//! The log of an agent's records.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ::agent::{Input, Record, RecoveredState};
use machine::StoreToken;
use model::{ContainerId, with_sources};
use store::damaged;
use store::log::{Journal, Log, LogError, Writer, WriterEvent};
use tracing::{error, info, warn};

use super::{codec, import};
use crate::Error;

/// A log that has been read.
pub struct OpenedLog {
    log: Log,
    /// The state that the records add up to.
    pub recovered_state: RecoveredState,
    /// The number of records that could not be read, with `--no-strict`.
    pub errors: u64,
    /// The processes of containers that another containerizer has started.
    pub foreign_containers: Vec<(ContainerId, i32)>,
}

/// Reads the records of an earlier process of this agent below the work directory. At the first start it imports the
/// state of a C++ Mesos agent.
///
/// # Errors
/// Returns [`Error`] if the log cannot be used, and in strict mode for records that cannot be read.
pub fn open(work_dir: &Path, strict: bool) -> Result<OpenedLog, Error> {
    let directory = work_dir.join("records");
    // Sandboxes belong to a registered agent, so its records were confirmed.
    let existed = !directories(&work_dir.join("slaves")).is_empty();
    if !Log::exists(&directory) {
        let refused = match damaged::unresolved(&directory) {
            // An operator who wants a new agent removes the directory. A directory without its files was damaged.
            None if existed && directory.is_dir() => Some(
                damaged::mark_damaged(&directory, "its files are missing")
                    .map_err(|source| edge::Error::Directory { path: directory.clone(), source })?,
            ),
            refused => refused,
        };
        return match refused {
            Some(refused) if strict => Err(damaged_error(directory, refused, None)),
            // The state of a Mesos agent is not imported, because this agent has had records of its own since.
            Some(refused) => start_fresh(&directory, &refused.reason),
            None => {
                let (log, _) = Log::open(&directory).map_err(Error::Records)?;
                import_mesos_state(work_dir, log, strict)
            }
        };
    }
    let (log, replay, mut errors) = match Log::open_known(&directory, existed) {
        Ok((log, replay)) => (log, replay, 0),
        Err(damage) if damage.is_damage() => match damaged::mark_damaged(&directory, &damage.to_string()) {
            Ok(refused) if strict => return Err(damaged_error(directory, refused, Some(damage))),
            Ok(refused) => return start_fresh(&directory, &refused.reason),
            Err(error) => {
                warn!(%error, "cannot rename damaged records");
                return Err(Error::Records(damage));
            }
        },
        Err(error) => return Err(Error::Records(error)),
    };
    // An operator has put good records in place.
    clear_damage_marker(&directory)?;
    // The first start was killed before it wrote a record.
    if replay.records.is_empty() {
        return import_mesos_state(work_dir, log, strict);
    }
    if replay.torn > 0 {
        warn!(
            "dropped {} bytes of a record that the earlier process had not finished writing; if it was not killed, the file \
             has been cut short, and tasks may be missing",
            replay.torn
        );
    }
    let mut recovered_state = RecoveredState::default();
    for bytes in &replay.records {
        match codec::decode(bytes) {
            Ok(Some(record)) => {
                recovered_state.apply(&record);
            }
            Ok(None) => warn!("skipping a record of a later version"),
            Err(source) if strict => return Err(Error::Record { directory, source }),
            Err(error) => {
                errors += 1;
                error!(%error, "skipping a record that cannot be read");
            }
        }
    }
    Ok(OpenedLog { log, recovered_state, errors, foreign_containers: Vec::new() })
}

/// Begins a new log in place of records that cannot be read, with `--no-strict`.
fn start_fresh(directory: &Path, reason: &str) -> Result<OpenedLog, Error> {
    error!(
        reason,
        "starting as a new agent without records, because the existing ones cannot be read; they are kept under another name"
    );
    let (mut log, _) = Log::open(directory).map_err(Error::Records)?;
    // An empty log would be taken for that of a first start.
    log.compact([codec::encode(&Record::Reset)]).map_err(Error::Records)?;
    clear_damage_marker(directory)?;
    Ok(OpenedLog { log, recovered_state: RecoveredState::default(), errors: 1, foreign_containers: Vec::new() })
}

fn clear_damage_marker(directory: &Path) -> Result<(), Error> {
    let failed = |source| edge::Error::Directory { path: directory.to_owned(), source };
    Ok(damaged::clear_marker(directory).map_err(failed)?)
}

fn damaged_error(path: PathBuf, refused: damaged::DamageMarker, damage: Option<LogError>) -> Error {
    let kept = refused.kept.clone();
    let source: Box<dyn std::error::Error + Send + Sync> = match damage {
        Some(damage) => damage.into(),
        None => refused.into(),
    };
    Error::RecordsDamaged { path, kept, source }
}

/// Imports the state of a Mesos agent at the first start.
fn import_mesos_state(work_dir: &Path, mut log: Log, strict: bool) -> Result<OpenedLog, Error> {
    let imported = import::read(&work_dir.join("meta"), strict)?;
    let recovered_state: RecoveredState = imported.records.into_iter().collect();
    if !recovered_state.is_new() {
        info!("taking over the state of a Mesos agent in {}", work_dir.join("meta").display());
        let records = recovered_state.records();
        log.compact(records.iter().map(codec::encode)).map_err(Error::Records)?;
    }
    Ok(OpenedLog { log, recovered_state, errors: imported.errors, foreign_containers: imported.pids })
}

impl OpenedLog {
    /// Starts the writer of the log. `report` receives the confirmations and the state of the disk.
    ///
    /// # Errors
    /// Returns [`edge::Error::Thread`] if the thread cannot be started.
    pub fn write(
        self,
        recovered_state: RecoveredState,
        report: impl Fn(Input) + Send + 'static,
    ) -> Result<Records, Error> {
        let journal = RecordJournal { recovered_state, report };
        Ok(Records(Writer::start(self.log, journal).map_err(edge::Error::Thread)?))
    }
}

/// Makes records durable in order, and reports `Input::Stored` for each.
pub struct Records(Writer<(StoreToken, Record)>);

impl Records {
    /// Writes a record. It blocks while the disk is far behind, because an agent that cannot record its actions must
    /// not act.
    pub fn store(&self, token: StoreToken, record: Record) {
        // A writer that has failed has reported the error, and the agent is about to end.
        let _ = self.0.write((token, record));
    }

    /// Returns the counters of the log.
    pub fn statistics(&self) -> &store::log::Statistics {
        self.0.statistics()
    }
}

/// Folds the records of the log into a state for compaction, and notifies the core of the durable records.
struct RecordJournal<F> {
    recovered_state: RecoveredState,
    report: F,
}

impl<F: Fn(Input) + Send + 'static> Journal for RecordJournal<F> {
    type Entry = (StoreToken, Record);

    fn encode(&mut self, (_, record): &Self::Entry) -> Option<Vec<u8>> {
        // The state changes before the record is durable, but it is used only afterwards.
        self.recovered_state.apply(record).then(|| codec::encode(record))
    }

    fn durable(&mut self, entries: Vec<Self::Entry>) {
        for (token, _) in entries {
            (self.report)(Input::Stored(token));
        }
    }

    fn snapshot(&mut self) -> Vec<Vec<u8>> {
        self.recovered_state.records().iter().map(codec::encode).collect()
    }

    fn on_event(&mut self, event: WriterEvent) {
        match event {
            WriterEvent::Stalled(full) => {
                error!(
                    error = with_sources(&full),
                    "the disk is full: nothing is started or confirmed until there is room"
                );
            }
            WriterEvent::Resumed => info!("there is room on the disk again"),
            // Users want their tasks to go on. The agent has all records in memory, so nothing is lost; the alternative
            // would be to end before another task is accepted, which helps nobody.
            WriterEvent::Renewed(path) => error!(
                path = %path.display(),
                "the agent's records have been removed while it runs, and it has written them anew; sandboxes and volumes \
                 that were removed are lost: find out what cleans up its --work_dir"
            ),
            WriterEvent::Failed(failed) => {
                let reason = format!("cannot write records: {}", with_sources(&failed));
                (self.report)(Input::StoreFailed(reason));
            }
        }
    }
}

/// Returns the directories of all runs of executors, of any agent, with the time since an entry was last added or
/// removed.
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
    // After the clock was set back, a directory counts as new.
    runs.map(|path| (age(&path).unwrap_or_default(), path)).map(|(age, path)| (path, age)).collect()
}

/// Returns the subdirectories, without links to directories.
fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs;

    use super::*;

    /// Returns a work directory with the records of an agent, and the path of the log.
    fn written() -> (tempfile::TempDir, PathBuf) {
        let work_dir = tempfile::tempdir().unwrap();
        let directory = work_dir.path().join("records");
        let (mut log, _) = Log::open(&directory).unwrap();
        let records = [Record::BootId("b1".to_owned()), Record::BootId("b2".to_owned())];
        log.compact(records.iter().map(codec::encode)).unwrap();
        (work_dir, directory.join("0000000002.log"))
    }

    fn boot(opened: Result<OpenedLog, Error>) -> Vec<Record> {
        opened.unwrap().recovered_state.records()
    }

    #[test]
    fn damaged_records_are_renamed_and_no_new_agent_starts() {
        let (work_dir, path) = written();
        let good = fs::read(&path).unwrap();
        let mut flipped = [good.clone(), good[16..].to_vec()].concat();
        flipped[16 + 12 + 4] ^= 1;
        let damage = [
            ("empty", Vec::new()),
            ("foreign", b"this is no log at all, but quite long".to_vec()),
            ("truncated in its header", good[..9].to_vec()),
            ("truncated in its first records", good[..good.len() - 1].to_vec()),
            ("damaged before its end", flipped),
        ];
        for (number, (what, bytes)) in (1..).zip(&damage) {
            fs::write(&path, bytes).unwrap();
            let kept = work_dir.path().join(format!("records.damaged-{number}"));
            for start in ["the first", "the next", "the one after"] {
                let refused = open(work_dir.path(), true).err();
                let is_it = matches!(&refused, Some(Error::RecordsDamaged { kept: at, .. }) if *at == kept);
                assert!(is_it, "{what}: {start} start: {refused:?}");
            }
            assert_eq!(fs::read(kept.join(path.file_name().unwrap())).unwrap(), *bytes, "{what}");
            // The operator puts a good copy in their place.
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(&path, &good).unwrap();
            assert_eq!(boot(open(work_dir.path(), true)).len(), 1, "{what}");
            assert!(!work_dir.path().join("records.refused").exists(), "{what}");
        }
    }

    /// The record was never confirmed as durable.
    #[test]
    fn a_first_write_that_a_crash_cut_short_is_no_damage() {
        let work_dir = tempfile::tempdir().unwrap();
        drop(open(work_dir.path(), true).unwrap());
        let path = work_dir.path().join("records/0000000001.log");
        let torn = [fs::read(&path).unwrap(), b"tplf\x10\0".to_vec()].concat();
        fs::write(&path, &torn).unwrap();
        assert!(boot(open(work_dir.path(), true)).is_empty());
        // An agent with sandboxes has had its id confirmed.
        fs::create_dir_all(work_dir.path().join("slaves/m-S1")).unwrap();
        fs::write(&path, &torn).unwrap();
        let refused = open(work_dir.path(), true).err();
        assert!(matches!(&refused, Some(Error::RecordsDamaged { .. })), "{refused:?}");
        assert_eq!(fs::read(work_dir.path().join("records.damaged-1/0000000001.log")).unwrap(), torn, "kept as it was");
    }

    /// The agent is killed between the creation of the log and the first record.
    #[test]
    fn an_interrupted_first_start_is_repeated() {
        let work_dir = tempfile::tempdir().unwrap();
        fs::create_dir(work_dir.path().join("meta")).unwrap();
        fs::write(work_dir.path().join("meta/boot_id"), "of a Mesos agent").unwrap();
        drop(Log::open(&work_dir.path().join("records")).unwrap());
        let boot = |opened: OpenedLog| opened.recovered_state.records();
        let taken = boot(open(work_dir.path(), true).unwrap());
        assert!(matches!(&taken[..], [Record::BootId(id)] if id == "of a Mesos agent"), "{taken:?}");

        // An agent that was started with an empty state on purpose does not import the state.
        let path = work_dir.path().join("records/0000000001.log");
        for log in [path.clone(), path.with_file_name("0000000002.log")] {
            fs::write(log, b"nothing").unwrap();
        }
        assert!(boot(open(work_dir.path(), false).unwrap()).is_empty());
        assert!(boot(open(work_dir.path(), true).unwrap()).is_empty());
    }

    #[test]
    fn missing_records_are_damage_unless_an_operator_removed_them() {
        let (work_dir, path) = written();
        fs::create_dir_all(work_dir.path().join("slaves/m-S1")).unwrap();
        fs::remove_file(&path).unwrap();
        for _ in 0..2 {
            let refused = open(work_dir.path(), true).err().and_then(|error| Some(error.source()?.to_string()));
            assert!(refused.as_ref().is_some_and(|reason| reason.contains("its files are missing")), "{refused:?}");
        }
        fs::remove_file(work_dir.path().join("records.refused")).unwrap();
        assert!(open(work_dir.path(), true).unwrap().recovered_state.is_new());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert!(open(work_dir.path(), true).unwrap().recovered_state.is_new());
    }

    #[test]
    fn without_strict_an_agent_starts_anew_once() {
        for refused_before in [true, false] {
            let (work_dir, path) = written();
            fs::write(&path, b"nothing").unwrap();
            if refused_before {
                assert!(open(work_dir.path(), true).is_err());
            }
            let opened = open(work_dir.path(), false).unwrap();
            assert!(opened.recovered_state.is_new() && opened.errors == 1);
            drop(opened);
            assert!(work_dir.path().join("records.damaged-1").exists());
            // The new agent behaves as any other from then on.
            assert_eq!(open(work_dir.path(), true).unwrap().errors, 0);
        }
    }

    #[test]
    fn a_store_of_a_later_version_is_left_unchanged() {
        let (work_dir, path) = written();
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] = 9;
        fs::write(&path, &bytes).unwrap();
        for strict in [true, false] {
            let refused = open(work_dir.path(), strict).err();
            assert!(matches!(refused, Some(Error::Records(LogError::TooNew { .. }))), "{refused:?}");
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
