//! Validation of the offers that an ACCEPT names.

use std::collections::BTreeSet;

use ids::{AgentId, FrameworkId, Role};
use messages::v1::OfferId;

use crate::ValidationError;

/// An outstanding offer. Offers of removed or disconnected agents are rescinded at once, so an offer that is found is
/// usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferSummary {
    /// The framework that it was made to.
    pub framework: FrameworkId,
    /// The role that its resources are allocated to.
    pub role: Role,
    /// The agent that its resources are on.
    pub agent: AgentId,
}

/// Checks that offers can be accepted together. As in Mesos, all offers are checked by one rule before the next rule.
/// An empty list passes.
///
/// # Errors
///
/// The reason is that of `offer::validate` in Mesos' `src/master/validation.cpp`, for the first rule that is broken.
pub fn validate(
    ids: &[OfferId],
    lookup: impl Fn(&str) -> Option<OfferSummary>,
    framework: &FrameworkId,
) -> Result<(), ValidationError> {
    let offers = find(ids, lookup, "Offer")?;
    validate_framework(&offers, framework)?;
    validate_role(&offers)?;
    validate_agent(&offers)
}

/// Checks that inverse offers can be accepted together. They have no role; the other rules are those of [`validate`].
///
/// # Errors
///
/// The reason is that of `offer::validateInverseOffers` in Mesos' `src/master/validation.cpp`, for the first rule that
/// is broken.
pub fn validate_inverse(
    ids: &[OfferId],
    lookup: impl Fn(&str) -> Option<OfferSummary>,
    framework: &FrameworkId,
) -> Result<(), ValidationError> {
    let offers = find(ids, lookup, "Inverse offer")?;
    validate_framework(&offers, framework)?;
    validate_agent(&offers)
}

type Found<'a> = Vec<(&'a str, OfferSummary)>;

fn find<'a>(
    ids: &'a [OfferId],
    lookup: impl Fn(&str) -> Option<OfferSummary>,
    kind: &str,
) -> Result<Found<'a>, ValidationError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(&id.value) {
            return Err(ValidationError::new(format!("Duplicate offer {} in offer list", id.value)));
        }
    }
    let known = |id: &'a OfferId| match lookup(&id.value) {
        Some(offer) => Ok((id.value.as_str(), offer)),
        None => Err(ValidationError::new(format!("{kind} {} is no longer valid", id.value))),
    };
    ids.iter().map(known).collect()
}

fn validate_framework(offers: &Found, framework: &FrameworkId) -> Result<(), ValidationError> {
    match offers.iter().find(|(_, offer)| offer.framework != *framework) {
        Some((id, offer)) => Err(ValidationError::new(format!(
            "Offer {id} has invalid framework {} while framework {framework} is expected",
            offer.framework
        ))),
        None => Ok(()),
    }
}

fn validate_role(offers: &Found) -> Result<(), ValidationError> {
    let Some((_, first)) = offers.first() else { return Ok(()) };
    match offers.iter().find(|(_, offer)| offer.role != first.role) {
        // The unbalanced quotes are Mesos'.
        Some((id, offer)) => Err(ValidationError::new(format!(
            "Aggregated offers must be allocated to the same role. Offer {id} uses role '{} but another is \
             using role '{}",
            offer.role, first.role
        ))),
        None => Ok(()),
    }
}

fn validate_agent(offers: &Found) -> Result<(), ValidationError> {
    let Some((_, first)) = offers.first() else { return Ok(()) };
    match offers.iter().find(|(_, offer)| offer.agent != first.agent) {
        Some((id, offer)) => Err(ValidationError::new(format!(
            "Aggregated offers must belong to one single agent. Offer {id} uses agent {} and agent {}",
            offer.agent, first.agent
        ))),
        None => Ok(()),
    }
}
