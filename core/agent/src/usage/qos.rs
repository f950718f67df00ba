//! The end of executors on revocable resources when the machine is overloaded.

use std::time::Duration;

use messages::v1::task_status::Reason;
use model::agent::ExecutorState;
use model::{ContainerId, ExecutorId, FrameworkId};

use crate::config::Config;
use crate::containers::events::destroy;
use crate::effects::{Context, Timer};
use crate::frameworks::executor::{Executor, Termination};
use crate::frameworks::framework::{Framework, gone_state};
use crate::frameworks::index::Frameworks;
use crate::state::State;
use crate::usage::Oversubscription;
use model::agent::Metrics;

/// `--qos_controller`: the limits beyond which the machine is overloaded. Without limits nothing is corrected (the noop
/// controller of Mesos).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QosController {
    /// `load_threshold_5min` of Mesos' LoadQoSController: beyond it every executor on revocable resources is ended.
    pub load_5min: Option<f64>,
    /// `load_threshold_15min` of Mesos' LoadQoSController.
    pub load_15min: Option<f64>,
    /// The share of available memory, 0..1, below which the largest of these executors is ended, one for each
    /// measurement: the next one shows the memory that it released.
    pub memory_available: Option<f64>,
}

impl QosController {
    /// Returns whether nothing is ever corrected.
    pub fn is_noop(&self) -> bool {
        *self == QosController::default()
    }
}

/// The shortest time between two corrections. Mesos asks its controllers again at once with
/// `--qos_correction_interval_min` at its default of zero; but measuring takes time that tasks need, too.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) fn start_corrections(config: &Config, cx: &mut Context<'_>) {
    if !config.qos.is_noop() {
        cx.arm_after(Timer::QosCorrection, config.qos_correction_interval_min.max(MIN_INTERVAL));
    }
}

pub(crate) fn correct_qos(state: &mut State, cx: &mut Context<'_>) {
    start_corrections(&state.config, cx);
    for (framework, executor) in corrections(&state.config, &state.frameworks, &state.oversubscription) {
        preempt(&mut state.frameworks, &state.metrics, cx, &framework, &executor);
    }
}

fn corrections(
    config: &Config,
    frameworks: &Frameworks,
    oversubscription: &Oversubscription,
) -> Vec<(FrameworkId, ExecutorId)> {
    let (limits, usage) = (&config.qos, &oversubscription.newest);
    let beyond = |load: Option<f64>, limit: Option<f64>| load.zip(limit).is_some_and(|(load, limit)| load > limit);
    let overloaded = beyond(usage.load.map(|load| load.five_minutes), limits.load_5min)
        || beyond(usage.load.map(|load| load.fifteen_minutes), limits.load_15min);
    if overloaded {
        return revocable_executors(frameworks).map(|(framework, executor, _)| (framework, executor)).collect();
    }
    let short = limits.memory_available.zip(usage.memory_available).is_some_and(|(least, now)| now < least);
    if !short {
        return Vec::new();
    }
    let memory = |container: &ContainerId| usage.containers.get(container).map_or(0, |usage| usage.memory_bytes);
    let largest = revocable_executors(frameworks).max_by_key(|(_, _, container)| memory(container));
    largest.map(|(framework, executor, _)| (framework, executor)).into_iter().collect()
}

fn revocable_executors(frameworks: &Frameworks) -> impl Iterator<Item = (FrameworkId, ExecutorId, ContainerId)> {
    let on_revocable = |executor: &&Executor| {
        executor.is_live() && executor.allocated().iter().any(|resource| resource.is_revocable())
    };
    let frameworks = frameworks.iter().filter(|framework| !framework.is_terminating());
    frameworks
        .flat_map(Framework::executors)
        .filter(on_revocable)
        .map(|executor| (executor.framework().clone(), executor.id().clone(), executor.container().clone()))
}

fn preempt(
    frameworks: &mut Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework_id: &FrameworkId,
    id: &ExecutorId,
) {
    let Some(framework) = frameworks.get(framework_id) else { return };
    let gone = gone_state(&framework.snapshot().info);
    let Some(executor) = frameworks.executor_mut(framework_id, id) else { return };
    tracing::info!("ending executor {id:?} of framework {framework_id}: the machine needs its revocable resources");
    executor.set_pending_termination(Termination {
        state: gone,
        reason: Reason::ContainerPreempted,
        message: "Container preempted by QoS correction".to_owned(),
    });
    cx.disarm(Timer::ExecutorRegistration(executor.container().clone()));
    executor.enter(ExecutorState::Terminating, metrics);
    // An executor whose records are still on the way to the disk is never started.
    if executor.is_launch_requested() {
        destroy(cx, executor.container());
    }
    metrics.executors_preempted.increment();
    frameworks.publish_executor(cx, framework_id, id);
}
