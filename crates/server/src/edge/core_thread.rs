//! The thread that runs one core: takes mail in batches, steps the core for each, carries out the effects
//! that concern the edge, and wakes every task concerned once per batch.

use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, oneshot};
use vocabulary::{Answer, Monotonic, Now, ReplyId, StreamId, Timestamp};

use super::desk::Desk;
use super::limits::{MAX_BATCH, MAX_INBOX};
use super::stream::StreamQueue;

/// What hosts a core: turns mail into steps, and the core's effects into calls of the [`Desk`].
pub trait Host: Sized + Send + 'static {
    type Input: Send + 'static;
    /// Of the HTTP event streams that the core feeds.
    type Event: Send + 'static;
    type Timer: Ord + Clone + Send + 'static;

    fn timer(timer: Self::Timer) -> Self::Input;
    fn stream_closed(stream: StreamId) -> Self::Input;
    fn exited(address: SocketAddrV4) -> Self::Input;

    fn step(&mut self, now: Now, input: Self::Input, desk: &mut Desk<Self>);

    /// Whether the core may go on. When it may not, nothing of it goes out any more and its thread ends.
    fn may_act(&self) -> bool {
        true
    }

    /// The batch is over: make its changes visible before anybody is answered.
    fn publish(&mut self);
}

pub enum Mail<H: Host> {
    Input(H::Input),
    /// An answer is owed.
    Ask {
        reply: ReplyId,
        to: oneshot::Sender<Answer>,
        input: H::Input,
    },
    /// The core will feed this stream.
    Open {
        stream: StreamId,
        queue: Arc<StreamQueue<H::Event>>,
        ask: Opening,
        input: H::Input,
    },
    StreamClosed(StreamId),
    PeerEnded {
        address: SocketAddrV4,
        generation: u64,
    },
    Stop,
}

/// What the one who opens a stream is told before anything of the stream.
pub enum Opening {
    /// The core's answer.
    Answer(ReplyId, oneshot::Sender<Answer>),
    /// That the core has seen to it, and that readers see that it has.
    Handled(oneshot::Sender<Answer>),
}

/// The bounded queue in front of a core.
pub struct Inbox<H: Host> {
    waiting: Mutex<Waiting<H>>,
    arrived: Condvar,
    room: Semaphore,
    next_reply: AtomicU64,
}

struct Waiting<H: Host> {
    mail: Vec<Mail<H>>,
    /// How many of them took a permit.
    permits: usize,
    /// The core thread sleeps.
    asleep: bool,
    /// The core has stopped.
    closed: bool,
}

/// The core has stopped: the process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shutting down")]
pub struct Stopped;

impl<H: Host> Inbox<H> {
    pub fn new() -> Arc<Self> {
        let waiting = Waiting { mail: Vec::new(), permits: 0, asleep: false, closed: false };
        Arc::new(Inbox {
            waiting: Mutex::new(waiting),
            arrived: Condvar::new(),
            room: Semaphore::new(MAX_INBOX),
            next_reply: AtomicU64::new(1),
        })
    }

    /// Waits for room, then queues.
    pub async fn send(&self, mail: Mail<H>) -> Result<(), Stopped> {
        self.room.acquire().await.map_err(|_| Stopped)?.forget();
        self.put(1, |queue| queue.push(mail))
    }

    /// Several pieces in one hand-off; empties `mail`.
    pub async fn send_all(&self, mail: &mut Vec<Mail<H>>) -> Result<(), Stopped> {
        while !mail.is_empty() {
            let count = mail.len().min(MAX_INBOX / 2);
            self.room.acquire_many(count as u32).await.map_err(|_| Stopped)?.forget();
            self.put(count, |queue| queue.extend(mail.drain(..count)))?;
        }
        Ok(())
    }

    /// Sends and waits for the answer, which `make` gets an id for.
    pub async fn ask(&self, make: impl FnOnce(ReplyId) -> H::Input) -> Result<Answer, Stopped> {
        let (reply, to, answer) = self.reply();
        self.send(Mail::Ask { reply, to, input: make(reply) }).await?;
        answer.await.map_err(|_| Stopped)
    }

    pub fn reply(&self) -> (ReplyId, oneshot::Sender<Answer>, oneshot::Receiver<Answer>) {
        let (to, answer) = oneshot::channel();
        (ReplyId(self.next_reply.fetch_add(1, Ordering::Relaxed)), to, answer)
    }

    /// For what must not wait: at most one piece per open stream, link, worker or signal, so its number is bounded
    /// by theirs.
    pub fn send_control(&self, mail: Mail<H>) {
        // A core that has stopped needs no news.
        let _ = self.put(0, |queue| queue.push(mail));
    }

    fn put(&self, permits: usize, fill: impl FnOnce(&mut Vec<Mail<H>>)) -> Result<(), Stopped> {
        let wake = {
            let mut waiting = self.lock();
            if waiting.closed {
                return Err(Stopped);
            }
            waiting.permits += permits;
            fill(&mut waiting.mail);
            std::mem::take(&mut waiting.asleep)
        };
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Swaps the waiting mail into `batch`, which is empty; returns without any at `deadline`.
    pub fn take(&self, batch: &mut Vec<Mail<H>>, deadline: Option<Instant>) {
        give_back(batch);
        let mut waiting = self.lock();
        while waiting.mail.is_empty() {
            let patience = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if patience == Some(Duration::ZERO) {
                return;
            }
            waiting.asleep = true;
            waiting = match patience {
                Some(patience) => {
                    self.arrived.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
            waiting.asleep = false;
        }
        std::mem::swap(&mut waiting.mail, batch);
        self.room.add_permits(std::mem::take(&mut waiting.permits));
    }

    fn close(&self) {
        let mail = {
            let mut waiting = self.lock();
            waiting.closed = true;
            std::mem::take(&mut waiting.mail)
        };
        self.room.close();
        drop(mail);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<H>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back the memory of a burst; what ordinary batches need stays.
pub fn give_back<T>(emptied: &mut Vec<T>) {
    if emptied.capacity() > 4 * MAX_BATCH {
        emptied.shrink_to(MAX_BATCH);
    }
}

/// Reads both clocks of a step.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Clock { start: Instant::now() }
    }

    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: Monotonic::from_start(self.start.elapsed()),
            wall: Timestamp::from_nanos(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    fn instant(&self, at: Monotonic) -> Instant {
        self.start + at.since_start()
    }
}

/// Runs `host` until `Mail::Stop`. `name` is the thread's.
pub fn spawn<H: Host>(
    name: &str,
    inbox: Arc<Inbox<H>>,
    clock: Clock,
    mut host: H,
    mut desk: Desk<H>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut batch = Vec::new();
        let mut stopped = false;
        while !stopped {
            let deadline = desk.timers.next().map(|at| clock.instant(at));
            inbox.take(&mut batch, deadline);
            let mut mail = batch.drain(..);
            loop {
                // Before the steps, and again before what they have decided goes out.
                stopped |= !host.may_act();
                if stopped {
                    break;
                }
                let now = clock.now();
                while let Some(timer) = desk.timers.pop_due(now.monotonic) {
                    host.step(now, H::timer(timer), &mut desk);
                }
                for mail in mail.by_ref().take(MAX_BATCH) {
                    stopped |= deliver(mail, now, &mut host, &mut desk);
                }
                if !host.may_act() {
                    stopped = true;
                    break;
                }
                host.publish();
                desk.flush();
                stopped |= desk.is_done();
                if stopped || mail.len() == 0 {
                    break;
                }
            }
        }
        inbox.close();
        desk.close();
        // Says that everything is over.
        drop(host);
    })
}

fn deliver<H: Host>(mail: Mail<H>, now: Now, host: &mut H, desk: &mut Desk<H>) -> bool {
    match mail {
        Mail::Input(input) => host.step(now, input, desk),
        Mail::Ask { reply, to, input } => {
            desk.owe(reply, to);
            host.step(now, input, desk);
        }
        Mail::Open { stream, queue, ask, input } => {
            desk.open(stream, queue);
            match ask {
                Opening::Answer(reply, to) => {
                    desk.owe(reply, to);
                    host.step(now, input, desk);
                }
                Opening::Handled(to) => {
                    host.step(now, input, desk);
                    desk.handled(to);
                }
            }
        }
        Mail::StreamClosed(stream) => {
            if desk.forget(stream) {
                host.step(now, H::stream_closed(stream), desk);
            }
        }
        Mail::PeerEnded { address, generation } => {
            if desk.links.ended(address, generation) {
                host.step(now, H::exited(address), desk);
            }
        }
        Mail::Stop => return true,
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_memory_of_a_burst_is_given_back() {
        for (burst, stays) in [(MAX_BATCH, true), (100 * MAX_BATCH, false)] {
            let mut batch: Vec<usize> = Vec::with_capacity(burst);
            give_back(&mut batch);
            assert_eq!(batch.capacity() >= burst, stays, "{burst}");
        }
    }
}
