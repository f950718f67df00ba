//! DECLINE.

use messages::v1::scheduler::call::Decline;
use model::FrameworkId;

use crate::allocation::refuse_duration;
use crate::frameworks::framework_metrics;
use crate::interface::Context;
use crate::offers::discard_offer;
use crate::state::State;

/// Declines offers. Offers that are not outstanding any more are ignored, and those of other frameworks are not
/// touched.
pub(crate) fn decline(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, call: &Decline) {
    state.metrics.messages_decline_offers.increment();
    let refuse = refuse_duration(call.filters.as_ref());
    let mut declined = 0;
    for id in &call.offer_ids {
        if state.offers.get(&id.value).is_some_and(|offer| offer.framework == *framework) {
            declined += usize::from(discard_offer(state, cx, &id.value, Some(refuse)));
        }
    }
    if let Some(framework_metrics) = framework_metrics(&state.frameworks, framework) {
        framework_metrics.add_declined_offers(declined);
    }
}
