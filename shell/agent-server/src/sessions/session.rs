//! The streams of one session. Output is read only as fast as its slowest reader takes it: the program then waits at its
//! pipe, and the agent holds a few chunks for each reader. A reader that takes nothing loses its connection
//! (`edge::limits::WRITE_STALL_TIMEOUT`), and is not waited for any more.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use messages::v1::agent::ProcessIo;
use messages::v1::agent::process_io::{self, data};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};

use super::ends::ContainerEnds;

/// The maximum of bytes that are read at once.
pub(super) const CHUNK: usize = 16 * 1024;

/// The maximum of chunks that wait for one reader.
pub(super) const WAITING_CHUNKS: usize = 8;

/// The maximum of bytes of an output that are kept in the sandbox. The output of a session is for its callers; the rest
/// of it is not kept.
const MAX_RECORDED: usize = 10 << 20;

/// The streams of a session.
pub struct Session {
    /// The end of the standard input; `None` after the end of the input.
    input: tokio::sync::Mutex<Option<pipe::Sender>>,
    /// Whether a connection writes the input.
    has_input: AtomicBool,
    /// The ends that are read once somebody reads the session.
    unread: Mutex<Vec<(data::Type, pipe::Receiver)>>,
    /// The number of outputs that are still read.
    open_outputs: AtomicUsize,
    /// The readers of the output; `None` after its end.
    readers: Mutex<Option<Vec<mpsc::Sender<Arc<ProcessIo>>>>>,
    /// The ends of the container, until it is started.
    container_ends: Mutex<Option<ContainerEnds>>,
    /// The files in the sandbox: standard output and standard error.
    recorded: Mutex<Option<[File; 2]>>,
    ended: watch::Sender<bool>,
}

/// The right to write the input of a session, which one connection has at a time.
pub struct InputLease(Arc<Session>);

impl Drop for InputLease {
    fn drop(&mut self) {
        self.0.has_input.store(false, Ordering::Release);
    }
}

/// The result of a write to the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All bytes were written.
    All,
    /// The container has ended.
    Ended,
}

impl Session {
    /// Makes the streams of a session.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn new() -> io::Result<Arc<Self>> {
        let (agent, container) = super::ends::make()?;
        let open = pipe::Receiver::from_owned_fd;
        let unread = vec![(data::Type::Stdout, open(agent.stdout)?), (data::Type::Stderr, open(agent.stderr)?)];
        let input = tokio::sync::Mutex::new(Some(pipe::Sender::from_owned_fd(agent.stdin)?));
        Ok(Arc::new(Session {
            input,
            has_input: AtomicBool::new(false),
            open_outputs: AtomicUsize::new(unread.len()),
            unread: Mutex::new(unread),
            readers: Mutex::new(Some(Vec::new())),
            container_ends: Mutex::new(Some(container)),
            recorded: Mutex::default(),
            ended: watch::Sender::new(false),
        }))
    }

    /// Takes the ends that the container gets.
    pub(super) fn take_container_ends(&self) -> Option<ContainerEnds> {
        lock(&self.container_ends).take()
    }

    /// Writes the outputs to these files as well.
    pub(super) fn record(&self, files: [File; 2]) {
        *lock(&self.recorded) = Some(files);
    }

    /// Notes that the container has ended.
    pub(super) fn end(&self) {
        // A container that has not started holds no end that would keep its streams open.
        drop(self.take_container_ends());
        self.ended.send_replace(true);
    }

    /// Adds a reader of the output, from now on; `None` if the output has ended. The first reader starts the output.
    pub fn read(self: &Arc<Self>) -> Option<mpsc::Receiver<Arc<ProcessIo>>> {
        let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
        lock(&self.readers).as_mut()?.push(sender);
        let mut recorded: [Option<File>; 2] = match lock(&self.recorded).take() {
            Some(files) => files.map(Some),
            None => [None, None],
        };
        for (kind, source) in std::mem::take(&mut *lock(&self.unread)) {
            let file = match kind {
                data::Type::Stderr => recorded.get_mut(1),
                _ => recorded.first_mut(),
            };
            let record = file.and_then(Option::take);
            tokio::spawn(Arc::clone(self).copy(kind, source, record));
        }
        Some(receiver)
    }

    /// Copies an output to the readers until its end.
    async fn copy(self: Arc<Self>, kind: data::Type, mut source: pipe::Receiver, mut record: Option<File>) {
        let mut buffer = vec![0; CHUNK];
        let mut room = MAX_RECORDED;
        while let Ok(length @ 1..) = source.read(&mut buffer).await {
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            let kept = bytes.len().min(room);
            if let Some(file) = record.take().filter(|_| kept > 0) {
                room -= kept;
                let part = bytes.get(..kept).unwrap_or_default().to_vec();
                record = write_record(file, part).await;
            }
            self.send(output_record(kind, bytes)).await;
        }
        if self.open_outputs.fetch_sub(1, Ordering::AcqRel) == 1 {
            lock(&self.readers).take();
        }
    }

    async fn send(&self, io: Arc<ProcessIo>) {
        let readers = lock(&self.readers).clone().unwrap_or_default();
        for reader in readers {
            // A reader that has gone is removed below.
            let _ = reader.send(io.clone()).await;
        }
        if let Some(readers) = &mut *lock(&self.readers) {
            readers.retain(|reader| !reader.is_closed());
        }
    }

    /// Takes the right to write the input; `None` if another connection has it.
    pub fn lease_input(self: &Arc<Self>) -> Option<InputLease> {
        let taken = self.has_input.swap(true, Ordering::AcqRel);
        (!taken).then(|| InputLease(Arc::clone(self)))
    }

    /// Waits for the end of the container.
    pub async fn ended(&self) {
        // The sender lives as long as this session.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

impl InputLease {
    /// Returns the session.
    pub fn session(&self) -> &Session {
        &self.0
    }

    /// Writes to the input, as fast as the program reads it.
    ///
    /// # Errors
    /// Returns the error of the pipe, e.g. `BrokenPipe` if the program does not read its input any more.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<Written> {
        let mut end = self.0.input.lock().await;
        let end = end.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        tokio::select! {
            () = self.0.ended() => Ok(Written::Ended),
            written = end.write_all(bytes) => written.map(|()| Written::All),
        }
    }

    /// Ends the input.
    pub async fn close(&self) {
        self.0.input.lock().await.take();
    }
}

/// Returns the record with a part of an output.
pub(super) fn output_record(kind: data::Type, bytes: Vec<u8>) -> Arc<ProcessIo> {
    let data = process_io::Data { r#type: Some(kind as i32), data: Some(bytes) };
    Arc::new(ProcessIo { r#type: Some(process_io::Type::Data as i32), data: Some(data), ..ProcessIo::default() })
}

/// Appends to a file on a thread that may block. Returns the file; `None` after an error, since the rest would have a
/// gap.
async fn write_record(mut file: File, bytes: Vec<u8>) -> Option<File> {
    let write = move || match file.write_all(&bytes) {
        Ok(()) => Some(file),
        Err(error) => {
            tracing::warn!(%error, "the output of a session is not kept in its sandbox any more");
            None
        }
    };
    tokio::task::spawn_blocking(write).await.ok().flatten()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
