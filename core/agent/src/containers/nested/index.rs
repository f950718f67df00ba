//! All nested and standalone containers, and the calls that wait for the end of a container.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use machine::CallResponse;
use messages::v1::agent::response::WaitContainer;
use model::{ContainerId, ReplyId};

use super::container::{NestedContainer, NestedState};
use super::held::HeldLaunches;
use crate::effects::Context;

/// The maximum of nested and standalone containers, those included that have ended and are not removed. At the bound
/// launches are refused.
const MAX_CONTAINERS: usize = 10_000;

/// The number of containers from which the end of one makes the agent forget one that ended before, so that the maximum is
/// left for those that run.
const MANY_CONTAINERS: usize = 9_000;

/// The number of sessions in one top-level container of which the ends are kept. Callers and executors ask for the end of
/// their sessions within moments. They rarely remove them; Mesos keeps them all until their executor ends.
const KEPT_SESSIONS: usize = 100;

/// The nested and standalone containers of an agent.
#[derive(Debug, Default)]
pub(crate) struct NestedContainers {
    by_id: BTreeMap<ContainerId, NestedContainer>,
    /// The calls that wait for the end of a container, which may be that of an executor. Each call has a connection, and
    /// is removed with it, so that the connections bound them.
    waits: BTreeMap<ContainerId, BTreeSet<ReplyId>>,
    /// The launches of the containers that are [`NestedState::Held`].
    pub held: HeldLaunches,
    /// The number of containers that have ended.
    ended: u64,
}

impl NestedContainers {
    /// Returns the container with this id.
    pub fn get(&self, id: &ContainerId) -> Option<&NestedContainer> {
        self.by_id.get(id)
    }

    /// Returns the container with this id for a change.
    pub fn get_mut(&mut self, id: &ContainerId) -> Option<&mut NestedContainer> {
        self.by_id.get_mut(id)
    }

    /// Returns whether the container is known.
    pub fn contains(&self, id: &ContainerId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Adds a container.
    pub fn insert(&mut self, id: ContainerId, container: NestedContainer) {
        self.by_id.insert(id, container);
    }

    /// Returns whether no container can be added.
    pub fn is_full(&self) -> bool {
        self.by_id.len() >= MAX_CONTAINERS
    }

    /// Returns the ids of all containers inside this one, at any depth, parents first.
    pub fn inside(&self, id: &ContainerId) -> Vec<ContainerId> {
        self.range(id).map(|(id, _)| id.clone()).collect()
    }

    fn range(&self, id: &ContainerId) -> impl Iterator<Item = (&ContainerId, &NestedContainer)> {
        // The byte after the period is the slash, which no id has.
        let (from, to) = (format!("{id}."), format!("{id}/"));
        let range = (Bound::Included(from.as_str()), Bound::Excluded(to.as_str()));
        self.by_id.range::<str, _>(range)
    }

    /// Returns the container to forget after the end of this one: the oldest session of the same top-level container, if this is
    /// one of many, or the oldest of all containers that have ended, sessions first, if there are many of those.
    pub fn oldest_beyond_bounds(&self, id: &ContainerId) -> Option<ContainerId> {
        let oldest = if self.by_id.len() > MANY_CONTAINERS {
            let ended = self.by_id.iter().filter(|(id, container)| container.has_ended() && id.parent().is_some());
            ended.min_by_key(|(_, container)| (!container.session, container.ends_before))
        } else if self.get(id).is_some_and(|container| container.session) {
            let root = id.root();
            let ended = || self.range(&root).filter(|(_, container)| container.session && container.has_ended());
            let oldest = ended().min_by_key(|(_, container)| container.ends_before);
            oldest.filter(|_| ended().count() > KEPT_SESSIONS)
        } else {
            None
        };
        let (id, _) = oldest?;
        // A container ends after those in it.
        let has_ended = !self.range(id).any(|(_, container)| container.is_live());
        has_ended.then(|| id.clone())
    }

    /// Removes a container.
    pub fn remove(&mut self, id: &ContainerId) -> Option<NestedContainer> {
        self.by_id.remove(id)
    }

    /// Notes that a call waits for the end of a container.
    pub fn wait(&mut self, id: ContainerId, reply: ReplyId) {
        self.waits.entry(id).or_default().insert(reply);
    }

    /// Removes a call whose client has disconnected. Returns whether it waited.
    pub fn abandon_wait(&mut self, id: &ContainerId, reply: ReplyId) -> bool {
        let Some(waits) = self.waits.get_mut(id) else { return false };
        let waited = waits.remove(&reply);
        if waits.is_empty() {
            self.waits.remove(id);
        }
        waited
    }

    /// Answers the calls that wait for a container, which has ended.
    pub fn answer_waits(&mut self, cx: &mut Context<'_>, id: &ContainerId, termination: &WaitContainer) {
        for reply in self.waits.remove(id).unwrap_or_default() {
            cx.reply(reply, CallResponse::terminated(termination.clone()));
        }
    }

    /// Returns the nearest container around this one that is not an executor's and has not ended; `None` if there is
    /// none.
    pub fn live(&self, id: &ContainerId) -> Option<&NestedContainer> {
        self.get(id).filter(|container| container.is_live())
    }

    /// Changes the state of a container that has ended. Returns the launch that still waits for an answer.
    pub fn terminate(&mut self, id: &ContainerId, termination: WaitContainer) -> Option<ReplyId> {
        let container = self.by_id.get_mut(id)?;
        container.ends_before = self.ended;
        self.ended = self.ended.saturating_add(1);
        match std::mem::replace(&mut container.state, NestedState::Terminated(Box::new(termination))) {
            NestedState::Launching(reply) | NestedState::Held(reply) => Some(reply),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Containers other than sessions are forgotten only if there is little room left, and those that run never.
    #[test]
    fn the_oldest_is_forgotten_when_there_is_little_room() {
        let mut all = NestedContainers::default();
        let id = |number: usize| ContainerId::new(format!("C1.c{number}"));
        let mut end = |number: usize, session: bool| {
            let (state, sandbox) = (NestedState::Running(1), std::path::PathBuf::new());
            all.insert(id(number), NestedContainer { state, user: None, sandbox, session, ends_before: 0 });
            if number > 0 {
                all.terminate(&id(number), WaitContainer::default());
            }
            all.oldest_beyond_bounds(&id(number))
        };
        for number in 0..MANY_CONTAINERS {
            assert_eq!(end(number, false), None, "{number}");
        }
        assert_eq!(end(MANY_CONTAINERS, false), Some(id(1)));
        assert_eq!(end(MANY_CONTAINERS + 1, true), Some(id(MANY_CONTAINERS + 1)));
    }
}
