//! Launches in a container that is being started. The first process of a container may ask for them before the core
//! has heard that the container runs; they are carried out, in the order of the calls, when it hears of it.

use std::collections::BTreeMap;

use machine::CallResponse;
use messages::v1::agent::response::WaitContainer;
use model::ContainerId;
use prost::Message;

use super::container::NestedState;
use super::launch::missing;
use crate::effects::{Command, ContainerCommand, Context, NestedLaunch};
use crate::state::State;

/// The maximum of launches that are held. Further ones are refused with 503, after which executors ask again.
const MAX_HELD: usize = 1_000;

/// The maximum of their sizes together, in bytes of protobuf. Commands and descriptions of containers are short.
const MAX_HELD_BYTES: usize = 16 << 20;

/// The launches that wait until the container that they are in has been started.
#[derive(Debug, Default)]
pub(crate) struct HeldLaunches {
    /// By parent, in the order of the calls.
    by_parent: BTreeMap<ContainerId, Vec<NestedLaunch>>,
    count: usize,
    bytes: usize,
}

impl HeldLaunches {
    /// Adds a launch. Returns false at the bound, when it is not added.
    pub fn hold(&mut self, parent: &ContainerId, launch: NestedLaunch) -> bool {
        let (count, bytes) = (self.count + 1, self.bytes.saturating_add(size(&launch)));
        if count > MAX_HELD || bytes > MAX_HELD_BYTES {
            return false;
        }
        (self.count, self.bytes) = (count, bytes);
        self.by_parent.entry(parent.clone()).or_default().push(launch);
        true
    }

    /// Removes the launches in a container, and returns them in the order of the calls.
    fn take(&mut self, parent: &ContainerId) -> Vec<NestedLaunch> {
        let taken = self.by_parent.remove(parent).unwrap_or_default();
        for launch in &taken {
            self.subtract(launch);
        }
        taken
    }

    /// Removes the launch of one container, if it is held.
    fn remove(&mut self, id: &ContainerId) {
        let Some(parent) = id.parent() else { return };
        let Some(launches) = self.by_parent.get_mut(&parent) else { return };
        let Some(at) = launches.iter().position(|launch| launch.container == *id) else { return };
        let removed = launches.remove(at);
        if launches.is_empty() {
            self.by_parent.remove(&parent);
        }
        self.subtract(&removed);
    }

    fn subtract(&mut self, launch: &NestedLaunch) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size(launch));
    }
}

/// Returns the size of a launch in bytes, approximately.
fn size(launch: &NestedLaunch) -> usize {
    let messages = launch.command.encoded_len() + launch.info.as_ref().map_or(0, Message::encoded_len);
    let resources: usize = launch.resources.iter().chain(&launch.limits).map(Message::encoded_len).sum();
    let environment: usize = launch.environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    messages + resources + environment
}

/// Carries out the launches in a container that has been started.
pub(crate) fn release(state: &mut State, cx: &mut Context<'_>, parent: &ContainerId) {
    for launch in state.nested_containers.held.take(parent) {
        let Some(container) = state.nested_containers.get_mut(&launch.container) else { continue };
        let NestedState::Held(reply) = container.state else { continue };
        container.state = NestedState::Launching(reply);
        cx.command(Command::Container(ContainerCommand::LaunchNested(Box::new(launch))));
    }
}

/// Refuses all launches inside a container that has ended, at any depth.
pub(crate) fn refuse_inside(state: &mut State, cx: &mut Context<'_>, ended: &ContainerId) {
    for id in state.nested_containers.inside(ended) {
        if let Some(parent) = id.parent() {
            refuse(state, cx, &id, missing(&parent));
        }
    }
}

/// Removes a container whose launch is held, and answers its calls. It has no effect on any other container.
pub(crate) fn refuse(state: &mut State, cx: &mut Context<'_>, id: &ContainerId, answer: CallResponse) {
    let Some(NestedState::Held(reply)) = state.nested_containers.get(id).map(|container| &container.state) else {
        return;
    };
    let reply = *reply;
    state.nested_containers.held.remove(id);
    state.nested_containers.remove(id);
    let ended = WaitContainer { message: Some(answer.body.clone()), ..WaitContainer::default() };
    cx.reply(reply, answer);
    // A call may wait for a container that has never run, as after a failed launch.
    state.nested_containers.answer_waits(cx, id, &ended);
    refuse_inside(state, cx, id);
}
