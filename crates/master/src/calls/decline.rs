//! DECLINE.

use messages::v1::scheduler::call::Decline;

use crate::allocation::refusal;
use crate::cx::Cx;
use crate::master::Master;
use vocabulary::FrameworkId;

impl Master {
    /// Offers that are not outstanding any more are ignored, those of others are not touched.
    pub(crate) fn decline(&mut self, cx: &mut Cx<'_>, framework: &FrameworkId, call: &Decline) {
        self.metrics.messages_decline_offers.increment();
        let refuse = refusal(call.filters.as_ref());
        let mut declined = 0;
        for id in &call.offer_ids {
            if self.offers.get(&id.value).is_some_and(|offer| offer.framework == *framework) {
                declined += usize::from(self.discard_offer(cx, &id.value, Some(refuse)));
            }
        }
        if let Some(traffic) = self.traffic(framework) {
            traffic.declined(declined);
        }
    }
}
