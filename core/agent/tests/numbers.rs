//! Extreme numbers in the messages of a master: they neither terminate an agent nor keep it busy. Tepui's masters
//! refuse most of them; Mesos' masters accept more.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod scenario;

use std::time::Duration;

use messages::{internal, v1};
use scenario::*;

const SECONDS: [f64; 8] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e-320, 1e19, 1e308];
const NANOSECONDS: [i64; 5] = [0, -1, 1, i64::MIN, i64::MAX];
/// The timers of an hour: pings that do not come, retries and heartbeats.
const MAX_TIMERS: usize = 5_000;

/// Lets an hour pass and counts its effects.
fn an_hour_passes(scenario: &mut Scenario, what: &str) {
    let end = scenario.now().monotonic + Duration::from_secs(3600);
    for _ in 0..MAX_TIMERS {
        let next = scenario.next_timer();
        match next {
            Some((timer, at)) if at <= end => drop(scenario.fires(timer).take_log()),
            _ => return,
        }
    }
    panic!("{what} keeps the agent busy");
}

fn duration(nanoseconds: i64) -> Option<v1::DurationInfo> {
    Some(v1::DurationInfo { nanoseconds })
}

fn kill_policy(nanoseconds: i64) -> Option<Box<v1::KillPolicy>> {
    Some(Box::new(v1::KillPolicy { grace_period: duration(nanoseconds) }))
}

#[test]
fn invalid_seconds_are_tolerated() {
    for seconds in SECONDS {
        let mut scenario = Scenario::new();
        scenario.master_is(MASTER).fires(agent::Timer::Register);
        scenario.master_sends(internal::SlaveRegisteredMessage {
            slave_id: agent_id(),
            connection: Some(internal::MasterSlaveConnection { total_ping_timeout_seconds: Some(seconds) }),
        });
        an_hour_passes(&mut scenario, &format!("a ping timeout of {seconds}"));

        let mut scenario = Scenario::registered();
        let mut task = command("t1");
        task.check = Some(Box::new(v1::CheckInfo {
            r#type: Some(v1::check_info::Type::Tcp as i32),
            tcp: Some(v1::check_info::Tcp { port: u32::MAX }),
            delay_seconds: Some(seconds),
            interval_seconds: Some(seconds),
            timeout_seconds: Some(seconds),
            ..Default::default()
        }));
        task.limits = [("cpus".to_owned(), v1::value::Scalar { value: seconds })].into();
        let mut run = run_task(task);
        run.framework.failover_timeout = Some(seconds);
        scenario.master_sends(run);
        an_hour_passes(&mut scenario, &format!("a task with {seconds}"));
    }
}

#[test]
fn invalid_durations_are_tolerated() {
    for nanoseconds in NANOSECONDS {
        let mut scenario = Scenario::registered();
        let mut task = command("t1");
        task.kill_policy = kill_policy(nanoseconds);
        task.max_completion_time = duration(nanoseconds);
        scenario.runs(task);
        an_hour_passes(&mut scenario, &format!("a task with {nanoseconds} ns"));

        let mut scenario = Scenario::running();
        scenario.master_sends(internal::KillTaskMessage {
            framework_id: framework_id(),
            task_id: v1::TaskId { value: "t1".to_owned() },
            kill_policy: kill_policy(nanoseconds),
        });
        an_hour_passes(&mut scenario, &format!("a kill with {nanoseconds} ns"));

        let mut scenario = Scenario::running();
        scenario.master_sends(internal::DrainSlaveMessage {
            config: v1::DrainConfig { max_grace_period: duration(nanoseconds), mark_gone: None },
        });
        an_hour_passes(&mut scenario, &format!("a drain with {nanoseconds} ns"));

        let mut scenario = Scenario::registered();
        let mut task = custom("t1", "e");
        if let Some(executor) = &mut task.executor {
            executor.shutdown_grace_period = duration(nanoseconds);
        }
        scenario.runs(task);
        scenario.master_sends(internal::ShutdownFrameworkMessage { framework_id: framework_id() });
        an_hour_passes(&mut scenario, &format!("an executor with {nanoseconds} ns"));
    }
}
