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

#[derive(Debug, Clone)]
pub struct Options {
    pub master: Address,
    pub framework: v1::FrameworkInfo,
    /// Kill what runs after this time.
    pub kill_after: Option<Duration>,
}

/// How the batch ended.
#[derive(Debug)]
pub struct Outcome {
    pub plan: Plan,
    pub framework: v1::FrameworkId,
    /// Ended by Ctrl-C or SIGTERM.
    pub interrupted: bool,
}

/// Runs all tasks of the plan to their end, then removes the framework.
pub async fn drive(options: Options, mut plan: Plan, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    let mut info = options.framework;
    info.failover_timeout.get_or_insert(FAILOVER_TIMEOUT);
    let mut driver = Driver::new([options.master], info);
    let mut deadline = options.kill_after.map(|after| Instant::now() + after);
    let mut framework = None;
    let mut interrupted = false;
    while !plan.is_over() {
        observer.changed(&plan);
        tokio::select! {
            notice = driver.next() => match notice? {
                Notice::Subscribed { framework: id, .. } => {
                    if framework.is_none() {
                        observer.subscribed(&id);
                    } else if let Some(scheduler) = driver.scheduler() {
                        reconcile(scheduler, &plan).await?;
                    }
                    framework = Some(id);
                }
                Notice::Event(event) => {
                    if let Some(scheduler) = driver.scheduler() {
                        handle(scheduler, &mut plan, *event, observer).await?;
                    }
                }
                // A master that was never there is a mistake in the address; one that was may come back.
                Notice::Lost { error, .. } if framework.is_none() => return Err(error),
                Notice::Lost { error, retry_in } => eprintln!("{error}; trying again in {retry_in:?}"),
            },
            () = until(deadline) => {
                deadline = None;
                if let Some(scheduler) = driver.scheduler() {
                    for task in plan.live() {
                        scheduler.kill(task).await?;
                    }
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
    if let Some(scheduler) = driver.scheduler() {
        scheduler.teardown().await?;
    }
    Ok(Outcome { plan, framework: framework.unwrap_or_default(), interrupted })
}

async fn handle(
    scheduler: &Scheduler,
    plan: &mut Plan,
    event: Event,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    if let Some(offers) = event.offers {
        answer_offers(scheduler, plan, &offers.offers, observer).await?;
    }
    if let Some(update) = event.update {
        if plan.update(&update.status, now()) {
            observer.updated(&update.status);
        }
        scheduler.acknowledge(&update.status).await?;
    }
    Ok(())
}

async fn answer_offers(
    scheduler: &Scheduler,
    plan: &mut Plan,
    offers: &[v1::Offer],
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    for placement in plan.place(offers, now()) {
        if placement.tasks.is_empty() {
            let filters = v1::Filters { refuse_seconds: Some(REFUSE_SECONDS) };
            scheduler.decline(vec![placement.offer], Some(filters)).await?;
        } else {
            observer.launched(&placement.tasks);
            scheduler.launch(vec![placement.offer], placement.tasks).await?;
        }
    }
    if !plan.has_waiting() {
        scheduler.suppress().await?;
    }
    Ok(())
}

/// Asks for what may have been missed while the connection was down.
async fn reconcile(scheduler: &Scheduler, plan: &Plan) -> Result<(), Error> {
    let tasks = plan.live().into_iter().map(|task_id| call::reconcile::Task { task_id, agent_id: None });
    scheduler.reconcile(tasks.collect()).await
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
