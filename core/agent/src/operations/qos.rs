//! Executors on revocable resources make room when the machine suffers.

use std::time::Duration;

use messages::v1::TaskState;
use messages::v1::task_status::Reason;
use model::{ContainerId, ExecutorId, FrameworkId};

use crate::agent::Agent;
use crate::container_events::destroy;
use crate::effects::{Context, Timer};
use crate::state::{Termination, is_partition_aware};
use model::agent::ExecutorState;

/// `--qos_controller`: the limits beyond which the machine suffers. Without any nothing is corrected (Mesos' noop).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QosController {
    /// `load_threshold_5min` of Mesos' LoadQoSController: beyond it every executor on revocable resources ends.
    pub load_5min: Option<f64>,
    pub load_15min: Option<f64>,
    /// With a smaller share of memory available the largest of them ends, one for each measurement: what it leaves shows
    /// in the next one.
    pub memory_available: Option<f64>,
}

impl QosController {
    pub fn is_noop(&self) -> bool {
        *self == QosController::default()
    }
}

/// Mesos asks its controllers again at once with `--qos_correction_interval_min` at its default of zero; measuring takes
/// time that tasks want too.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

impl Agent {
    pub(super) fn start_corrections(&mut self, cx: &mut Context<'_>) {
        if !self.config.qos.is_noop() {
            cx.arm_after(Timer::QosCorrection, self.config.qos_correction_interval_min.max(MIN_INTERVAL));
        }
    }

    pub(super) fn correct_qos(&mut self, cx: &mut Context<'_>) {
        self.start_corrections(cx);
        for (framework, executor) in self.corrections() {
            self.preempt(cx, &framework, &executor);
        }
    }

    fn corrections(&self) -> Vec<(FrameworkId, ExecutorId)> {
        let (limits, usage) = (&self.config.qos, &self.oversubscription.newest);
        let beyond = |load: Option<f64>, limit: Option<f64>| load.zip(limit).is_some_and(|(load, limit)| load > limit);
        let overloaded = beyond(usage.load.map(|load| load.five_minutes), limits.load_5min)
            || beyond(usage.load.map(|load| load.fifteen_minutes), limits.load_15min);
        if overloaded {
            return self.revocable_executors().map(|(framework, executor, _)| (framework, executor)).collect();
        }
        let short = limits.memory_available.zip(usage.memory_available).is_some_and(|(least, now)| now < least);
        if !short {
            return Vec::new();
        }
        let memory = |container: &ContainerId| usage.containers.get(container).map_or(0, |usage| usage.memory_bytes);
        let largest = self.revocable_executors().max_by_key(|(_, _, container)| memory(container));
        largest.map(|(framework, executor, _)| (framework, executor)).into_iter().collect()
    }

    fn revocable_executors(&self) -> impl Iterator<Item = (FrameworkId, ExecutorId, ContainerId)> {
        self.frameworks.iter().filter(|(_, framework)| !framework.terminating).flat_map(|(id, framework)| {
            let on_revocable = framework.executors.values().filter(|executor| {
                executor.is_live() && executor.allocated.iter().any(|resource| resource.is_revocable())
            });
            on_revocable.map(|executor| (id.clone(), executor.id.clone(), executor.container.clone()))
        })
    }

    fn preempt(&mut self, cx: &mut Context<'_>, framework_id: &FrameworkId, id: &ExecutorId) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let gone = if is_partition_aware(&framework.snapshot.info) { TaskState::TaskGone } else { TaskState::TaskLost };
        let Some(executor) = framework.executors.get_mut(id) else { return };
        tracing::info!("ending executor {id:?} of framework {framework_id}: the machine needs its revocable resources");
        executor.pending_termination = Some(Termination {
            state: gone,
            reason: Reason::ContainerPreempted,
            message: "Container preempted by QoS correction".to_owned(),
        });
        cx.disarm(Timer::ExecutorRegistration(executor.container.clone()));
        executor.enter(ExecutorState::Terminating, &self.metrics);
        // One whose records are still on the way to the disk is never started.
        if executor.launched_container {
            destroy(cx, &executor.container);
        }
        self.metrics.executors_preempted.increment();
        self.publish_executor(cx, framework_id, id);
    }
}
