//! The thread that runs one core. It takes the items of the inbox in batches, steps the core for each, carries out the
//! effects that concern the edge, and wakes every affected task once per batch.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::thread::JoinHandle;

use model::{Now, StreamId};
use wire::StreamEvent;

use super::clock::Clock;
use super::effect_handler::EffectHandler;
use super::inbox::{Inbox, InboxItem, StreamOpenReply};
use crate::limits::MAX_BATCH;

/// The host of a core. It turns inputs into steps, and the core's effects into calls of the [`EffectHandler`].
pub trait Host: Sized + Send + 'static {
    /// The input of the core's step.
    type Input: Send + 'static;
    /// The events of the HTTP streams that the core feeds.
    type Event: StreamEvent + Send + 'static;
    /// The timers that the core arms.
    type Timer: Ord + Clone + Send + 'static;

    /// Returns the input for a timer that is due.
    fn timer(timer: Self::Timer) -> Self::Input;
    /// Returns the input for an event stream whose connection has ended.
    fn stream_closed(stream: StreamId) -> Self::Input;
    /// Returns the input for a link that has broken.
    fn exited(address: SocketAddrV4) -> Self::Input;

    /// Steps the core and carries out its effects.
    fn step(&mut self, now: Now, input: Self::Input, effects: &mut EffectHandler<Self>);

    /// Returns whether the core may continue. If not, none of its effects leaves the process any more, and the thread
    /// ends.
    fn may_act(&self) -> bool {
        true
    }

    /// Called when work that the host gave to another thread is done ([`InboxItem::HostWork`]).
    fn work_done(&mut self, _work: u64, _effects: &mut EffectHandler<Self>) {}

    /// Makes the changes of the batch visible to readers. It is called at the end of the batch, before the replies go
    /// out.
    fn publish(&mut self);
}

/// Returns the memory of a burst of items to the allocator, and keeps what ordinary batches need.
pub fn shrink_after_burst<T>(emptied: &mut Vec<T>) {
    if emptied.capacity() > 4 * MAX_BATCH {
        emptied.shrink_to(MAX_BATCH);
    }
}

/// Runs `host` on a thread called `name` until [`InboxItem::Stop`].
///
/// # Errors
/// Returns the error of the operating system if the thread cannot be started.
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
                // The check happens before the steps, and again before their effects go out.
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
        // Dropping the host reports the end.
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
