//! `load reads`: measures what reads of a large cluster cost its master, and how much memory tasks take.

use std::time::Duration;

use messages::v1::master::{Call, call};

use crate::cli::{Reads, Target};
use crate::meter::{Cost, megabytes};
use crate::readers::{Request, read_each};
use crate::report::Report;
use crate::run::{announce, in_background};
use crate::session::{RunError, Session};

/// The time for which pings are measured without reads. It is long enough for a precise figure.
const IDLE: Duration = Duration::from_secs(5);

/// Runs `load reads`.
///
/// # Errors
/// Returns [`RunError`] if the connection is lost, the master refuses the framework, or a phase does not end in time.
pub async fn run(options: &Reads, target: Target) -> Result<Report, RunError> {
    let mut report = Report::new(target.address.to_string());
    let mut session = Session::open(target, Duration::from_secs(options.masters.timeout)).await?;
    tasks(options, &mut session, &mut report).await?;

    // Work that the earlier phases left behind does not count as a read.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let meter = session.meter()?;
    tokio::time::sleep(IDLE).await;
    let idle = meter.stop()?;
    const PHASE: &str = "reads, without what the master does meanwhile";
    announce(&report, PHASE);
    for (name, request) in requests() {
        for (which, times) in [("the first", 1), ("the next", options.times)] {
            let (address, request) = (target.address, request.clone());
            let meter = session.meter()?;
            let bytes = in_background(move || read_each(address, &request, times)).await?;
            let cost = meter.stop()?;
            report.add(PHASE, format!("{name}, {which}: master cpu"), "ms", per_read(cost, idle, times));
            if times == options.times {
                report.add(PHASE, format!("{name}: size"), "MB", Some(megabytes(bytes as u64)));
            }
        }
    }
    report.add(PHASE, "master resident", "MB", session.meter()?.stop()?.resident.map(megabytes));
    session.close().await?;
    Ok(report)
}

async fn tasks(options: &Reads, session: &mut Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "agents and tasks";
    announce(report, PHASE);
    session.register(options.agents).await?;
    session.subscribe(options.tasks_per_offer).await?;
    session.all_offered().await?;
    report.add(PHASE, "agents", "count", Some(options.agents as f64));
    report.add(PHASE, "tasks of each kind", "count", Some(options.tasks as f64));
    let empty = session.meter()?.stop()?.resident;
    report.add(PHASE, "resident before the first task", "MB", empty.map(megabytes));

    let meter = session.meter()?;
    session.launch(options.tasks).await?;
    session.all_done().await?;
    let ended = meter.stop()?;
    let per_task = |cpu: Duration| cpu.as_secs_f64() * 1e3 / options.tasks.max(1) as f64;
    report.add(PHASE, "a task that ends: master cpu", "ms", ended.cpu.map(per_task));
    report.add(PHASE, "a task that ends: resident", "kB", growth(empty, ended.resident, options.tasks));

    session.fleet.lock().set_tasks_endless();
    let meter = session.meter()?;
    session.launch(options.tasks).await?;
    session.all_running(options.tasks).await?;
    let live = meter.stop()?;
    report.add(PHASE, "a task that runs: master cpu", "ms", live.cpu.map(per_task));
    report.add(PHASE, "a task that runs: resident", "kB", growth(ended.resident, live.resident, options.tasks));
    Ok(())
}

/// Returns the kilobytes by which the master has grown for each task.
fn growth(before: Option<u64>, after: Option<u64>, tasks: usize) -> Option<f64> {
    Some((after? as f64 - before? as f64) / 1e3 / tasks.max(1) as f64)
}

fn per_read(cost: Cost, idle: Cost, times: usize) -> Option<f64> {
    let meanwhile = idle.cpu?.as_secs_f64() / idle.wall.as_secs_f64() * cost.wall.as_secs_f64();
    Some((cost.cpu?.as_secs_f64() - meanwhile) * 1e3 / times.max(1) as f64)
}

/// Returns the requests with their names. `GET_METRICS` has the same figures as `/metrics/snapshot`, which masters
/// answer twice a second.
fn requests() -> Vec<(String, Request)> {
    const CALLS: [call::Type; 6] = [
        call::Type::GetState,
        call::Type::GetAgents,
        call::Type::GetTasks,
        call::Type::GetFrameworks,
        call::Type::GetExecutors,
        call::Type::GetMetrics,
    ];
    let mut requests = vec![("/state".to_owned(), Request::Get("/state"))];
    for kind in CALLS {
        // GET_METRICS is the only one of these calls whose member must be set.
        let get_metrics = (kind == call::Type::GetMetrics).then(Box::default);
        let body = wire::encode(&Call { r#type: Some(kind as i32), get_metrics, ..Call::default() });
        for (encoding, media_type) in [("protobuf", "application/x-protobuf"), ("JSON", "application/json")] {
            let name = format!("{} as {encoding}", kind.as_str_name());
            requests.push((name, Request::Call { body: body.clone(), media_type }));
        }
    }
    requests
}
