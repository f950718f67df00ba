//! Waits for many descriptors at once, and for wake-ups.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

/// The source of an event. The numbers are the worker's keys of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Wake,
    Exit(u64),
    Limit(u64),
}

impl Source {
    /// Encodes the kind in two bits and the key in the others.
    fn encode(self) -> EventData {
        EventData::new_u64(match self {
            Source::Wake => 0,
            Source::Exit(key) => key << 2 | 1,
            Source::Limit(key) => key << 2 | 2,
        })
    }

    fn decode(data: EventData) -> Self {
        let key = data.u64() >> 2;
        match data.u64() & 3 {
            1 => Source::Exit(key),
            2 => Source::Limit(key),
            _ => Source::Wake,
        }
    }
}

/// The maximum of events per wait. Further events come with the next wait.
const BATCH: usize = 256;

pub(crate) struct Poller {
    epoll: OwnedFd,
    waker: Waker,
}

/// Ends the current or next wait. The caller makes its changes visible before it wakes.
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn wake(&self) {
        // The counter is full only if the wait is about to end anyway.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let waker = Waker(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*waker.0, Source::Wake.encode(), EventFlags::IN)?;
        Ok(Poller { epoll, waker })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(super) fn watch_exit(&self, key: u64, pidfd: &OwnedFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, pidfd, Source::Exit(key).encode(), EventFlags::IN)?)
    }

    pub(super) fn watch_limit(&self, key: u64, watch: &OwnedFd) -> io::Result<()> {
        // An eventfd becomes readable (IN); a changed kernel file reports PRI, and is always readable. Edge triggering
        // keeps the IN of the file from ending every wait.
        let flags = EventFlags::IN | EventFlags::PRI | EventFlags::ET;
        Ok(epoll::add(&self.epoll, watch, Source::Limit(key).encode(), flags)?)
    }

    pub(super) fn forget(&self, fd: Option<&OwnedFd>) {
        if let Some(fd) = fd {
            let _ = epoll::delete(&self.epoll, fd.as_fd());
        }
    }

    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Source>> {
        let timeout = timeout.map(|duration| Timespec {
            tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(duration.subsec_nanos()),
        });
        let mut buffer = Vec::with_capacity(BATCH);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut buffer), timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let sources: Vec<Source> = buffer.iter().map(|event| Source::decode(event.data)).collect();
        if sources.contains(&Source::Wake) {
            let _ = rustix::io::read(&*self.waker.0, &mut [0u8; 8]);
        }
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_survive_the_kernel() {
        for source in [Source::Wake, Source::Exit(1), Source::Limit(1), Source::Exit(1 << 40)] {
            assert_eq!(Source::decode(source.encode()), source);
        }
    }

    #[test]
    fn a_wakeup_before_the_wait_ends_it() {
        let poller = Poller::new().unwrap();
        poller.waker().wake();
        assert_eq!(poller.wait(None).unwrap(), [Source::Wake]);
        assert_eq!(poller.wait(Some(Duration::ZERO)).unwrap(), []);
    }
}
