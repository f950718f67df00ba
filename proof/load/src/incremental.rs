//! `load incremental`: what one more agent and one more task cost in a small and in a large cluster.

use std::time::Duration;

use crate::cli::{Incremental, Target};
use crate::meter::Cost;
use crate::report::Report;
use crate::session::{RunError, Session};

const GROWTH: usize = 10;

/// Runs `load incremental`.
///
/// # Errors
/// Returns [`RunError`] if the connection is lost, the master refuses the framework, or a phase does not end in time.
pub async fn run(options: &Incremental, target: Target) -> Result<Report, RunError> {
    let mut report = Report::new(target.address.to_string());
    let mut session = Session::open(target, Duration::from_secs(options.masters.timeout)).await?;
    session.register(options.agents).await?;
    session.subscribe(1).await?;
    session.all_offered().await?;
    let small = measure(options.step, &mut session).await?;

    let size = session.fleet.lock().len();
    session.register((options.agents * GROWTH).saturating_sub(size)).await?;
    session.all_offered().await?;
    let large = measure(options.step, &mut session).await?;
    session.close().await?;

    let step = options.step.max(1) as f64;
    for (phase, small, large) in
        [("one more agent", small.agents, large.agents), ("one more task", small.tasks, large.tasks)]
    {
        let wall = |cost: Cost| Some(cost.wall.as_secs_f64() * 1e3 / step);
        let cpu = |cost: Cost| cost.cpu.map(|cpu| cpu.as_secs_f64() * 1e3 / step);
        for (what, cost) in
            [(format!("{} agents", options.agents), small), (format!("{}", options.agents * GROWTH), large)]
        {
            report.add(phase, format!("wall, among {what}"), "ms", wall(cost));
            report.add(phase, format!("master cpu, among {what}"), "ms", cpu(cost));
        }
        let ratio = |small: Option<f64>, large: Option<f64>| Some(large? / small.filter(|value| *value > 0.0)?);
        report.add(phase, "wall, large to small", "times", ratio(wall(small), wall(large)));
        report.add(phase, "master cpu, large to small", "times", ratio(cpu(small), cpu(large)));
    }
    Ok(report)
}

struct Costs {
    agents: Cost,
    tasks: Cost,
}

async fn measure(step: usize, session: &mut Session) -> Result<Costs, RunError> {
    let meter = session.meter()?;
    session.register(step).await?;
    session.all_offered().await?;
    let agents = meter.stop()?;
    let meter = session.meter()?;
    session.launch(step).await?;
    session.all_done().await?;
    Ok(Costs { agents, tasks: meter.stop()? })
}
