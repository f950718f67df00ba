//! The framework's loop: subscribe, place, acknowledge, and come back after a lost connection.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::{Address, Error, Events, Scheduler};
use messages::v1;
use messages::v1::scheduler::{Call, Event, call};

use super::observer::Observer;
use super::plan::Plan;

/// How long the master keeps the tasks when this scheduler loses its connection.
const FAILOVER_TIMEOUT: f64 = 60.0;
/// Between attempts to come back.
const RETRY: Duration = Duration::from_secs(1);
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
    /// Ended by Ctrl-C, SIGTERM or `kill_after`.
    pub interrupted: bool,
}

/// Runs all tasks of the plan to their end, then removes the framework.
pub async fn drive(options: Options, mut plan: Plan, observer: &mut dyn Observer) -> Result<Outcome, Error> {
    let mut info = options.framework.clone();
    info.failover_timeout.get_or_insert(FAILOVER_TIMEOUT);
    let deadline = options.kill_after.map(|after| Instant::now() + after);
    let (mut scheduler, mut events) = Scheduler::subscribe(&options.master, info.clone()).await?;
    info.id = Some(scheduler.framework_id().clone());
    observer.subscribed(scheduler.framework_id());
    let mut interrupted = false;
    while !plan.is_over() {
        observer.changed(&plan);
        tokio::select! {
            event = events.next() => match event {
                Ok(Some(event)) => handle(&scheduler, &mut plan, event, observer).await?,
                Ok(None) | Err(Error::Transport { .. }) => {
                    (scheduler, events) = reconnect(&options.master, &info, &plan).await?;
                }
                Err(error) => return Err(error),
            },
            () = stop(deadline) => {
                interrupted = true;
                break;
            }
        }
    }
    observer.changed(&plan);
    observer.finished();
    let framework = scheduler.framework_id().clone();
    scheduler.teardown().await?;
    Ok(Outcome { plan, framework, interrupted })
}

async fn handle(
    scheduler: &Scheduler,
    plan: &mut Plan,
    event: Event,
    observer: &mut dyn Observer,
) -> Result<(), Error> {
    if let Some(error) = event.error {
        return Err(Error::Refused(error.message));
    }
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

async fn reconnect(
    master: &Address,
    info: &v1::FrameworkInfo,
    plan: &Plan,
) -> Result<(Scheduler, Events<Event>), Error> {
    let give_up = Instant::now() + Duration::from_secs_f64(FAILOVER_TIMEOUT);
    loop {
        match Scheduler::subscribe(master, info.clone()).await {
            Ok((scheduler, events)) => {
                let tasks = plan.live().into_iter().map(|task_id| call::reconcile::Task { task_id, agent_id: None });
                let reconcile = call::Reconcile { tasks: tasks.collect() };
                scheduler
                    .call(Call {
                        r#type: Some(call::Type::Reconcile.into()),
                        reconcile: Some(Box::new(reconcile)),
                        ..Default::default()
                    })
                    .await?;
                return Ok((scheduler, events));
            }
            Err(error) if error.is_transient() && Instant::now() < give_up => {
                eprintln!("lost the master ({error}), trying again");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Resolves at the deadline, on Ctrl-C or on SIGTERM.
async fn stop(deadline: Option<Instant>) {
    let timeout = async {
        match deadline {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = timeout => {}
        () = crate::signals::terminate() => {}
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
