//! Oversubscription: the estimate of the allocated but idle resources that can be offered again, as revocable
//! resources.

use std::collections::BTreeMap;

use messages::{internal, v1};
use model::{ContainerId, Monotonic};
use resources::{Resource, Resources, Scalar};

use super::machine_usage::{ContainerUsage, MachineUsage};
use crate::config::Config;
use crate::effects::{Command, Context, Timer};
use crate::frameworks::executor::Executor;
use crate::frameworks::index::Frameworks;
use crate::state::State;
use crate::usage::{agent_usage, qos};

/// `--resource_estimator`: the estimator of oversubscribed resources.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ResourceEstimator {
    /// No resources are oversubscribed.
    #[default]
    Noop,
    /// Always this amount (Mesos' `org_apache_mesos_FixedResourceEstimator`); it is made revocable if it is not.
    Fixed(Resources),
    /// The processors and memory that containers leave unused, minus a reserve of `margin` (0.2: 20 %) of their present
    /// use.
    Load {
        /// The reserve, as a fraction of what containers use.
        margin: f64,
    },
}

/// Two measurements closer than this say nothing about the use of processors.
const MIN_SPAN_SECONDS: f64 = 1.0;
/// The granularity that estimates are rounded down to, so that small changes of a task cause no messages.
const CPU_STEP: f64 = 0.1;
const MEMORY_STEP_MIB: f64 = 32.0;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The last estimate, and the measurements that it is based on.
#[derive(Debug, Default)]
pub(crate) struct Oversubscription {
    /// The resources that are allocated and still to be offered, together. `None` until the first estimate.
    total: Option<Resources>,
    sample: Option<(Monotonic, BTreeMap<ContainerId, ContainerUsage>)>,
    /// The processors in use between the last two samples.
    cpus: BTreeMap<ContainerId, f64>,
    pub(super) newest: MachineUsage,
}

impl Oversubscription {
    /// Returns the estimate for UpdateSlaveMessage.
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

    /// Returns the cpus and mebibytes that one executor leaves unused; zero while they are unknown.
    fn slack(&self, executor: &Executor, margin: f64) -> (f64, f64) {
        let own = executor.allocated().non_revocable();
        let idle = |allocated: f64, used: Option<f64>| {
            let used = used.filter(|used| used.is_finite()).unwrap_or(allocated);
            (allocated - used * (1.0 + margin.max(0.0))).max(0.0)
        };
        let memory = self.newest.containers.get(executor.container()).map(|usage| usage.memory_bytes as f64 / MEBIBYTE);
        (idle(own.cpus(), self.cpus.get(executor.container()).copied()), idle(own.mem(), memory))
    }
}

pub(crate) fn start_oversubscription(config: &Config, cx: &mut Context<'_>) {
    if config.estimator != ResourceEstimator::Noop {
        cx.arm_after(Timer::Oversubscription, config.oversubscribed_resources_interval);
    }
    qos::start_corrections(config, cx);
}

pub(crate) fn estimate_due(state: &mut State, cx: &mut Context<'_>) {
    match state.config.estimator {
        ResourceEstimator::Noop | ResourceEstimator::Fixed(_) => forward_oversubscribed(state, cx),
        ResourceEstimator::Load { .. } => cx.command(Command::Measure(Timer::Oversubscription)),
    }
}

pub(crate) fn usage_measured(state: &mut State, cx: &mut Context<'_>, due: &Timer, usage: MachineUsage) {
    if *due == Timer::DiskWatch {
        return agent_usage::send_agent_usage(&state.gc, &state.identity, &state.master, cx, &usage);
    }
    state.oversubscription.measured(cx.now.monotonic, usage);
    match due {
        Timer::Oversubscription => forward_oversubscribed(state, cx),
        Timer::QosCorrection => qos::correct_qos(state, cx),
        // These timers need no measurement of usage.
        Timer::Register
        | Timer::PingTimeout
        | Timer::ExecutorRegistration(_)
        | Timer::ExecutorShutdown(_)
        | Timer::ExecutorHeartbeat
        | Timer::UpdateRetry(..)
        | Timer::OperationRetry(_)
        | Timer::Gc
        | Timer::ExecutorReregistration
        | Timer::ExecutorReconnect
        | Timer::DiskWatch => {}
    }
}

/// Sends the estimate to the master when it has changed. The version of the resources stays, as in Mesos: only launches
/// can use these resources, and operations on others would be refused for no reason.
fn forward_oversubscribed(state: &mut State, cx: &mut Context<'_>) {
    cx.arm_after(Timer::Oversubscription, state.config.oversubscribed_resources_interval);
    let mut allocated = state.frameworks.used().revocable();
    allocated.unallocate();
    // Resources in use stay part of the total even if the estimate is lower.
    let more = &estimate(&state.config, &state.frameworks, &state.oversubscription) - &allocated;
    let total = &allocated + &more;
    if state.oversubscription.total.as_ref() == Some(&total) {
        return;
    }
    let must_send = state.oversubscription.total.is_some() || !total.is_empty();
    state.oversubscription.total = Some(total.clone());
    state.metrics.set_oversubscribed(&total);
    if let Some(master) = state.master.registered_pid().filter(|_| must_send) {
        let message = internal::UpdateSlaveMessage {
            slave_id: state.identity.proto(),
            update_oversubscribed_resources: Some(true),
            oversubscribed_resources: total.to_proto(),
            ..Default::default()
        };
        cx.send(master, message);
    }
}

fn estimate(config: &Config, frameworks: &Frameworks, oversubscription: &Oversubscription) -> Resources {
    match &config.estimator {
        ResourceEstimator::Noop => Resources::new(),
        ResourceEstimator::Fixed(resources) => revocable(resources),
        ResourceEstimator::Load { margin } => {
            let running = frameworks.executors().filter(|executor| executor.is_running());
            let idle = running.map(|executor| oversubscription.slack(executor, *margin));
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

fn revocable(resources: &Resources) -> Resources {
    let mut protos = resources.to_proto();
    for proto in &mut protos {
        proto.revocable = Some(v1::resource::RevocableInfo::default());
    }
    Resources::from_proto(&protos).unwrap_or_default()
}
