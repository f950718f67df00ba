//! The phases of `load run`.

use std::time::{Duration, Instant};

use crate::cli::{Run, Target};
use crate::meter::{megabytes, milliseconds};
use crate::readers::{Reads, read_state, read_state_together};
use crate::report::Report;
use crate::scheduler::Measurements;
use crate::session::{RunError, Session};
use crate::stats::Sample;

/// The name of the figure that puts the latencies of the master into perspective.
const OWN_DELAY: &str = "generator itself woken late";

/// The time for which tasks are launched without readers, for comparison.
const ALONE: Duration = Duration::from_secs(3);

/// Runs `load run`.
///
/// # Errors
/// Returns [`RunError`] if the connection is lost, the master refuses the framework, or a phase does not end in time.
pub async fn run(options: &Run, target: Target) -> Result<Report, RunError> {
    let mut report = Report::new(target.address.to_string());
    let mut session = Session::open(target, Duration::from_secs(options.masters.timeout)).await?;
    register(options, &session, &mut report).await?;
    offers(options, &mut session, &mut report).await?;
    tasks(options, &mut session, &mut report).await?;
    state(options, &session, &mut report).await?;
    if options.state_clients > 0 {
        contention(options, &mut session, &mut report).await?;
    }
    idle(options, &session, &mut report).await?;
    session.close().await?;
    Ok(report)
}

async fn register(options: &Run, session: &Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "1. agents register";
    announce(report, PHASE);
    let meter = session.meter()?;
    session.register(options.agents).await?;
    let cost = meter.stop()?;
    report.add(PHASE, "agents", "count", Some(options.agents as f64));
    cost.report(PHASE, report);
    Ok(())
}

async fn offers(options: &Run, session: &mut Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "2. a scheduler is offered every agent";
    announce(report, PHASE);
    let meter = session.meter()?;
    session.subscribe(options.tasks_per_offer).await?;
    session.all_offered().await?;
    meter.stop()?.report(PHASE, report);
    Ok(())
}

async fn tasks(options: &Run, session: &mut Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "3. tasks: accepted, running, finished, acknowledged";
    announce(report, PHASE);
    let meter = session.meter()?;
    session.launch(options.tasks).await?;
    session.all_done().await?;
    let cost = meter.stop()?;
    let measured = session.scheduler()?.0.lock().take_measurements();
    report.add(PHASE, "tasks", "count", Some(options.tasks as f64));
    report.add(PHASE, "rate", "tasks/s", Some(options.tasks as f64 / cost.wall.as_secs_f64()));
    cost.report(PHASE, report);
    task_latencies(PHASE, &measured, report);
    failures(PHASE, &measured, report);
    Ok(())
}

async fn state(options: &Run, session: &Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "4. /state, one client";
    announce(report, PHASE);
    let (address, times) = (session.target.address, options.state_reads);
    let meter = session.meter()?;
    let reads = in_background(move || read_state(address, |count| count >= times)).await?;
    let cost = meter.stop()?;
    report.add(PHASE, "median", "ms", milliseconds(reads.durations.median()));
    let per_read = cost.cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / times.max(1) as f64);
    report.add(PHASE, "master cpu per read", "ms", per_read);
    report.add(PHASE, "size", "MB", Some(megabytes(reads.bytes as u64)));
    report.add(PHASE, "master resident", "MB", cost.resident.map(megabytes));
    Ok(())
}

async fn contention(options: &Run, session: &mut Session, report: &mut Report) -> Result<(), RunError> {
    const ALONE_PHASE: &str = "5a. tasks at a fixed rate, no readers";
    announce(report, ALONE_PHASE);
    let until = Instant::now() + ALONE;
    let late = paced(options.rate, session, || Instant::now() >= until).await?;
    session.all_done().await?;
    let measured = session.scheduler()?.0.lock().take_measurements();
    report.add(ALONE_PHASE, "rate", "tasks/s", Some(options.rate as f64));
    call_latencies(ALONE_PHASE, &measured, report);
    latencies(ALONE_PHASE, OWN_DELAY, &late, report);
    task_latencies(ALONE_PHASE, &measured, report);
    failures(ALONE_PHASE, &measured, report);

    const PHASE: &str = "5b. the same while clients read /state";
    announce(report, PHASE);
    let (address, clients) = (session.target.address, options.state_clients);
    let duration = Duration::from_secs(options.client_seconds);
    let mut meter = session.meter()?;
    let readers = tokio::task::spawn_blocking(move || read_state_together(address, clients, duration));
    let late = paced(options.rate, session, || {
        meter.sample_memory();
        readers.is_finished()
    })
    .await?;
    let reads = readers.await.map_err(std::io::Error::other)??;
    session.all_done().await?;
    let cost = meter.stop()?;
    let measured = session.scheduler()?.0.lock().take_measurements();
    report.add(PHASE, "clients", "count", Some(clients as f64));
    let count = reads.iter().map(|reads| reads.durations.iter().count()).sum::<usize>();
    report.add(PHASE, "reads", "count", Some(count as f64));
    state_latencies(PHASE, &reads, report);
    cost.report(PHASE, report);
    report.add(PHASE, "master resident, peak", "MB", cost.peak.map(megabytes));
    call_latencies(PHASE, &measured, report);
    latencies(PHASE, OWN_DELAY, &late, report);
    task_latencies(PHASE, &measured, report);
    failures(PHASE, &measured, report);
    Ok(())
}

async fn idle(options: &Run, session: &Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "6. idle";
    announce(report, PHASE);
    // Work that the earlier phases left behind does not count as idle.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = session.fleet.lock().progress().pings;
    let meter = session.meter()?;
    tokio::time::sleep(Duration::from_secs(options.idle_seconds)).await;
    let cost = meter.stop()?;
    let seconds = cost.wall.as_secs_f64();
    report.add(PHASE, "master cpu", "% of a core", cost.cpu.map(|cpu| cpu.as_secs_f64() / seconds * 100.0));
    let pings = session.fleet.lock().progress().pings - before;
    report.add(PHASE, "pings", "per s", Some(pings as f64 / seconds));
    report.add(PHASE, "master resident", "MB", cost.resident.map(megabytes));
    Ok(())
}

/// Writes the current phase to standard error, since a run takes minutes and standard output is for the report.
pub fn announce(report: &Report, phase: &str) {
    eprintln!("load: {}: {phase}", report.master);
}

/// Launches tasks at a rate until `enough` returns true. Returns how late the generator itself woke up each time; its
/// latency figures contain delays of that size for which no master is responsible.
///
/// # Errors
/// Returns [`RunError`] if the connection is lost.
pub async fn paced(rate: usize, session: &mut Session, mut enough: impl FnMut() -> bool) -> Result<Sample, RunError> {
    let begin = Instant::now();
    let mut launched = 0;
    let mut late = Sample::default();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while !enough() {
        let due_at = tick.tick().await.into_std();
        late.add(due_at.elapsed());
        let due = (begin.elapsed().as_secs_f64() * rate as f64) as usize;
        if due > launched {
            session.launch(due - launched).await?;
            launched = due;
        }
    }
    Ok(late)
}

/// Runs blocking work on a thread of its own.
///
/// # Errors
/// Returns the error of the work, or that its thread has panicked.
pub async fn in_background<R: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<R> + Send + 'static,
) -> Result<R, RunError> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)??)
}

fn state_latencies(phase: &'static str, reads: &[Reads], report: &mut Report) {
    let mut all = Sample::default();
    for read in reads {
        all.extend(read.durations.iter());
    }
    latencies(phase, "/state", &all, report);
}

fn call_latencies(phase: &'static str, measured: &Measurements, report: &mut Report) {
    latencies(phase, "scheduler call to response", &measured.calls, report);
}

fn task_latencies(phase: &'static str, measured: &Measurements, report: &mut Report) {
    latencies(phase, "accept to TASK_RUNNING", &measured.running, report);
    latencies(phase, "accept to TASK_FINISHED", &measured.finished, report);
}

pub fn latencies(phase: &'static str, what: &str, sample: &Sample, report: &mut Report) {
    report.add(phase, format!("{what}, median"), "ms", milliseconds(sample.median()));
    report.add(phase, format!("{what}, p99"), "ms", milliseconds(sample.percentile(99)));
    report.add(phase, format!("{what}, max"), "ms", milliseconds(sample.max()));
}

/// Adds the number of failures, if there are any.
fn failures(phase: &'static str, measured: &Measurements, report: &mut Report) {
    let some = |count: usize| (count > 0).then_some(count as f64);
    report.add(phase, "calls refused", "count", some(measured.calls_refused));
    report.add(phase, "tasks failed", "count", some(measured.tasks_failed));
}
