//! Quota told as stories. Most are scenarios of Mesos' own allocator tests, in our words.
#![allow(clippy::unwrap_used, reason = "test code")]

mod story;

use allocator::{Limits, QuotaError, Reason, check_quotas};
use messages::v1::resource::disk_info;
use resources::{Name, Resources, Scalar};
use story::{agent, framework, quota, resources, story};
use vocabulary::Role;

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
fn a_guarantee_comes_before_fair_shares_and_a_limit_ends_it() {
    story()
        .has_quota("prod", "cpus:2;mem:200")
        .subscribes(&framework("f1", &["prod"]))
        .subscribes(&framework("f2", &["dev"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f1", "prod", "a1", "cpus:1;mem:100")])
        // By fair shares this would go to dev.
        .comes(&agent("a2", "cpus:1;mem:100"))
        .offers(&[("f1", "prod", "a2", "cpus:1;mem:100")])
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[("f2", "dev", "a3", "cpus:1;mem:100")])
        .uses("prod", "cpus:2;mem:200");
}

#[test]
fn an_agent_is_cut_to_the_limit_and_the_rest_goes_to_others() {
    story()
        .subscribes(&framework("f1", &["prod"]))
        .has_quota("prod", "cpus:0.5;mem:200")
        .comes(&agent("a1", "cpus:1;mem:512"))
        .offers(&[("f1", "prod", "a1", "cpus:0.5;mem:200")])
        .subscribes(&framework("f2", &["dev"]))
        .offers(&[("f2", "dev", "a1", "cpus:0.5;mem:312")]);
}

#[test]
fn a_mount_disk_is_never_cut() {
    let small = |id| agent(id, "cpus:0.5;mem:512").with(mount_disk(100));
    story()
        .has_quota("prod", "cpus:2;mem:2048;disk:150")
        .comes(&small("a1"))
        .subscribes(&framework("f1", &["prod"]))
        .offers(&[("f1", "prod", "a1", "")])
        .comes(&small("a2"))
        .offers(&[("f1", "prod", "a2", "cpus:0.5;mem:512")])
        .comes(&agent("a3", "cpus:2;mem:2048;disk:150"))
        .offers(&[("f1", "prod", "a3", "cpus:1;mem:1024;disk:50")]);
}

/// MESOS-9692.
#[test]
fn two_disks_together_keep_one_guarantee() {
    story()
        .has_quota("prod", "cpus:1;mem:512;disk:100")
        .comes(&agent("a1", "cpus:1;mem:512;disk:50").with(mount_disk(50)))
        .subscribes(&framework("f1", &["prod"]))
        .offers(&[("f1", "prod", "a1", "")])
        .uses("prod", "cpus:1;mem:512;disk:100");
}

#[test]
fn what_has_no_quota_is_given_along_unless_it_gets_promise_to_others() {
    let one = |id| agent(id, "cpus:1;mem:1024;ports:[31000-32000]");
    story()
        .has_quota("r1", "cpus:2")
        .comes(&one("a1"))
        .subscribes(&framework("f1", &["r1"]))
        .offers(&[("f1", "r1", "a1", "cpus:1;mem:1024;ports:[31000-32000]")])
        .has_quota("r2", "mem:1024")
        .comes(&one("a2"))
        .offers(&[("f1", "r1", "a2", "cpus:1;ports:[31000-32000]")])
        // At its limit of cpus, it is still offered the memory of one of the two agents.
        .comes(&one("a3"))
        .offers_each(&[("f1", 1)])
        .uses("r1", "cpus:2;mem:2048");
}

#[test]
fn a_guarantee_that_is_kept_in_one_name_goes_on_in_the_other() {
    story()
        .has_quota("prod", "cpus:4;mem:1024")
        .subscribes(&framework("f1", &["prod"]))
        .comes(&agent("a1", "cpus:2;mem:1024"))
        .offers(&[("f1", "prod", "a1", "cpus:2;mem:1024")])
        .comes(&agent("a2", "cpus:2;mem:1024"))
        .offers(&[("f1", "prod", "a2", "cpus:2")]);
}

#[test]
fn what_gets_promise_to_an_absent_role_is_kept_free() {
    story()
        .has_quota("prod", "cpus:2;mem:1024")
        .subscribes(&framework("f1", &["dev"]))
        .comes(&agent("a1", "cpus:1;mem:512"))
        .offers(&[])
        .comes(&agent("a2", "cpus:2;mem:1024"))
        // The second look gives away what is free beyond the promise; the rest stays, even in pieces.
        .offers_each(&[("f1", 1)])
        .uses("dev", "cpus:1;mem:512");
}

#[test]
fn several_promises_to_absent_roles_are_all_kept() {
    story()
        .has_quota("r1", "cpus:1;mem:512")
        .has_quota("r2", "cpus:1;mem:512")
        .subscribes(&framework("f1", &["r1"]))
        .comes(&agent("a1", "cpus:2;mem:1024"))
        .offers(&[("f1", "r1", "a1", "cpus:1;mem:512")])
        .subscribes(&framework("f2", &["r2"]))
        .offers(&[("f2", "r2", "a1", "cpus:1;mem:512")]);
}

#[test]
fn a_declined_guarantee_is_not_given_to_others() {
    story()
        .has_quota("prod", "cpus:2;mem:1024")
        .subscribes(&framework("f1", &["prod"]))
        .subscribes(&framework("f2", &["dev"]))
        .comes(&agent("a1", "cpus:1;mem:512"))
        .offers(&[("f1", "prod", "a1", "")])
        .declines("f1", 3600)
        .offers(&[])
        .comes(&agent("a2", "cpus:1;mem:512"))
        .offers(&[("f1", "prod", "a2", "")])
        // With a third agent the promise is kept without the declined one.
        .comes(&agent("a3", "cpus:1;mem:512"))
        .offers(&[("f1", "prod", "a3", ""), ("f2", "dev", "a1", "")]);
}

#[test]
fn removed_quota_binds_nobody() {
    story()
        .has_quota("r1", "cpus:1;mem:512")
        .has_quota("r2", "cpus:2;mem:1024")
        .comes(&agent("a1", "cpus:1;mem:512"))
        .comes(&agent("a2", "cpus:2;mem:1024"))
        .subscribes(&framework("f1", &["dev"]))
        .offers(&[])
        .does(|allocator| allocator.remove_quota(&Role::new("r1")))
        .offers_each(&[("f1", 1)])
        .uses("dev", "cpus:1;mem:512")
        .does(|allocator| allocator.remove_quota(&Role::new("r2")))
        .uses("dev", "cpus:1;mem:512")
        .offers_each(&[("f1", 2)])
        .uses("dev", "cpus:3;mem:1536");
}

#[test]
fn a_raised_limit_is_used_at_once() {
    story()
        .gets_promise("r", "", "cpus:1;mem:100")
        .subscribes(&framework("f1", &["r"]))
        .comes(&agent("a1", "cpus:4;mem:400"))
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .gets_promise("r", "", "cpus:3;mem:150")
        .offers(&[("f1", "r", "a1", "cpus:2;mem:50")])
        .does(|allocator| allocator.set_quota(&Role::new("r"), quota("", "cpus:3")))
        .offers(&[("f1", "r", "a1", "mem:250")]);
}

#[test]
fn a_limit_of_zero_gives_nothing() {
    let mut none = quota("", "");
    none.limits = Limits::from_iter([(Name::CPUS, Scalar::ZERO), (Name::MEM, Scalar::ZERO)]);
    story()
        .does(|allocator| allocator.set_quota(&Role::new("r"), none))
        .subscribes(&framework("f1", &["r"]))
        .comes(&agent("a1", "cpus:4;mem:400;ports:[1-9]"))
        .offers(&[]);
}

#[test]
fn what_is_freed_below_a_limit_can_be_taken_elsewhere() {
    story()
        .gets_promise("r", "", "cpus:1;mem:100")
        .subscribes(&framework("f1", &["r"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f1", "r", "a1", "")])
        .comes(&agent("a2", "cpus:1;mem:100"))
        .offers(&[])
        // a1 is refused, so the room below the limit is for a2.
        .declines("f1", 3600)
        .offers(&[("f1", "r", "a2", "cpus:1;mem:100")]);
}

#[test]
fn reservations_use_quota_held_or_not() {
    story()
        .has_quota("prod", "cpus:2;mem:256")
        .comes(&agent("a1", "cpus(prod):2;mem(prod):256"))
        .uses("prod", "cpus:2;mem:256")
        .subscribes(&framework("f1", &["prod"]))
        .subscribes(&framework("f2", &["dev"]))
        .offers(&[("f1", "prod", "a1", "cpus(prod):2;mem(prod):256")])
        .comes(&agent("a2", "cpus:2;mem:256"))
        .offers(&[("f2", "dev", "a2", "")])
        .uses("prod", "cpus:2;mem:256");
}

/// MESOS-3338: reservations of others are no headroom.
#[test]
fn what_is_reserved_for_others_keeps_no_guarantee() {
    story()
        .has_quota("prod", "cpus:2;mem:256")
        .comes(&agent("a1", "cpus(dev):2;mem(dev):256"))
        .comes(&agent("a2", "cpus:2;mem:256"))
        .subscribes(&framework("f1", &["other"]))
        .offers(&[])
        .comes(&agent("a3", "cpus:1;mem:128"))
        .offers_each(&[("f1", 1)])
        .uses("other", "cpus:1;mem:128");
}

#[test]
fn a_reservation_below_counts_above() {
    story()
        .has_quota("a", "cpus:2;mem:200")
        .comes(&agent("a1", "cpus(a/b):1;mem(a/b):100"))
        .comes(&agent("a2", "cpus:10;mem:1000"))
        .subscribes(&framework("f1", &["a"]))
        .offers(&[("f1", "a", "a2", "cpus:1;mem:100")]);
}

#[test]
fn ancestors_reservations_are_no_headroom_when_held() {
    story()
        .has_quota("prod", "cpus:1;mem:1024")
        .comes(&agent("a1", "cpus(a):1;mem(a):1024"))
        .subscribes(&framework("f1", &["a/b"]))
        .offers(&[("f1", "a/b", "a1", "")])
        .subscribes(&framework("f2", &["dev"]))
        .offers(&[])
        .comes(&agent("a2", "cpus:1;mem:1024"))
        .comes(&agent("a3", "cpus:1;mem:1024"))
        .offers_each(&[("f2", 1)]);
}

/// On purpose unlike Mesos, which lets roles below go beyond the limit and counts it afterwards.
#[test]
fn a_limit_holds_for_everything_below() {
    story()
        .subscribes(&framework("f1", &["a/b"]))
        .comes(&agent("a1", "cpus:1;mem:1024"))
        .offers(&[("f1", "a/b", "a1", "")])
        .has_quota("a", "cpus:1;mem:1024")
        .subscribes(&framework("f2", &["a"]))
        .comes(&agent("a2", "cpus:1;mem:1024"))
        .offers(&[])
        .frees("f1", "a/b", "a1", "cpus:1;mem:1024")
        .offers_each(&[("f2", 1)]);
}

#[test]
fn headroom_knows_what_roles_below_hold() {
    story()
        .subscribes(&framework("f1", &["a/b"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f1", "a/b", "a1", "")])
        .subscribes(&framework("f2", &["a"]))
        .comes(&agent("a2", "cpus:1;mem:100"))
        .offers(&[("f2", "a", "a2", "")])
        .has_quota("prod", "cpus:1;mem:100")
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[])
        .comes(&agent("a4", "cpus:1;mem:100"))
        .does(|allocator| assert_eq!(allocator.allocate(Default::default()).len(), 1));
}

/// What Mesos means to do one day (MESOS-7150): a guarantee is for everybody below.
#[test]
fn a_guarantee_is_for_everything_below() {
    story()
        .has_quota("a", "cpus:2;mem:200")
        .subscribes(&framework("f1", &["a/b"]))
        .subscribes(&framework("f2", &["dev"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f1", "a/b", "a1", "")])
        .comes(&agent("a2", "cpus:1;mem:100"))
        .offers(&[("f1", "a/b", "a2", "")])
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[("f2", "dev", "a3", "")]);
}

#[test]
fn a_child_s_guarantee_is_kept_from_its_siblings() {
    story()
        .has_quota("a", "cpus:3;mem:300")
        .gets_promise("a/x", "cpus:1;mem:100", "")
        .subscribes(&framework("f1", &["a/y"]))
        .comes(&agent("a1", "cpus:9;mem:900"))
        .offers(&[("f1", "a/y", "a1", "cpus:2;mem:200")])
        .subscribes(&framework("f2", &["a/x"]))
        .offers(&[("f2", "a/x", "a1", "cpus:1;mem:100")]);
}

#[test]
fn an_operation_moves_use_from_unreserved_to_reserved() {
    let (f1, a1) = (vocabulary::FrameworkId::new("f1"), vocabulary::AgentId::new("a1"));
    let (plain, reserved) = ("cpus:2;mem:200", "cpus(r):2;mem(r):200");
    story()
        .has_quota("r", "cpus:2;mem:200")
        .comes(&agent("a1", "cpus:4;mem:400"))
        .subscribes(&framework("f1", &["r"]))
        .offers(&[("f1", "r", "a1", plain)])
        .does(|allocator| allocator.update_allocation(&f1, &a1, &story::held(plain, "r"), &story::held(reserved, "r")))
        .uses("r", plain)
        .frees("f1", "r", "a1", reserved)
        // Reserved, though nobody holds it.
        .uses("r", plain)
        .offers(&[("f1", "r", "a1", reserved)])
        .does(|allocator| allocator.update_allocation(&f1, &a1, &story::held(reserved, "r"), &story::held(plain, "r")))
        .uses("r", plain)
        .frees("f1", "r", "a1", plain)
        .uses("r", "");
}

#[test]
fn what_quota_keeps_back_is_explained() {
    let (cpus, mem) = (Name::CPUS, Name::MEM);
    story()
        .gets_promise("a", "", "cpus:1;mem:100")
        .gets_promise("prod", "cpus:2;mem:200", "")
        .subscribes(&framework("f1", &["a/b"]))
        .subscribes(&framework("f2", &["dev"]))
        .comes(&agent("a1", "cpus:3;mem:300"))
        .offers_each(&[("f1", 1)])
        .explains(
            "f1",
            "a/b",
            "a1",
            &[Reason::QuotaLimit {
                role: Role::new("a"),
                names: vec![cpus.clone(), mem.clone()],
                left: resources::Quantities::new(),
            }],
        )
        .explains("f2", "dev", "a1", &[Reason::Headroom { roles: vec![Role::new("prod")], names: vec![cpus, mem] }]);
}

#[test]
fn revocable_resources_are_free_of_quota() {
    let mut protos = resources("cpus:2;mem:64").to_proto();
    protos.iter_mut().for_each(|proto| proto.revocable = Some(Default::default()));
    story()
        .has_quota("r", "cpus:1;mem:100")
        .comes(&agent("a1", "cpus:1;mem:100").with(Resources::from_proto(&protos).unwrap()))
        .subscribes(&framework("f1", &["r"]).can(story::Can::RevocableResources))
        .offers(&[("f1", "r", "a1", "")])
        .uses("r", "cpus:1;mem:100");
}

#[test]
fn frameworks_that_are_not_back_yet_use_quota() {
    story()
        .has_quota("r", "cpus:2;mem:200")
        .subscribes(&framework("f1", &["r"]))
        .returns(&agent("a1", "cpus:4;mem:400"), &[("away", "r", "cpus:1;mem:100")])
        .uses("r", "cpus:1;mem:100")
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .frees("away", "r", "a1", "cpus:1;mem:100")
        .offers(&[("f1", "r", "a1", "cpus:1;mem:100")])
        .leaves("a1")
        .uses("r", "");
}

#[test]
fn quotas_must_fit_into_each_other() {
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
