//! Offers on their way to a framework. As messages they are large, and ten thousand may be made in one step: so the core
//! only says what they consist of, all of it shared, and whoever encodes an event describes its offers then, one after the
//! other in the same message.

use std::fmt::Write as _;
use std::sync::Arc;

use messages::v1;
use messages::v1::scheduler::{Event, event};
use model::ExecutorId;
use wire::ContentType;

use crate::framework::Framework;
use model::master::{AgentSnapshot, OfferSnapshot};

/// The number of `Event.offers`, and of `Event.Offers.offers` in that.
const EVENT_OFFERS: u32 = 3;
const OFFERS_OFFERS: u32 = 1;

/// An OFFERS event.
#[derive(Debug, Clone)]
pub struct OffersEvent(Arc<Vec<OutgoingOffer>>);

/// An offer, and what its framework is told of the agent.
#[derive(Debug, Clone)]
pub struct OutgoingOffer {
    pub offer: Arc<OfferSnapshot>,
    agent: Arc<AgentSnapshot>,
    /// The framework's own on this agent.
    executors: Vec<ExecutorId>,
    unavailability: Option<v1::Unavailability>,
    format: OfferFormat,
}

/// What a framework understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OfferFormat {
    multi_role: bool,
    reservation_refinement: bool,
}

impl OfferFormat {
    pub fn of(framework: &Framework) -> Self {
        OfferFormat {
            multi_role: framework.capabilities.multi_role,
            reservation_refinement: framework.capabilities.reservation_refinement,
        }
    }
}

impl OffersEvent {
    /// How many bytes the event keeps in memory while it waits; the offers and agents themselves are shared.
    pub(crate) fn size(&self) -> usize {
        self.0.len() * size_of::<OutgoingOffer>()
    }

    pub(crate) fn new(offers: Vec<OutgoingOffer>) -> Self {
        OffersEvent(Arc::new(offers))
    }

    pub fn offers(&self) -> &[OutgoingOffer] {
        &self.0
    }

    /// The same bytes as of the whole message.
    pub fn encode_as(&self, content_type: ContentType) -> Vec<u8> {
        match content_type {
            ContentType::Json => wire::encode_as(content_type, &self.to_proto()),
            ContentType::Protobuf => {
                let event = Event { r#type: Some(event::Type::Offers as i32), ..Default::default() };
                wire::encode_with_list(&event, EVENT_OFFERS, OFFERS_OFFERS, |tell| self.each(tell))
            }
        }
    }

    /// Lends each offer to `tell` in turn.
    fn each(&self, mut tell: impl FnMut(&v1::Offer)) {
        let mut described = v1::Offer::default();
        let mut before = None;
        for offered in self.offers() {
            offered.describe(&mut described, before.replace(offered));
            tell(&described);
        }
    }

    /// As the framework is told it.
    pub fn to_proto(&self) -> Event {
        let offers = self.0.iter().map(OutgoingOffer::to_proto).collect();
        Event {
            r#type: Some(event::Type::Offers as i32),
            offers: Some(Box::new(event::Offers { offers })),
            ..Default::default()
        }
    }
}

impl OutgoingOffer {
    pub(crate) fn new(
        offer: Arc<OfferSnapshot>,
        agent: Arc<AgentSnapshot>,
        executors: Vec<ExecutorId>,
        unavailability: Option<v1::Unavailability>,
        format: OfferFormat,
    ) -> Self {
        OutgoingOffer { offer, agent, executors, unavailability, format }
    }

    /// The process of its agent.
    pub fn pid(&self) -> String {
        self.agent.pid.to_string()
    }

    pub fn to_proto(&self) -> v1::Offer {
        let mut offer = v1::Offer::default();
        self.describe(&mut offer, None);
        offer
    }

    /// In the format that its framework understands. `into` describes `before`: agents tend to be alike, so what is the same
    /// stays, and the memory of the rest is used again.
    fn describe(&self, into: &mut v1::Offer, before: Option<&OutgoingOffer>) {
        let (offer, info) = (&*self.offer, &*self.agent.info);
        set(&mut into.id.value, offer.id.as_str());
        set(&mut into.framework_id.value, offer.framework.as_str());
        set(&mut into.agent_id.value, offer.agent.as_str());
        set(&mut into.hostname, &info.hostname);
        if !before.is_some_and(|before| before.format == self.format && before.offer.resources == offer.resources) {
            into.resources = self.resources();
        }
        if !before.is_some_and(|before| before.agent.info.attributes == info.attributes) {
            into.attributes.clone_from(&info.attributes);
        }
        into.executor_ids.clear();
        into.executor_ids.extend(self.executors.iter().map(ExecutorId::to_proto));
        describe_url(&self.agent, into.url.get_or_insert_default());
        into.unavailability = self.unavailability.map(Box::new);
        into.allocation_info =
            self.format.multi_role.then(|| v1::resource::AllocationInfo { role: Some(offer.role.as_str().to_owned()) });
        into.domain.clone_from(&info.domain);
    }

    fn resources(&self) -> Vec<v1::Resource> {
        // The network port mapping isolator hands these out itself.
        let offered = self.offer.resources.filter(|r| r.name().as_str() != "ephemeral_ports");
        // A framework without MULTI_ROLE has never heard of allocation.
        let offered = if self.format.multi_role { offered } else { offered.unallocated() };
        if self.format.reservation_refinement {
            offered.to_proto()
        } else {
            crate::allocation::pre_refinement(&offered)
        }
    }
}

/// Where an agent is reached, as offers tell it.
pub(crate) fn url_of(agent: &AgentSnapshot) -> v1::Url {
    let mut url = v1::Url::default();
    describe_url(agent, &mut url);
    url
}

fn describe_url(agent: &AgentSnapshot, into: &mut v1::Url) {
    set(&mut into.scheme, "http");
    set(into.address.hostname.get_or_insert_default(), &agent.info.hostname);
    let ip = into.address.ip.get_or_insert_default();
    ip.clear();
    // Writing to a string cannot fail.
    let _ = write!(ip, "{}", agent.pid.address.ip());
    into.address.port = i32::from(agent.pid.address.port());
    let path = into.path.get_or_insert_default();
    set(path, "/");
    path.push_str(&agent.pid.id);
}

fn set(text: &mut String, value: &str) {
    text.clear();
    text.push_str(value);
}

#[cfg(test)]
mod tests {
    use model::{AgentId, FrameworkId, OfferId, Role, Timestamp, Upid};
    use resources::Resources;

    use super::*;

    fn attribute(name: &str) -> v1::Attribute {
        v1::Attribute { name: name.to_owned(), ..Default::default() }
    }

    fn offered(number: usize, change: impl FnOnce(&mut v1::AgentInfo, &mut OfferFormat)) -> OutgoingOffer {
        let cpus = v1::Resource {
            name: "cpus".to_owned(),
            r#type: v1::value::Type::Scalar as i32,
            scalar: Some(v1::value::Scalar { value: (number / 2 + 1) as f64 }),
            ..Default::default()
        };
        let mut info = v1::AgentInfo { hostname: format!("h{number}"), resources: vec![cpus], ..Default::default() };
        let mut format = OfferFormat { multi_role: true, reservation_refinement: true };
        change(&mut info, &mut format);
        let total = Resources::from_proto(&info.resources).unwrap();
        let agent = AgentSnapshot {
            id: AgentId::new(format!("a{number}")),
            info: Arc::new(info),
            pid: Upid::new(format!("slave({number})"), "10.0.0.7:5051".parse().unwrap()),
            version: "1.11.0".to_owned(),
            capabilities: Vec::new(),
            registered: Timestamp::from_nanos(0),
            reregistered: None,
            active: true,
            connected: true,
            deactivated: false,
            drain: None,
            drain_started: None,
            total: total.clone(),
        };
        let role = Role::new("r");
        let offer = OfferSnapshot {
            id: OfferId::new(format!("o{number}")),
            framework: FrameworkId::new("f"),
            agent: agent.id.clone(),
            resources: total.allocated(&role),
            role,
        };
        OutgoingOffer::new(Arc::new(offer), Arc::new(agent), Vec::new(), None, format)
    }

    #[test]
    fn what_was_described_before_does_not_show() {
        let fault_domain = v1::domain_info::FaultDomain::default();
        let domain = v1::DomainInfo { fault_domain: Some(Box::new(fault_domain)) };
        let mut offers = [
            offered(0, |_, _| {}),
            offered(1, |info, _| info.attributes = vec![attribute("x"), attribute("y")]),
            offered(2, |info, _| info.attributes = vec![attribute("x")]),
            offered(3, |info, _| info.domain = Some(Box::new(domain))),
            offered(4, |_, format| format.multi_role = false),
            offered(5, |_, format| *format = OfferFormat { multi_role: true, reservation_refinement: false }),
        ];
        let window = v1::Unavailability { start: v1::TimeInfo { nanoseconds: 1 }, duration: None };
        offers[1].unavailability = Some(window);
        offers[2].executors = vec![ExecutorId::new("e")];
        let backwards = offers.iter().rev().cloned();
        let event = OffersEvent::new(offers.iter().cloned().chain(backwards).collect());
        for content_type in [ContentType::Protobuf, ContentType::Json] {
            assert_eq!(event.encode_as(content_type), wire::encode_as(content_type, &event.to_proto()));
        }
    }
}
