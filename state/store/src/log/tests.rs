//! Tests of crashes, damage and full disks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::frame::Frame;
use super::*;

fn append(log: &mut Log, records: &[&str]) {
    let mut frame = Frame::new();
    for record in records {
        frame.push(record.as_bytes()).unwrap();
    }
    log.append(&mut frame).unwrap();
}

fn read(directory: &Path) -> Result<(Vec<String>, u64), LogError> {
    let (_, replay) = Log::open(directory)?;
    Ok((replay.records.into_iter().map(|record| String::from_utf8(record).unwrap()).collect(), replay.torn))
}

fn written(batches: &[&[&str]]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, _) = Log::open(directory.path()).unwrap();
    for batch in batches {
        append(&mut log, batch);
    }
    let path = directory.path().join("0000000001.log");
    (directory, path)
}

#[test]
fn records_are_read_in_the_order_of_their_writes() {
    let (directory, _) = written(&[&["a", "b"], &[""], &["c"]]);
    assert_eq!(read(directory.path()).unwrap(), (vec!["a".into(), "b".into(), "".into(), "c".into()], 0));
}

#[test]
fn whole_batches_remain_after_any_truncation() {
    let (directory, path) = written(&[&["first", "second"], &["third"]]);
    let bytes = fs::read(&path).unwrap();
    let two = "tplf".len() + 8 + 4 + "third".len();
    for cut in 1..two {
        fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let (records, torn) = read(directory.path()).unwrap();
        assert_eq!(records, ["first", "second"], "cut by {cut}");
        assert_eq!(torn, (two - cut) as u64);
        assert_eq!(read(directory.path()).unwrap().1, 0, "it is cut only once");
    }
}

#[test]
fn a_truncated_end_is_overwritten() {
    let (directory, path) = written(&[&["kept"], &["torn"]]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let (mut log, _) = Log::open(directory.path()).unwrap();
    append(&mut log, &["new"]);
    drop(log);
    assert_eq!(read(directory.path()).unwrap().0, ["kept", "new"]);
}

#[test]
fn damage_before_the_end_is_an_error() {
    let (directory, path) = written(&[&["first"], &["second"]]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16 + 12 + 4] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = read(directory.path()).unwrap_err();
    assert!(matches!(error, LogError::Damaged { offset: 16, .. }), "{error}");
    assert!(error.is_damage());
    assert_eq!(fs::read(&path).unwrap(), bytes, "reading it changes nothing");
}

#[test]
fn another_file_is_refused() {
    let (directory, path) = written(&[]);
    for foreign in [&b""[..], b"TEPUI", b"something else, quite long"] {
        fs::write(&path, foreign).unwrap();
        let error = read(directory.path()).unwrap_err();
        assert!(matches!(error, LogError::Foreign { .. }) && error.is_damage(), "{error}");
    }
    fs::write(&path, b"TEPUILOG\x02\0\0\0\0\0\0\0and more").unwrap();
    let error = read(directory.path()).unwrap_err();
    assert!(matches!(error, LogError::TooNew { .. }) && !error.is_damage(), "{error}");
}

#[test]
fn a_compaction_replaces_the_log_and_a_crash_in_it_does_not() {
    let (directory, path) = written(&[&["a"], &["b"]]);
    // A crash before the rename leaves this file.
    fs::write(directory.path().join("0000000002.new"), b"half").unwrap();
    let (mut log, _) = Log::open(directory.path()).unwrap();
    log.compact([b"ab".to_vec()]).unwrap();
    append(&mut log, &["c"]);
    drop(log);
    assert!(!path.exists());
    assert_eq!(read(directory.path()).unwrap().0, ["ab", "c"]);
    // A crash after the rename leaves the old file beside the new one.
    fs::write(&path, b"old").unwrap();
    assert_eq!(read(directory.path()).unwrap().0, ["ab", "c"]);
    assert!(!path.exists());
}

#[test]
fn a_log_has_one_owner() {
    let (directory, _) = written(&[]);
    let (mut log, _) = Log::open(directory.path()).unwrap();
    log.compact([]).unwrap();
    assert!(matches!(Log::open(directory.path()), Err(LogError::InUse { .. })));
}

/// A disk that can be full or broken.
#[derive(Clone, Default)]
struct Disk {
    full: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Device for Disk {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.bytes.lock().unwrap();
        disk.resize(offset as usize, 0);
        if self.full.load(Ordering::SeqCst) {
            // A part of the bytes fits, as on real disks.
            disk.extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) { Err(io::Error::other("broken")) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().truncate(length as usize);
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
enum Callback {
    Durable(Vec<u32>),
    Stalled,
    Resumed,
    Renewed,
    Failed,
}

/// A journal that records its calls. Odd entries need not survive.
struct RecordingJournal {
    callbacks: SyncSender<Callback>,
    durable: Vec<u32>,
    encoded: usize,
}

impl Journal for RecordingJournal {
    type Entry = u32;

    fn encode(&mut self, entry: &u32) -> Option<Vec<u8>> {
        self.encoded += 1;
        entry.is_multiple_of(2).then(|| vec![7; 100_000])
    }

    fn durable(&mut self, entries: Vec<u32>) {
        self.durable.extend(&entries);
        self.callbacks.send(Callback::Durable(entries)).unwrap();
    }

    fn snapshot(&mut self) -> Vec<Vec<u8>> {
        vec![format!("{} so far", self.encoded).into_bytes()]
    }

    fn on_event(&mut self, event: WriterEvent) {
        let callbacks = match event {
            WriterEvent::Stalled(error) => {
                assert!(error.is_full());
                Callback::Stalled
            }
            WriterEvent::Resumed => Callback::Resumed,
            WriterEvent::Renewed(_) => Callback::Renewed,
            WriterEvent::Failed(_) => Callback::Failed,
        };
        self.callbacks.send(callbacks).unwrap();
    }
}

fn writer(log: Log) -> (Writer<u32>, Receiver<Callback>) {
    let (callbacks, received) = sync_channel(1000);
    (Writer::start(log, RecordingJournal { callbacks, durable: Vec::new(), encoded: 0 }).unwrap(), received)
}

const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn a_full_disk_delays_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let (writer, received) = writer(Log::with_device(directory.path(), Box::new(disk.clone())).unwrap());
    disk.full.store(true, Ordering::SeqCst);
    writer.write(2).unwrap();
    assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Stalled);
    let before = disk.bytes.lock().unwrap().len();
    disk.full.store(false, Ordering::SeqCst);
    assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Resumed);
    assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Durable(vec![2]));
    assert!(before < 100_000, "what did not fit was cut off again");
}

#[test]
fn nothing_is_confirmed_after_a_failed_flush() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let (writer, received) = writer(Log::with_device(directory.path(), Box::new(disk.clone())).unwrap());
    disk.broken.store(true, Ordering::SeqCst);
    writer.write(2).unwrap();
    assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Failed);
    disk.broken.store(false, Ordering::SeqCst);
    // The thread has ended or is about to end; nothing is confirmed any more in either case.
    let _ = writer.write(4);
    drop(writer);
    assert!(received.try_iter().next().is_none());
}

#[test]
fn the_order_is_kept_and_a_long_log_is_compacted() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(directory.path()).unwrap();
    let (writer, received) = writer(log);
    for number in 0..400 {
        writer.write(number).unwrap();
    }
    let statistics = writer.statistics().clone();
    drop(writer);
    let durable: Vec<u32> = received
        .try_iter()
        .flat_map(|callbacks| match callbacks {
            Callback::Durable(entries) => entries,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(durable, (0..400).collect::<Vec<_>>());
    assert!(statistics.compactions.load(Ordering::Relaxed) > 0, "20 MB are more than the bound");
    assert!(statistics.flushes.load(Ordering::Relaxed) <= 200);
    let length: u64 = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(length < 14 << 20, "{length}");
}

/// How a log can vanish under its writer.
const DISPLACEMENTS: [fn(&Path); 4] = [
    |records| fs::remove_file(records.join("0000000001.log")).unwrap(),
    |records| fs::remove_dir_all(records).unwrap(),
    |records| fs::remove_dir_all(records.parent().unwrap()).unwrap(),
    // Something else is mounted or put in its place.
    |records| {
        fs::rename(records.parent().unwrap(), records.parent().unwrap().with_extension("old")).unwrap();
        fs::create_dir_all(records).unwrap();
    },
];

#[test]
fn a_log_that_vanishes_is_written_anew() {
    for (number, displace) in DISPLACEMENTS.into_iter().enumerate() {
        // With an entry that comes afterwards, and without one.
        for entry_follows in [true, false] {
            let outer = tempfile::tempdir().unwrap();
            let records = outer.path().join("work/records");
            let (writer, received) = writer(Log::open(&records).unwrap().0);
            writer.write(2).unwrap();
            assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Durable(vec![2]));
            displace(&records);
            if entry_follows {
                writer.write(4).unwrap();
            }
            assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Renewed, "{number}");
            if entry_follows {
                assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Durable(vec![4]));
            }
            assert!(matches!(Log::open(&records), Err(LogError::InUse { .. })), "{number}: the new log has an owner");
            drop(writer);
            // The new log begins with a snapshot, which has the entry unless a check came before it.
            let found = read(&records).unwrap().0;
            let in_snapshot: usize = found[0].strip_suffix(" so far").unwrap().parse().unwrap();
            assert_eq!(in_snapshot + found.len() - 1, 1 + usize::from(entry_follows), "{number}");
        }
    }
}

/// Whoever removes the directory may do so in several passes, beside the writer.
#[test]
fn a_log_that_vanishes_while_it_is_written_anew_is_written_again() {
    let outer = tempfile::tempdir().unwrap();
    let records = outer.path().join("work/records");
    let (writer, received) = writer(Log::open(&records).unwrap().0);
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                // Errors are those of what the writer makes at the same time.
                let _ = fs::remove_dir_all(outer.path().join("work"));
            }
        });
        let failed = (0..40).find_map(|entry| {
            writer.write(entry).ok()?;
            loop {
                match received.recv_timeout(TIMEOUT) {
                    Ok(Callback::Renewed) => (),
                    Ok(Callback::Durable(entries)) if entries == [entry] => break None,
                    other => break Some(other),
                }
            }
        });
        ends.store(true, Ordering::Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}

#[test]
fn another_log_in_its_place_is_left_alone() {
    let outer = tempfile::tempdir().unwrap();
    let records = outer.path().join("records");
    let (writer, received) = writer(Log::open(&records).unwrap().0);
    fs::rename(&records, outer.path().join("old")).unwrap();
    let (mut other, _) = Log::open(&records).unwrap();
    append(&mut other, &["of another"]);
    drop(other);
    let _ = writer.write(2);
    assert_eq!(received.recv_timeout(TIMEOUT).unwrap(), Callback::Failed);
    drop(writer);
    assert_eq!(read(&records).unwrap().0, ["of another"]);
}
