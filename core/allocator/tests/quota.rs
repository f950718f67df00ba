//! Scenarios of quota. Most are those of Mesos' own allocator tests.
#![allow(clippy::unwrap_used, reason = "test code")]

mod scenario;

use allocator::{IneligibilityReason, QuotaError, ResourceLimits, check_quotas};
use messages::v1::resource::disk_info;
use model::Role;
use resources::{Name, Resources, Scalar};
use scenario::{agent, framework, quota, resources, scenario};

fn mount_disk(amount: u32) -> Resources {
    let mut protos = resources(&format!("disk:{amount}")).to_proto();
    for proto in &mut protos {
        let source = disk_info::Source { r#type: disk_info::source::Type::Mount as i32, ..Default::default() };
        proto.disk =
            Some(Box::new(messages::v1::resource::DiskInfo { source: Some(Box::new(source)), ..Default::default() }));
    }
    Resources::from_proto(&protos).unwrap()
}

#[test]
fn guarantees_precede_shares_and_limits_bound_allocations() {
    scenario()
        .set_quota("prod", "cpus:2;mem:200")
        .add_framework(&framework("f1", &["prod"]))
        .add_framework(&framework("f2", &["dev"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "prod", "a1", "cpus:1;mem:100")])
        // Fair shares alone would give these resources to dev.
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "prod", "a2", "cpus:1;mem:100")])
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "dev", "a3", "cpus:1;mem:100")])
        .expect_quota_used("prod", "cpus:2;mem:200");
}

#[test]
fn an_agent_is_cut_to_the_limit_and_the_rest_goes_to_others() {
    scenario()
        .add_framework(&framework("f1", &["prod"]))
        .set_quota("prod", "cpus:0.5;mem:200")
        .add_agent(&agent("a1", "cpus:1;mem:512"))
        .expect_offers(&[("f1", "prod", "a1", "cpus:0.5;mem:200")])
        .add_framework(&framework("f2", &["dev"]))
        .expect_offers(&[("f2", "dev", "a1", "cpus:0.5;mem:312")]);
}

#[test]
fn a_mount_disk_is_never_cut() {
    let small = |id| agent(id, "cpus:0.5;mem:512").with(mount_disk(100));
    scenario()
        .set_quota("prod", "cpus:2;mem:2048;disk:150")
        .add_agent(&small("a1"))
        .add_framework(&framework("f1", &["prod"]))
        .expect_offers(&[("f1", "prod", "a1", "")])
        .add_agent(&small("a2"))
        .expect_offers(&[("f1", "prod", "a2", "cpus:0.5;mem:512")])
        .add_agent(&agent("a3", "cpus:2;mem:2048;disk:150"))
        .expect_offers(&[("f1", "prod", "a3", "cpus:1;mem:1024;disk:50")]);
}

/// MESOS-9692.
#[test]
fn two_disks_together_satisfy_one_guarantee() {
    scenario()
        .set_quota("prod", "cpus:1;mem:512;disk:100")
        .add_agent(&agent("a1", "cpus:1;mem:512;disk:50").with(mount_disk(50)))
        .add_framework(&framework("f1", &["prod"]))
        .expect_offers(&[("f1", "prod", "a1", "")])
        .expect_quota_used("prod", "cpus:1;mem:512;disk:100");
}

#[test]
fn resources_without_quota_are_included_unless_guaranteed_to_others() {
    let one = |id| agent(id, "cpus:1;mem:1024;ports:[31000-32000]");
    scenario()
        .set_quota("r1", "cpus:2")
        .add_agent(&one("a1"))
        .add_framework(&framework("f1", &["r1"]))
        .expect_offers(&[("f1", "r1", "a1", "cpus:1;mem:1024;ports:[31000-32000]")])
        .set_quota("r2", "mem:1024")
        .add_agent(&one("a2"))
        .expect_offers(&[("f1", "r1", "a2", "cpus:1;ports:[31000-32000]")])
        // A role at its limit of cpus is still offered the memory of one of the two agents.
        .add_agent(&one("a3"))
        .expect_offer_counts(&[("f1", 1)])
        .expect_quota_used("r1", "cpus:2;mem:2048");
}

#[test]
fn a_guarantee_is_satisfied_for_each_resource_name() {
    scenario()
        .set_quota("prod", "cpus:4;mem:1024")
        .add_framework(&framework("f1", &["prod"]))
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .expect_offers(&[("f1", "prod", "a1", "cpus:2;mem:1024")])
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        .expect_offers(&[("f1", "prod", "a2", "cpus:2")]);
}

#[test]
fn headroom_is_kept_for_an_absent_role() {
    scenario()
        .set_quota("prod", "cpus:2;mem:1024")
        .add_framework(&framework("f1", &["dev"]))
        .add_agent(&agent("a1", "cpus:1;mem:512"))
        .expect_offers(&[])
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        // The second visit allocates the resources that are free beyond the guarantee; the remaining ones stay
        // available.
        .expect_offer_counts(&[("f1", 1)])
        .expect_quota_used("dev", "cpus:1;mem:512");
}

#[test]
fn several_guarantees_of_absent_roles_are_all_satisfied() {
    scenario()
        .set_quota("r1", "cpus:1;mem:512")
        .set_quota("r2", "cpus:1;mem:512")
        .add_framework(&framework("f1", &["r1"]))
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .expect_offers(&[("f1", "r1", "a1", "cpus:1;mem:512")])
        .add_framework(&framework("f2", &["r2"]))
        .expect_offers(&[("f2", "r2", "a1", "cpus:1;mem:512")]);
}

#[test]
fn a_declined_guarantee_is_not_given_to_others() {
    scenario()
        .set_quota("prod", "cpus:2;mem:1024")
        .add_framework(&framework("f1", &["prod"]))
        .add_framework(&framework("f2", &["dev"]))
        .add_agent(&agent("a1", "cpus:1;mem:512"))
        .expect_offers(&[("f1", "prod", "a1", "")])
        .decline("f1", 3600)
        .expect_offers(&[])
        .add_agent(&agent("a2", "cpus:1;mem:512"))
        .expect_offers(&[("f1", "prod", "a2", "")])
        // With a third agent the guarantee is satisfied without the declined one.
        .add_agent(&agent("a3", "cpus:1;mem:512"))
        .expect_offers(&[("f1", "prod", "a3", ""), ("f2", "dev", "a1", "")]);
}

#[test]
fn removed_quota_has_no_effect() {
    scenario()
        .set_quota("r1", "cpus:1;mem:512")
        .set_quota("r2", "cpus:2;mem:1024")
        .add_agent(&agent("a1", "cpus:1;mem:512"))
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["dev"]))
        .expect_offers(&[])
        .with_allocator(|allocator| allocator.remove_quota(&Role::new("r1")))
        .expect_offer_counts(&[("f1", 1)])
        .expect_quota_used("dev", "cpus:1;mem:512")
        .with_allocator(|allocator| allocator.remove_quota(&Role::new("r2")))
        .expect_quota_used("dev", "cpus:1;mem:512")
        .expect_offer_counts(&[("f1", 2)])
        .expect_quota_used("dev", "cpus:3;mem:1536");
}

#[test]
fn a_raised_limit_is_used_at_once() {
    scenario()
        .set_guarantees_and_limits("r", "", "cpus:1;mem:100")
        .add_framework(&framework("f1", &["r"]))
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .set_guarantees_and_limits("r", "", "cpus:3;mem:150")
        .expect_offers(&[("f1", "r", "a1", "cpus:2;mem:50")])
        .with_allocator(|allocator| allocator.set_quota(&Role::new("r"), quota("", "cpus:3")))
        .expect_offers(&[("f1", "r", "a1", "mem:250")]);
}

#[test]
fn a_limit_of_zero_gives_nothing() {
    let mut none = quota("", "");
    none.limits = ResourceLimits::from_iter([(Name::CPUS, Scalar::ZERO), (Name::MEM, Scalar::ZERO)]);
    scenario()
        .with_allocator(|allocator| allocator.set_quota(&Role::new("r"), none))
        .add_framework(&framework("f1", &["r"]))
        .add_agent(&agent("a1", "cpus:4;mem:400;ports:[1-9]"))
        .expect_offers(&[]);
}

#[test]
fn resources_recovered_below_a_limit_can_be_offered_on_another_agent() {
    scenario()
        .set_guarantees_and_limits("r", "", "cpus:1;mem:100")
        .add_framework(&framework("f1", &["r"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "r", "a1", "")])
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_offers(&[])
        // a1 is declined, so the rest below the limit is for a2.
        .decline("f1", 3600)
        .expect_offers(&[("f1", "r", "a2", "cpus:1;mem:100")]);
}

#[test]
fn reservations_use_quota_allocated_or_not() {
    scenario()
        .set_quota("prod", "cpus:2;mem:256")
        .add_agent(&agent("a1", "cpus(prod):2;mem(prod):256"))
        .expect_quota_used("prod", "cpus:2;mem:256")
        .add_framework(&framework("f1", &["prod"]))
        .add_framework(&framework("f2", &["dev"]))
        .expect_offers(&[("f1", "prod", "a1", "cpus(prod):2;mem(prod):256")])
        .add_agent(&agent("a2", "cpus:2;mem:256"))
        .expect_offers(&[("f2", "dev", "a2", "")])
        .expect_quota_used("prod", "cpus:2;mem:256");
}

/// MESOS-3338: resources that are reserved for others are no headroom.
#[test]
fn resources_reserved_for_others_satisfy_no_guarantee() {
    scenario()
        .set_quota("prod", "cpus:2;mem:256")
        .add_agent(&agent("a1", "cpus(dev):2;mem(dev):256"))
        .add_agent(&agent("a2", "cpus:2;mem:256"))
        .add_framework(&framework("f1", &["other"]))
        .expect_offers(&[])
        .add_agent(&agent("a3", "cpus:1;mem:128"))
        .expect_offer_counts(&[("f1", 1)])
        .expect_quota_used("other", "cpus:1;mem:128");
}

#[test]
fn a_reservation_of_a_subrole_counts_for_its_parent() {
    scenario()
        .set_quota("a", "cpus:2;mem:200")
        .add_agent(&agent("a1", "cpus(a/b):1;mem(a/b):100"))
        .add_agent(&agent("a2", "cpus:10;mem:1000"))
        .add_framework(&framework("f1", &["a"]))
        .expect_offers(&[("f1", "a", "a2", "cpus:1;mem:100")]);
}

#[test]
fn allocated_reservations_of_parents_are_no_headroom() {
    scenario()
        .set_quota("prod", "cpus:1;mem:1024")
        .add_agent(&agent("a1", "cpus(a):1;mem(a):1024"))
        .add_framework(&framework("f1", &["a/b"]))
        .expect_offers(&[("f1", "a/b", "a1", "")])
        .add_framework(&framework("f2", &["dev"]))
        .expect_offers(&[])
        .add_agent(&agent("a2", "cpus:1;mem:1024"))
        .add_agent(&agent("a3", "cpus:1;mem:1024"))
        .expect_offer_counts(&[("f2", 1)]);
}

/// This differs from Mesos on purpose: Mesos lets roles below exceed the limit and counts it afterwards.
#[test]
fn a_limit_includes_all_subroles() {
    scenario()
        .add_framework(&framework("f1", &["a/b"]))
        .add_agent(&agent("a1", "cpus:1;mem:1024"))
        .expect_offers(&[("f1", "a/b", "a1", "")])
        .set_quota("a", "cpus:1;mem:1024")
        .add_framework(&framework("f2", &["a"]))
        .add_agent(&agent("a2", "cpus:1;mem:1024"))
        .expect_offers(&[])
        .recover_resources("f1", "a/b", "a1", "cpus:1;mem:1024")
        .expect_offer_counts(&[("f2", 1)]);
}

#[test]
fn headroom_counts_the_allocations_of_subroles() {
    scenario()
        .add_framework(&framework("f1", &["a/b"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "a/b", "a1", "")])
        .add_framework(&framework("f2", &["a"]))
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "a", "a2", "")])
        .set_quota("prod", "cpus:1;mem:100")
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[])
        .add_agent(&agent("a4", "cpus:1;mem:100"))
        .with_allocator(|allocator| assert_eq!(allocator.allocate(Default::default()).len(), 1));
}

/// Mesos plans the same (MESOS-7150): a guarantee is for all roles below.
#[test]
fn a_guarantee_includes_all_subroles() {
    scenario()
        .set_quota("a", "cpus:2;mem:200")
        .add_framework(&framework("f1", &["a/b"]))
        .add_framework(&framework("f2", &["dev"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "a/b", "a1", "")])
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "a/b", "a2", "")])
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "dev", "a3", "")]);
}

#[test]
fn a_guarantee_of_a_child_is_headroom_for_its_siblings() {
    scenario()
        .set_quota("a", "cpus:3;mem:300")
        .set_guarantees_and_limits("a/x", "cpus:1;mem:100", "")
        .add_framework(&framework("f1", &["a/y"]))
        .add_agent(&agent("a1", "cpus:9;mem:900"))
        .expect_offers(&[("f1", "a/y", "a1", "cpus:2;mem:200")])
        .add_framework(&framework("f2", &["a/x"]))
        .expect_offers(&[("f2", "a/x", "a1", "cpus:1;mem:100")]);
}

#[test]
fn an_operation_moves_use_from_unreserved_to_reserved() {
    let (f1, a1) = (model::FrameworkId::new("f1"), model::AgentId::new("a1"));
    let (plain, reserved) = ("cpus:2;mem:200", "cpus(r):2;mem(r):200");
    scenario()
        .set_quota("r", "cpus:2;mem:200")
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", plain)])
        .with_allocator(|allocator| {
            allocator.update_allocation(&f1, &a1, &scenario::held(plain, "r"), &scenario::held(reserved, "r"))
        })
        .expect_quota_used("r", plain)
        .recover_resources("f1", "r", "a1", reserved)
        // The resources are reserved, though nothing of them is allocated.
        .expect_quota_used("r", plain)
        .expect_offers(&[("f1", "r", "a1", reserved)])
        .with_allocator(|allocator| {
            allocator.update_allocation(&f1, &a1, &scenario::held(reserved, "r"), &scenario::held(plain, "r"))
        })
        .expect_quota_used("r", plain)
        .recover_resources("f1", "r", "a1", plain)
        .expect_quota_used("r", "");
}

#[test]
fn the_effect_of_quota_is_explained() {
    let (cpus, mem) = (Name::CPUS, Name::MEM);
    scenario()
        .set_guarantees_and_limits("a", "", "cpus:1;mem:100")
        .set_guarantees_and_limits("prod", "cpus:2;mem:200", "")
        .add_framework(&framework("f1", &["a/b"]))
        .add_framework(&framework("f2", &["dev"]))
        .add_agent(&agent("a1", "cpus:3;mem:300"))
        .expect_offer_counts(&[("f1", 1)])
        .expect_reasons(
            "f1",
            "a/b",
            "a1",
            &[IneligibilityReason::QuotaLimit {
                role: Role::new("a"),
                names: vec![cpus.clone(), mem.clone()],
                left: resources::ResourceQuantities::new(),
            }],
        )
        .expect_reasons(
            "f2",
            "dev",
            "a1",
            &[IneligibilityReason::Headroom { roles: vec![Role::new("prod")], names: vec![cpus, mem] }],
        );
}

#[test]
fn revocable_resources_are_free_of_quota() {
    let mut protos = resources("cpus:2;mem:64").to_proto();
    protos.iter_mut().for_each(|proto| proto.revocable = Some(Default::default()));
    scenario()
        .set_quota("r", "cpus:1;mem:100")
        .add_agent(&agent("a1", "cpus:1;mem:100").with(Resources::from_proto(&protos).unwrap()))
        .add_framework(&framework("f1", &["r"]).can(scenario::Can::RevocableResources))
        .expect_offers(&[("f1", "r", "a1", "")])
        .expect_quota_used("r", "cpus:1;mem:100");
}

#[test]
fn frameworks_that_have_not_reregistered_use_quota() {
    scenario()
        .set_quota("r", "cpus:2;mem:200")
        .add_framework(&framework("f1", &["r"]))
        .add_agent_with_used(&agent("a1", "cpus:4;mem:400"), &[("away", "r", "cpus:1;mem:100")])
        .expect_quota_used("r", "cpus:1;mem:100")
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .recover_resources("away", "r", "a1", "cpus:1;mem:100")
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .remove_agent("a1")
        .expect_quota_used("r", "");
}

#[test]
fn quotas_of_children_must_fit_into_that_of_their_parent() {
    let check = |quotas: &[(&str, &str, &str)], expect: Result<(), &str>| {
        let quotas = quotas.iter().map(|(role, guarantees, limits)| (Role::new(role), quota(guarantees, limits)));
        let found = check_quotas(&quotas.collect()).map_err(|error: QuotaError| error.to_string());
        assert_eq!(found, expect.map_err(str::to_owned));
    };
    check(&[("a", "cpus:2", "cpus:2"), ("a/x", "cpus:1", ""), ("a/y", "cpus:1", "cpus:2")], Ok(()));
    check(&[("a", "cpus:2", "cpus:1")], Err("role 'a' is guaranteed 2 cpus, more than its limit of 1"));
    check(
        &[("a", "cpus:2", ""), ("a/x", "cpus:1", ""), ("a/y/z", "cpus:1.5", "")],
        Err("the roles below 'a' are guaranteed 2.5 cpus together, more than its guarantee of 2"),
    );
    check(
        &[("a", "", "cpus:2"), ("a/x", "cpus:3", "")],
        Err("the roles below 'a' are guaranteed 3 cpus together, more than its limit of 2"),
    );
    check(
        &[("a", "", "cpus:2"), ("a/x", "", "cpus:3")],
        Err("role 'a/x' has a limit of 3 cpus, more than the limit of 2 of 'a' above it"),
    );
}
