//! Offers: outstanding ones, and how they are described to frameworks.

mod outgoing;
mod outstanding;

pub(crate) use outgoing::url_of;
pub use outgoing::{OffersEvent, OutgoingOffer};
pub(crate) use outstanding::{
    Allocation, Offers, discard_offer, discard_offers, offer, offer_timed_out, rescind_offer, rescind_offer_for,
    rescind_offers_of_agent, rescind_offers_of_framework, rescind_offers_of_unsubscribed_roles, take_offer,
};
