//! The frameworks that the allocator asks to leave an agent, and the pause after a failover.
#![allow(clippy::unwrap_used, reason = "test code")]

mod scenario;

use std::time::Duration;

use allocator::Options;
use messages::v1;
use messages::v1::allocator::InverseOfferStatus;
use messages::v1::allocator::inverse_offer_status::Status;
use model::{AgentId, FrameworkId, Monotonic};
use scenario::*;

fn window(start: i64) -> v1::Unavailability {
    v1::Unavailability { start: v1::TimeInfo { nanoseconds: start }, duration: None }
}

fn answer(framework: &str, status: Status) -> InverseOfferStatus {
    InverseOfferStatus {
        status: status as i32,
        framework_id: FrameworkId::new(framework).to_proto(),
        timestamp: v1::TimeInfo { nanoseconds: 0 },
    }
}

impl Scenario {
    fn set_unavailability(self, agent: &str, start: i64) -> Self {
        self.with_allocator(|allocator| allocator.update_unavailability(&AgentId::new(agent), Some(window(start))))
    }

    fn answer_inverse_offer(
        mut self,
        framework: &str,
        agent: &str,
        status: Option<Status>,
        refuse: Option<u64>,
    ) -> Self {
        let now = self.now;
        let status = status.map(|status| answer(framework, status));
        let (framework, agent) = (FrameworkId::new(framework), AgentId::new(agent));
        let refuse = refuse.map(Duration::from_secs);
        self.allocator.update_inverse_offer(now, &agent, &framework, status, refuse);
        self
    }

    /// Expects that exactly these frameworks are asked to leave these agents.
    fn expect_inverse_offers(mut self, expected: &[(&str, &str)]) -> Self {
        self.allocator.allocate(self.now);
        let asked = self.allocator.inverse_offers(self.now);
        assert!(!self.allocator.is_dirty());
        let asked: Vec<_> = asked.iter().map(|offer| (offer.framework.as_str(), offer.agent.as_str())).collect();
        assert_eq!(asked, expected);
        self
    }

    fn expect_inverse_offer_statuses(self, expected: &[(&str, &str, Status)]) -> Self {
        let statuses: Vec<_> = self
            .allocator
            .inverse_offer_statuses()
            .map(|(agent, status)| (agent.to_string(), status.framework_id.value.clone(), status.status()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(agent, framework, status)| ((*agent).to_owned(), (*framework).to_owned(), *status))
            .collect();
        assert_eq!(statuses, expected);
        self
    }
}

fn two_holders() -> Scenario {
    scenario()
        .add_framework(&framework("f1", &["r"]))
        .add_framework(&framework("f2", &["r"]))
        .add_framework(&framework("f3", &["r"]))
        .add_agent_with_used(
            &agent("a1", "cpus:2;mem:200"),
            &[("f1", "r", "cpus:1;mem:100"), ("f2", "r", "cpus:1;mem:100")],
        )
        .add_agent_with_used(&agent("a2", "cpus:1;mem:100"), &[("f3", "r", "cpus:1;mem:100")])
}

#[test]
fn frameworks_with_allocations_get_one_inverse_offer() {
    two_holders()
        .expect_inverse_offers(&[])
        .set_unavailability("a1", 100)
        .expect_inverse_offers(&[("f1", "a1"), ("f2", "a1")])
        .expect_inverse_offers(&[]);
}

#[test]
fn frameworks_with_offers_get_an_inverse_offer() {
    scenario()
        .add_framework(&framework("f1", &["r"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .set_unavailability("a1", 100)
        .expect_inverse_offers(&[("f1", "a1")]);
}

#[test]
fn an_unused_agent_causes_no_inverse_offers() {
    scenario().add_agent(&agent("a1", "cpus:1;mem:100")).set_unavailability("a1", 100).expect_inverse_offers(&[]);
}

#[test]
fn a_later_allocation_causes_an_inverse_offer() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .set_unavailability("a1", 100)
        .expect_inverse_offers(&[])
        .add_framework(&framework("f1", &["r"]))
        .expect_inverse_offers(&[("f1", "a1")]);
}

/// Mesos asks again after the filter of an answer has expired, for every kind of answer.
#[test]
fn a_new_inverse_offer_follows_the_filter_of_an_answer() {
    two_holders()
        .set_unavailability("a1", 100)
        .expect_inverse_offers(&[("f1", "a1"), ("f2", "a1")])
        .answer_inverse_offer("f1", "a1", Some(Status::Accept), Some(5))
        .answer_inverse_offer("f2", "a1", Some(Status::Decline), Some(10))
        .expect_inverse_offer_statuses(&[("a1", "f1", Status::Accept), ("a1", "f2", Status::Decline)])
        .expect_inverse_offers(&[])
        .advance_seconds(5)
        .expect_inverse_offers(&[("f1", "a1")])
        .advance_seconds(5)
        .expect_inverse_offers(&[("f2", "a1")]);
}

#[test]
fn the_end_of_an_inverse_offer_filter_is_a_wakeup() {
    let scenario = two_holders()
        .set_unavailability("a1", 100)
        .expect_inverse_offers(&[("f1", "a1"), ("f2", "a1")])
        .answer_inverse_offer("f1", "a1", Some(Status::Accept), Some(5))
        .expect_inverse_offers(&[]);
    assert_eq!(scenario.allocator.next_wakeup(), Some(scenario.now + Duration::from_secs(5)));
}

/// A filter of zero seconds means "at the next round" in Mesos, which is one allocation interval later.
#[test]
fn an_inverse_offer_filter_lasts_at_least_the_allocation_interval() {
    two_holders()
        .set_unavailability("a2", 100)
        .expect_inverse_offers(&[("f3", "a2")])
        .answer_inverse_offer("f3", "a2", Some(Status::Decline), Some(0))
        .expect_inverse_offers(&[])
        .advance_seconds(1)
        .expect_inverse_offers(&[("f3", "a2")]);
}

#[test]
fn a_rescinded_inverse_offer_is_repeated_at_once() {
    two_holders()
        .set_unavailability("a2", 100)
        .expect_inverse_offers(&[("f3", "a2")])
        .answer_inverse_offer("f3", "a2", None, None)
        .expect_inverse_offer_statuses(&[])
        .expect_inverse_offers(&[("f3", "a2")]);
}

#[test]
fn a_new_window_removes_answers_and_filters() {
    two_holders()
        .set_unavailability("a2", 100)
        .expect_inverse_offers(&[("f3", "a2")])
        .answer_inverse_offer("f3", "a2", Some(Status::Accept), Some(1000))
        .set_unavailability("a2", 200)
        .expect_inverse_offer_statuses(&[])
        .expect_inverse_offers(&[("f3", "a2")])
        .with_allocator(|allocator| assert_eq!(allocator.unavailability(&AgentId::new("a2")), Some(&window(200))));
}

#[test]
fn a_cancelled_window_causes_no_inverse_offers() {
    two_holders()
        .set_unavailability("a2", 100)
        .with_allocator(|allocator| allocator.update_unavailability(&AgentId::new("a2"), None))
        .expect_inverse_offers(&[])
        .with_allocator(|allocator| assert_eq!(allocator.unavailability(&AgentId::new("a2")), None));
}

/// The answer is about the old window and arrives late.
#[test]
fn an_answer_to_an_ended_inverse_offer_is_ignored() {
    two_holders()
        .set_unavailability("a2", 100)
        .answer_inverse_offer("f3", "a2", Some(Status::Accept), None)
        .expect_inverse_offer_statuses(&[])
        .expect_inverse_offers(&[("f3", "a2")]);
}

#[test]
fn an_inactive_framework_gets_inverse_offers_once_active() {
    let f3 = FrameworkId::new("f3");
    two_holders()
        .with_allocator(|allocator| allocator.deactivate_framework(&f3))
        .set_unavailability("a2", 100)
        .expect_inverse_offers(&[])
        .with_allocator(|allocator| allocator.activate_framework(&f3))
        .expect_inverse_offers(&[("f3", "a2")]);
}

#[test]
fn revive_removes_inverse_offer_filters() {
    two_holders()
        .set_unavailability("a2", 100)
        .expect_inverse_offers(&[("f3", "a2")])
        .answer_inverse_offer("f3", "a2", Some(Status::Decline), Some(1000))
        .expect_inverse_offers(&[])
        .revive("f3", &[])
        .expect_inverse_offers(&[("f3", "a2")]);
}

#[test]
fn removed_agents_and_frameworks_leave_no_inverse_offers() {
    two_holders()
        .set_unavailability("a1", 100)
        .expect_inverse_offers(&[("f1", "a1"), ("f2", "a1")])
        .answer_inverse_offer("f1", "a1", Some(Status::Accept), Some(5))
        .answer_inverse_offer("f2", "a1", Some(Status::Accept), Some(5))
        .remove_framework("f1")
        .expect_inverse_offer_statuses(&[("a1", "f2", Status::Accept)])
        .remove_agent("a1")
        .expect_inverse_offer_statuses(&[])
        .advance_seconds(5)
        .expect_inverse_offers(&[]);
}

fn recovering(expected: usize, has_quota: bool) -> Scenario {
    scenario()
        .with_allocator(|allocator| allocator.start_recovery(Monotonic::default(), expected, has_quota))
        .add_framework(&framework("f1", &["r"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
}

impl Scenario {
    fn expect_no_offers(mut self) -> Self {
        assert_eq!(self.allocator.allocate(self.now), []);
        self
    }
}

#[test]
fn without_quota_there_is_no_pause_after_a_failover() {
    recovering(10, false).expect_offer_counts(&[("f1", 1)]);
}

#[test]
fn with_quota_the_pause_lasts_until_most_agents_return() {
    recovering(3, true)
        .expect_no_offers()
        .with_allocator(|allocator| assert_eq!(allocator.missing_agents(), Some(1)))
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .with_allocator(|allocator| assert_eq!(allocator.missing_agents(), None))
        .expect_offer_counts(&[("f1", 2)]);
}

#[test]
fn the_pause_ends_with_the_timeout() {
    let scenario = recovering(100, true).expect_no_offers();
    assert_eq!(scenario.allocator.next_wakeup(), Some(Monotonic::from_start(Duration::from_secs(600))));
    scenario.advance_seconds(599).expect_no_offers().advance_seconds(1).expect_offer_counts(&[("f1", 1)]);
}

/// 0.8 of one agent is rounded down to none.
#[test]
fn a_single_agent_causes_no_pause() {
    scenario()
        .with_allocator(|allocator| allocator.start_recovery(Monotonic::default(), 1, true))
        .with_allocator(|allocator| assert_eq!(allocator.missing_agents(), None));
}

#[test]
fn the_share_of_agents_that_ends_the_pause_is_configurable() {
    let options = Options { agent_recovery_factor: 0.1, ..Options::default() };
    Scenario::with(options)
        .with_allocator(|allocator| allocator.start_recovery(Monotonic::default(), 10, true))
        .add_framework(&framework("f1", &["r"]))
        .with_allocator(|allocator| assert_eq!(allocator.missing_agents(), Some(1)))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offer_counts(&[("f1", 1)]);
}
