//! A framework that stays subscribed: when the master fails or changes, it finds the
//! leader and takes its tasks over under the same id.

use std::time::Duration;

use election::Detector;
use messages::v1;
use messages::v1::scheduler::Event;

use crate::address::Address;
use crate::detect::{SESSION_TIMEOUT, address_of, is_elected};
use crate::error::Error;
use crate::events::Events;
use crate::scheduler::Scheduler;

/// How long to wait before subscribing again: doubled with each failure in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_millis(500), most: Duration::from_secs(30) }
    }
}

/// What a framework hears from its driver.
#[derive(Debug)]
pub enum DriverEvent {
    /// Offers made before are void, and updates may have been missed: reconcile.
    Subscribed { framework: v1::FrameworkId, master: Address },
    /// Anything but SUBSCRIBED.
    Event(Box<Event>),
    /// The subscription ended or could not be had; the next call of [`Driver::next`] waits and tries again.
    Disconnected { error: Error, retry_in: Duration },
}

/// Where to subscribe.
#[derive(Debug)]
enum Masters {
    Known(Vec<Address>),
    Detected(Detector),
}

impl Masters {
    /// To be tried in this order.
    async fn candidates(&self) -> Vec<Address> {
        match self {
            Masters::Known(masters) => masters.clone(),
            Masters::Detected(detector) => vec![address_of(&*detector.detect().await)],
        }
    }
}

/// Keeps a framework subscribed. Give it a `failover_timeout`, or the master kills its
/// tasks when the connection breaks.
#[derive(Debug)]
pub struct Driver {
    masters: Masters,
    info: v1::FrameworkInfo,
    backoff: Backoff,
    failures: u32,
    subscription: Option<(Scheduler, Events<Event>)>,
}

impl Driver {
    /// Any of the masters will do: followers tell who leads.
    pub fn new(masters: impl IntoIterator<Item = Address>, info: v1::FrameworkInfo) -> Self {
        Driver::of(Masters::Known(masters.into_iter().collect()), info)
    }

    /// Follows the leader that is elected at `zk://…`; must be called inside a tokio runtime.
    pub fn detecting(url: &str, session_timeout: Duration, info: v1::FrameworkInfo) -> Result<Self, Error> {
        let detector = Detector::of(url, session_timeout).map_err(Error::Undetectable)?;
        Ok(Driver::of(Masters::Detected(detector), info))
    }

    /// What people write as `--master`: the address of a master, or where masters are elected.
    pub fn at(given: &str, info: v1::FrameworkInfo) -> Result<Self, Error> {
        if is_elected(given) {
            return Driver::detecting(given, SESSION_TIMEOUT, info);
        }
        Ok(Driver::new([given.parse()?], info))
    }

    fn of(masters: Masters, info: v1::FrameworkInfo) -> Self {
        Driver { masters, info, backoff: Backoff::default(), failures: 0, subscription: None }
    }

    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// For calls; `None` while not subscribed. A clone of it stays good until the next [`DriverEvent::Disconnected`].
    pub fn scheduler(&self) -> Option<&Scheduler> {
        self.subscription.as_ref().map(|(scheduler, _)| scheduler)
    }

    /// The next thing that happens. An error is final: the master refuses this framework, now and later.
    ///
    /// Dropping the future before it is ready loses nothing but the time waited.
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
