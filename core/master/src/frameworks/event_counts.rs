//! The counts of the events that each framework is sent, for `master/frameworks/<name>/<id>/events`.

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

/// Counts the events of a step, on streams and as messages. A framework that is removed with its last event is not
/// counted.
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

/// Returns the event that a message to a driver corresponds to.
fn event_of(message: &Message) -> Option<Event> {
    match message {
        Message::FrameworkRegistered(_) | Message::FrameworkReregistered(_) => Some(Event::Subscribed),
        Message::ResourceOffers(_) => Some(Event::Offers),
        Message::InverseOffers(_) => Some(Event::InverseOffers),
        Message::RescindResourceOffer(_) => Some(Event::Rescind),
        Message::RescindInverseOffer(_) => Some(Event::RescindInverseOffer),
        Message::StatusUpdate(_) => Some(Event::Update),
        Message::ExecutorToFramework(_) => Some(Event::Message),
        Message::LostSlave(_) | Message::ExitedExecutor(_) => Some(Event::Failure),
        Message::FrameworkError(_) => Some(Event::Error),
        // These messages are not sent to drivers, or correspond to no event.
        Message::SchedulerCall(_)
        | Message::SchedulerEvent(_)
        | Message::Authenticate(_)
        | Message::AuthenticationMechanisms(_)
        | Message::AuthenticationStart(_)
        | Message::AuthenticationStep(_)
        | Message::AuthenticationCompleted(_)
        | Message::AuthenticationFailed(_)
        | Message::AuthenticationError(_)
        | Message::SubmitSchedulerRequest(_)
        | Message::SubmitSchedulerResponse(_)
        | Message::FrameworkToExecutor(_)
        | Message::RegisterFramework(_)
        | Message::ReregisterFramework(_)
        | Message::UnregisterFramework(_)
        | Message::DeactivateFramework(_)
        | Message::ResourceRequest(_)
        | Message::LaunchTasks(_)
        | Message::ReviveOffers(_)
        | Message::RunTask(_)
        | Message::RunTaskGroup(_)
        | Message::KillTask(_)
        | Message::StatusUpdateAcknowledgement(_)
        | Message::AcknowledgeOperationStatus(_)
        | Message::ReconcileTasks(_)
        | Message::ReconcileOperations(_)
        | Message::RegisterSlave(_)
        | Message::ReregisterSlave(_)
        | Message::SlaveRegistered(_)
        | Message::SlaveReregistered(_)
        | Message::UnregisterSlave(_)
        | Message::PingSlave(_)
        | Message::PongSlave(_)
        | Message::ShutdownFramework(_)
        | Message::ShutdownExecutor(_)
        | Message::UpdateFramework(_)
        | Message::CheckpointResources(_)
        | Message::UpdateSlave(_)
        | Message::UpdateOperationStatus(_)
        | Message::ApplyOperation(_)
        | Message::RegisterExecutor(_)
        | Message::ExecutorRegistered(_)
        | Message::ExecutorReregistered(_)
        | Message::ReconnectExecutor(_)
        | Message::ReregisterExecutor(_)
        | Message::DrainSlave(_)
        | Message::Shutdown(_)
        | Message::AgentUsage(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use messages::internal::{InverseOffersMessage, LostSlaveMessage, PingSlaveMessage, RescindInverseOfferMessage};

    use super::*;

    #[test]
    fn messages_to_drivers_count_as_stream_events() {
        let check = |message: Message, expect: Option<Event>| assert_eq!(event_of(&message), expect, "{message:?}");
        check(InverseOffersMessage::default().into(), Some(Event::InverseOffers));
        check(RescindInverseOfferMessage::default().into(), Some(Event::RescindInverseOffer));
        check(LostSlaveMessage::default().into(), Some(Event::Failure));
        check(PingSlaveMessage::default().into(), None);
    }
}
