//! A driver keeps a framework subscribed. After a failure or a change of the master it finds the leader and subscribes
//! again with the same framework id.

use std::time::Duration;

use election::Detector;
use messages::v1;
use messages::v1::scheduler::Event;

use crate::address::Address;
use crate::detect::{SESSION_TIMEOUT, address_of, is_elected};
use crate::error::Error;
use crate::events::Events;
use crate::scheduler::Scheduler;

/// The wait before the driver subscribes again. It doubles with each failure in a row. The default is 500 ms to 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The maximum wait.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_millis(500), most: Duration::from_secs(30) }
    }
}

/// An event of a [`Driver`].
#[derive(Debug)]
pub enum DriverEvent {
    /// The framework is subscribed. Earlier offers are invalid, and updates may have been missed; the framework should
    /// reconcile ([`Scheduler::reconcile`]).
    Subscribed {
        /// The id of the framework, which the master assigns at the first subscription.
        framework: v1::FrameworkId,
        /// The master that leads.
        master: Address,
    },
    /// An event of the master other than SUBSCRIBED, such as offers and updates.
    Event(Box<Event>),
    /// The subscription has ended or could not be made. The next call of [`Driver::next`] waits and subscribes again.
    Disconnected {
        /// The reason for which the subscription has ended.
        error: Error,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
}

/// The masters to subscribe with.
#[derive(Debug)]
enum Masters {
    Known(Vec<Address>),
    Detected(Detector),
}

impl Masters {
    /// Returns the masters in the order in which they are tried.
    async fn candidates(&self) -> Vec<Address> {
        match self {
            Masters::Known(masters) => masters.clone(),
            Masters::Detected(detector) => vec![address_of(&*detector.detect().await)],
        }
    }
}

/// Keeps a framework subscribed.
///
/// The framework should have a `failover_timeout` in its [`FrameworkInfo`](v1::FrameworkInfo). Without one the master
/// kills its tasks as soon as the connection breaks.
#[derive(Debug)]
pub struct Driver {
    masters: Masters,
    info: v1::FrameworkInfo,
    backoff: Backoff,
    failures: u32,
    subscription: Option<(Scheduler, Events<Event>)>,
}

impl Driver {
    /// Makes a driver for these masters. One address suffices, because followers redirect to the leader.
    pub fn new(masters: impl IntoIterator<Item = Address>, info: v1::FrameworkInfo) -> Self {
        Driver::of(Masters::Known(masters.into_iter().collect()), info)
    }

    /// Makes a driver that follows the leader of the election at `zk://…`. `session_timeout` is that of the ZooKeeper
    /// session. It has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// Returns [`Error::Undetectable`] if `url` is not such a URL.
    pub fn detecting(url: &str, session_timeout: Duration, info: v1::FrameworkInfo) -> Result<Self, Error> {
        let detector = Detector::of(url, session_timeout).map_err(Error::Undetectable)?;
        Ok(Driver::of(Masters::Detected(detector), info))
    }

    /// Makes a driver from the value of a `--master` flag: the address of a master, or `zk://…`. It has to be called
    /// inside a tokio runtime.
    ///
    /// # Errors
    /// Returns [`Error::Address`] or [`Error::Undetectable`] for a text of another form.
    pub fn at(given: &str, info: v1::FrameworkInfo) -> Result<Self, Error> {
        if is_elected(given) {
            return Driver::detecting(given, SESSION_TIMEOUT, info);
        }
        Ok(Driver::new([given.parse()?], info))
    }

    fn of(masters: Masters, info: v1::FrameworkInfo) -> Self {
        Driver { masters, info, backoff: Backoff::default(), failures: 0, subscription: None }
    }

    /// Sets the waits between subscriptions.
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Returns the handle for calls; `None` while the framework is not subscribed. A clone is valid until the next
    /// [`DriverEvent::Disconnected`].
    pub fn scheduler(&self) -> Option<&Scheduler> {
        self.subscription.as_ref().map(|(scheduler, _)| scheduler)
    }

    /// Waits for the next event, and subscribes if the framework is not subscribed.
    ///
    /// Dropping the future before it resolves loses no event; only the wait starts again.
    ///
    /// # Errors
    /// Returns an [`Error`] if the master refuses this framework, now and in the future, or if no master is known.
    /// Transient errors become [`DriverEvent::Disconnected`].
    pub async fn next(&mut self) -> Result<DriverEvent, Error> {
        match self.subscription.as_mut() {
            None => self.subscribe().await,
            Some((_, events)) => match events.next().await {
                Ok(Some(Event { error: Some(error), .. })) => {
                    self.subscription = None;
                    Err(Error::Refused(error.message))
                }
                Ok(Some(event)) => Ok(DriverEvent::Event(Box::new(event))),
                Ok(None) => {
                    let master = events.address().clone();
                    self.disconnected(Error::Ended(master))
                }
                Err(error) => self.disconnected(error),
            },
        }
    }

    async fn subscribe(&mut self) -> Result<DriverEvent, Error> {
        if self.failures > 0 {
            tokio::time::sleep(self.delay()).await;
        }
        let mut failure = Error::NoMaster;
        for master in &self.masters.candidates().await {
            match Scheduler::subscribe(master, self.info.clone()).await {
                Ok((scheduler, events)) => {
                    self.failures = 0;
                    let framework = scheduler.framework_id().clone();
                    self.info.id = Some(framework.clone());
                    let master = scheduler.master().clone();
                    self.subscription = Some((scheduler, events));
                    return Ok(DriverEvent::Subscribed { framework, master });
                }
                Err(error) if error.is_transient() => failure = error,
                Err(error) => return Err(error),
            }
        }
        self.disconnected(failure)
    }

    fn disconnected(&mut self, error: Error) -> Result<DriverEvent, Error> {
        self.subscription = None;
        if !error.is_transient() {
            return Err(error);
        }
        self.failures = self.failures.saturating_add(1);
        Ok(DriverEvent::Disconnected { error, retry_in: self.delay() })
    }

    fn delay(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        self.backoff.first.saturating_mul(1 << doublings).min(self.backoff.most)
    }
}
