//! `tepui top` shows what a task uses.

use std::io::IsTerminal;
use std::time::Duration;

use messages::v1;
use messages::v1::agent::response::get_containers::Container;
use messages::v1::agent::{Call, call};

use super::target::TaskContainer;
use crate::commands::cli::{CommandError, Target};
use crate::output;
use crate::signals;
use crate::table::{self, OutputDevice};

/// The interval at which usage is measured. The share of a processor is that of the interval.
const INTERVAL: Duration = Duration::from_secs(2);
/// The first interval, which is shorter, since it is waited for.
const FIRST: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
#[command(after_help = "\
On a terminal the table is shown anew every two seconds until Ctrl-C; elsewhere,
and with --once, it is printed once. The rows are the container of the task and
those inside it. A container without a cgroup of its own is part of its parent.")]
pub struct Top {
    #[command(flatten)]
    target: Target,
    /// Print the table once
    #[arg(long)]
    once: bool,
    /// The task: its id, or a unique part of it
    task: String,
}

/// Shows the table until the user ends it.
///
/// # Errors
///
/// Fails if there is no such task, or its agent does not answer.
pub async fn top(args: Top) -> Result<(), CommandError> {
    let target = TaskContainer::find(&args.target.master, &args.task).await?;
    let once = args.once || !std::io::stdout().is_terminal();
    let mut before = containers(&target).await?;
    let mut interval = FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = signals::terminate() => return Ok(()),
        }
        let now = containers(&target).await?;
        if now.is_empty() {
            return Err(CommandError::message(format!(
                "agent {} has no container of task '{}' any more: see `tepui tasks`",
                target.agent.address(),
                target.task.task_id.value
            )));
        }
        let rows: Vec<Vec<String>> = now.iter().map(|container| row(container, &before)).collect();
        let header = ["CONTAINER", "CPU", "CPUS", "MEMORY", "LIMIT", "PROCESSES", "THREADS"];
        let cells: Vec<Vec<table::Cell>> =
            rows.iter().map(|row| row.iter().map(|text| text.as_str().into()).collect()).collect();
        let text = table::draw(&header, &cells, OutputDevice::stdout());
        if once {
            output::print(text);
            return Ok(());
        }
        // The screen is cleared, and the cursor goes to its beginning (ECMA-48).
        output::print(format_args!("\x1b[H\x1b[2J{text}"));
        before = now;
        interval = INTERVAL;
    }
}

/// Returns the container of the task and those inside it.
async fn containers(target: &TaskContainer) -> Result<Vec<Container>, CommandError> {
    let get = call::GetContainers { show_nested: Some(true), show_standalone: None };
    let kind = Some(call::Type::GetContainers.into());
    let call = Call { r#type: kind, get_containers: Some(get), ..Default::default() };
    let all = target.agent.call(&call).await?.get_containers.map(|answer| answer.containers).unwrap_or_default();
    Ok(all.into_iter().filter(|container| is_inside(id_of(container), &target.id)).collect())
}

/// Returns the id of a container. Agents of Mesos leave out the parents of a nested one, except in its status.
fn id_of(container: &Container) -> &v1::ContainerId {
    let in_status = container.container_status.as_ref().and_then(|status| status.container_id.as_deref());
    in_status.unwrap_or(&container.container_id)
}

/// Returns whether a container is another one or inside it.
fn is_inside(id: &v1::ContainerId, of: &v1::ContainerId) -> bool {
    let mut id = Some(id);
    while let Some(one) = id {
        if one == of {
            return true;
        }
        id = one.parent.as_deref();
    }
    false
}

fn row(container: &Container, before: &[Container]) -> Vec<String> {
    let earlier = before.iter().find(|other| other.container_id == container.container_id);
    let usage = container.resource_statistics.as_deref();
    let earlier = earlier.and_then(|container| container.resource_statistics.as_deref());
    let share = usage.zip(earlier).and_then(|(now, then)| processor_share(then, now));
    let text = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
    let bytes = |value: Option<u64>| value.map(bytes).unwrap_or_default();
    vec![
        container.container_id.value.clone(),
        share.map(|share| format!("{:.1}%", share * 100.0)).unwrap_or_default(),
        usage.and_then(|usage| usage.cpus_limit).map(table::amount).unwrap_or_default(),
        bytes(usage.and_then(|usage| usage.mem_total_bytes.or(usage.mem_rss_bytes))),
        bytes(usage.and_then(|usage| usage.mem_limit_bytes)),
        text(usage.and_then(|usage| usage.processes)),
        text(usage.and_then(|usage| usage.threads)),
    ]
}

/// Returns the processors that were used between two measurements: 0.5 is half of one.
fn processor_share(then: &v1::ResourceStatistics, now: &v1::ResourceStatistics) -> Option<f64> {
    let used = |usage: &v1::ResourceStatistics| Some(usage.cpus_user_time_secs? + usage.cpus_system_time_secs?);
    let elapsed = now.timestamp - then.timestamp;
    (elapsed > 0.0).then_some(((used(now)? - used(then)?) / elapsed).max(0.0))
}

/// Returns an amount of memory with a unit that people read.
fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = amount as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{amount}B") } else { format!("{value:.1}{}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_time_between() {
        let usage = |timestamp: f64, user: f64| v1::ResourceStatistics {
            timestamp,
            cpus_user_time_secs: Some(user),
            cpus_system_time_secs: Some(1.0),
            ..Default::default()
        };
        assert_eq!(processor_share(&usage(10.0, 1.0), &usage(12.0, 2.0)), Some(0.5));
        assert_eq!(processor_share(&usage(10.0, 1.0), &usage(10.0, 2.0)), None);
        assert_eq!(processor_share(&usage(10.0, 3.0), &usage(12.0, 2.0)), Some(0.0));
        assert_eq!(bytes(100), "100B");
        assert_eq!(bytes(64 << 20), "64.0MB");
        assert_eq!(bytes(u64::MAX), "16777216.0TB");
    }

    #[test]
    fn containers_inside_belong_to_the_task() {
        let id = |value: &str, parent: Option<v1::ContainerId>| v1::ContainerId {
            value: value.into(),
            parent: parent.map(Box::new),
        };
        let task = id("a", Some(id("root", None)));
        assert!(is_inside(&task, &task));
        assert!(is_inside(&id("check", Some(task.clone())), &task));
        assert!(!is_inside(&id("root", None), &task));
        assert!(!is_inside(&id("b", Some(id("root", None))), &task));
    }
}
