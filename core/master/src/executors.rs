//! Executors as the master knows them, and the messages between them and frameworks.

use std::sync::Arc;

use messages::{internal, v1};
use model::{AgentId, ExecutorId, FrameworkId, Upid};
use resources::Resources;

use crate::agent::Executor;
use crate::effects::Context;
use crate::master::Master;
use model::master::{Change, ExecutorSnapshot};

impl Master {
    pub(crate) fn add_executor(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        agent: &AgentId,
        info: v1::ExecutorInfo,
        resources: Resources,
    ) {
        let id = ExecutorId::from(&info.executor_id);
        let snapshot =
            Arc::new(ExecutorSnapshot { framework: framework.clone(), agent: agent.clone(), info: Arc::new(info) });
        let Some(entry) = self.agents.get_mut(agent.as_str()) else { return };
        self.metrics.used.add(&resources);
        entry
            .uses
            .entry(framework.clone())
            .or_default()
            .executors
            .insert(id, Executor { snapshot: snapshot.clone(), resources });
        if let Some(framework) = self.frameworks.get_mut(framework.as_str()) {
            framework.agents.insert(agent.clone());
        }
        cx.publish(Change::ExecutorAdded(snapshot));
    }

    pub(crate) fn remove_executor(
        &mut self,
        cx: &mut Context<'_>,
        agent: &AgentId,
        framework: &FrameworkId,
        id: &ExecutorId,
    ) -> bool {
        let uses = self.agents.get_mut(agent.as_str()).and_then(|a| a.uses.get_mut(framework));
        let Some(executor) = uses.and_then(|uses| uses.executors.remove(id)) else { return false };
        self.recover_used(cx, framework, agent, &executor.resources);
        self.remove_empty_usage(agent, framework);
        cx.publish(Change::ExecutorRemoved {
            framework: framework.clone(),
            agent: agent.clone(),
            executor: id.clone(),
        });
        true
    }

    pub(crate) fn exited_executor(
        &mut self,
        cx: &mut Context<'_>,
        from: &Upid,
        message: internal::ExitedExecutorMessage,
    ) {
        self.metrics.messages_exited_executor.increment();
        let agent = AgentId::from(&message.slave_id);
        let framework = FrameworkId::from(&message.framework_id);
        // An executor of a command task is not known, and its exit of no interest.
        if !self.is_process_of(from, agent.as_str())
            || !self.remove_executor(cx, &agent, &framework, &ExecutorId::from(&message.executor_id))
        {
            return;
        }
        if message.status != 0 {
            self.observe(cx, failures::Event::ExecutorCrashed { agent, framework: framework.clone() });
        }
        if let Some(framework) = self.frameworks.get(framework.as_str()) {
            framework.listener().clone().executor_exited(cx, message);
        }
    }

    /// From an executor, by way of its agent, to its framework.
    pub(crate) fn executor_message(
        &mut self,
        cx: &mut Context<'_>,
        from: &Upid,
        message: internal::ExecutorToFrameworkMessage,
    ) {
        self.metrics.messages_executor_to_framework.increment();
        let known_agent = self.is_process_of(from, &message.slave_id.value);
        let framework = self.frameworks.get(&message.framework_id.value).filter(|f| known_agent && f.state.connected);
        let Some(framework) = framework else {
            return self.metrics.invalid_executor_to_framework_messages.increment();
        };
        framework.listener().clone().executor_message(cx, message);
        self.metrics.valid_executor_to_framework_messages.increment();
    }

    /// From a framework, by way of the agent, to an executor.
    pub(crate) fn framework_message(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        call: v1::scheduler::call::Message,
    ) {
        self.metrics.messages_framework_to_executor.increment();
        let Some(agent) = self.agents.get(&call.agent_id.value).filter(|agent| agent.state.connected) else {
            return self.metrics.invalid_framework_to_executor_messages.increment();
        };
        cx.send(
            &agent.state.pid,
            internal::FrameworkToExecutorMessage {
                slave_id: call.agent_id,
                framework_id: framework.to_proto(),
                executor_id: call.executor_id,
                data: call.data,
            },
        );
        self.metrics.valid_framework_to_executor_messages.increment();
    }

    pub(crate) fn shutdown_executor(
        &mut self,
        cx: &mut Context<'_>,
        framework: &FrameworkId,
        call: v1::scheduler::call::Shutdown,
    ) {
        let Some(agent) = self.agents.get(&call.agent_id.value) else { return };
        cx.send(
            &agent.state.pid,
            internal::ShutdownExecutorMessage {
                executor_id: Some(call.executor_id),
                framework_id: Some(framework.to_proto()),
            },
        );
    }
}
