//! `cgroups/perf_event`: counts performance events of containers.

use super::{ContainerContext, Isolator};
use crate::cgroups::Controller;
use crate::launch_spec::LaunchSpec;
use crate::perf::{PerfEvent, PerfSampler, is_counted};
use crate::{Config, Error, Launch, Usage};

/// Counts the events of `--perf_events` for `--perf_duration` in each `--perf_interval`; none without the flag, as in
/// Mesos.
#[derive(Debug)]
pub(crate) struct CgroupsPerfEvent {
    sampler: PerfSampler,
}

impl CgroupsPerfEvent {
    pub(super) fn new(config: &Config) -> Self {
        let mut events = config.perf.parsed_events().unwrap_or_default();
        events.retain(|event| is_counted(event).is_ok());
        CgroupsPerfEvent { sampler: PerfSampler::new(events, config.perf.interval, config.perf.duration) }
    }

    /// Checks the flags, and returns a sentence for each event that this machine does not count.
    ///
    /// # Errors
    /// Returns what is wrong with the flags, in the words of Mesos.
    pub(crate) fn check(config: &Config) -> Result<Vec<String>, Error> {
        let perf = &config.perf;
        if perf.events.is_empty() {
            return Ok(Vec::new());
        }
        let events = perf.parsed_events().map_err(Error::Request)?;
        let missing = |event: &PerfEvent| {
            let error = is_counted(event).err()?;
            let why = match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP) => {
                    "the processor or the kernel of this machine has no counter for it".to_owned()
                }
                _ => error.to_string(),
            };
            Some(format!("the performance event '{}' is not counted: {why}", event.field.replace('_', "-")))
        };
        Ok(events.iter().filter_map(missing).collect())
    }

    fn add(&self, container: &ContainerContext<'_>) {
        let cgroup = container.cgroups.and_then(|cgroups| cgroups.location(Controller::PerfEvent));
        if let Some((_, path)) = cgroup.filter(|_| container.id.parent().is_none()) {
            self.sampler.add(container.id, path);
        }
    }
}

impl Isolator for CgroupsPerfEvent {
    fn name(&self) -> &'static str {
        "cgroups/perf_event"
    }

    fn prepare(&self, container: &ContainerContext<'_>, _: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        self.add(container);
        Ok(())
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        usage.perf = self.sampler.usage(container.id);
    }

    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        self.add(container);
        Ok(())
    }

    fn cleanup(&self, container: &ContainerContext<'_>) -> std::io::Result<()> {
        self.sampler.remove(container.id);
        Ok(())
    }
}
