//! The framework's loop: places tasks, acknowledges updates, and continues after a lost connection.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use messages::v1;
use messages::v1::scheduler::{Event, call};
use tepui_client::{Address, Driver, DriverEvent, Error, Scheduler};

use super::observer::{Observer, Stalled};
use super::plan::Plan;
use crate::signals::Cancel;

/// The seconds for which the master keeps the tasks when this scheduler loses its connection.
const FAILOVER_TIMEOUT: f64 = 60.0;
/// The filter of offers that fit no waiting task, in seconds. It is short because resources may become free on the same
/// agent.
const REFUSE_SECONDS: f64 = 2.0;
/// The longest duration of an election and of the recovery of the elected master, with common session timeouts.
const FAILOVER_LIMIT: Duration = Duration::from_secs(60);
/// The first interval of reconciliation. Right after a failover a master does not answer for tasks whose agent has not
/// re-registered yet.
const RECONCILE_FIRST: Duration = Duration::from_secs(1);
const RECONCILE_MAX: Duration = Duration::from_secs(30);
/// The time until the first check whether anything has started. Offers arrive within an allocation interval of the
/// master, which is a second in Mesos.
const STALL_CHECK_FIRST: Duration = Duration::from_millis(2500);
const STALL_CHECK_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Options {
    /// The master as it was given: `host:port` or a `zk://` URL.
    pub master: String,
    pub framework: v1::FrameworkInfo,
    /// The time after which everything that runs is killed.
    pub kill_after: Option<Duration>,
    /// The time without a master after which the batch ends. Its tasks continue. `None` waits for as long as it takes.
    pub master_timeout: Option<Duration>,
}

/// The result of a batch.
#[derive(Debug)]
pub struct Outcome {
    pub plan: Plan,
    pub framework: v1::FrameworkId,
    /// The master that led at the end.
    pub master: Option<Address>,
    /// The signal that ended the batch before its tasks were over.
    pub interrupted: Option<i32>,
    /// The error with which the removal of the framework failed.
    pub teardown_error: Option<Error>,
}

/// A framework that runs the tasks of a plan.
#[derive(Debug)]
pub struct Batch {
    driver: Driver,
    plan: Plan,
    cancel: Cancel,
    deadline: Option<Instant>,
    master_timeout: Option<Duration>,
    /// The time since which no master has been there.
    alone_since: Option<Instant>,
    reconciliation: Reconciliation,
    /// The time of the next check whether the batch is stalled.
    next_stall_check: Option<Instant>,
    elected: bool,
    /// The error for a master that does not answer.
    no_answer: Option<Error>,
    framework: Option<v1::FrameworkId>,
    leader: Option<Address>,
    lost: Option<Error>,
    interrupted: Option<i32>,
    killing: bool,
}

/// Runs all tasks of the plan until they are over, then removes the framework.
///
/// # Errors
///
/// Fails if the master refuses the framework, or if there is no master at the start.
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
            master_timeout: options.master_timeout,
            alone_since: None,
            reconciliation: Reconciliation::default(),
            next_stall_check: None,
            elected: options.master.starts_with("zk://"),
            no_answer: options.master.parse().ok().map(Error::Timeout),
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
    /// The master refuses the framework, there was none to begin with, or there was none for too long.
    pub async fn run(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        // A master that was never there means a mistake in the address; one that is being elected will appear.
        let (first, elected) = (Instant::now(), self.elected);
        let passes = |error: &Error| error.is_transient() && (elected || !matches!(error, Error::Connect { .. }));
        while !self.plan.is_over() && self.interrupted.is_none() {
            observer.changed(&self.plan);
            let gives_up = match self.framework {
                None => Some(first + FAILOVER_LIMIT),
                Some(_) => self.alone_since.zip(self.master_timeout).and_then(|(since, most)| since.checked_add(most)),
            };
            tokio::select! {
                event = self.driver.next() => match event? {
                    DriverEvent::Disconnected { error, .. }
                        if self.framework.is_none() && !(first.elapsed() < FAILOVER_LIMIT && passes(&error)) =>
                    {
                        return Err(error);
                    }
                    event => self.handle_event(event, observer).await?,
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
                () = until(self.next_stall_check) => {
                    self.next_stall_check = Some(Instant::now() + STALL_CHECK_INTERVAL);
                    if let Some(stalled) = self.stalled() {
                        observer.stalled(stalled);
                    }
                }
                () = until(gives_up) => {
                    return Err(self.lost.take().or(self.no_answer.take()).unwrap_or(Error::NoLeader));
                }
                signal = self.cancel.next() => self.interrupted = Some(signal),
            }
        }
        observer.changed(&self.plan);
        observer.finished();
        Ok(())
    }

    async fn handle_event(&mut self, event: DriverEvent, observer: &mut dyn Observer) -> Result<(), Error> {
        match event {
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
                (self.lost, self.alone_since) = (None, None);
                self.next_stall_check = Some(Instant::now() + STALL_CHECK_FIRST);
                self.framework = Some(framework);
                self.leader = Some(master);
            }
            DriverEvent::Event(event) => {
                if let Some(scheduler) = self.driver.scheduler() {
                    handle(scheduler, &mut self.plan, &mut self.reconciliation, *event, observer).await?;
                }
            }
            DriverEvent::Disconnected { error, retry_in } => {
                // The first attempt follows at once, and usually succeeds.
                if self.lost.is_some() {
                    observer.lost(&error, retry_in);
                }
                self.reconciliation = Reconciliation::default();
                self.lost = Some(error);
                self.alone_since.get_or_insert_with(Instant::now);
            }
        }
        Ok(())
    }

    /// Returns the demand of the batch if tasks wait and none runs whose end could free resources for them.
    fn stalled(&self) -> Option<Stalled> {
        let demand = self.plan.demand()?;
        let stalled = || Some(Stalled { master: self.leader.clone()?, framework: self.framework.clone()?, demand });
        if self.plan.live().is_empty() && self.driver.scheduler().is_some() { stalled() } else { None }
    }

    /// Returns whether a signal has ended the batch.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// Waits for the next signal. Its number also becomes that of the outcome.
    pub async fn cancelled(&mut self) {
        self.interrupted = Some(self.cancel.next().await);
    }

    /// Removes the framework together with everything that still runs.
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
        observer.received(&update.status);
        if plan.update(&update.status, now()) {
            observer.updated(&update.status);
        }
        // If the acknowledgement does not arrive, the update is sent again.
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
        let (offers, tasks) = (vec![placement.offer], placement.tasks.clone());
        let launched = match placement.pod {
            Some(executor) => scheduler.launch_group(offers, executor, tasks).await,
            None => scheduler.launch(offers, tasks).await,
        };
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

/// Ignores transient errors. A master that ends during a call closes the event stream, and the next master is then
/// used.
fn ignore_transient(result: Result<(), Error>) -> Result<(), Error> {
    result.or_else(|error| if error.is_transient() { Ok(()) } else { Err(error) })
}

/// Reconciliation of tasks of which updates may have been missed. It is repeated until every task was answered.
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
