//! The events of a framework: on its stream, or as messages to its driver.

use std::sync::Arc;

use messages::{internal, v1};
use model::FrameworkId;
use model::master::{Offer, OfferFormat};
use v1::scheduler::{Event, event};

use super::framework::Connection;
use crate::interface::{Command, Context};
use crate::offers::OffersEvent;

fn event_of(kind: event::Type) -> Event {
    Event { r#type: Some(kind as i32), ..Default::default() }
}

pub(crate) fn heartbeat_event() -> Event {
    event_of(event::Type::Heartbeat)
}

/// The events of a framework: on its stream, or as messages to its driver.
impl Connection {
    pub fn subscribed(
        &self,
        cx: &mut Context<'_>,
        framework_id: v1::FrameworkId,
        master_info: v1::MasterInfo,
        heartbeat_seconds: f64,
    ) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => {
                let framework = FrameworkId::from(&framework_id);
                cx.command(Command::SessionOpened { stream: *stream, framework });
                cx.event(
                    *stream,
                    Event {
                        subscribed: Some(Box::new(event::Subscribed {
                            framework_id,
                            heartbeat_interval_seconds: Some(heartbeat_seconds),
                            master_info: Some(Box::new(master_info)),
                        })),
                        ..event_of(event::Type::Subscribed)
                    },
                );
            }
            Connection::Driver(pid) => {
                cx.send(pid, internal::FrameworkRegisteredMessage { framework_id, master_info });
            }
        }
    }

    pub fn error(&self, cx: &mut Context<'_>, message: &str) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event { error: Some(event::Error { message: message.to_owned() }), ..event_of(event::Type::Error) },
            ),
            Connection::Driver(pid) => {
                cx.send(pid, internal::FrameworkErrorMessage { message: message.to_owned() });
            }
        }
    }

    /// Sends offers in a format. A driver is also sent the processes of the offers' agents, in the same order: one that
    /// finds lists of different length aborts.
    pub fn offers(&self, cx: &mut Context<'_>, offers: Vec<Arc<Offer>>, format: OfferFormat) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => {
                cx.event(*stream, OffersEvent::new(offers, format));
            }
            Connection::Driver(pid) => {
                let pids = offers.iter().map(|offer| offer.agent.pid.to_string()).collect();
                let offers = offers.iter().map(|offer| offer.to_proto(format)).collect();
                cx.send(pid, internal::ResourceOffersMessage { offers, pids });
            }
        }
    }

    pub fn rescind(&self, cx: &mut Context<'_>, offer_id: v1::OfferId) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event { rescind: Some(Box::new(event::Rescind { offer_id })), ..event_of(event::Type::Rescind) },
            ),
            Connection::Driver(pid) => cx.send(pid, internal::RescindResourceOfferMessage { offer_id }),
        }
    }

    /// Sends inverse offers. `pids` are the processes of their agents, in the same order, as for offers.
    pub fn inverse_offers(&self, cx: &mut Context<'_>, inverse_offers: Vec<v1::InverseOffer>, pids: Vec<String>) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event {
                    inverse_offers: Some(Box::new(event::InverseOffers { inverse_offers })),
                    ..event_of(event::Type::InverseOffers)
                },
            ),
            Connection::Driver(pid) => cx.send(pid, internal::InverseOffersMessage { inverse_offers, pids }),
        }
    }

    pub fn rescind_inverse_offer(&self, cx: &mut Context<'_>, inverse_offer_id: v1::OfferId) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event {
                    rescind_inverse_offer: Some(Box::new(event::RescindInverseOffer { inverse_offer_id })),
                    ..event_of(event::Type::RescindInverseOffer)
                },
            ),
            Connection::Driver(pid) => cx.send(pid, internal::RescindInverseOfferMessage { inverse_offer_id }),
        }
    }

    pub fn executor_message(&self, cx: &mut Context<'_>, message: internal::ExecutorToFrameworkMessage) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event {
                    message: Some(Box::new(event::Message {
                        agent_id: message.slave_id,
                        executor_id: message.executor_id,
                        data: message.data,
                    })),
                    ..event_of(event::Type::Message)
                },
            ),
            Connection::Driver(pid) => cx.send(pid, message),
        }
    }

    pub fn agent_lost(&self, cx: &mut Context<'_>, agent: v1::AgentId) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event {
                    failure: Some(Box::new(event::Failure { agent_id: Some(agent), ..Default::default() })),
                    ..event_of(event::Type::Failure)
                },
            ),
            Connection::Driver(pid) => cx.send(pid, internal::LostSlaveMessage { slave_id: agent }),
        }
    }

    pub fn executor_exited(&self, cx: &mut Context<'_>, message: internal::ExitedExecutorMessage) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event {
                    failure: Some(Box::new(event::Failure {
                        agent_id: Some(message.slave_id),
                        executor_id: Some(message.executor_id),
                        status: Some(message.status),
                    })),
                    ..event_of(event::Type::Failure)
                },
            ),
            Connection::Driver(pid) => cx.send(pid, message),
        }
    }

    /// Sends the status of an operation. The v0 protocol has no feedback of operations.
    pub fn operation_status(&self, cx: &mut Context<'_>, status: v1::OperationStatus) {
        if let Connection::Http(stream) = self {
            cx.event(
                *stream,
                Event {
                    update_operation_status: Some(Box::new(event::UpdateOperationStatus { status })),
                    ..event_of(event::Type::UpdateOperationStatus)
                },
            );
        }
    }

    /// Sends a status update. `framework_status` is the status as an HTTP scheduler sees it; a driver is sent the
    /// update itself with the process to acknowledge to (none for an update that the master generated).
    pub fn update(
        &self,
        cx: &mut Context<'_>,
        framework_status: &v1::TaskStatus,
        update: internal::StatusUpdate,
        acknowledgee: Option<String>,
    ) {
        match self {
            Connection::None => {}
            Connection::Http(stream) => cx.event(
                *stream,
                Event {
                    update: Some(Box::new(event::Update { status: framework_status.clone() })),
                    ..event_of(event::Type::Update)
                },
            ),
            Connection::Driver(pid) => {
                cx.send(pid, internal::StatusUpdateMessage { update, pid: acknowledgee });
            }
        }
    }
}
