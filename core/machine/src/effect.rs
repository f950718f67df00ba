//! The effects of a machine, as data.

use std::fmt::Debug;
use std::net::SocketAddrV4;
use std::sync::Arc;

use messages::Message;
use model::{Monotonic, ReplyId, StreamId, Upid};

use crate::call_response::CallResponse;

/// The types in which the effects of one machine differ from those of another.
pub trait EffectTypes: Debug + Clone + 'static {
    /// Names a deadline; arming the same timer again replaces its deadline.
    type Timer: Debug + Clone + Ord;
    /// The events on an HTTP event stream of the machine.
    type StreamEvent: Debug + Clone;
    /// The records that are made durable.
    type Record: Debug + Clone;
    /// The changes that are published to readers.
    type Change: Debug + Clone;
    /// The commands that only this machine has.
    type Command: Debug + Clone;
}

/// One thing to be done. Effects are carried out in the order in which they were emitted.
#[derive(Debug, Clone)]
pub enum Effect<T: EffectTypes> {
    /// Responds to a request. Each `ReplyId` is answered exactly once.
    Reply {
        /// The request.
        reply: ReplyId,
        /// Status and body.
        response: CallResponse,
    },
    /// Puts an event on a stream. The edge encodes it in the stream's content type.
    Event {
        /// The stream.
        stream: StreamId,
        /// The event.
        event: T::StreamEvent,
    },
    /// Ends a stream after the events before it. The machine forgets the stream with this effect: no input about its
    /// end need follow, and one that follows is ignored.
    CloseStream(StreamId),
    /// Sends a libprocess message.
    Send {
        /// The id of the sending process, e.g. `master` or `slave(1)`.
        from: Arc<str>,
        /// The receiving process.
        to: Upid,
        /// The message.
        message: Message,
    },
    /// Keeps a connection to this address and reports when it breaks.
    Link(SocketAddrV4),
    /// Gives up the connection to this address.
    Unlink(SocketAddrV4),
    /// Delivers the timer as an input at `at`; replaces an earlier deadline of the same timer.
    Arm {
        /// The timer.
        timer: T::Timer,
        /// The deadline of the timer.
        at: Monotonic,
    },
    /// Cancels the deadline of a timer, if it has one.
    Disarm(T::Timer),
    /// Makes `record` durable, then confirms `token` with an input. Records become durable in the order of these
    /// effects: when one is confirmed, all earlier ones are on the disk.
    Store {
        /// The token that the confirmation names.
        token: StoreToken,
        /// The record.
        record: T::Record,
    },
    /// Tells readers about a change. Changes are applied in order.
    Publish(T::Change),
    /// A command, which only this machine has.
    Command(T::Command),
}

/// The name of one write until it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreToken(pub u64);
