//! The allocator's behaviour, case by case. Many are scenarios that Mesos' own tests cover, told in our words.
#![allow(clippy::unwrap_used, reason = "test code")]

mod story;

use std::time::Duration;

use allocator::{Options, Reason};
use resources::Resources;
use story::*;
use vocabulary::{AgentId, FrameworkId, Monotonic, Role};

#[test]
fn everything_free_goes_to_the_only_framework() {
    story()
        .comes(&agent("a1", "cpus:2;mem:1024;disk:0;ports:[1-9]"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "cpus:2;mem:1024;ports:[1-9]")])
        .has_left("a1", "")
        .offers(&[]);
}

#[test]
fn nothing_happens_without_a_reason() {
    let story = story().comes(&agent("a1", "cpus:2;mem:1024")).offers(&[]);
    assert_eq!(story.allocator.next_wakeup(), None);
    let story = story.subscribes(&framework("f1", &["r"]));
    assert!(story.allocator.next_wakeup() <= Some(story.now));
    let story = story.offers(&[("f1", "r", "a1", "")]);
    assert_eq!(story.allocator.next_wakeup(), None);
}

/// The worked example of the DRF paper, in the order Mesos' allocator test plays it.
#[test]
fn the_smaller_dominant_share_is_served_first() {
    story()
        .comes(&agent("a1", "cpus:2;mem:1024"))
        .subscribes(&framework("f1", &["r1"]))
        .offers(&[("f1", "r1", "a1", "cpus:2;mem:1024")])
        .subscribes(&framework("f2", &["r2"]))
        .offers(&[])
        .comes(&agent("a2", "cpus:1;mem:512"))
        // r1 holds everything so far.
        .offers(&[("f2", "r2", "a2", "cpus:1;mem:512")])
        .comes(&agent("a3", "cpus:3;mem:2048"))
        // r1 2/6, r2 1/6 of the cpus.
        .offers(&[("f2", "r2", "a3", "cpus:3;mem:2048")])
        // r1 2/10, r2 4/10 of the cpus.
        .subscribes(&framework("f3", &["r1"]))
        .comes(&agent("a4", "cpus:4;mem:4096"))
        .offers(&[("f3", "r1", "a4", "cpus:4;mem:4096")]);
}

#[test]
fn equals_take_turns() {
    let mut story = story().subscribes(&framework("f1", &["r"])).subscribes(&framework("f2", &["r"]));
    for i in 0..6 {
        story = story.comes(&agent(&format!("a{i}"), "cpus:1;mem:100"));
    }
    story.offers_each(&[("f1", 3), ("f2", 3)]);
}

/// With equal shares the one that was chosen less often is next, even when it holds nothing now.
#[test]
fn a_tie_goes_to_the_less_often_chosen_then_to_the_name() {
    story()
        .subscribes(&framework("f2", &["r"]))
        .subscribes(&framework("f1", &["r"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f1", "r", "a1", "")])
        .frees("f1", "r", "a1", "cpus:1;mem:100")
        .offers(&[("f2", "r", "a1", "")])
        .frees("f2", "r", "a1", "cpus:1;mem:100")
        .offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn weights_divide_the_cluster() {
    let mut story =
        story().weighs("r2", 2.0).subscribes(&framework("f1", &["r1"])).subscribes(&framework("f2", &["r2"]));
    for i in 0..6 {
        story = story.comes(&agent(&format!("a{i}"), "cpus:2;mem:1024"));
    }
    story.offers_each(&[("f1", 2), ("f2", 4)]);
}

#[test]
fn a_changed_weight_moves_a_role() {
    story()
        .subscribes(&framework("f1", &["r1"]))
        .subscribes(&framework("f2", &["r2"]))
        .comes(&agent("a1", "cpus:4;mem:100"))
        .comes(&agent("a2", "cpus:4;mem:100"))
        .offers_each(&[("f1", 1), ("f2", 1)])
        .weighs("r2", 4.0)
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[("f2", "r2", "a3", "")]);
}

/// `a` and `b` share equally, whatever is below them; inside `a` its own framework is one of three.
#[test]
fn the_role_tree_is_shared_level_by_level() {
    let mut story = story()
        .subscribes(&framework("own", &["a"]))
        .subscribes(&framework("x", &["a/x"]))
        .subscribes(&framework("y", &["a/y"]))
        .subscribes(&framework("b", &["b"]));
    for i in 0..12 {
        story = story.comes(&agent(&format!("n{i:02}"), "cpus:1;mem:100"));
    }
    story.offers_each(&[("own", 2), ("x", 2), ("y", 2), ("b", 6)]);
}

#[test]
fn weights_apply_within_a_subtree() {
    let mut story = story()
        .weighs("a/x", 3.0)
        .subscribes(&framework("x", &["a/x"]))
        .subscribes(&framework("y", &["a/y"]))
        .subscribes(&framework("b", &["b"]));
    for i in 0..16 {
        story = story.comes(&agent(&format!("n{i:02}"), "cpus:1;mem:100"));
    }
    story.offers_each(&[("x", 6), ("y", 2), ("b", 8)]);
}

#[test]
fn excluded_resources_make_no_share() {
    let options = Options { excluded_resource_names: ["gpus".into()].into(), ..Options::default() };
    Story::with(options)
        .subscribes(&framework("f1", &["r1"]).can(Can::GpuResources))
        .subscribes(&framework("f2", &["r2"]).can(Can::GpuResources))
        .comes(&agent("a1", "cpus:1;mem:100;gpus:8"))
        .offers(&[("f1", "r1", "a1", "")])
        .comes(&agent("a2", "cpus:50;mem:5000"))
        .offers(&[("f2", "r2", "a2", "")])
        // f1 holds all gpus and hardly any cpus.
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[("f1", "r1", "a3", "")]);
}

#[test]
fn a_multi_role_framework_counts_in_each_role_for_itself() {
    story()
        .subscribes(&framework("f1", &["r1", "r2"]))
        .subscribes(&framework("f2", &["r2"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f1", "r1", "a1", "")])
        .comes(&agent("a2", "cpus:1;mem:100"))
        // In r2 both hold nothing: the name decides, what f1 has in r1 does not count.
        .offers(&[("f1", "r2", "a2", "")])
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[("f1", "r1", "a3", "")])
        .comes(&agent("a4", "cpus:1;mem:100"))
        .offers(&[("f2", "r2", "a4", "")]);
}

#[test]
fn suppressed_roles_get_nothing_until_revived() {
    let until_then = |reason| [reason];
    story()
        .subscribes(&framework("f1", &["r1", "r2"]).suppressing("r1"))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .explains("f1", "r1", "a1", &until_then(Reason::Suppressed))
        .offers(&[("f1", "r2", "a1", "")])
        .suppresses("f1", &[])
        .frees("f1", "r2", "a1", "cpus:1;mem:100")
        .offers(&[])
        .revives("f1", &["r1"])
        .offers(&[("f1", "r1", "a1", "")]);
}

#[test]
fn naming_a_foreign_role_drops_the_whole_call() {
    let f1 = FrameworkId::new("f1");
    let [r1, foreign] = [Role::new("r1"), Role::new("foreign")];
    story()
        .subscribes(&framework("f1", &["r1"]))
        .does(|allocator| assert!(!allocator.suppress(&f1, &[r1.clone(), foreign.clone()])))
        .does(|allocator| assert!(!allocator.revive(&f1, &[foreign])))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f1", "r1", "a1", "")]);
}

#[test]
fn a_refusal_lasts_for_its_time() {
    let story = story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "")])
        .declines("f1", 5)
        .offers(&[])
        .explains("f1", "r", "a1", &[Reason::Filtered { until: Monotonic::from_start(Duration::from_secs(5)) }]);
    assert_eq!(story.allocator.next_wakeup(), Some(Monotonic::from_start(Duration::from_secs(5))));
    story.after(4).offers(&[]).after(1).offers(&[("f1", "r", "a1", "")]);
}

/// Mesos would wait for its next batch; asking again at once would go on for ever.
#[test]
fn a_refusal_lasts_at_least_the_allocation_interval() {
    story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "")])
        .declines("f1", 0)
        .offers(&[])
        .after(1)
        .offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn what_one_refuses_another_gets() {
    story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r"]))
        .subscribes(&framework("f2", &["r"]))
        .offers(&[("f1", "r", "a1", "")])
        .declines("f1", 60)
        .offers(&[("f2", "r", "a1", "")])
        .declines("f2", 60)
        .offers(&[]);
}

/// More than was refused is worth another look; less is not.
#[test]
fn a_refusal_covers_what_it_contains() {
    story()
        .returns(&agent("a1", "cpus:4;mem:400"), &[("f0", "r0", "cpus:2;mem:200")])
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "cpus:2;mem:200")])
        .declines("f1", 600)
        .offers(&[])
        .frees("f0", "r0", "a1", "cpus:1;mem:100")
        .offers(&[("f1", "r", "a1", "cpus:3;mem:300")]);
}

#[test]
fn a_refusal_is_of_one_role() {
    story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r1", "r2"]))
        .offers(&[("f1", "r1", "a1", "")])
        .declines("f1", 60)
        .offers(&[("f1", "r2", "a1", "")]);
}

#[test]
fn reviving_forgets_the_refusals_of_that_role() {
    story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r1", "r2"]))
        .offers(&[("f1", "r1", "a1", "")])
        .declines("f1", 60)
        .offers(&[("f1", "r2", "a1", "")])
        .declines("f1", 60)
        .revives("f1", &["r2"])
        .offers(&[("f1", "r2", "a1", "")])
        .declines("f1", 60)
        .revives("f1", &[])
        .offers(&[("f1", "r1", "a1", "")]);
}

#[test]
fn changed_attributes_end_refusals_of_the_agent() {
    story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "")])
        .declines("f1", 60)
        .changes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[])
        .changes(&agent("a1", "cpus:1;mem:100").with_attributes("rack:1"))
        .offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn a_framework_that_comes_back_has_refused_nothing() {
    let f1 = FrameworkId::new("f1");
    story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "")])
        .declines("f1", 600)
        .does(|allocator| allocator.deactivate_framework(&f1))
        .explains("f1", "r", "a1", &[Reason::FrameworkInactive])
        .offers(&[])
        .does(|allocator| allocator.activate_framework(&f1))
        .offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn reserved_resources_go_to_their_subtree_only() {
    story()
        .comes(&agent("a1", "cpus:1;mem:100;cpus(eng):2;mem(eng):200"))
        .subscribes(&framework("ads", &["ads"]))
        .subscribes(&framework("web", &["eng/web"]))
        .subscribes(&framework("english", &["english"]))
        .offers(&[("ads", "ads", "a1", "cpus:1;mem:100"), ("web", "eng/web", "a1", "cpus(eng):2;mem(eng):200")])
        .ends("web")
        .explains("english", "english", "a1", &[Reason::NothingOfferable])
        .offers(&[]);
}

#[test]
fn too_little_is_not_offered() {
    story()
        .comes(&agent("a1", "cpus:0.009;mem:31;ports:[1-9]"))
        .comes(&agent("a2", "cpus:0.01"))
        .comes(&agent("a3", "mem:32"))
        .subscribes(&framework("f1", &["r"]))
        .explains("f1", "r", "a1", &[Reason::BelowMinimum])
        .offers(&[("f1", "r", "a2", ""), ("f1", "r", "a3", "")]);
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
    story()
        .comes(&agent("a1", "cpus:3;mem:100"))
        .comes(&agent("a2", "cpus:4;mem:100"))
        .subscribes(&picky)
        .offers(&[("f1", "r2", "a1", ""), ("f1", "r1", "a2", "")]);
}

#[test]
fn gpus_are_kept_for_those_that_know_them() {
    story()
        .comes(&agent("a1", "cpus:1;mem:100;gpus:1"))
        .subscribes(&framework("f1", &["r"]))
        .explains("f1", "r", "a1", &[Reason::FrameworkLacks("GPU_RESOURCES")])
        .offers(&[])
        .subscribes(&framework("f2", &["r"]).can(Can::GpuResources))
        .offers(&[("f2", "r", "a1", "")]);
    Story::with(Options { filter_gpu_resources: false, ..Options::default() })
        .comes(&agent("a1", "cpus:1;mem:100;gpus:1"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn remote_regions_are_for_the_region_aware() {
    let options = Options { region: Some("here".into()), ..Options::default() };
    Story::with(options)
        .comes(&agent("near", "cpus:1;mem:100").in_region("here"))
        .comes(&agent("nowhere", "cpus:1;mem:100"))
        .comes(&agent("far", "cpus:1;mem:100").in_region("there"))
        .subscribes(&framework("f1", &["r"]))
        .explains("f1", "r", "far", &[Reason::FrameworkLacks("REGION_AWARE")])
        .offers(&[("f1", "r", "near", ""), ("f1", "r", "nowhere", "")])
        .subscribes(&framework("f2", &["r"]).can(Can::RegionAware))
        .offers(&[("f2", "r", "far", "")]);
}

#[test]
fn old_agents_are_spared_what_they_do_not_know() {
    let mut single = framework("single", &[]);
    single.info.capabilities.clear();
    story()
        .comes(&agent("old", "cpus:1;mem:100").without_capability(1).without_capability(2))
        .comes(&agent("flat", "cpus:1;mem:100").without_capability(2))
        .subscribes(&framework("f1", &["a/b"]))
        .explains("f1", "a/b", "old", &[Reason::AgentLacks("MULTI_ROLE")])
        .explains("f1", "a/b", "flat", &[Reason::AgentLacks("HIERARCHICAL_ROLE")])
        .offers(&[])
        .subscribes(&framework("f2", &["r"]))
        .offers(&[("f2", "r", "flat", "")])
        .subscribes(&single)
        .offers(&[("single", "*", "old", "")]);
}

#[test]
fn revocable_resources_are_for_those_that_ask() {
    let spare = with(&resources("cpus:8"), |proto| proto.revocable = Some(Default::default()));
    let all = &resources("cpus:1;mem:100") + &spare;
    story()
        .comes(&agent("a1", "cpus:1;mem:100").with(spare.clone()))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .explains("f1", "r", "a1", &[Reason::FrameworkLacks("REVOCABLE_RESOURCES")])
        .does(move |allocator| {
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
fn refined_reservations_are_for_those_that_understand_them() {
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
    story()
        .comes(&agent("a1", "cpus:1;mem:100").with(refined))
        .subscribes(&framework("f1", &["a/b"]))
        .offers(&[("f1", "a/b", "a1", "cpus:1;mem:100")])
        .explains("f1", "a/b", "a1", &[Reason::FrameworkLacks("RESERVATION_REFINEMENT")])
        .subscribes(&framework("f2", &["a/b"]).can(Can::ReservationRefinement))
        .offers(&[("f2", "a/b", "a1", "")]);
}

/// A shared volume is offered to one framework per run, stays available, and counts once in a share.
#[test]
fn shared_volumes_stay_available() {
    let volume = shared_volume();
    let counted =
        |allocator: &allocator::Allocator| allocator.roles().map(|view| view.allocated.to_string()).collect::<Vec<_>>();
    story()
        .comes(&agent("a1", "cpus:2;mem:200").with(volume.clone()))
        .subscribes(&framework("f1", &["r"]).can(Can::SharedResources))
        .offers_each(&[("f1", 1)])
        .subscribes(&framework("f2", &["r"]).can(Can::SharedResources))
        // Only the volume is left, which is not enough for an offer.
        .explains("f2", "r", "a1", &[Reason::BelowMinimum])
        .frees("f1", "r", "a1", "cpus:1;mem:100")
        .offers_each(&[("f2", 1)])
        .does(|allocator| {
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
    story()
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r"]))
        .does(|allocator| allocator.deactivate_agent(&a1))
        .explains("f1", "r", "a1", &[Reason::AgentInactive])
        .offers(&[])
        .does(|allocator| allocator.activate_agent(&a1))
        .offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn only_whitelisted_agents_are_offered() {
    story()
        .does(|allocator| allocator.update_whitelist(Some(["host-a2".to_owned()].into())))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .comes(&agent("a2", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["r"]))
        .explains("f1", "r", "a1", &[Reason::NotWhitelisted])
        .offers(&[("f1", "r", "a2", "")])
        .does(|allocator| allocator.update_whitelist(None))
        .offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn the_unknown_is_explained() {
    story()
        .explains("f1", "r", "a1", &[Reason::UnknownFramework, Reason::UnknownAgent])
        .subscribes(&framework("f1", &["r"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .explains("f1", "other", "a1", &[Reason::NotSubscribed])
        .explains("f1", "r", "a1", &[])
        .offers(&[("f1", "r", "a1", "")])
        .explains("f1", "r", "a1", &[Reason::NothingLeft]);
}

#[test]
fn what_tasks_hold_is_neither_offered_nor_forgotten() {
    let f1 = framework("f1", &["r"]);
    story()
        // The agent returns before its framework does.
        .returns(&agent("a1", "cpus:4;mem:400"), &[("f1", "r", "cpus:3;mem:300")])
        .has_left("a1", "cpus:1;mem:100")
        .does(|allocator| {
            let used = [(AgentId::new("a1"), held("cpus:3;mem:300", "r"))];
            allocator.add_framework(f1.options(), true, &used);
        })
        .has_left("a1", "cpus:1;mem:100")
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .does(|allocator| {
            let views: Vec<String> = allocator.roles().map(|view| view.allocated.to_string()).collect();
            assert_eq!(views, ["cpus:4; mem:400"]);
        })
        .frees("f1", "r", "a1", "cpus:3;mem:300")
        .offers(&[("f1", "r", "a1", "cpus:3;mem:300")]);
}

/// A master need not repeat what the agent said.
#[test]
fn a_framework_holds_what_its_agents_said_before_it_came() {
    story()
        .returns(&agent("a1", "cpus:4;mem:400"), &[("f1", "r", "cpus:2;mem:200"), ("f1", "s", "cpus:1;mem:100")])
        .subscribes(&framework("f1", &["r"]))
        .has_left("a1", "cpus:1;mem:100")
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .frees("f1", "s", "a1", "cpus:1;mem:100")
        .frees("f1", "r", "a1", "cpus:2;mem:200")
        .offers(&[("f1", "r", "a1", "cpus:3;mem:300")]);
}

#[test]
fn resources_of_an_unknown_framework_come_back() {
    story()
        .subscribes(&framework("f1", &["r"]))
        .returns(&agent("a1", "cpus:4;mem:400"), &[("gone", "r", "cpus:3;mem:300")])
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .frees("gone", "r", "a1", "cpus:2;mem:200")
        .offers(&[("f1", "r", "a1", "cpus:2;mem:200")])
        .frees("gone", "r", "a1", "cpus:1;mem:100")
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")]);
}

/// An agent may use more than it has (it came back smaller, or lies): nothing is offered until the books balance.
#[test]
fn an_overcommitted_agent_offers_nothing() {
    story()
        .subscribes(&framework("f1", &["r"]))
        .returns(&agent("a1", "cpus:2;mem:200"), &[("f1", "r", "cpus:3;mem:200"), ("f1", "r", "cpus:1")])
        .offers(&[])
        .frees("f1", "r", "a1", "cpus:1")
        .offers(&[])
        .frees("f1", "r", "a1", "cpus:2;mem:100")
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")]);
}

#[test]
fn a_changed_total_is_offered_from() {
    story()
        .comes(&agent("a1", "cpus:2;mem:200"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", "cpus:2;mem:200")])
        .changes(&agent("a1", "cpus:3;mem:300"))
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .changes(&agent("a1", "cpus:1;mem:100"))
        .frees("f1", "r", "a1", "cpus:2;mem:200")
        .offers(&[]);
}

#[test]
fn a_framework_that_leaves_a_role_keeps_what_it_holds_there() {
    let names = |allocator: &allocator::Allocator| {
        allocator.roles().map(|view| (view.role.to_string(), view.frameworks.len())).collect::<Vec<_>>()
    };
    story()
        .comes(&agent("a1", "cpus:2;mem:200"))
        .subscribes(&framework("f1", &["r1"]))
        .offers(&[("f1", "r1", "a1", "")])
        .updates(&framework("f1", &["r2"]))
        .does(|allocator| assert_eq!(names(allocator), [("r1".to_owned(), 1), ("r2".to_owned(), 1)]))
        .frees("f1", "r1", "a1", "cpus:2;mem:200")
        .does(|allocator| assert_eq!(names(allocator), [("r2".to_owned(), 1)]))
        .offers(&[("f1", "r2", "a1", "")]);
}

#[test]
fn an_agent_that_leaves_takes_its_shares_along() {
    story()
        .subscribes(&framework("f1", &["r1"]))
        .subscribes(&framework("f2", &["r2"]))
        .comes(&agent("a1", "cpus:4;mem:400"))
        .offers(&[("f1", "r1", "a1", "")])
        .leaves("a1")
        .comes(&agent("a2", "cpus:4;mem:400"))
        // Both hold nothing again, but f1 was chosen once.
        .offers(&[("f2", "r2", "a2", "")])
        .frees("f1", "r1", "a1", "cpus:4;mem:400")
        .offers(&[]);
}

#[test]
fn an_operation_changes_the_allocation_and_the_total() {
    let reserved = "cpus(r):1;mem:200;cpus:1";
    let (f1, a1) = (FrameworkId::new("f1"), AgentId::new("a1"));
    story()
        .comes(&agent("a1", "cpus:2;mem:200"))
        .subscribes(&framework("f1", &["r"]))
        .subscribes(&framework("f2", &["other"]).suppressing("other"))
        .offers(&[("f1", "r", "a1", "")])
        .does(|allocator| {
            allocator.update_allocation(&f1, &a1, &held("cpus:2;mem:200", "r"), &held(reserved, "r"));
        })
        .has_left("a1", "")
        .frees("f1", "r", "a1", reserved)
        .has_left("a1", reserved)
        .suppresses("f1", &[])
        .revives("f2", &[])
        .offers(&[("f2", "other", "a1", "cpus:1;mem:200")]);
}

#[test]
fn launching_on_a_shared_volume_adds_copies_not_totals() {
    let (f1, a1) = (FrameworkId::new("f1"), AgentId::new("a1"));
    let role = Role::new("r");
    story()
        .comes(&agent("a1", "cpus:2;mem:200").with(shared_volume()))
        .subscribes(&framework("f1", &["r"]).can(Can::SharedResources))
        .offers_each(&[("f1", 1)])
        .does(|allocator| {
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
        let options = Options { random: vocabulary::Random::from_u64(seed), ..Options::default() };
        let mut story =
            Story::with(options).subscribes(&framework("f1", &["r1"])).subscribes(&framework("f2", &["r2"]));
        for i in 0..20 {
            story = story.comes(&agent(&format!("a{i}"), "cpus:1;mem:100"));
        }
        story.offers_each(&[("f1", 10), ("f2", 10)]).offers
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
