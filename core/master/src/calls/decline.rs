//! DECLINE.

use messages::v1::scheduler::call::Decline;

use crate::allocation::refusal;
use crate::effects::Context;
use crate::master::Master;
use model::FrameworkId;

impl Master {
    /// Offers that are not outstanding any more are ignored, those of others are not touched.
    pub(crate) fn decline(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, call: &Decline) {
        self.metrics.messages_decline_offers.increment();
        let refuse = refusal(call.filters.as_ref());
        let mut declined = 0;
        for id in &call.offer_ids {
            if self.offers.get(&id.value).is_some_and(|offer| offer.framework == *framework) {
                declined += usize::from(self.discard_offer(cx, &id.value, Some(refuse)));
            }
        }
        if let Some(framework_metrics) = self.framework_metrics(framework) {
            framework_metrics.add_declined_offers(declined);
        }
    }
}
