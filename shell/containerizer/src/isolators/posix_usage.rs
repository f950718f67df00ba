//! `posix/cpu` and `posix/mem`: the summed usage of a container's processes.

use super::{ContainerContext, Isolator};
use crate::{Usage, process_tree};

/// Measures the processes where the controllers in use do not, and limits nothing.
#[derive(Debug)]
pub(super) struct PosixUsage;

impl Isolator for PosixUsage {
    fn name(&self) -> &'static str {
        "posix/cpu"
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        let known = usage.mem_rss_bytes.is_some() && usage.cpus_user_secs.is_some();
        if let Some(pid) = container.pid.filter(|_| !known) {
            *usage = std::mem::take(usage).or(process_tree::usage(container.kernel, pid));
        }
    }
}
