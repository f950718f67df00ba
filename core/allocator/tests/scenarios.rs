//! The allocator's behaviour, case by case. Many are scenarios that Mesos' own tests cover.
#![allow(clippy::unwrap_used, reason = "test code")]

mod scenario;

use std::time::Duration;

use allocator::{IneligibilityReason, Options};
use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::Resources;
use scenario::*;

#[test]
fn all_available_resources_are_offered_to_the_only_framework() {
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:1024;disk:0;ports:[1-9]"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "cpus:2;mem:1024;ports:[1-9]")])
        .expect_available("a1", "")
        .expect_offers(&[]);
}

#[test]
fn a_wakeup_is_due_only_after_a_change() {
    let scenario = scenario().add_agent(&agent("a1", "cpus:2;mem:1024")).expect_offers(&[]);
    assert_eq!(scenario.allocator.next_wakeup(), None);
    let scenario = scenario.add_framework(&framework("f1", &["r"]));
    assert!(scenario.allocator.next_wakeup() <= Some(scenario.now));
    let scenario = scenario.expect_offers(&[("f1", "r", "a1", "")]);
    assert_eq!(scenario.allocator.next_wakeup(), None);
}

/// The worked example of the DRF paper, in the order of Mesos' allocator test.
#[test]
fn the_smaller_dominant_share_is_served_first() {
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["r1"]))
        .expect_offers(&[("f1", "r1", "a1", "cpus:2;mem:1024")])
        .add_framework(&framework("f2", &["r2"]))
        .expect_offers(&[])
        .add_agent(&agent("a2", "cpus:1;mem:512"))
        // r1 has everything so far.
        .expect_offers(&[("f2", "r2", "a2", "cpus:1;mem:512")])
        .add_agent(&agent("a3", "cpus:3;mem:2048"))
        // r1 has 2/6, r2 1/6 of the cpus.
        .expect_offers(&[("f2", "r2", "a3", "cpus:3;mem:2048")])
        // r1 has 2/10, r2 4/10 of the cpus.
        .add_framework(&framework("f3", &["r1"]))
        .add_agent(&agent("a4", "cpus:4;mem:4096"))
        .expect_offers(&[("f3", "r1", "a4", "cpus:4;mem:4096")]);
}

#[test]
fn frameworks_with_equal_shares_alternate() {
    let mut scenario = scenario().add_framework(&framework("f1", &["r"])).add_framework(&framework("f2", &["r"]));
    for i in 0..6 {
        scenario = scenario.add_agent(&agent(&format!("a{i}"), "cpus:1;mem:100"));
    }
    scenario.expect_offer_counts(&[("f1", 3), ("f2", 3)]);
}

/// With equal shares the framework that was chosen less often is next, even if it has nothing now.
#[test]
fn ties_are_broken_by_allocation_count_and_then_by_name() {
    scenario()
        .add_framework(&framework("f2", &["r"]))
        .add_framework(&framework("f1", &["r"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "r", "a1", "")])
        .recover_resources("f1", "r", "a1", "cpus:1;mem:100")
        .expect_offers(&[("f2", "r", "a1", "")])
        .recover_resources("f2", "r", "a1", "cpus:1;mem:100")
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn weights_divide_the_cluster() {
    let mut scenario = scenario()
        .set_weight("r2", 2.0)
        .add_framework(&framework("f1", &["r1"]))
        .add_framework(&framework("f2", &["r2"]));
    for i in 0..6 {
        scenario = scenario.add_agent(&agent(&format!("a{i}"), "cpus:2;mem:1024"));
    }
    scenario.expect_offer_counts(&[("f1", 2), ("f2", 4)]);
}

#[test]
fn a_changed_weight_moves_a_role() {
    scenario()
        .add_framework(&framework("f1", &["r1"]))
        .add_framework(&framework("f2", &["r2"]))
        .add_agent(&agent("a1", "cpus:4;mem:100"))
        .add_agent(&agent("a2", "cpus:4;mem:100"))
        .expect_offer_counts(&[("f1", 1), ("f2", 1)])
        .set_weight("r2", 4.0)
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "r2", "a3", "")]);
}

/// `a` and `b` share equally, independent of the roles below them; inside `a` its own framework is one of three.
#[test]
fn the_role_tree_is_shared_level_by_level() {
    let mut scenario = scenario()
        .add_framework(&framework("own", &["a"]))
        .add_framework(&framework("x", &["a/x"]))
        .add_framework(&framework("y", &["a/y"]))
        .add_framework(&framework("b", &["b"]));
    for i in 0..12 {
        scenario = scenario.add_agent(&agent(&format!("n{i:02}"), "cpus:1;mem:100"));
    }
    scenario.expect_offer_counts(&[("own", 2), ("x", 2), ("y", 2), ("b", 6)]);
}

#[test]
fn weights_apply_within_a_subtree() {
    let mut scenario = scenario()
        .set_weight("a/x", 3.0)
        .add_framework(&framework("x", &["a/x"]))
        .add_framework(&framework("y", &["a/y"]))
        .add_framework(&framework("b", &["b"]));
    for i in 0..16 {
        scenario = scenario.add_agent(&agent(&format!("n{i:02}"), "cpus:1;mem:100"));
    }
    scenario.expect_offer_counts(&[("x", 6), ("y", 2), ("b", 8)]);
}

#[test]
fn excluded_resources_make_no_share() {
    let options = Options { excluded_resource_names: ["gpus".into()].into(), ..Options::default() };
    Scenario::with(options)
        .add_framework(&framework("f1", &["r1"]).can(Can::GpuResources))
        .add_framework(&framework("f2", &["r2"]).can(Can::GpuResources))
        .add_agent(&agent("a1", "cpus:1;mem:100;gpus:8"))
        .expect_offers(&[("f1", "r1", "a1", "")])
        .add_agent(&agent("a2", "cpus:50;mem:5000"))
        .expect_offers(&[("f2", "r2", "a2", "")])
        // f1 has all gpus and hardly any cpus.
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "r1", "a3", "")]);
}

#[test]
fn a_multi_role_framework_has_a_share_in_each_role() {
    scenario()
        .add_framework(&framework("f1", &["r1", "r2"]))
        .add_framework(&framework("f2", &["r2"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "r1", "a1", "")])
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        // Neither framework has resources in r2, so the name decides. The resources of f1 in r1 do not count.
        .expect_offers(&[("f1", "r2", "a2", "")])
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "r1", "a3", "")])
        .add_agent(&agent("a4", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "r2", "a4", "")]);
}

#[test]
fn suppressed_roles_get_no_offers_until_revived() {
    let until_then = |reason| [reason];
    scenario()
        .add_framework(&framework("f1", &["r1", "r2"]).suppressing("r1"))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_reasons("f1", "r1", "a1", &until_then(IneligibilityReason::Suppressed))
        .expect_offers(&[("f1", "r2", "a1", "")])
        .suppress("f1", &[])
        .recover_resources("f1", "r2", "a1", "cpus:1;mem:100")
        .expect_offers(&[])
        .revive("f1", &["r1"])
        .expect_offers(&[("f1", "r1", "a1", "")]);
}

#[test]
fn a_call_with_a_role_without_subscription_has_no_effect() {
    let f1 = FrameworkId::new("f1");
    let [r1, foreign] = [Role::new("r1"), Role::new("foreign")];
    scenario()
        .add_framework(&framework("f1", &["r1"]))
        .with_allocator(|allocator| assert!(!allocator.suppress(&f1, &[r1.clone(), foreign.clone()])))
        .with_allocator(|allocator| assert!(!allocator.revive(&f1, &[foreign])))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "r1", "a1", "")]);
}

#[test]
fn an_offer_filter_lasts_for_its_time() {
    let scenario = scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 5)
        .expect_offers(&[])
        .expect_reasons(
            "f1",
            "r",
            "a1",
            &[IneligibilityReason::Filtered { until: Monotonic::from_start(Duration::from_secs(5)) }],
        );
    assert_eq!(scenario.allocator.next_wakeup(), Some(Monotonic::from_start(Duration::from_secs(5))));
    scenario.advance_seconds(4).expect_offers(&[]).advance_seconds(1).expect_offers(&[("f1", "r", "a1", "")]);
}

/// Mesos waits for its next batch; asking again at once would continue for ever.
#[test]
fn an_offer_filter_lasts_at_least_the_allocation_interval() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 0)
        .expect_offers(&[])
        .advance_seconds(1)
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn declined_resources_are_offered_to_another_framework() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r"]))
        .add_framework(&framework("f2", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 60)
        .expect_offers(&[("f2", "r", "a1", "")])
        .decline("f2", 60)
        .expect_offers(&[]);
}

/// More than was declined is offered again; less is not.
#[test]
fn an_offer_filter_covers_subsets_of_the_declined_resources() {
    scenario()
        .add_agent_with_used(&agent("a1", "cpus:4;mem:400"), &[("f0", "r0", "cpus:2;mem:200")])
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "cpus:2;mem:200")])
        .decline("f1", 600)
        .expect_offers(&[])
        .recover_resources("f0", "r0", "a1", "cpus:1;mem:100")
        .expect_offers(&[("f1", "r", "a1", "cpus:3;mem:300")]);
}

#[test]
fn an_offer_filter_applies_to_one_role() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r1", "r2"]))
        .expect_offers(&[("f1", "r1", "a1", "")])
        .decline("f1", 60)
        .expect_offers(&[("f1", "r2", "a1", "")]);
}

#[test]
fn reviving_removes_the_offer_filters_of_that_role() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r1", "r2"]))
        .expect_offers(&[("f1", "r1", "a1", "")])
        .decline("f1", 60)
        .expect_offers(&[("f1", "r2", "a1", "")])
        .decline("f1", 60)
        .revive("f1", &["r2"])
        .expect_offers(&[("f1", "r2", "a1", "")])
        .decline("f1", 60)
        .revive("f1", &[])
        .expect_offers(&[("f1", "r1", "a1", "")]);
}

#[test]
fn changed_attributes_remove_the_offer_filters_on_the_agent() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 60)
        .update_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[])
        .update_agent(&agent("a1", "cpus:1;mem:100").with_attributes("rack:1"))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn a_reconnected_framework_has_no_offer_filters() {
    let f1 = FrameworkId::new("f1");
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 600)
        .with_allocator(|allocator| allocator.deactivate_framework(&f1))
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::FrameworkInactive])
        .expect_offers(&[])
        .with_allocator(|allocator| allocator.activate_framework(&f1))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn reserved_resources_go_to_their_subtree_only() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100;cpus(eng):2;mem(eng):200"))
        .add_framework(&framework("ads", &["ads"]))
        .add_framework(&framework("web", &["eng/web"]))
        .add_framework(&framework("english", &["english"]))
        .expect_offers(&[("ads", "ads", "a1", "cpus:1;mem:100"), ("web", "eng/web", "a1", "cpus(eng):2;mem(eng):200")])
        .remove_framework("web")
        .expect_reasons("english", "english", "a1", &[IneligibilityReason::NothingOfferable])
        .expect_offers(&[]);
}

#[test]
fn resources_below_the_minimum_are_not_offered() {
    scenario()
        .add_agent(&agent("a1", "cpus:0.009;mem:31;ports:[1-9]"))
        .add_agent(&agent("a2", "cpus:0.01"))
        .add_agent(&agent("a3", "mem:32"))
        .add_framework(&framework("f1", &["r"]))
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::BelowMinimum])
        .expect_offers(&[("f1", "r", "a2", ""), ("f1", "r", "a3", "")]);
}

#[test]
fn a_framework_may_set_its_own_minimum() {
    let mut picky = framework("f1", &["r1", "r2"]);
    let minimum = messages::v1::offer_filters::MinAllocatableResources {
        quantities: vec![messages::v1::offer_filters::ResourceQuantities {
            quantities: [("cpus".to_owned(), messages::v1::value::Scalar { value: 4.0 })].into(),
        }],
    };
    let filters = messages::v1::OfferFilters { min_allocatable_resources: Some(Box::new(minimum)) };
    picky.info.offer_filters = [("r1".to_owned(), filters)].into();
    scenario()
        .add_agent(&agent("a1", "cpus:3;mem:100"))
        .add_agent(&agent("a2", "cpus:4;mem:100"))
        .add_framework(&picky)
        .expect_offers(&[("f1", "r2", "a1", ""), ("f1", "r1", "a2", "")]);
}

#[test]
fn agents_with_gpus_require_the_capability_gpu_resources() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100;gpus:1"))
        .add_framework(&framework("f1", &["r"]))
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::FrameworkLacks("GPU_RESOURCES")])
        .expect_offers(&[])
        .add_framework(&framework("f2", &["r"]).can(Can::GpuResources))
        .expect_offers(&[("f2", "r", "a1", "")]);
    Scenario::with(Options { filter_gpu_resources: false, ..Options::default() })
        .add_agent(&agent("a1", "cpus:1;mem:100;gpus:1"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn remote_regions_require_the_capability_region_aware() {
    let options = Options { region: Some("here".into()), ..Options::default() };
    Scenario::with(options)
        .add_agent(&agent("near", "cpus:1;mem:100").in_region("here"))
        .add_agent(&agent("nowhere", "cpus:1;mem:100"))
        .add_agent(&agent("far", "cpus:1;mem:100").in_region("there"))
        .add_framework(&framework("f1", &["r"]))
        .expect_reasons("f1", "r", "far", &[IneligibilityReason::FrameworkLacks("REGION_AWARE")])
        .expect_offers(&[("f1", "r", "near", ""), ("f1", "r", "nowhere", "")])
        .add_framework(&framework("f2", &["r"]).can(Can::RegionAware))
        .expect_offers(&[("f2", "r", "far", "")]);
}

#[test]
fn agents_without_a_capability_are_not_offered_where_it_is_needed() {
    let mut single = framework("single", &[]);
    single.info.capabilities.clear();
    scenario()
        .add_agent(&agent("old", "cpus:1;mem:100").without_capability(1).without_capability(2))
        .add_agent(&agent("flat", "cpus:1;mem:100").without_capability(2))
        .add_framework(&framework("f1", &["a/b"]))
        .expect_reasons("f1", "a/b", "old", &[IneligibilityReason::AgentLacks("MULTI_ROLE")])
        .expect_reasons("f1", "a/b", "flat", &[IneligibilityReason::AgentLacks("HIERARCHICAL_ROLE")])
        .expect_offers(&[])
        .add_framework(&framework("f2", &["r"]))
        .expect_offers(&[("f2", "r", "flat", "")])
        .add_framework(&single)
        .expect_offers(&[("single", "*", "old", "")]);
}

#[test]
fn revocable_resources_require_the_capability() {
    let spare = with(&resources("cpus:8"), |proto| proto.revocable = Some(Default::default()));
    let all = &resources("cpus:1;mem:100") + &spare;
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100").with(spare.clone()))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::FrameworkLacks("REVOCABLE_RESOURCES")])
        .with_allocator(move |allocator| {
            let f2 = framework("f2", &["r"]).can(Can::RevocableResources);
            allocator.add_framework(f2.options(), true, &[]);
            let offers = allocator.allocate(Monotonic::default());
            assert_eq!(offers.iter().map(|offer| offer.resources.unallocated()).collect::<Vec<_>>(), [spare]);
            allocator.remove_framework(&FrameworkId::new("f1"));
            allocator.remove_framework(&FrameworkId::new("f2"));
            assert_eq!(allocator.available(&AgentId::new("a1")), Some(&all));
        });
}

#[test]
fn refined_reservations_require_the_capability() {
    let refined = with(&resources("cpus:2;mem:100"), |proto| {
        proto.reservations = ["a", "a/b"]
            .iter()
            .map(|role| messages::v1::resource::ReservationInfo {
                r#type: Some(2),
                role: Some((*role).to_owned()),
                ..Default::default()
            })
            .collect();
    });
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100").with(refined))
        .add_framework(&framework("f1", &["a/b"]))
        .expect_offers(&[("f1", "a/b", "a1", "cpus:1;mem:100")])
        .expect_reasons("f1", "a/b", "a1", &[IneligibilityReason::FrameworkLacks("RESERVATION_REFINEMENT")])
        .add_framework(&framework("f2", &["a/b"]).can(Can::ReservationRefinement))
        .expect_offers(&[("f2", "a/b", "a1", "")]);
}

/// A shared volume is offered to one framework per run, stays available, and counts once in a share.
#[test]
fn shared_volumes_stay_available() {
    let volume = shared_volume();
    let counted =
        |allocator: &allocator::Allocator| allocator.roles().map(|view| view.allocated.to_string()).collect::<Vec<_>>();
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:200").with(volume.clone()))
        .add_framework(&framework("f1", &["r"]).can(Can::SharedResources))
        .expect_offer_counts(&[("f1", 1)])
        .add_framework(&framework("f2", &["r"]).can(Can::SharedResources))
        // Only the volume is left, which is not enough for an offer.
        .expect_reasons("f2", "r", "a1", &[IneligibilityReason::BelowMinimum])
        .recover_resources("f1", "r", "a1", "cpus:1;mem:100")
        .expect_offer_counts(&[("f2", 1)])
        .with_allocator(|allocator| {
            assert_eq!(allocator.available(&AgentId::new("a1")), Some(&shared_volume()));
            assert_eq!(counted(allocator), ["cpus:2; disk:50; mem:200"]);
            allocator.remove_framework(&FrameworkId::new("f1"));
            assert_eq!(counted(allocator), ["cpus:1; disk:50; mem:100"]);
            allocator.remove_framework(&FrameworkId::new("f2"));
            assert_eq!(counted(allocator), Vec::<String>::new());
        });
}

#[test]
fn an_inactive_agent_is_not_offered() {
    let a1 = AgentId::new("a1");
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r"]))
        .with_allocator(|allocator| allocator.deactivate_agent(&a1))
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::AgentInactive])
        .expect_offers(&[])
        .with_allocator(|allocator| allocator.activate_agent(&a1))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn only_whitelisted_agents_are_offered() {
    scenario()
        .with_allocator(|allocator| allocator.update_whitelist(Some(["host-a2".to_owned()].into())))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["r"]))
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::NotWhitelisted])
        .expect_offers(&[("f1", "r", "a2", "")])
        .with_allocator(|allocator| allocator.update_whitelist(None))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn unknown_frameworks_agents_and_roles_are_reasons() {
    scenario()
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::UnknownFramework, IneligibilityReason::UnknownAgent])
        .add_framework(&framework("f1", &["r"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_reasons("f1", "other", "a1", &[IneligibilityReason::NotSubscribed])
        .expect_reasons("f1", "r", "a1", &[])
        .expect_offers(&[("f1", "r", "a1", "")])
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::NothingLeft]);
}

#[test]
fn used_resources_are_tracked_and_not_offered() {
    let f1 = framework("f1", &["r"]);
    scenario()
        // The agent returns before its framework does.
        .add_agent_with_used(&agent("a1", "cpus:4;mem:400"), &[("f1", "r", "cpus:3;mem:300")])
        .expect_available("a1", "cpus:1;mem:100")
        .with_allocator(|allocator| {
            let used = [(AgentId::new("a1"), held("cpus:3;mem:300", "r"))];
            allocator.add_framework(f1.options(), true, &used);
        })
        .expect_available("a1", "cpus:1;mem:100")
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .with_allocator(|allocator| {
            let views: Vec<String> = allocator.roles().map(|view| view.allocated.to_string()).collect();
            assert_eq!(views, ["cpus:4; mem:400"]);
        })
        .recover_resources("f1", "r", "a1", "cpus:3;mem:300")
        .expect_offers(&[("f1", "r", "a1", "cpus:3;mem:300")]);
}

/// A master need not repeat the values that the agent reported.
#[test]
fn a_framework_gets_the_allocations_that_agents_reported_before() {
    scenario()
        .add_agent_with_used(
            &agent("a1", "cpus:4;mem:400"),
            &[("f1", "r", "cpus:2;mem:200"), ("f1", "s", "cpus:1;mem:100")],
        )
        .add_framework(&framework("f1", &["r"]))
        .expect_available("a1", "cpus:1;mem:100")
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .recover_resources("f1", "s", "a1", "cpus:1;mem:100")
        .recover_resources("f1", "r", "a1", "cpus:2;mem:200")
        .expect_offers(&[("f1", "r", "a1", "cpus:3;mem:300")]);
}

#[test]
fn resources_of_an_unknown_framework_can_be_recovered() {
    scenario()
        .add_framework(&framework("f1", &["r"]))
        .add_agent_with_used(&agent("a1", "cpus:4;mem:400"), &[("gone", "r", "cpus:3;mem:300")])
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .recover_resources("gone", "r", "a1", "cpus:2;mem:200")
        .expect_offers(&[("f1", "r", "a1", "cpus:2;mem:200")])
        .recover_resources("gone", "r", "a1", "cpus:1;mem:100")
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")]);
}

/// An agent may use more than it has (it returned smaller, or lies): nothing is offered until the allocations fit
/// again.
#[test]
fn an_overcommitted_agent_offers_nothing() {
    scenario()
        .add_framework(&framework("f1", &["r"]))
        .add_agent_with_used(&agent("a1", "cpus:2;mem:200"), &[("f1", "r", "cpus:3;mem:200"), ("f1", "r", "cpus:1")])
        .expect_offers(&[])
        .recover_resources("f1", "r", "a1", "cpus:1")
        .expect_offers(&[])
        .recover_resources("f1", "r", "a1", "cpus:2;mem:100")
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")]);
}

#[test]
fn a_changed_total_changes_the_offers() {
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:200"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "cpus:2;mem:200")])
        .update_agent(&agent("a1", "cpus:3;mem:300"))
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .update_agent(&agent("a1", "cpus:1;mem:100"))
        .recover_resources("f1", "r", "a1", "cpus:2;mem:200")
        .expect_offers(&[]);
}

#[test]
fn a_framework_keeps_its_allocations_in_a_role_that_it_leaves() {
    let names = |allocator: &allocator::Allocator| {
        allocator.roles().map(|view| (view.role.to_string(), view.frameworks.len())).collect::<Vec<_>>()
    };
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:200"))
        .add_framework(&framework("f1", &["r1"]))
        .expect_offers(&[("f1", "r1", "a1", "")])
        .update_framework(&framework("f1", &["r2"]))
        .with_allocator(|allocator| assert_eq!(names(allocator), [("r1".to_owned(), 1), ("r2".to_owned(), 1)]))
        .recover_resources("f1", "r1", "a1", "cpus:2;mem:200")
        .with_allocator(|allocator| assert_eq!(names(allocator), [("r2".to_owned(), 1)]))
        .expect_offers(&[("f1", "r2", "a1", "")]);
}

#[test]
fn the_allocations_of_a_removed_agent_do_not_count() {
    scenario()
        .add_framework(&framework("f1", &["r1"]))
        .add_framework(&framework("f2", &["r2"]))
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .expect_offers(&[("f1", "r1", "a1", "")])
        .remove_agent("a1")
        .add_agent(&agent("a2", "cpus:4;mem:400"))
        // Both have nothing again, but f1 was chosen once.
        .expect_offers(&[("f2", "r2", "a2", "")])
        .recover_resources("f1", "r1", "a1", "cpus:4;mem:400")
        .expect_offers(&[]);
}

#[test]
fn an_operation_changes_the_allocation_and_the_total() {
    let reserved = "cpus(r):1;mem:200;cpus:1";
    let (f1, a1) = (FrameworkId::new("f1"), AgentId::new("a1"));
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:200"))
        .add_framework(&framework("f1", &["r"]))
        .add_framework(&framework("f2", &["other"]).suppressing("other"))
        .expect_offers(&[("f1", "r", "a1", "")])
        .with_allocator(|allocator| {
            allocator.update_allocation(&f1, &a1, &held("cpus:2;mem:200", "r"), &held(reserved, "r"));
        })
        .expect_available("a1", "")
        .recover_resources("f1", "r", "a1", reserved)
        .expect_available("a1", reserved)
        .suppress("f1", &[])
        .revive("f2", &[])
        .expect_offers(&[("f2", "other", "a1", "cpus:1;mem:200")]);
}

#[test]
fn launching_on_a_shared_volume_adds_copies_not_totals() {
    let (f1, a1) = (FrameworkId::new("f1"), AgentId::new("a1"));
    let role = Role::new("r");
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:200").with(shared_volume()))
        .add_framework(&framework("f1", &["r"]).can(Can::SharedResources))
        .expect_offer_counts(&[("f1", 1)])
        .with_allocator(|allocator| {
            let offered = (&resources("cpus:2;mem:200") + &shared_volume()).allocated(&role);
            let launched = &offered + &shared_volume().allocated(&role);
            allocator.update_allocation(&f1, &a1, &offered, &launched);
            assert_eq!(allocator.available(&a1), Some(&shared_volume()));
            allocator.recover(Monotonic::default(), &f1, &a1, &launched, None);
            assert_eq!(allocator.available(&a1), Some(&(&resources("cpus:2;mem:200") + &shared_volume())));
        });
}

#[test]
fn the_same_seed_gives_the_same_offers() {
    let play = |seed| {
        let options = Options { random: model::Random::from_u64(seed), ..Options::default() };
        let mut scenario =
            Scenario::with(options).add_framework(&framework("f1", &["r1"])).add_framework(&framework("f2", &["r2"]));
        for i in 0..20 {
            scenario = scenario.add_agent(&agent(&format!("a{i}"), "cpus:1;mem:100"));
        }
        scenario.expect_offer_counts(&[("f1", 10), ("f2", 10)]).offers
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}

fn with(resources: &Resources, change: impl Fn(&mut messages::v1::Resource)) -> Resources {
    let mut protos = resources.to_proto();
    protos.iter_mut().for_each(change);
    Resources::from_proto(&protos).unwrap()
}

fn shared_volume() -> Resources {
    with(&resources("disk(r):50"), |proto| {
        proto.shared = Some(Default::default());
        proto.disk = Some(Box::new(messages::v1::resource::DiskInfo {
            persistence: Some(messages::v1::resource::disk_info::Persistence { id: "v".into(), principal: None }),
            ..Default::default()
        }));
    })
}
