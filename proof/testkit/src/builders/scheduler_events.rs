//! Events that a master sends to a scheduler.

use messages::v1::scheduler::{Event, event};

use super::framework_id;

/// An event of this type without anything else.
pub fn event(kind: event::Type) -> Event {
    Event { r#type: Some(kind.into()), ..Default::default() }
}

/// SUBSCRIBED: the framework has this id, and hears a heartbeat every so many seconds.
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

/// ERROR: the scheduler is refused, or is not to come back.
pub fn error_event(message: &str) -> Event {
    Event { error: Some(event::Error { message: message.to_owned() }), ..event(event::Type::Error) }
}
