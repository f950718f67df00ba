//! The framework's loop: place, acknowledge, and go on after a lost connection.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::{Address, Driver, DriverEvent, Error, Scheduler};
use messages::v1;
use messages::v1::scheduler::{Event, call};

use super::observer::Observer;
use super::plan::Plan;

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
    /// Ended by Ctrl-C or SIGTERM.
    pub interrupted: bool,
    /// Why the master could not be told that the framework is over.
    pub teardown_error: Option<Error>,
}

/// Runs all tasks of the plan to their end, then removes the framework.
pub async fn run_batch(options: Options, mut plan: Plan, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    let mut info = options.framework;
    info.failover_timeout.get_or_insert(FAILOVER_TIMEOUT);
    let mut driver = Driver::at(&options.master, info)?;
    let mut deadline = options.kill_after.map(|after| Instant::now() + after);
    let mut reconciliation = Reconciliation::default();
    // A master that was never there is a mistake in the address; one that is being elected comes.
    let (first, elected) = (Instant::now(), options.master.starts_with("zk://"));
    let passes = |error: &Error| error.is_transient() && (elected || !matches!(error, Error::Connect { .. }));
    let mut framework = None;
    let mut leader = None;
    let mut lost = None;
    let mut interrupted = false;
    let mut killing = false;
    while !plan.is_over() {
        observer.changed(&plan);
        tokio::select! {
            notice = driver.next() => match notice? {
                DriverEvent::Subscribed { framework: id, master } => {
                    if framework.is_none() {
                        observer.subscribed(&id);
                    } else {
                        plan.reconcile_live();
                        reconciliation.begin();
                    }
                    if let (true, Some(scheduler)) = (killing, driver.scheduler()) {
                        kill(scheduler, &plan).await?;
                    }
                    framework = Some(id);
                    leader = Some(master);
                }
                DriverEvent::Event(event) => {
                    if let Some(scheduler) = driver.scheduler() {
                        handle(scheduler, &mut plan, &mut reconciliation, *event, observer).await?;
                    }
                }
                DriverEvent::Disconnected { error, .. } if framework.is_none() && !(first.elapsed() < FAILOVER_LIMIT && passes(&error)) => {
                    return Err(error);
                }
                DriverEvent::Disconnected { error, retry_in } => {
                    eprintln!("{error}; trying again in {retry_in:?}");
                    reconciliation = Reconciliation::default();
                    lost = Some(error);
                }
            },
            () = until(reconciliation.due) => {
                if let Some(scheduler) = driver.scheduler() {
                    reconciliation.ask(scheduler, &plan).await?;
                }
            }
            () = until(deadline) => {
                deadline = None;
                killing = true;
                if let Some(scheduler) = driver.scheduler() {
                    kill(scheduler, &plan).await?;
                }
            }
            () = crate::signals::terminate() => {
                interrupted = true;
                break;
            }
        }
    }
    observer.changed(&plan);
    observer.finished();
    let teardown_error = match driver.scheduler() {
        Some(scheduler) => scheduler.teardown().await.err(),
        None => lost,
    };
    Ok(Outcome { plan, framework: framework.unwrap_or_default(), master: leader, interrupted, teardown_error })
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
