//! `load failover`: a master is killed and started again, and all its agents re-register with their tasks.

use std::net::SocketAddrV4;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::{Failover, Target};
use crate::meter::Meter;
use crate::readers::get;
use crate::report::Report;
use crate::run::{announce, in_background};
use crate::session::{RunError, Session};

/// The interval of checks whether a master leads.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Runs `load failover`.
///
/// # Errors
/// Returns [`RunError`] if the connection is lost, the master refuses the framework, or a phase does not end in time.
pub async fn run(options: &Failover) -> Result<Report, RunError> {
    let limit = Duration::from_secs(options.timeout);
    let mut report = Report::new(options.master.to_string());
    let tasks = options.agents * options.tasks_per_agent;

    announce(&report, "a master, its agents and their tasks");
    let first = Master::start(options)?;
    leads(options.master, limit).await?;
    let target = Target { address: options.master, pid: Some(first.0.id()) };
    let mut session = Session::open(target, limit).await?;
    session.fleet.lock().set_tasks_endless();
    session.register(options.agents).await?;
    session.subscribe(options.tasks_per_agent.max(1)).await?;
    session.all_offered().await?;
    session.launch(tasks).await?;
    session.all_running(tasks).await?;

    const PHASE: &str = "the next master";
    announce(&report, PHASE);
    drop(first);
    let begin = Instant::now();
    let second = Master::start(options)?;
    let meter = Meter::start(Some(second.0.id()))?;
    leads(options.master, limit).await?;
    let leading = begin.elapsed();
    session.reregister().await?;
    let back = begin.elapsed();
    let cost = meter.stop()?;
    report.add(PHASE, "agents", "count", Some(options.agents as f64));
    report.add(PHASE, "tasks it knows of", "count", running(options.master).await?);
    report.add(PHASE, "from its start until it leads", "s", Some(leading.as_secs_f64()));
    report.add(PHASE, "from its start until all agents are back", "s", Some(back.as_secs_f64()));
    cost.report(PHASE, &mut report);
    Ok(report)
}

/// A master process, which is killed when dropped.
struct Master(Child);

impl Master {
    fn start(options: &Failover) -> std::io::Result<Self> {
        let mut words = options.command.iter();
        let program = words.next().map(String::as_str).unwrap_or_default();
        Command::new(program).args(words).stdout(Stdio::null()).spawn().map(Master)
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the master leads. Before that, a master of Mesos refuses this request or redirects it.
async fn leads(master: SocketAddrV4, limit: Duration) -> Result<(), RunError> {
    let begin = Instant::now();
    while in_background(move || get(master, "/slaves")).await.is_err() {
        if begin.elapsed() > limit {
            return Err(RunError::NoLeader(master, limit));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

async fn running(master: SocketAddrV4) -> Result<Option<f64>, RunError> {
    let metrics = in_background(move || get(master, "/metrics/snapshot")).await?;
    let metrics: serde_json::Value = serde_json::from_slice(&metrics)?;
    Ok(metrics.get("master/tasks_running").and_then(serde_json::Value::as_f64))
}
