//! A store in one file of the master's directory, for a standalone master. Every commit is on disk when it returns.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::with_sources;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition};

use crate::{Entries, Error, RecordWrite, Store, damaged};

const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
/// The table of the epoch, which is called "terms" on disk.
const EPOCHS: TableDefinition<'_, &str, u64> = TableDefinition::new("terms");
/// The key of the current epoch.
const EPOCH: &str = "epoch";

const FILE: &str = "registry.redb";
/// The size of the library's cache in bytes. A registry is small compared with the memory of its reader.
const CACHE: usize = 4 << 20;

/// The access of one contender to the open file. A clone is another contender.
#[derive(Debug)]
pub struct EmbeddedStore {
    file: Arc<Shared>,
    /// The epoch that this contender has begun; zero before it has taken the store over.
    epoch: u64,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// `None` after an error of the disk, because the library demands that the file is opened again before the next
    /// attempt.
    open: Mutex<Option<Database>>,
}

impl EmbeddedStore {
    /// Opens `registry.redb` in `directory`, and creates both if they do not exist. The file is locked against other
    /// processes. A damaged file is renamed, and no new one is created until the operator has decided.
    ///
    /// # Errors
    /// Returns [`Error`] if the file is in use, damaged, from a later version, or cannot be used for another reason.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = EmbeddedStore::path_in(directory);
        let database = match path.try_exists() {
            Ok(true) => open(&path).map_err(keep_damaged)?,
            Ok(false) => match damaged::unresolved(&path) {
                Some(refused) => return Err(damaged_kept(path, refused)),
                None => create(directory, &path)?,
            },
            Err(source) => return Err(unusable(&path, source)),
        };
        // An operator has put a good copy in place.
        damaged::clear_marker(&path).map_err(|source| unusable(&path, source))?;
        Ok(EmbeddedStore { file: Arc::new(Shared { path, open: Mutex::new(Some(database)) }), epoch: 0 })
    }

    /// Returns the path of the file in `directory`, whether it exists or not.
    pub fn path_in(directory: &Path) -> PathBuf {
        directory.join(FILE)
    }

    /// Returns the file of the store.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Clone for EmbeddedStore {
    fn clone(&self) -> Self {
        EmbeddedStore { file: self.file.clone(), epoch: 0 }
    }
}

impl Store for EmbeddedStore {
    fn take_over(&mut self) -> Result<Entries, Error> {
        let (epoch, entries) = self.file.with(|database| {
            // The database may belong to another program, which must not be changed.
            let there = database.begin_read()?;
            there.open_table(RECORDS)?;
            there.open_table(EPOCHS)?;
            let transaction = database.begin_write()?;
            let epoch = {
                let mut epochs = transaction.open_table(EPOCHS)?;
                let epoch = epochs.get(EPOCH)?.map_or(0, |epoch| epoch.value()) + 1;
                epochs.insert(EPOCH, epoch)?;
                epoch
            };
            transaction.commit()?;
            Ok((epoch, entries(database)?))
        })?;
        self.epoch = epoch;
        Ok(entries)
    }

    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), Error> {
        let written = self.file.with(|database| {
            let transaction = database.begin_write()?;
            let current = transaction.open_table(EPOCHS)?.get(EPOCH)?.map_or(0, |epoch| epoch.value());
            if self.epoch == 0 || current != self.epoch {
                transaction.abort()?;
                return Ok(false);
            }
            {
                let mut records = transaction.open_table(RECORDS)?;
                for RecordWrite { key, value } in writes {
                    match value {
                        Some(value) => drop(records.insert(key.as_str(), value.as_slice())?),
                        None => drop(records.remove(key.as_str())?),
                    }
                }
            }
            transaction.commit()?;
            Ok(true)
        })?;
        if written { Ok(()) } else { Err(Error::Fenced) }
    }

    fn mark_damaged(&mut self, cause: &dyn std::error::Error) -> Option<Error> {
        self.file.close();
        Some(keep_damaged(Error::Damaged { path: self.file.path.clone(), source: with_sources(cause).into() }))
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Error> {
        let mut open: MutexGuard<'_, Option<Database>> = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match open.take() {
            Some(database) => database,
            None => self::open(&self.path).map_err(|error| Error::Unavailable { source: error.into() })?,
        };
        match work(&database) {
            Ok(value) => {
                *open = Some(database);
                Ok(value)
            }
            Err(error) if is_damage(&error) => {
                drop(database);
                Err(keep_damaged(Error::Damaged { path: self.path.clone(), source: error.into() }))
            }
            Err(error) => Err(Error::Unavailable { source: error.into() }),
        }
    }

    fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn is_damage(error: &redb::Error) -> bool {
    use redb::Error as E;
    let foreign = matches!(error, E::TableDoesNotExist(_) | E::TableTypeMismatch { .. } | E::TableIsMultimap(_));
    foreign || matches!(error, E::Corrupted(_) | E::TypeDefinitionChanged { .. })
}

fn entries(database: &Database) -> Result<Entries, redb::Error> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let mut entries = Entries::new();
    for record in records.iter()? {
        let (key, value) = record?;
        entries.insert(key.value().to_owned(), value.value().to_vec());
    }
    Ok(entries)
}

fn open(path: &Path) -> Result<Database, Error> {
    let is_empty = std::fs::metadata(path).map_err(|source| unusable(path, source))?.len() == 0;
    if is_empty {
        // The library would initialise an empty file, and the cluster would lose its past.
        return Err(Error::Damaged { path: path.to_owned(), source: "it is empty".into() });
    }
    Builder::new().set_cache_size(CACHE).set_check_integrity_on_open(true).open(path).map_err(|error| match error {
        DatabaseError::UpgradeRequired(_) => Error::TooNew { path: path.to_owned() },
        DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: path.to_owned() },
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != std::io::ErrorKind::InvalidData => {
            unusable(path, source)
        }
        error => Error::Damaged { path: path.to_owned(), source: error.into() },
    })
}

/// Creates a file. It appears under its name when it is complete, so that a crash leaves no file or a good one.
fn create(directory: &Path, path: &Path) -> Result<Database, Error> {
    std::fs::create_dir_all(directory).map_err(|source| unusable(directory, source))?;
    let fresh = directory.join(format!("{FILE}.new"));
    match std::fs::remove_file(&fresh) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(unusable(&fresh, source)),
        _ => {}
    }
    let database = initialise(&fresh).map_err(|source| unusable(&fresh, source))?;
    std::fs::rename(&fresh, path)
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(|source| unusable(path, source))?;
    Ok(database)
}

fn initialise(path: &Path) -> Result<Database, redb::Error> {
    let database = Builder::new().set_cache_size(CACHE).create(path)?;
    let transaction = database.begin_write()?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(EPOCHS)?.insert(EPOCH, 0)?;
    transaction.commit()?;
    Ok(database)
}

/// Renames a damaged file. If that fails, the next start finds the damage again.
fn keep_damaged(error: Error) -> Error {
    let Error::Damaged { path, source } = error else { return error };
    // Another process may still have the file open, although it was truncated.
    let locked = File::open(&path).map(|file| file.try_lock());
    if matches!(locked, Ok(Err(TryLockError::WouldBlock))) {
        return Error::InUse { path };
    }
    match damaged::mark_damaged(&path, &with_sources(&*source)) {
        Ok(refused) => Error::DamagedKept { path, kept: refused.kept, marker: refused.marker, source },
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot rename a damaged file");
            Error::Damaged { path, source }
        }
    }
}

fn damaged_kept(path: PathBuf, refused: damaged::DamageMarker) -> Error {
    Error::DamagedKept { path, kept: refused.kept.clone(), marker: refused.marker.clone(), source: refused.into() }
}

fn unusable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unusable { path: path.to_owned(), source: source.into() }
}
