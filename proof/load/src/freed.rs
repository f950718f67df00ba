//! `load freed`: the time until freed resources are offered again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cli::{Freed, Target};
use crate::report::Report;
use crate::run::{announce, latencies, paced};
use crate::session::{Connected, RunError, Session};
use crate::stats::Sample;

/// The time for which offers of the last freed resources are awaited.
const SETTLE: Duration = Duration::from_secs(2);

/// An agent id and the time of an event.
type AgentEvent = (String, Instant);

/// Runs `load freed`.
///
/// # Errors
/// Returns [`RunError`] if the connection is lost, the master refuses the framework, or a phase does not end in time.
pub async fn run(options: &Freed, target: Target) -> Result<Report, RunError> {
    let mut report = Report::new(target.address.to_string());
    announce(&report, "agents register, a scheduler is offered each");
    let mut session = Session::open(target, Duration::from_secs(options.masters.timeout)).await?;
    session.register(options.agents).await?;
    session.subscribe_greedy().await?;
    session.all_offered().await?;
    tasks_end(options, &mut session, &mut report).await?;
    offers_are_declined(options, &session, &mut report).await?;
    session.close().await?;
    Ok(report)
}

async fn tasks_end(options: &Freed, session: &mut Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "1. tasks end";
    announce(report, PHASE);
    let meter = session.meter()?;
    let end = Instant::now() + Duration::from_secs(options.seconds);
    paced(options.rate, session, || Instant::now() >= end).await?;
    session.all_done().await?;
    tokio::time::sleep(SETTLE).await;
    let cost = meter.stop()?;
    let freed = session.fleet.lock().take_freed();
    let offered = session.scheduler()?.0.lock().take_measurements().offered;
    report_latencies(PHASE, &freed, offered, report);
    cost.report(PHASE, report);
    Ok(())
}

async fn offers_are_declined(options: &Freed, session: &Session, report: &mut Report) -> Result<(), RunError> {
    const PHASE: &str = "2. offers are declined";
    announce(report, PHASE);
    let (first, calls) = session.scheduler()?;
    let second: Connected = session.connect_greedy().await?;
    let meter = session.meter()?;
    let begin = Instant::now();
    let mut declined = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while begin.elapsed() < Duration::from_secs(options.seconds) {
        tick.tick().await;
        let due = (begin.elapsed().as_secs_f64() * options.rate as f64) as usize;
        for _ in declined..due {
            // The scheduler that has more offers declines some.
            let (from, calls) = if first.lock().offers() >= second.0.lock().offers() {
                (first, calls)
            } else {
                (&*second.0, &second.1)
            };
            let mut out = Vec::new();
            from.change(|scheduler| scheduler.decline_oldest(1, Instant::now(), &mut out));
            calls.send(out).await.map_err(|_| RunError::Lost)?;
        }
        declined = due;
    }
    tokio::time::sleep(SETTLE).await;
    let cost = meter.stop()?;
    let (mut one, other) = (first.lock().take_measurements(), second.0.lock().take_measurements());
    one.declined_for_others.extend(other.declined_for_others);
    one.offered.extend(other.offered);
    report_latencies(PHASE, &one.declined_for_others, one.offered, report);
    cost.report(PHASE, report);
    let mut out = Vec::new();
    second.0.change(|scheduler| scheduler.teardown(Instant::now(), &mut out));
    second.1.send(out).await.map_err(|_| RunError::Lost)
}

fn report_latencies(phase: &'static str, freed: &[AgentEvent], offered: Vec<AgentEvent>, report: &mut Report) {
    let waits = reoffer_latencies(freed, offered);
    report.add(phase, "agents freed", "count", Some(freed.len() as f64));
    report.add(phase, "never offered again", "count", Some((freed.len() - waits.iter().count()) as f64));
    latencies(phase, "freed to offer", &waits, report);
}

/// Returns the time from each release of an agent's resources to the next offer of the agent.
fn reoffer_latencies(freed: &[AgentEvent], mut offered: Vec<AgentEvent>) -> Sample {
    offered.sort_by_key(|(_, at)| *at);
    let mut offers: HashMap<String, Vec<Instant>> = HashMap::new();
    for (agent, at) in offered {
        offers.entry(agent).or_default().push(at);
    }
    let mut waits = Sample::default();
    for (agent, freed) in freed {
        let next = offers.get(agent).and_then(|offers| offers.iter().find(|offered| *offered >= freed));
        waits.extend(next.map(|offered| offered.duration_since(*freed)));
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_end_with_the_next_offer_of_the_agent() {
        let begin = Instant::now();
        let moments = |list: &[(&str, u64)]| -> Vec<AgentEvent> {
            list.iter().map(|(agent, at)| ((*agent).to_owned(), begin + Duration::from_millis(*at))).collect()
        };
        let check = |freed: &[(&str, u64)], offered: &[(&str, u64)], expect: &[u64]| {
            let waits: Vec<_> = reoffer_latencies(&moments(freed), moments(offered)).iter().collect();
            let expect: Vec<_> = expect.iter().copied().map(Duration::from_millis).collect();
            assert_eq!(waits, expect, "{freed:?} {offered:?}");
        };
        check(&[("a", 5)], &[("a", 7)], &[2]);
        check(&[("a", 5)], &[("b", 7), ("a", 4)], &[]);
        check(&[("a", 5), ("b", 5), ("a", 9)], &[("a", 19), ("a", 8), ("b", 6)], &[3, 1, 10]);
    }
}
