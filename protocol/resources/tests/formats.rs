//! Both wire formats, and the resources that are refused in them, with Mesos' reasons.
#![allow(deprecated, reason = "the old format is tested too")]
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::*;
use messages::v1;
use messages::v1::resource::ReservationInfo;
use resources::roles;
use resources::{Resources, validate_resource, validate_resources};

/// Returns a resource in the old format.
fn old(text: &str, role: Option<&str>, reservation: Option<ReservationInfo>) -> v1::Resource {
    proto(text).with(|resource| {
        resource.role = role.map(str::to_owned);
        resource.reservation = reservation.map(Box::new);
    })
}

#[test]
fn both_formats_are_equivalent() {
    for (given, normal) in [
        (old("cpus:1", None, None), proto("cpus:1")),
        (old("cpus:1", Some("*"), None), proto("cpus:1")),
        (old("cpus:1", Some("ads"), None), proto("cpus:1").reserved(static_reservation("ads"))),
        (old("cpus:1", Some("ads"), Some(ReservationInfo::default())), proto("cpus:1").reserved(dynamic("ads"))),
        (
            old("cpus:1", Some("ads"), Some(by("p", labelled(&[("k", None)], ReservationInfo::default())))),
            proto("cpus:1").reserved(by("p", labelled(&[("k", None)], dynamic("ads")))),
        ),
    ] {
        let resources = given.clone().alone();
        assert_eq!(resources.to_proto(), std::slice::from_ref(&normal));
        // The old format writes it back, and names `*` for an unreserved resource.
        let role = given.role.clone().or(Some("*".to_owned()));
        assert_eq!(resources.to_proto_pre_refinement(), Ok(vec![v1::Resource { role: role.clone(), ..given.clone() }]));
        // Endpoints show both formats.
        let both = v1::Resource { reservations: normal.reservations.clone(), role, ..given };
        assert_eq!(resources.to_proto_endpoint(), std::slice::from_ref(&both));
        assert_eq!(both.alone(), resources);
    }
}

#[test]
fn refinements_have_no_old_format() {
    let refined = proto("cpus:1").reserved(static_reservation("a")).reserved(dynamic("a/b")).alone();
    let error = refined.to_proto_pre_refinement().map_err(|error| error.to_string());
    assert_eq!(error, Err("Cannot downgrade resources containing refined reservations".to_owned()));
    assert_eq!(refined.to_proto_endpoint(), refined.to_proto());
}

#[test]
fn empty_resources_vanish() {
    let empty = proto("cpus:1").with(|resource| resource.scalar = Some(v1::value::Scalar { value: 0.0 }));
    assert_eq!(Resources::from_proto(&[empty]), Ok(Resources::new()));
}

#[track_caller]
fn refused(resource: v1::Resource, reason: &str) {
    assert_eq!(validate_resource(&resource).map_err(|error| error.to_string()), Err(reason.to_owned()));
    assert!(Resources::from_proto(&[resource]).is_err());
}

#[track_caller]
fn accepted(resource: v1::Resource) {
    assert_eq!(validate_resource(&resource), Ok(()));
    assert!(Resources::from_proto(&[resource]).is_ok());
}

#[test]
fn values_are_checked() {
    let scalar = |value: f64| proto("cpus:1").with(|resource| resource.scalar = Some(v1::value::Scalar { value }));
    accepted(scalar(0.0));
    accepted(scalar(1e12));
    for value in [-1.0, 0.0001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0001] {
        refused(scalar(value), "Invalid scalar resource: value <= 0");
    }
    refused(scalar(1e13), "Invalid scalar resource: value > 1e12");
    refused(proto("cpus:1").with(|r| r.name.clear()), "Empty resource name");
    refused(proto("cpus:1").with(|r| r.r#type = 9), "Invalid resource type");
    refused(proto("cpus:1").with(|r| r.r#type = 3), "Unsupported resource type");
    refused(proto("cpus:1").with(|r| r.r#type = 1), "Invalid ranges resource");
    refused(proto("cpus:1").with(|r| r.r#type = 2), "Invalid set resource");
    refused(proto("cpus:1").with(|r| r.scalar = None), "Invalid scalar resource");
    refused(proto("cpus:1").with(|r| r.set = Some(Default::default())), "Invalid scalar resource");
    let ranges = |pairs: &[(u64, u64)]| {
        let range = pairs.iter().map(|(begin, end)| v1::value::Range { begin: *begin, end: *end }).collect();
        proto("ports:[1-2]").with(|resource| resource.ranges = Some(Box::new(v1::value::Ranges { range })))
    };
    accepted(ranges(&[(5, 6), (1, 4)]));
    refused(ranges(&[(2, 1)]), "Invalid ranges resource: begin > end");
    refused(ranges(&[(5, 9), (1, 5)]), "Invalid ranges resource: overlapping ranges");
    refused(ranges(&[(1, 9), (3, 4)]), "Invalid ranges resource: overlapping ranges");
    let twice = v1::value::Set { item: vec!["a".into(), "b".into(), "a".into()] };
    refused(proto("tags:{a}").with(|r| r.set = Some(Box::new(twice))), "Invalid set resource: duplicated elements");
}

#[test]
fn reservations_are_checked() {
    accepted(proto("cpus:1").reserved(static_reservation("a")).reserved(dynamic("a/b")).reserved(dynamic("a/b/c")));
    refused(
        proto("cpus:1").reserved(ReservationInfo { r#type: None, ..static_reservation("a") }),
        "Invalid reservation: 'Resource.ReservationInfo.type' field must be set.",
    );
    refused(
        proto("cpus:1").reserved(ReservationInfo { role: None, ..static_reservation("a") }),
        "Invalid reservation: 'Resource.ReservationInfo.role' field must be set.",
    );
    refused(proto("cpus:1").reserved(static_reservation("*")), "Invalid reservation: role \"*\" cannot be reserved");
    refused(proto("cpus:1").reserved(static_reservation("/a")), "Role '/a' cannot start with a slash");
    refused(
        proto("cpus:1").reserved(ReservationInfo { r#type: Some(0), ..static_reservation("a") }),
        "Unsupported 'Resource.ReservationInfo.Type'",
    );
    refused(
        proto("cpus:1").reserved(static_reservation("a")).reserved(static_reservation("a/b")),
        "Invalid refined reservation: A refined reservation cannot be STATIC",
    );
    for role in ["b", "a", "ab", "b/a"] {
        refused(
            proto("cpus:1").reserved(static_reservation("a")).reserved(dynamic(role)),
            &format!("Invalid refined reservation: role '{role}' is not a refinement of 'a'"),
        );
    }
}

#[test]
fn the_old_format_is_checked() {
    let with_type = ReservationInfo { r#type: Some(2), ..Default::default() };
    let with_role = ReservationInfo { role: Some("a".to_owned()), ..Default::default() };
    refused(
        old("cpus:1", Some("a b"), None),
        "Role component 'a b' is invalid because it contains backspace or whitespace",
    );
    refused(
        old("cpus:1", Some("a"), Some(with_type)),
        "'Resource.ReservationInfo.type' must not be set for the 'Resource.reservation' field",
    );
    refused(
        old("cpus:1", Some("a"), Some(with_role)),
        "'Resource.ReservationInfo.role' must not be set for the 'Resource.reservation' field",
    );
    for role in [None, Some("*")] {
        refused(
            old("cpus:1", role, Some(Default::default())),
            "Invalid reservation: role \"*\" cannot be dynamically reserved",
        );
    }
}

#[test]
fn both_formats_at_once_must_agree() {
    let both = |role: Option<&str>, reservation: Option<ReservationInfo>, levels: &[ReservationInfo]| {
        old("cpus:1", role, reservation).with(|resource| resource.reservations = levels.to_vec())
    };
    let none = ReservationInfo::default;
    accepted(both(Some("a"), None, &[static_reservation("a")]));
    accepted(both(Some("a"), Some(by("p", none())), &[by("p", dynamic("a"))]));
    refused(
        both(Some("b"), None, &[static_reservation("a")]),
        "Invalid resource format: 'Resource.role' field with 'b' does not match the role 'a' in 'Resource.reservations'",
    );
    refused(
        both(Some("a"), Some(none()), &[static_reservation("a")]),
        "Invalid resource format: 'Resource.reservation' must not be set if the single reservation in 'Resource.reservations' is STATIC",
    );
    refused(
        both(Some("a"), None, &[dynamic("a")]),
        "Invalid resource format: 'Resource.role' and 'Resource.reservation' must either be both set or both not set if the single reservation in 'Resource.reservations' is DYNAMIC",
    );
    refused(
        both(Some("a"), Some(by("q", none())), &[by("p", dynamic("a"))]),
        "Invalid resource format: 'Resource.reservation.principal' field with 'q' does not match the principal 'p' in 'Resource.reservations'",
    );
    refused(
        both(Some("a"), Some(labelled(&[("x", None)], none())), &[labelled(&[("y", Some("z"))], dynamic("a"))]),
        "Invalid resource format: 'Resource.reservation.labels' field with '{x}' does not match the labels '{y: z}' in 'Resource.reservations'",
    );
    for (role, reservation, field) in [(Some("a"), None, "role"), (None, Some(none()), "reservation")] {
        refused(
            both(role, reservation, &[static_reservation("a"), dynamic("a/b")]),
            &format!(
                "Invalid resource format: 'Resource.{field}' must not be set if there is more than one reservation in 'Resource.reservations'"
            ),
        );
    }
}

#[test]
fn disks_are_checked() {
    accepted(proto("disk:1").sourced(block()));
    accepted(proto("disk:1").sourced(raw(Some("id"))).persistent("p"));
    refused(proto("cpus:1").persistent("p"), "DiskInfo should not be set for cpus resource");
    let wrong = |kind: i32, part: v1::resource::disk_info::Source| {
        proto("disk:1").sourced(v1::resource::disk_info::Source { r#type: kind, ..part })
    };
    refused(wrong(3, mount("m")), "Mount should not be set for BLOCK disk source");
    refused(wrong(4, path("p")), "Path should not be set for RAW disk source");
    refused(wrong(0, block()), "Unsupported 'DiskInfo.Source.Type' in 'UNKNOWN'");
    refused(proto("cpus:1").shared(), "Resource cpus cannot be shared");
    refused(proto("disk:1").shared(), "Only persistent volumes can be shared");
    accepted(proto("disk:1").persistent("p").shared());
}

#[test]
fn the_invalid_resource_is_named() {
    let bad = proto("ports(a):[1-2]").with(|resource| resource.ranges.as_mut().unwrap().range[0].begin = 9);
    assert_eq!(
        validate_resources(&[proto("cpus:1"), bad]).map_err(|error| error.to_string()),
        Err("Resource 'ports(reservations: [(STATIC,a)]):[9-2]' is invalid: Invalid ranges resource: begin > end"
            .to_owned())
    );
}

#[test]
fn role_names_are_checked() {
    for good in ["*", "a", "a/b", "a.b", "...", "a-", "a/b/c", "é"] {
        assert_eq!(roles::validate(good), Ok(()), "{good}");
    }
    for (bad, reason) in [
        ("", "Role names cannot be the empty string"),
        ("/", "Role '/' cannot start with a slash"),
        ("/a", "Role '/a' cannot start with a slash"),
        ("a/", "Role 'a/' cannot end with a slash"),
        ("a//b", "Role 'a//b' cannot contain two adjacent slashes"),
        (".", "Role '.' cannot include '.' as a component"),
        ("a/..", "Role 'a/..' cannot include '..' as a component"),
        ("a/*", "Role 'a/*' cannot include '*' as a component"),
        ("-a", "Role component '-a' is invalid because it starts with a dash"),
        ("a/-b", "Role component '-b' is invalid because it starts with a dash"),
        ("a\tb", "Role component 'a\tb' is invalid because it contains backspace or whitespace"),
        ("a/b\u{7f}", "Role component 'b\u{7f}' is invalid because it contains backspace or whitespace"),
    ] {
        assert_eq!(roles::validate(bad).map_err(|error| error.to_string()), Err(reason.to_owned()));
    }
}

/// The bounds are Tepui's: every level of every role is an entry in tables of the master.
#[test]
fn roles_are_bounded() {
    let check = |role: String, reason: &str| {
        let found = roles::validate(&role).map_err(|error| error.to_string()).err().unwrap_or_default();
        assert_eq!(found, reason);
    };
    let deep = |levels: usize| vec!["a"; levels].join("/");
    check(deep(32), "");
    check(deep(33), "Roles cannot have more than 32 levels: this one has 33, choose a role with fewer slashes");
    check("a".repeat(1024), "");
    check("a".repeat(1025), "Role names cannot be longer than 1024 bytes: this one has 1025, choose a shorter name");
    check(deep(20_000), "Role names cannot be longer than 1024 bytes: this one has 39999, choose a shorter name");
}

#[test]
fn allocation_roles_are_checked() {
    let allocated = |role: &str| {
        proto("cpus:1").with(|one| {
            one.allocation_info = Some(messages::v1::resource::AllocationInfo { role: Some(role.to_owned()) });
        })
    };
    assert!(validate_resources(&[allocated("a/b")]).is_ok());
    assert!(validate_resources(&[allocated("a//b")]).is_err());
}

/// Adding up many entries gives the same as adding them one by one.
#[test]
fn long_lists_are_merged() {
    let text = |i: usize| match i % 4 {
        0 => format!("ports:[{0}-{0}]", i),
        1 => format!("set:{{x{}}}", i % 7),
        2 => "cpus:0.5".to_owned(),
        _ => format!("cpus(r{}):1", i % 5),
    };
    let each: Vec<Resources> = (0..100).map(|i| Resources::parse(&text(i), "*").unwrap()).collect();
    let at_once: Resources = each.iter().flat_map(Resources::iter).cloned().collect();
    let mut one_by_one = Resources::new();
    each.iter().flat_map(Resources::iter).for_each(|one| one_by_one.add(one.clone()));
    assert_eq!(at_once, one_by_one);
}

#[test]
fn parents_and_subroles_are_found() {
    assert!(roles::is_strict_subrole("a/b", "a") && roles::is_strict_subrole("a/b/c", "a"));
    assert!(!roles::is_strict_subrole("a", "a") && !roles::is_strict_subrole("ab", "a"));
    assert!(!roles::is_strict_subrole("a", "a/b"));
    assert!(roles::is_within("a", "a"));
    assert_eq!(roles::ancestors("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
    assert_eq!(roles::ancestors("a").count(), 0);
    assert_eq!(roles::parse_list("a,,b/c"), Ok(vec!["a".to_owned(), "b/c".to_owned()]));
    assert!(roles::parse_list("a,/").is_err());
}

#[test]
fn the_number_of_resources_is_bounded() {
    let many = |count: usize| -> Vec<v1::Resource> { (0..count).map(|n| proto(&format!("r{n}:1"))).collect() };
    assert_eq!(Resources::from_proto(&many(4096)).map(|resources| resources.len()), Ok(4096));
    let error = Resources::from_proto(&many(4097)).map_err(|error| error.to_string());
    assert_eq!(error, Err("More than 4096 resources".to_owned()));
}
