//! The framework's loop: place, acknowledge, and go on after a lost connection.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::{Address, Driver, DriverEvent, Error, Scheduler};
use messages::v1;
use messages::v1::scheduler::{Event, call};

use super::observer::{Observer, Stalled};
use super::plan::Plan;
use crate::signals::Cancel;

/// How long the master keeps the tasks when this scheduler loses its connection.
const FAILOVER_TIMEOUT: f64 = 60.0;
/// Offers that fit no waiting task are of no use for a while; something may free up on the same agent.
const REFUSE_SECONDS: f64 = 2.0;
/// The longest an election and the recovery of the elected master take, with the session timeouts that people use.
const FAILOVER_LIMIT: Duration = Duration::from_secs(60);
/// How often to ask for tasks of which nothing is heard: right after a failover a master says nothing about those whose
/// agent is not back yet.
const RECONCILE_FIRST: Duration = Duration::from_secs(1);
const RECONCILE_MAX: Duration = Duration::from_secs(30);
/// When to look whether anything has started: offers come within an allocation interval of the master, of a second.
const LOOK_FIRST: Duration = Duration::from_millis(2500);
const LOOK_AGAIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Options {
    /// As people write it: `host:port`, or where masters are elected.
    pub master: String,
    pub framework: v1::FrameworkInfo,
    /// Kill what runs after this time.
    pub kill_after: Option<Duration>,
}

/// How the batch ended.
#[derive(Debug)]
pub struct Outcome {
    pub plan: Plan,
    pub framework: v1::FrameworkId,
    /// The one that led in the end.
    pub master: Option<Address>,
    /// The signal that ended it before its tasks did.
    pub interrupted: Option<i32>,
    /// Why the master could not be told that the framework is over.
    pub teardown_error: Option<Error>,
}

/// A framework that runs the tasks of a plan.
#[derive(Debug)]
pub struct Batch {
    driver: Driver,
    plan: Plan,
    cancel: Cancel,
    deadline: Option<Instant>,
    reconciliation: Reconciliation,
    /// When to look next whether it is stalled.
    look: Option<Instant>,
    elected: bool,
    framework: Option<v1::FrameworkId>,
    leader: Option<Address>,
    lost: Option<Error>,
    interrupted: Option<i32>,
    killing: bool,
}

/// Runs all tasks of the plan to their end, then removes the framework.
///
/// # Errors
/// The master refuses the framework, or there was none to begin with.
pub async fn run_batch(options: Options, plan: Plan, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    let mut batch = Batch::new(options, plan)?;
    batch.run(observer).await?;
    Ok(batch.leave().await)
}

impl Batch {
    /// Signals count from here on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `options.master` is neither an address nor where masters are elected.
    pub fn new(options: Options, plan: Plan) -> Result<Self, Error> {
        let mut info = options.framework;
        info.failover_timeout.get_or_insert(FAILOVER_TIMEOUT);
        Ok(Batch {
            driver: Driver::at(&options.master, info)?,
            plan,
            cancel: Cancel::listen(),
            deadline: options.kill_after.map(|after| Instant::now() + after),
            reconciliation: Reconciliation::default(),
            look: None,
            elected: options.master.starts_with("zk://"),
            framework: None,
            leader: None,
            lost: None,
            interrupted: None,
            killing: false,
        })
    }

    /// Returns when all tasks are over, or a signal has come.
    ///
    /// # Errors
    /// The master refuses the framework, or there was none to begin with.
    pub async fn run(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        // A master that was never there is a mistake in the address; one that is being elected comes.
        let (first, elected) = (Instant::now(), self.elected);
        let passes = |error: &Error| error.is_transient() && (elected || !matches!(error, Error::Connect { .. }));
        while !self.plan.is_over() && self.interrupted.is_none() {
            observer.changed(&self.plan);
            tokio::select! {
                notice = self.driver.next() => match notice? {
                    DriverEvent::Disconnected { error, .. }
                        if self.framework.is_none() && !(first.elapsed() < FAILOVER_LIMIT && passes(&error)) =>
                    {
                        return Err(error);
                    }
                    notice => self.notice(notice, observer).await?,
                },
                () = until(self.reconciliation.due) => {
                    if let Some(scheduler) = self.driver.scheduler() {
                        self.reconciliation.ask(scheduler, &self.plan).await?;
                    }
                }
                () = until(self.deadline) => {
                    self.deadline = None;
                    self.killing = true;
                    if let Some(scheduler) = self.driver.scheduler() {
                        kill(scheduler, &self.plan).await?;
                    }
                }
                () = until(self.look) => {
                    self.look = Some(Instant::now() + LOOK_AGAIN);
                    if let Some(stalled) = self.stalled() {
                        observer.stalled(stalled);
                    }
                }
                signal = self.cancel.next() => self.interrupted = Some(signal),
            }
        }
        observer.changed(&self.plan);
        observer.finished();
        Ok(())
    }

    async fn notice(&mut self, notice: DriverEvent, observer: &mut dyn Observer) -> Result<(), Error> {
        match notice {
            DriverEvent::Subscribed { framework, master } => {
                if self.framework.is_none() {
                    observer.subscribed(&framework);
                } else {
                    self.plan.reconcile_live();
                    self.reconciliation.begin();
                }
                if let (true, Some(scheduler)) = (self.killing, self.driver.scheduler()) {
                    kill(scheduler, &self.plan).await?;
                }
                self.lost = None;
                self.look = Some(Instant::now() + LOOK_FIRST);
                self.framework = Some(framework);
                self.leader = Some(master);
            }
            DriverEvent::Event(event) => {
                if let Some(scheduler) = self.driver.scheduler() {
                    handle(scheduler, &mut self.plan, &mut self.reconciliation, *event, observer).await?;
                }
            }
            DriverEvent::Disconnected { error, retry_in } => {
                // The first attempt follows at once, and is mostly enough.
                if self.lost.is_some() {
                    observer.lost(&error, retry_in);
                }
                self.reconciliation = Reconciliation::default();
                self.lost = Some(error);
            }
        }
        Ok(())
    }

    /// Tasks wait, and none runs whose end could make room for them.
    fn stalled(&self) -> Option<Stalled> {
        let demand = self.plan.demand()?;
        let stalled = || Some(Stalled { master: self.leader.clone()?, framework: self.framework.clone()?, demand });
        if self.plan.live().is_empty() && self.driver.scheduler().is_some() { stalled() } else { None }
    }

    /// Whether a signal has ended it.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// Resolves at the next signal; its number is that of the outcome as well.
    pub async fn cancelled(&mut self) {
        self.interrupted = Some(self.cancel.next().await);
    }

    /// Removes the framework, and with it what still runs.
    pub async fn leave(self) -> Outcome {
        let teardown_error = match self.driver.scheduler() {
            Some(scheduler) => scheduler.teardown().await.err(),
            None => self.lost,
        };
        let framework = self.framework.unwrap_or_default();
        Outcome { plan: self.plan, framework, master: self.leader, interrupted: self.interrupted, teardown_error }
    }
}

async fn handle(
    scheduler: &Scheduler,
    plan: &mut Plan,
    reconciliation: &mut Reconciliation,
    event: Event,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    if let Some(offers) = event.offers {
        answer_offers(scheduler, plan, reconciliation, &offers.offers, observer).await?;
    }
    if let Some(update) = event.update {
        if plan.update(&update.status, now()) {
            observer.updated(&update.status);
        }
        // One that does not arrive brings the update again.
        ignore_transient(scheduler.acknowledge(&update.status).await)?;
    }
    Ok(())
}

async fn answer_offers(
    scheduler: &Scheduler,
    plan: &mut Plan,
    reconciliation: &mut Reconciliation,
    offers: &[v1::Offer],
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    for placement in plan.place(offers, now()) {
        if placement.tasks.is_empty() {
            let filters = v1::Filters { refuse_seconds: Some(REFUSE_SECONDS) };
            ignore_transient(scheduler.decline(vec![placement.offer], Some(filters)).await)?;
            continue;
        }
        observer.launched(&placement.tasks);
        let launched = scheduler.launch(vec![placement.offer], placement.tasks.clone()).await;
        if launched.is_err() {
            plan.reconcile(&placement.tasks);
            reconciliation.begin();
        }
        ignore_transient(launched)?;
    }
    if !plan.has_waiting() {
        ignore_transient(scheduler.suppress().await)?;
    }
    Ok(())
}

async fn kill(scheduler: &Scheduler, plan: &Plan) -> Result<(), Error> {
    for task in plan.live() {
        ignore_transient(scheduler.kill(task).await)?;
    }
    Ok(())
}

/// A master that ends in the middle of a call is no reason to end: the stream of events tells, and its successor is asked.
fn ignore_transient(result: Result<(), Error>) -> Result<(), Error> {
    result.or_else(|error| if error.is_transient() { Ok(()) } else { Err(error) })
}

/// Asking for what may have been missed, again and again until it has been told.
#[derive(Debug, Default)]
struct Reconciliation {
    due: Option<Instant>,
    pause: Duration,
}

impl Reconciliation {
    fn begin(&mut self) {
        *self = Reconciliation { due: Some(Instant::now()), pause: RECONCILE_FIRST };
    }

    async fn ask(&mut self, scheduler: &Scheduler, plan: &Plan) -> Result<(), Error> {
        let tasks = plan.needs_reconciliation();
        if tasks.is_empty() {
            self.due = None;
            return Ok(());
        }
        self.due = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(RECONCILE_MAX);
        let tasks = tasks.into_iter().map(|(task_id, agent_id)| call::reconcile::Task { task_id, agent_id });
        ignore_transient(scheduler.reconcile(tasks.collect()).await)
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
