//! The framework's loop: place, acknowledge, and go on after a lost connection.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::{Address, Driver, Error, Notice, Scheduler};
use messages::v1;
use messages::v1::scheduler::{Event, call};

use super::observer::Observer;
use super::plan::Plan;

/// How long the master keeps the tasks when this scheduler loses its connection.
const FAILOVER_TIMEOUT: f64 = 60.0;
/// Offers that fit no waiting task are of no use for a while; something may free up on the same agent.
const REFUSE_SECONDS: f64 = 2.0;
/// The longest an election and the recovery of the elected master take, with the session timeouts that people use.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often to ask for tasks of which nothing is heard: right after a failover a master says nothing about those whose
/// agent is not back yet.
const ASK_FIRST: Duration = Duration::from_secs(1);
const ASK_MOST: Duration = Duration::from_secs(30);

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
    pub untold: Option<Error>,
}

/// Runs all tasks of the plan to their end, then removes the framework.
pub async fn drive(options: Options, mut plan: Plan, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    let mut info = options.framework;
    info.failover_timeout.get_or_insert(FAILOVER_TIMEOUT);
    let mut driver = Driver::at(&options.master, info)?;
    let mut deadline = options.kill_after.map(|after| Instant::now() + after);
    let mut inquiry = Inquiry::default();
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
                Notice::Subscribed { framework: id, master } => {
                    if framework.is_none() {
                        observer.subscribed(&id);
                    } else {
                        plan.doubt_live();
                        inquiry.begin();
                    }
                    if let (true, Some(scheduler)) = (killing, driver.scheduler()) {
                        kill(scheduler, &plan).await?;
                    }
                    framework = Some(id);
                    leader = Some(master);
                }
                Notice::Event(event) => {
                    if let Some(scheduler) = driver.scheduler() {
                        handle(scheduler, &mut plan, &mut inquiry, *event, observer).await?;
                    }
                }
                Notice::Lost { error, .. } if framework.is_none() && !(first.elapsed() < PATIENCE && passes(&error)) => {
                    return Err(error);
                }
                Notice::Lost { error, retry_in } => {
                    eprintln!("{error}; trying again in {retry_in:?}");
                    inquiry = Inquiry::default();
                    lost = Some(error);
                }
            },
            () = until(inquiry.due) => {
                if let Some(scheduler) = driver.scheduler() {
                    inquiry.ask(scheduler, &plan).await?;
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
    let untold = match driver.scheduler() {
        Some(scheduler) => scheduler.teardown().await.err(),
        None => lost,
    };
    Ok(Outcome { plan, framework: framework.unwrap_or_default(), master: leader, interrupted, untold })
}

async fn handle(
    scheduler: &Scheduler,
    plan: &mut Plan,
    inquiry: &mut Inquiry,
    event: Event,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    if let Some(offers) = event.offers {
        answer_offers(scheduler, plan, inquiry, &offers.offers, observer).await?;
    }
    if let Some(update) = event.update {
        if plan.update(&update.status, now()) {
            observer.updated(&update.status);
        }
        // One that does not arrive brings the update again.
        forgiving(scheduler.acknowledge(&update.status).await)?;
    }
    Ok(())
}

async fn answer_offers(
    scheduler: &Scheduler,
    plan: &mut Plan,
    inquiry: &mut Inquiry,
    offers: &[v1::Offer],
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    for placement in plan.place(offers, now()) {
        if placement.tasks.is_empty() {
            let filters = v1::Filters { refuse_seconds: Some(REFUSE_SECONDS) };
            forgiving(scheduler.decline(vec![placement.offer], Some(filters)).await)?;
            continue;
        }
        observer.launched(&placement.tasks);
        let launched = scheduler.launch(vec![placement.offer], placement.tasks.clone()).await;
        if launched.is_err() {
            plan.doubt(&placement.tasks);
            inquiry.begin();
        }
        forgiving(launched)?;
    }
    if !plan.has_waiting() {
        forgiving(scheduler.suppress().await)?;
    }
    Ok(())
}

async fn kill(scheduler: &Scheduler, plan: &Plan) -> Result<(), Error> {
    for task in plan.live() {
        forgiving(scheduler.kill(task).await)?;
    }
    Ok(())
}

/// A master that ends in the middle of a call is no reason to end: the stream of events tells, and its successor is asked.
fn forgiving(result: Result<(), Error>) -> Result<(), Error> {
    result.or_else(|error| if error.is_transient() { Ok(()) } else { Err(error) })
}

/// Asking for what may have been missed, again and again until it has been told.
#[derive(Debug, Default)]
struct Inquiry {
    due: Option<Instant>,
    pause: Duration,
}

impl Inquiry {
    fn begin(&mut self) {
        *self = Inquiry { due: Some(Instant::now()), pause: ASK_FIRST };
    }

    async fn ask(&mut self, scheduler: &Scheduler, plan: &Plan) -> Result<(), Error> {
        let tasks = plan.doubtful();
        if tasks.is_empty() {
            self.due = None;
            return Ok(());
        }
        self.due = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(ASK_MOST);
        let tasks = tasks.into_iter().map(|(task_id, agent_id)| call::reconcile::Task { task_id, agent_id });
        forgiving(scheduler.reconcile(tasks.collect()).await)
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
