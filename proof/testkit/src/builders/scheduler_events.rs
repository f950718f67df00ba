//! The events that a master sends to a scheduler.

use messages::v1::scheduler::{Event, event};

use super::framework_id;

/// Returns an event of this type with no other field.
pub fn event(kind: event::Type) -> Event {
    Event { r#type: Some(kind.into()), ..Default::default() }
}

/// Returns SUBSCRIBED with the id of the framework and the interval of the heartbeats in seconds.
pub fn subscribed(framework: &str, heartbeat_seconds: f64) -> Event {
    Event {
        subscribed: Some(Box::new(event::Subscribed {
            framework_id: framework_id(framework),
            heartbeat_interval_seconds: Some(heartbeat_seconds),
            ..Default::default()
        })),
        ..event(event::Type::Subscribed)
    }
}

/// Returns ERROR: the master refuses the scheduler, or the scheduler must not come back.
pub fn error_event(message: &str) -> Event {
    Event { error: Some(event::Error { message: message.to_owned() }), ..event(event::Type::Error) }
}
