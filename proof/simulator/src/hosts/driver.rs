//! Schedulers that are written for libmesos: calls and events are messages between processes.
//!
//! As in libmesos, a driver does not notice that a connection breaks. It registers again when another master is
//! detected, or when its master refuses a call because it considers the framework disconnected.

use messages::{Message, v1};
use model::Upid;
use v1::scheduler::{Call, Event, event};

use crate::network::Packet;
use crate::node::Node;

/// The error that a master sends to a driver that it considers disconnected. The driver aborts, and the framework
/// starts another one.
pub const DISCONNECTED: &str = "Framework disconnected";

/// The driver of a scheduler. Each driver has a libprocess process of its own.
#[derive(Debug, Default)]
pub struct Driver {
    instance: u64,
    /// Whether this driver has been registered. If it has not, its SUBSCRIBE takes the framework over from the previous
    /// driver.
    was_registered: bool,
}

impl Driver {
    /// Replaces the driver by a new one.
    pub fn restart(&mut self) {
        *self = Driver { instance: self.instance + 1, was_registered: false };
    }

    /// Records that the driver is registered.
    pub fn registered(&mut self) {
        self.was_registered = true;
    }

    fn pid(&self, node: Node) -> Upid {
        Upid::new(format!("scheduler-{}", self.instance), node.address())
    }

    /// Encodes a call as the libprocess message of this driver.
    pub fn call(&self, node: Node, call: &Call) -> Packet {
        let known = call.subscribe.as_ref().is_some_and(|subscribe| subscribe.framework_info.id.is_some());
        let bytes = wire::v0::encode_scheduler_call(call, known && !self.was_registered);
        Packet::Process { from: self.pid(node), to: "master".to_owned(), message: Message::SchedulerCall(bytes) }
    }

    /// Translates a message into the event that an HTTP scheduler receives. Returns `None` if the message is not for
    /// this driver or not from its master.
    pub fn event(&self, node: Node, leader: Option<Node>, from: &Upid, to: &str, message: Message) -> Option<Event> {
        let by_agent = matches!(message, Message::ExecutorToFramework(_));
        let by_leader = leader.is_some_and(|leader| from.address == leader.address());
        if to != &*self.pid(node).id || !(by_agent || by_leader) {
            return None;
        }
        translate(message)
    }
}

fn translate(message: Message) -> Option<Event> {
    let subscribed = |framework_id| Event {
        subscribed: Some(Box::new(event::Subscribed { framework_id, ..Default::default() })),
        ..of(event::Type::Subscribed)
    };
    let event = match message {
        Message::FrameworkRegistered(message) => subscribed(message.framework_id),
        Message::FrameworkReregistered(message) => subscribed(message.framework_id),
        Message::ResourceOffers(message) => {
            Event { offers: Some(Box::new(event::Offers { offers: message.offers })), ..of(event::Type::Offers) }
        }
        Message::RescindResourceOffer(message) => {
            Event { rescind: Some(Box::new(event::Rescind { offer_id: message.offer_id })), ..of(event::Type::Rescind) }
        }
        Message::StatusUpdate(message) => {
            // Only an update with a sender and a uuid has to be acknowledged.
            let named = message.pid.as_ref().is_some_and(|pid| pid.parse().is_ok_and(|pid: Upid| !pid.is_none()));
            let uuid = message.update.uuid.filter(|uuid| named && !uuid.is_empty());
            let status = v1::TaskStatus { uuid, ..message.update.status };
            Event { update: Some(Box::new(event::Update { status })), ..of(event::Type::Update) }
        }
        Message::ExecutorToFramework(message) => {
            let message =
                event::Message { agent_id: message.slave_id, executor_id: message.executor_id, data: message.data };
            Event { message: Some(Box::new(message)), ..of(event::Type::Message) }
        }
        Message::FrameworkError(message) => {
            Event { error: Some(event::Error { message: message.message }), ..of(event::Type::Error) }
        }
        _ => return None,
    };
    Some(event)
}

fn of(kind: event::Type) -> Event {
    Event { r#type: Some(kind as i32), ..Default::default() }
}
