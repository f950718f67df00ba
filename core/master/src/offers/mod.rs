//! Offers.
//!
//! | module | owns |
//! | --- | --- |
//! | `index` | the set of all outstanding offers |
//! | `outstanding` | how offers are made, rescinded and discarded |
//! | `event` | the OFFERS event |

mod event;
mod index;
mod outstanding;

pub use event::OffersEvent;
pub(crate) use index::Offers;
pub(crate) use outstanding::{
    Allocation, discard_offer, discard_offers, offer, offer_timed_out, rescind_offer, rescind_offer_and_refuse,
    rescind_offers_of_agent, rescind_offers_of_framework, rescind_offers_of_unsubscribed_roles, take_offer,
};
