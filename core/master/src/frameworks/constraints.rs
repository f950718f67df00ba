//! The offer constraints of a framework.

use std::sync::Arc;

use allocator::{OfferConstraintsFilter, PatternLimits};
use messages::v1;
use validation::ValidationError;

/// Offer constraints as they were sent, and compiled.
pub(super) struct Constraints {
    pub message: Arc<v1::scheduler::OfferConstraints>,
    pub compiled: Arc<OfferConstraintsFilter>,
}

impl Constraints {
    /// Compiles the offer constraints of a framework.
    ///
    /// # Errors
    /// Returns the reason for which the constraints are refused.
    pub fn new(message: v1::scheduler::OfferConstraints, limits: PatternLimits) -> Result<Self, ValidationError> {
        let compiled = OfferConstraintsFilter::compile(&message, limits)
            .map_err(|reason| ValidationError::new(format!("Offer constraints are not valid: {reason}")))?;
        Ok(Constraints { message: Arc::new(message), compiled: Arc::new(compiled) })
    }
}
