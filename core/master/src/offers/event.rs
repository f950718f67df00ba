//! The OFFERS event of a framework.

use std::sync::Arc;

use messages::v1;
use messages::v1::scheduler::{Event, event};
use model::master::{Offer, OfferFormat};
use wire::ContentType;

/// The numbers of `Event.offers`, and of `Event.Offers.offers` in it.
const EVENT_OFFERS: u32 = 3;
const OFFERS_OFFERS: u32 = 1;

/// An OFFERS event, which becomes a message when it is encoded.
#[derive(Debug, Clone)]
pub struct OffersEvent {
    offers: Arc<Vec<Arc<Offer>>>,
    format: OfferFormat,
}

impl OffersEvent {
    pub(crate) fn new(offers: Vec<Arc<Offer>>, format: OfferFormat) -> Self {
        OffersEvent { offers: Arc::new(offers), format }
    }

    /// Returns the number of bytes of memory that the event takes while it waits; the offers and agents themselves are
    /// shared.
    pub(crate) fn size(&self) -> usize {
        self.offers.len() * size_of::<Arc<Offer>>()
    }

    /// Returns the offers in order.
    pub fn offers(&self) -> &[Arc<Offer>] {
        &self.offers
    }

    /// Encodes the event. The bytes are those of the whole message, but only one offer at a time exists as a message.
    pub fn encode_as(&self, content_type: ContentType) -> Vec<u8> {
        match content_type {
            ContentType::Json => wire::encode_as(content_type, &self.to_proto()),
            ContentType::Protobuf => {
                let event = Event { r#type: Some(event::Type::Offers as i32), ..Default::default() };
                wire::encode_with_list(&event, EVENT_OFFERS, OFFERS_OFFERS, |take| self.each(take))
            }
        }
    }

    /// Lends each offer to `take`, one after the other.
    fn each(&self, mut take: impl FnMut(&v1::Offer)) {
        let mut described = v1::Offer::default();
        let mut before: Option<&Offer> = None;
        for offer in self.offers() {
            offer.describe(self.format, &mut described, before.replace(offer));
            take(&described);
        }
    }

    /// Returns the event as a message, in the format that its framework understands.
    pub fn to_proto(&self) -> Event {
        let offers = self.offers.iter().map(|offer| offer.to_proto(self.format)).collect();
        Event {
            r#type: Some(event::Type::Offers as i32),
            offers: Some(Box::new(event::Offers { offers })),
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use model::master::AgentSnapshot;
    use model::{AgentId, ExecutorId, FrameworkId, OfferId, Role, Upid};
    use resources::Resources;

    use super::*;

    fn attribute(name: &str) -> v1::Attribute {
        v1::Attribute { name: name.to_owned(), ..Default::default() }
    }

    fn offer(number: usize, change: impl FnOnce(&mut v1::AgentInfo)) -> Offer {
        let cpus = v1::Resource {
            name: "cpus".to_owned(),
            r#type: v1::value::Type::Scalar as i32,
            scalar: Some(v1::value::Scalar { value: (number / 2 + 1) as f64 }),
            ..Default::default()
        };
        let mut info = v1::AgentInfo { hostname: format!("h{number}"), resources: vec![cpus], ..Default::default() };
        change(&mut info);
        let total = Resources::from_proto(&info.resources).unwrap();
        let pid = Upid::new(format!("slave({number})"), "10.0.0.7:5051".parse().unwrap());
        let agent = AgentSnapshot::new(AgentId::new(format!("a{number}")), Arc::new(info), pid, total.clone());
        let role = Role::new("r");
        Offer {
            id: OfferId::new(format!("o{number}")),
            framework: FrameworkId::new("f"),
            agent: Arc::new(agent),
            resources: total.allocated(&role),
            role,
            executors: Vec::new(),
            unavailability: None,
        }
    }

    #[test]
    fn an_encoded_offer_contains_nothing_of_the_previous_offer() {
        let fault_domain = v1::domain_info::FaultDomain::default();
        let domain = v1::DomainInfo { fault_domain: Some(Box::new(fault_domain)) };
        let mut offers = [
            offer(0, |_| {}),
            offer(1, |info| info.attributes = vec![attribute("x"), attribute("y")]),
            offer(2, |info| info.attributes = vec![attribute("x")]),
            offer(3, |info| info.domain = Some(Box::new(domain))),
            offer(4, |_| {}),
            offer(5, |_| {}),
        ];
        let window = v1::Unavailability { start: v1::TimeInfo { nanoseconds: 1 }, duration: None };
        offers[1].unavailability = Some(window);
        offers[2].executors = vec![ExecutorId::new("e")];
        let backwards = offers.iter().rev().cloned();
        let all: Vec<Arc<Offer>> = offers.iter().cloned().chain(backwards).map(Arc::new).collect();
        for (multi_role, reservation_refinement) in [(true, true), (false, true), (true, false), (false, false)] {
            let event = OffersEvent::new(all.clone(), OfferFormat { multi_role, reservation_refinement });
            for content_type in [ContentType::Protobuf, ContentType::Json] {
                assert_eq!(event.encode_as(content_type), wire::encode_as(content_type, &event.to_proto()));
            }
        }
    }
}
