//! How much of what is allocated but lies idle can be offered once more, as revocable resources.

use std::collections::BTreeMap;

use messages::{internal, v1};
use model::{ContainerId, Monotonic};
use resources::{Resource, Resources, Scalar};

use super::usage::{ContainerUsage, MachineUsage};
use crate::agent::Agent;
use crate::effects::{Command, Context, Timer};
use crate::state::Executor;
use model::agent::ExecutorState;

/// `--resource_estimator`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ResourceEstimator {
    /// Nothing is offered twice.
    #[default]
    Noop,
    /// Always so much (Mesos' `org_apache_mesos_FixedResourceEstimator`); made revocable if they are not.
    Fixed(Resources),
    /// What containers leave unused of their processors and memory, with room for `margin` (0.2: 20 %) more than they
    /// use now.
    Load { margin: f64 },
}

/// Two measurements closer than this say nothing about the use of processors.
const MIN_SPAN_SECONDS: f64 = 1.0;
/// Estimates are rounded down to these, so that not every breath of a task becomes a message.
const CPU_STEP: f64 = 0.1;
const MEMORY_STEP_MIB: f64 = 32.0;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What was estimated last, and what for.
#[derive(Debug, Default)]
pub(crate) struct Oversubscription {
    /// Allocated and still to be offered together. `None` until the first estimate.
    total: Option<Resources>,
    sample: Option<(Monotonic, BTreeMap<ContainerId, ContainerUsage>)>,
    /// Processors in use between the last two samples.
    cpus: BTreeMap<ContainerId, f64>,
    pub(super) newest: MachineUsage,
}

impl Oversubscription {
    /// For UpdateSlaveMessage.
    pub(crate) fn total(&self) -> Option<&Resources> {
        self.total.as_ref()
    }

    pub(super) fn measured(&mut self, now: Monotonic, usage: MachineUsage) {
        let span = self.sample.as_ref().map(|(then, _)| now.since(*then).as_secs_f64());
        if span.is_none_or(|span| span >= MIN_SPAN_SECONDS) {
            if let (Some((_, before)), Some(span)) = (&self.sample, span) {
                let rate = |(id, usage): (&ContainerId, &ContainerUsage)| {
                    let used = usage.cpu_seconds - before.get(id)?.cpu_seconds;
                    Some((id.clone(), (used / span).max(0.0)))
                };
                self.cpus = usage.containers.iter().filter_map(rate).collect();
            }
            self.sample = Some((now, usage.containers.clone()));
        }
        self.newest = usage;
    }

    /// What one executor leaves unused; nothing while that is unknown.
    fn slack(&self, executor: &Executor, margin: f64) -> (f64, f64) {
        let own = executor.allocated.non_revocable();
        let idle = |allocated: f64, used: Option<f64>| {
            let used = used.filter(|used| used.is_finite()).unwrap_or(allocated);
            (allocated - used * (1.0 + margin.max(0.0))).max(0.0)
        };
        let memory = self.newest.containers.get(&executor.container).map(|usage| usage.memory_bytes as f64 / MEBIBYTE);
        (idle(own.cpus(), self.cpus.get(&executor.container).copied()), idle(own.mem(), memory))
    }
}

impl Agent {
    pub(crate) fn start_oversubscription(&mut self, cx: &mut Context<'_>) {
        if self.config.estimator != ResourceEstimator::Noop {
            cx.arm_after(Timer::Oversubscription, self.config.oversubscribed_resources_interval);
        }
        self.start_corrections(cx);
    }

    pub(crate) fn estimate_due(&mut self, cx: &mut Context<'_>) {
        match self.config.estimator {
            ResourceEstimator::Noop | ResourceEstimator::Fixed(_) => self.forward_oversubscribed(cx),
            ResourceEstimator::Load { .. } => cx.command(Command::Measure(Timer::Oversubscription)),
        }
    }

    pub(crate) fn usage_measured(&mut self, cx: &mut Context<'_>, due: &Timer, usage: MachineUsage) {
        if *due == Timer::DiskWatch {
            return self.send_agent_health(cx, &usage);
        }
        self.oversubscription.measured(cx.now.monotonic, usage);
        match due {
            Timer::Oversubscription => self.forward_oversubscribed(cx),
            Timer::QosCorrection => self.correct_qos(cx),
            _ => {}
        }
    }

    /// Tells the master when the estimate has changed. The version of the resources stays, as in Mesos: nothing but
    /// launches can use these, and operations on others would be refused for no reason.
    fn forward_oversubscribed(&mut self, cx: &mut Context<'_>) {
        cx.arm_after(Timer::Oversubscription, self.config.oversubscribed_resources_interval);
        let mut allocated = self.used.revocable();
        allocated.unallocate();
        // What is in use already stays part of the total, whatever the estimate is now.
        let more = &self.estimate() - &allocated;
        let total = &allocated + &more;
        if self.oversubscription.total.as_ref() == Some(&total) {
            return;
        }
        let news = self.oversubscription.total.is_some() || !total.is_empty();
        self.oversubscription.total = Some(total.clone());
        self.metrics.set_oversubscribed(&total);
        if let Some(master) = self.master.pid().cloned().filter(|_| news && self.master.is_registered()) {
            let message = internal::UpdateSlaveMessage {
                slave_id: self.agent_id(),
                update_oversubscribed_resources: Some(true),
                oversubscribed_resources: total.to_proto(),
                ..Default::default()
            };
            cx.send(&master, message);
        }
    }

    fn estimate(&self) -> Resources {
        match &self.config.estimator {
            ResourceEstimator::Noop => Resources::new(),
            ResourceEstimator::Fixed(resources) => revocable(resources),
            ResourceEstimator::Load { margin } => {
                let executors = self.frameworks.values().flat_map(|framework| framework.executors.values());
                let running = executors.filter(|executor| executor.state == ExecutorState::Running);
                let idle = running.map(|executor| self.oversubscription.slack(executor, *margin));
                let (cpus, memory) = idle.fold((0.0, 0.0), |sum, idle| (sum.0 + idle.0, sum.1 + idle.1));
                let amounts = [("cpus", cpus, CPU_STEP), ("mem", memory, MEMORY_STEP_MIB)];
                let scalar = |(name, amount, granularity): (&str, f64, f64)| {
                    let rounded = Scalar::from_f64((amount / granularity).floor() * granularity);
                    (rounded > Scalar::ZERO).then(|| Resource::scalar(name, rounded))
                };
                revocable(&amounts.into_iter().filter_map(scalar).collect())
            }
        }
    }
}

fn revocable(resources: &Resources) -> Resources {
    let mut protos = resources.to_proto();
    for proto in &mut protos {
        proto.revocable = Some(v1::resource::RevocableInfo::default());
    }
    Resources::from_proto(&protos).unwrap_or_default()
}
