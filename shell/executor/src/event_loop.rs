//! The parts that the loops of the executors share: events of the agent, timers, and waiting.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use messages::v1::executor::{Call, Event};
use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;

use crate::clock::SystemClock;
use crate::connection::Error;
use crate::core::{self as command, Clock};
use crate::default_executor as pods;
use crate::memory;
use crate::run::IDLE;
use crate::subscriber::Subscriber;

/// The pure decisions of an executor.
pub(crate) trait Decisions {
    /// An action that the loop carries out.
    type Action;
    /// A timer of the executor.
    type Timer: Copy + Ord;

    /// The timer that ends with the next subscription.
    const RECOVERY: Self::Timer;

    /// Returns the SUBSCRIBE call with what the agent may not know.
    fn subscribe(&self) -> Call;

    /// Returns the HEARTBEAT call.
    fn heartbeat(&self) -> Call;

    /// Handles an event of the agent.
    fn on_event(&mut self, event: Event, clock: &mut dyn Clock) -> Vec<Self::Action>;

    /// Handles the end of the event stream.
    fn on_disconnected(&mut self) -> Vec<Self::Action>;

    /// Handles a timer.
    fn on_timer(&mut self, timer: Self::Timer, clock: &mut dyn Clock) -> Vec<Self::Action>;
}

/// Implements [`Decisions`] by the functions of the same names.
macro_rules! decisions {
    ($executor:ty, $action:ty, $timer:ty) => {
        impl Decisions for $executor {
            type Action = $action;
            type Timer = $timer;

            const RECOVERY: $timer = <$timer>::Recovery;

            fn subscribe(&self) -> Call {
                self.subscribe()
            }

            fn heartbeat(&self) -> Call {
                self.heartbeat()
            }

            fn on_event(&mut self, event: Event, clock: &mut dyn Clock) -> Vec<$action> {
                self.on_event(event, clock)
            }

            fn on_disconnected(&mut self) -> Vec<$action> {
                self.on_disconnected()
            }

            fn on_timer(&mut self, timer: $timer, clock: &mut dyn Clock) -> Vec<$action> {
                self.on_timer(timer, clock)
            }
        }
    };
}

decisions!(command::Executor, command::Action, command::Timer);
decisions!(pods::DefaultExecutor, pods::Action, pods::Timer);

/// The state that every loop has.
pub(crate) struct LoopState<E: Decisions> {
    pub executor: E,
    pub clock: SystemClock,
    pub agent: Subscriber,
    timers: BTreeMap<E::Timer, Instant>,
    /// Whether the executor ends.
    pub done: bool,
}

impl<E: Decisions> LoopState<E> {
    /// Makes the state of an executor that has just subscribed.
    pub fn new(executor: E, clock: SystemClock, agent: Subscriber) -> Self {
        LoopState { executor, clock, agent, timers: BTreeMap::new(), done: false }
    }

    /// Sets a timer, in place of an earlier one of the same name.
    pub fn arm(&mut self, timer: E::Timer, after: Duration) {
        self.timers.insert(timer, Instant::now() + after);
    }

    /// Returns the time at which the next timer of the executor or of its connection is due.
    pub fn deadline(&self) -> Instant {
        self.timers.values().copied().fold(self.agent.deadline(), Instant::min)
    }
}

/// The loop of an executor.
pub(crate) trait EventLoop {
    /// The decisions of the executor.
    type Executor: Decisions;

    /// Returns the common state.
    fn state(&mut self) -> &mut LoopState<Self::Executor>;

    /// Carries out actions.
    fn perform(&mut self, actions: Vec<<Self::Executor as Decisions>::Action>);

    /// Hands the events that have arrived to the executor.
    ///
    /// # Errors
    /// Returns [`Error::Protocol`] if the agent does not speak the executor API.
    fn deliver_events(&mut self) -> Result<(), Error> {
        let open = self.state().agent.receive()?;
        while let Some(event) = self.state().agent.next_event()? {
            let LoopState { executor, clock, .. } = self.state();
            let actions = executor.on_event(event, clock);
            self.perform(actions);
        }
        if !open && !self.state().done {
            self.state().agent.close();
            let actions = self.state().executor.on_disconnected();
            self.perform(actions);
        }
        Ok(())
    }

    /// Fires the timers that are due, of the executor and of its connection.
    fn fire_timers(&mut self) {
        let now = Instant::now();
        let timers = &self.state().timers;
        let due: Vec<_> = timers.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        for timer in due {
            let LoopState { executor, clock, timers, .. } = self.state();
            timers.remove(&timer);
            let actions = executor.on_timer(timer, clock);
            self.perform(actions);
        }
        let LoopState { executor, agent, timers, done, .. } = self.state();
        if !*done && agent.fire_timers(&|| executor.subscribe(), &|| executor.heartbeat()) {
            timers.remove(&<Self::Executor as Decisions>::RECOVERY);
        }
    }
}

/// Waits for descriptors, and returns unused memory once nothing has happened for [`IDLE`].
#[derive(Default)]
pub(crate) struct IdleWait {
    /// Whether memory was returned since the last activity.
    memory_released: bool,
}

impl IdleWait {
    /// Waits until a descriptor is ready or the deadline has come. Returns false if a signal has interrupted the wait.
    ///
    /// # Errors
    /// Returns the error of poll(2).
    pub fn wait(&mut self, fds: &mut [PollFd<'_>], deadline: Instant) -> Result<bool, Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        // A task that ends at once should not pay for the return of memory.
        let left = if self.memory_released { left } else { left.min(IDLE) };
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(fds, Some(&timeout)) {
            Ok(0) if !self.memory_released && left == IDLE => {
                memory::release_unused();
                self.memory_released = true;
            }
            Ok(_) => self.memory_released = false,
            Err(Errno::INTR) => return Ok(false),
            Err(error) => return Err(Error::Io(error.into())),
        }
        Ok(true)
    }
}
