//! Counts the events that each framework is sent, for `master/frameworks/<name>/<id>/events`.

use messages::Message;
use messages::v1::scheduler::event::Type as Event;
use model::FrameworkId;
use model::master::FrameworkMetrics;

use super::index::Frameworks;
use crate::interface::{Effect, SchedulerEvent};

pub(crate) fn framework_metrics<'a>(
    frameworks: &'a Frameworks,
    framework: &FrameworkId,
) -> Option<&'a FrameworkMetrics> {
    frameworks.get(framework.as_str()).map(|framework| &framework.snapshot().framework_metrics)
}

/// What a step says to frameworks, whichever way it goes. A framework that leaves with its last event is not there
/// to be counted.
pub(crate) fn count_events(frameworks: &Frameworks, effects: &[Effect]) {
    for effect in effects {
        let (framework, kind) = match effect {
            Effect::Event { stream, event } => (frameworks.by_stream(*stream), type_of(event)),
            Effect::Send { to, message, .. } => match event_of(message) {
                Some(kind) => (frameworks.by_driver(to), Some(kind)),
                None => continue,
            },
            Effect::Reply { .. }
            | Effect::CloseStream(_)
            | Effect::Link(_)
            | Effect::Unlink(_)
            | Effect::Arm { .. }
            | Effect::Disarm(_)
            | Effect::Store { .. }
            | Effect::Publish(_)
            | Effect::Command(_) => continue,
        };
        if let (Some(framework), Some(kind)) = (framework, kind)
            && let Some(framework_metrics) = framework_metrics(frameworks, framework)
        {
            framework_metrics.increment_event(kind);
        }
    }
}

fn type_of(event: &SchedulerEvent) -> Option<Event> {
    match event {
        SchedulerEvent::Message(event) => Event::try_from(event.r#type?).ok(),
        SchedulerEvent::Offers(_) => Some(Event::Offers),
    }
}

/// The event that a message to a driver stands for.
fn event_of(message: &Message) -> Option<Event> {
    match message {
        Message::FrameworkRegistered(_) | Message::FrameworkReregistered(_) => Some(Event::Subscribed),
        Message::ResourceOffers(_) => Some(Event::Offers),
        Message::RescindResourceOffer(_) => Some(Event::Rescind),
        Message::StatusUpdate(_) => Some(Event::Update),
        Message::ExecutorToFramework(_) => Some(Event::Message),
        Message::LostSlave(_) | Message::ExitedExecutor(_) => Some(Event::Failure),
        Message::FrameworkError(_) => Some(Event::Error),
        _ => None,
    }
}
