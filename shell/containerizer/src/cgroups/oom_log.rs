//! Finds in the log of the kernel which processes of a container it has killed for lack of memory.

use std::path::Path;

/// The maximum of killed processes that a report names.
const NAMED: usize = 8;

/// Returns the processes of the cgroup with this directory, and of those below it, that the kernel has chosen to kill, each
/// as `name (pid N)`, in the order of the log. The kernel writes a line for each choice since Linux 5.0
/// (`dump_oom_summary` in mm/oom_kill.c); pids are those of the machine.
pub(super) fn killed<'a>(log: impl IntoIterator<Item = &'a str>, cgroup: &Path) -> Vec<String> {
    log.into_iter().filter_map(|record| killed_by(record, cgroup)).take(NAMED).collect()
}

/// Parses `6,817,1234,-;oom-kill:constraint=…,oom_memcg=/a,task_memcg=/a/b,task=sh,pid=7,uid=0`. The name of a process may
/// contain commas and is not the last value.
fn killed_by(record: &str, cgroup: &Path) -> Option<String> {
    let (_, values) = record.split_once(";oom-kill:")?;
    let (_, after) = values.split_once(",task_memcg=")?;
    let (path, after) = after.split_once(",task=")?;
    let (name, numbers) = after.rsplit_once(",pid=")?;
    let pid = numbers.split(',').next()?;
    // The path begins at the root of the hierarchy. A container is at least two levels below it.
    let is_cgroup =
        |path: &Path| path.components().count() > 2 && cgroup.ends_with(path.strip_prefix("/").unwrap_or(path));
    if !Path::new(path).ancestors().any(is_cgroup) || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(format!("{} (pid {pid})", model::visible(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_process_and_its_cgroup() {
        let line = |path: &str, name: &str| {
            format!(
                "6,817,1234,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,\
                 oom_memcg=/mesos/c,task_memcg={path},task={name},pid=42,uid=0\n"
            )
        };
        let found = |record: &str| killed([record], Path::new("/sys/fs/cgroup/mesos/c"));
        assert_eq!(found(&line("/mesos/c", "sh")), ["sh (pid 42)"]);
        assert_eq!(found(&line("/mesos/c/leaf", "a,pid=1,uid=0")), ["a,pid=1,uid=0 (pid 42)"]);
        assert_eq!(found(&line("/mesos/cc", "sh")), [""; 0]);
        assert_eq!(found("6,817,1234,-;tepui: oom-kill, task=sh,pid=1"), [""; 0]);
        assert_eq!(found(&line("/c", "sh")), [""; 0]);
        let many = vec![line("/mesos/c", "sh"); 20];
        assert_eq!(killed(many.iter().map(String::as_str), Path::new("/h/mesos/c")).len(), NAMED);
    }
}
