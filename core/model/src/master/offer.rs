//! An offer, from its making until it is accepted, declined or rescinded: one type for the master's own index, for the
//! events of schedulers and for readers.
//!
//! Offers are large as messages, and ten thousand may be made in one step. The master therefore keeps only their shared
//! parts, and each writer of an event creates the message when it is written.

use std::fmt::Write as _;
use std::sync::Arc;

use messages::v1;
use resources::Resources;

use super::change::AgentSnapshot;
use crate::{AgentId, ExecutorId, FrameworkId, OfferId, Role};

/// Resources of one agent that are offered to one role of a framework.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The offer's id.
    pub id: OfferId,
    /// The framework that it is offered to.
    pub framework: FrameworkId,
    /// The agent, as it was when the offer was made.
    pub agent: Arc<AgentSnapshot>,
    /// The role that the resources are allocated to.
    pub role: Role,
    /// The offered resources, allocated to `role`.
    pub resources: Resources,
    /// The framework's own executors on the agent when the offer was made.
    pub executors: Vec<ExecutorId>,
    /// The time in which the agent will be unavailable; `None` if its machine is not in the maintenance schedule.
    pub unavailability: Option<v1::Unavailability>,
}

/// The format in which a framework understands offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferFormat {
    /// Whether an offer names the role of the allocation (`MULTI_ROLE`).
    pub multi_role: bool,
    /// Whether it has stacks of reservations (`RESERVATION_REFINEMENT`).
    pub reservation_refinement: bool,
}

impl OfferFormat {
    /// The format with everything that can be said about an offer, as operators see it.
    pub const FULL: OfferFormat = OfferFormat { multi_role: true, reservation_refinement: true };
}

impl Offer {
    /// Returns the id of the agent.
    pub fn agent_id(&self) -> &AgentId {
        &self.agent.id
    }

    /// Returns the offer as a message in this format.
    pub fn to_proto(&self, format: OfferFormat) -> v1::Offer {
        let mut offer = v1::Offer::default();
        self.describe(format, &mut offer, None);
        offer
    }

    /// Turns `into` into this offer as a message. `into` describes `before` in the same format: agents tend to be
    /// alike, so equal parts are kept, and the memory of the others is used again.
    pub fn describe(&self, format: OfferFormat, into: &mut v1::Offer, before: Option<&Offer>) {
        let info = &*self.agent.info;
        set(&mut into.id.value, self.id.as_str());
        set(&mut into.framework_id.value, self.framework.as_str());
        set(&mut into.agent_id.value, self.agent.id.as_str());
        set(&mut into.hostname, &info.hostname);
        if !before.is_some_and(|before| before.resources == self.resources) {
            into.resources = self.resources_in(format);
        }
        if !before.is_some_and(|before| before.agent.info.attributes == info.attributes) {
            into.attributes.clone_from(&info.attributes);
        }
        into.executor_ids.clear();
        into.executor_ids.extend(self.executors.iter().map(ExecutorId::to_proto));
        self.agent.describe_url(into.url.get_or_insert_default());
        into.unavailability = self.unavailability.map(Box::new);
        into.allocation_info =
            format.multi_role.then(|| v1::resource::AllocationInfo { role: Some(self.role.as_str().to_owned()) });
        into.domain.clone_from(&info.domain);
    }

    fn resources_in(&self, format: OfferFormat) -> Vec<v1::Resource> {
        // The network port mapping isolator assigns these itself.
        let offered = self.resources.filter(|resource| resource.name().as_str() != "ephemeral_ports");
        // Frameworks without MULTI_ROLE do not know allocation.
        let offered = if format.multi_role { offered } else { offered.unallocated() };
        if format.reservation_refinement {
            return offered.to_proto();
        }
        offered.to_proto_pre_refinement().unwrap_or_else(|_| offered.to_proto())
    }
}

impl AgentSnapshot {
    /// Returns the URL of the agent, as offers and inverse offers contain it.
    pub fn url(&self) -> v1::Url {
        let mut url = v1::Url::default();
        self.describe_url(&mut url);
        url
    }

    fn describe_url(&self, into: &mut v1::Url) {
        set(&mut into.scheme, "http");
        set(into.address.hostname.get_or_insert_default(), &self.info.hostname);
        let ip = into.address.ip.get_or_insert_default();
        ip.clear();
        // Writing to a string cannot fail.
        let _ = write!(ip, "{}", self.pid.address.ip());
        into.address.port = i32::from(self.pid.address.port());
        let path = into.path.get_or_insert_default();
        set(path, "/");
        path.push_str(&self.pid.id);
    }
}

fn set(text: &mut String, value: &str) {
    text.clear();
    text.push_str(value);
}
