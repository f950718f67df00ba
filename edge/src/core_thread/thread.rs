//! The thread that runs one core: takes what the inbox holds in batches, steps the core for each item, carries out the
//! effects that concern the edge, and wakes every task concerned once per batch.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::thread::JoinHandle;

use model::{Now, StreamId};
use wire::StreamEvent;

use super::clock::Clock;
use super::effect_handler::EffectHandler;
use super::inbox::{Inbox, InboxItem, StreamOpenReply};
use crate::limits::MAX_BATCH;

/// What hosts a core: turns inputs into steps, and the core's effects into calls of the [`EffectHandler`].
pub trait Host: Sized + Send + 'static {
    /// What the core is stepped with.
    type Input: Send + 'static;
    /// What the HTTP event streams that the core feeds carry.
    type Event: StreamEvent + Send + 'static;
    /// What the core arms.
    type Timer: Ord + Clone + Send + 'static;

    /// The input of a timer that is due.
    fn timer(timer: Self::Timer) -> Self::Input;
    /// The input of an event stream whose connection has ended.
    fn stream_closed(stream: StreamId) -> Self::Input;
    /// The input of a link that has broken.
    fn exited(address: SocketAddrV4) -> Self::Input;

    /// Steps the core and carries its effects out.
    fn step(&mut self, now: Now, input: Self::Input, effects: &mut EffectHandler<Self>);

    /// Whether the core may go on. When it may not, nothing of it goes out any more and its thread ends.
    fn may_act(&self) -> bool {
        true
    }

    /// Work that the host has given to another thread is done ([`InboxItem::HostWork`]).
    fn work_done(&mut self, _work: u64, _effects: &mut EffectHandler<Self>) {}

    /// The batch is over: make its changes visible before anybody is answered.
    fn publish(&mut self);
}

/// Gives back the memory of a burst; what ordinary batches need stays.
pub fn shrink_after_burst<T>(emptied: &mut Vec<T>) {
    if emptied.capacity() > 4 * MAX_BATCH {
        emptied.shrink_to(MAX_BATCH);
    }
}

/// Runs `host` until `InboxItem::Stop`. `name` is the thread's.
pub fn spawn<H: Host>(
    name: &str,
    inbox: Arc<Inbox<H>>,
    clock: Clock,
    mut host: H,
    mut effects: EffectHandler<H>,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut batch = Vec::new();
        let mut stopped = false;
        while !stopped {
            let deadline = effects.timers.next().map(|at| clock.instant(at));
            inbox.take(&mut batch, deadline);
            let mut items = batch.drain(..);
            loop {
                // Before the steps, and again before what they have decided goes out.
                stopped |= !host.may_act();
                if stopped {
                    break;
                }
                let now = clock.now();
                while let Some(timer) = effects.timers.pop_due(now.monotonic) {
                    host.step(now, H::timer(timer), &mut effects);
                }
                for item in items.by_ref().take(MAX_BATCH) {
                    stopped |= deliver(item, now, &mut host, &mut effects);
                }
                if !host.may_act() {
                    stopped = true;
                    break;
                }
                host.publish();
                effects.flush();
                stopped |= effects.is_done();
                if stopped || items.len() == 0 {
                    break;
                }
            }
        }
        inbox.close();
        effects.close();
        // Says that everything is over.
        drop(host);
    })
}

fn deliver<H: Host>(item: InboxItem<H>, now: Now, host: &mut H, effects: &mut EffectHandler<H>) -> bool {
    match item {
        InboxItem::Input(input) => host.step(now, input, effects),
        InboxItem::Ask { reply, to, input } => {
            effects.add_pending_reply(reply, to);
            host.step(now, input, effects);
        }
        InboxItem::Open { stream, queue, ask, input } => {
            effects.open(stream, queue);
            match ask {
                StreamOpenReply::CallResponse(reply, to) => {
                    effects.add_pending_reply(reply, to);
                    host.step(now, input, effects);
                }
                StreamOpenReply::Handled(to) => {
                    host.step(now, input, effects);
                    effects.handled(to);
                }
            }
        }
        InboxItem::StreamClosed(stream) => {
            if effects.remove_stream(stream) {
                host.step(now, H::stream_closed(stream), effects);
            }
        }
        InboxItem::PeerEnded { address, generation } => {
            if effects.links.ended(address, generation) {
                host.step(now, H::exited(address), effects);
            }
        }
        InboxItem::HostWork(work) => host.work_done(work, effects),
        InboxItem::Stop => return true,
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_memory_of_a_burst_is_given_back() {
        for (burst, stays) in [(MAX_BATCH, true), (100 * MAX_BATCH, false)] {
            let mut batch: Vec<usize> = Vec::with_capacity(burst);
            shrink_after_burst(&mut batch);
            assert_eq!(batch.capacity() >= burst, stays, "{burst}");
        }
    }
}
