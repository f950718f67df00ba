//! How frameworks leave: lost connections, failover timeouts, teardown.

use std::net::SocketAddrV4;

use messages::{internal, v1};
use model::{FrameworkId, StreamId};

use crate::effects::{Context, Timer};
use crate::framework::Connection;
use crate::master::Master;
use crate::task;
use crate::updates::MasterGenerated;
use model::master::{Change, TaskRemoval};

impl Master {
    pub(crate) fn stream_closed(&mut self, cx: &mut Context<'_>, stream: StreamId) {
        // A stream that was failed over is not known any more.
        let Some(id) = self.frameworks.by_stream(stream).cloned() else { return };
        self.disconnect_framework(cx, &id);
        self.frameworks.connect(id.as_str(), Connection::None);
        self.start_failover_timeout(cx, &id);
    }

    pub(crate) fn exited(&mut self, cx: &mut Context<'_>, address: SocketAddrV4) {
        self.links.broken(address);
        for id in self.frameworks.drivers_at(address) {
            let Some(framework) = self.frameworks.get(id.as_str()) else { continue };
            if !framework.state.connected {
                continue;
            }
            framework.connection.clone().error(cx, "Framework disconnected");
            self.disconnect_framework(cx, &id);
            self.start_failover_timeout(cx, &id);
        }
        for agent in self.agents.at(address) {
            self.agent_disconnected(cx, &agent);
        }
    }

    /// Its offers are rescinded, it gets no more of them, and readers see it disconnected.
    fn disconnect_framework(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        self.deactivate_framework(cx, id, true);
        self.stop_heartbeats(cx, id);
        let Some(framework) = self.frameworks.get_mut(id.as_str()) else { return };
        if std::mem::take(&mut framework.state_mut().connected) {
            self.metrics.frameworks_connected.decrement();
            self.metrics.frameworks_disconnected.increment();
        }
        self.publish_framework(cx, id);
    }

    fn start_failover_timeout(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get_mut(id.as_str()) else { return };
        let timeout = framework.failover_timeout();
        if timeout.is_zero() {
            return self.remove_framework(cx, id);
        }
        let deadline = cx.now.monotonic + timeout;
        framework.deadline = Some(deadline);
        let name = framework.info().name.clone();
        cx.arm(Timer::FrameworkFailover(id.clone()), deadline);
        self.observe(cx, failures::Event::FrameworkDisconnected { framework: id.clone(), name });
    }

    pub(crate) fn failover_timed_out(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get(id.as_str()) else { return };
        // It may have returned, and even left again, since this timer was set.
        if framework.deadline.is_some_and(|deadline| deadline <= cx.now.monotonic) {
            self.remove_framework(cx, id);
        }
    }

    /// No more offers until it subscribes again. `rescind` tells it of those it holds.
    pub(crate) fn deactivate_framework(&mut self, cx: &mut Context<'_>, id: &FrameworkId, rescind: bool) {
        let Some(framework) = self.frameworks.get_mut(id.as_str()) else { return };
        if !std::mem::take(&mut framework.state_mut().active) {
            return;
        }
        self.metrics.frameworks_active.decrement();
        self.metrics.frameworks_inactive.increment();
        self.allocator.deactivate_framework(id);
        if rescind {
            self.rescind_offers_of_framework(cx, id);
        } else {
            self.discard_offers(cx, id);
        }
    }

    /// DeactivateFrameworkMessage: a driver was aborted. Its tasks live on.
    pub(crate) fn deactivate_framework_message(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        if self.frameworks.get(id.as_str()).is_some_and(|f| f.state.connected) {
            self.deactivate_framework(cx, id, true);
            self.publish_framework(cx, id);
        }
    }

    /// The end of a framework: everything it runs is killed, it becomes history, and its
    /// id can never subscribe again.
    pub(crate) fn remove_framework(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        self.deactivate_framework(cx, id, false);
        self.stop_heartbeats(cx, id);
        self.shut_down_on_agents(cx, id);
        self.kill_tasks_of(cx, id);
        self.remove_executors_of(cx, id);

        let Some(mut framework) =
            self.frameworks.get(id.as_str()).map(|f| f.connection.clone()).and_then(|connection| {
                self.close(cx, &connection);
                self.frameworks.complete(id.as_str())
            })
        else {
            return;
        };
        if framework.deadline.take().is_some() {
            cx.disarm(Timer::FrameworkFailover(id.clone()));
        }
        let connected = framework.state.connected;
        let gauge = if connected { &self.metrics.frameworks_connected } else { &self.metrics.frameworks_disconnected };
        gauge.decrement();
        self.metrics.frameworks_inactive.decrement();
        let state = framework.state_mut();
        state.connected = false;
        state.active = false;
        state.recovered = false;
        state.unregistered = Some(cx.now.wall);
        let short_of_operations = self.orphan_operations_of(cx, id);
        self.allocator.remove_framework(id);
        for agent in short_of_operations {
            self.allocator_update_agent(&agent);
        }
        cx.publish(Change::FrameworkRemoved(framework.state));
        self.observe(cx, failures::Event::FrameworkRemoved(id.clone()));
    }

    fn shut_down_on_agents(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get(id.as_str()) else { return };
        for agent in &framework.agents {
            if let Some(agent) = self.agents.get(agent.as_str()) {
                cx.send(&agent.state.pid, internal::ShutdownFrameworkMessage { framework_id: id.to_proto() });
            }
        }
    }

    /// Nobody is left to tell; the tasks go into history as killed.
    fn kill_tasks_of(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get_mut(id.as_str()) else { return };
        let running: Vec<_> = framework.tasks.keys().cloned().collect();
        let unreachable: Vec<_> = framework.unreachable.drain().collect();
        let reason = MasterGenerated::new(
            v1::TaskState::TaskKilled,
            v1::task_status::Reason::FrameworkRemoved,
            format!("Framework {id} removed"),
        );
        for task in running {
            self.terminate_task(cx, id, &task, &reason, TaskRemoval::Completed);
        }
        for (id_of_task, mut proto) in unreachable {
            self.metrics.tasks_unreachable.decrement();
            let status = reason.status(&proto, cx.now.wall);
            let task = std::sync::Arc::make_mut(&mut proto);
            task.state = v1::TaskState::TaskKilled as i32;
            task::record_status(task, &status);
            cx.publish(Change::TaskUpdated { task: proto, status: std::sync::Arc::new(status) });
            cx.publish(Change::TaskRemoved {
                framework: id.clone(),
                task: id_of_task,
                removal: TaskRemoval::Completed,
            });
        }
    }

    fn remove_executors_of(&mut self, cx: &mut Context<'_>, id: &FrameworkId) {
        let Some(framework) = self.frameworks.get(id.as_str()) else { return };
        let mut executors = Vec::new();
        for agent in &framework.agents {
            if let Some(uses) = self.agents.get(agent.as_str()).and_then(|a| a.uses.get(id)) {
                executors.extend(uses.executors.keys().map(|executor| (agent.clone(), executor.clone())));
            }
        }
        for (agent, executor) in executors {
            self.remove_executor(cx, &agent, id, &executor);
        }
    }
}
