//! `FrameworkInfo`, its updates, offers and ids: a case gives one and expects Mesos' reason ("" if it is valid).

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use messages::v1::framework_info::{Capability, capability};
use messages::v1::offer_filters::{MinAllocatableResources, ResourceQuantities};
use messages::v1::{FrameworkId, FrameworkInfo, OfferFilters, OfferId, value};
use proptest::prelude::*;
use validation::offer::OfferSummary;
use validation::{ValidationError, framework, ids, offer};

#[track_caller]
fn expect(outcome: Result<(), ValidationError>, reason: &str) {
    assert_eq!(outcome.err().as_ref().map_or("", ValidationError::reason), reason);
}

fn multi_role(roles: &[&str]) -> FrameworkInfo {
    FrameworkInfo {
        user: "root".into(),
        name: "test".into(),
        roles: roles.iter().map(|role| role.to_string()).collect(),
        capabilities: vec![Capability { r#type: Some(capability::Type::MultiRole as i32) }],
        ..Default::default()
    }
}

#[allow(deprecated)]
fn single_role(role: Option<&str>) -> FrameworkInfo {
    FrameworkInfo { role: role.map(str::to_owned), capabilities: Vec::new(), ..multi_role(&[]) }
}

/// The bounds are Tepui's; Mesos has none.
#[test]
fn the_size_of_a_framework_is_bounded() {
    let many: Vec<String> = (0..4097).map(|i| format!("r{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    expect(framework::validate(&multi_role(&many[..4096])), "");
    expect(
        framework::validate(&multi_role(&many)),
        "'FrameworkInfo.roles' names 4097 roles, counted with the roles above each, and may name 4096: subscribe \
         several frameworks",
    );
    let large = FrameworkInfo { name: "n".repeat(128 << 10), ..multi_role(&["a"]) };
    expect(
        framework::validate(&large),
        "'FrameworkInfo' has 131089 bytes and may have 131072: shorten its labels, offer filters and roles",
    );
}

#[test]
fn long_reasons_are_truncated() {
    let reason = ValidationError::new("é".repeat(2000));
    assert_eq!(reason.reason().chars().count(), 1025);
    assert!(reason.reason().ends_with('…'));
}

#[test]
fn several_roles_require_the_capability_multi_role() {
    let check = |info: FrameworkInfo, reason: &str| expect(framework::validate(&info), reason);
    check(multi_role(&["a", "b/c"]), "");
    check(multi_role(&[]), "");
    check(single_role(None), "");
    check(single_role(Some("a")), "");
    check(
        FrameworkInfo { capabilities: multi_role(&[]).capabilities, ..single_role(Some("a")) },
        "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable",
    );
    check(
        FrameworkInfo { capabilities: Vec::new(), ..multi_role(&["a"]) },
        "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
    );
    check(multi_role(&["b", "a", "b", "c", "b"]), "'FrameworkInfo.roles' contains duplicate items: { b }");
}

#[test]
fn role_names_are_checked() {
    for (role, reason) in [
        ("*", ""),
        ("", "Role names cannot be the empty string"),
        ("/bad", "Role '/bad' cannot start with a slash"),
        ("bad/", "Role 'bad/' cannot end with a slash"),
        ("a//b", "Role 'a//b' cannot contain two adjacent slashes"),
        ("a/./b", "Role 'a/./b' cannot include '.' as a component"),
        ("..", "Role '..' cannot include '..' as a component"),
        ("a/*", "Role 'a/*' cannot include '*' as a component"),
        ("a/-b", "Role component '-b' is invalid because it starts with a dash"),
        ("a b", "Role component 'a b' is invalid because it contains backspace or whitespace"),
    ] {
        let prefixed = |prefix: &str| if reason.is_empty() { String::new() } else { format!("{prefix}: {reason}") };
        expect(framework::validate(&multi_role(&[role])), &prefixed("'FrameworkInfo.roles' contains invalid role"));
        expect(framework::validate(&single_role(Some(role))), &prefixed("'FrameworkInfo.role' is not a valid role"));
    }
}

#[test]
fn a_framework_id_is_empty_or_valid() {
    let check = |id: &str, reason: &str| {
        let info = FrameworkInfo { id: Some(FrameworkId { value: id.into() }), ..multi_role(&["a"]) };
        expect(framework::validate(&info), reason);
    };
    check("", "");
    check("abc-0000", "");
    check("..", "'..' is disallowed");
    check("a/b", "'a/b' contains invalid characters");
}

#[test]
fn ids_must_be_valid_directory_names() {
    for (id, reason) in [
        ("a", ""),
        ("a b.c", ""),
        ("", "ID must not be empty"),
        (".", "'.' is disallowed"),
        ("a\\b", "'a\\b' contains invalid characters"),
        ("a\nb", "'a\nb' contains invalid characters"),
        ("a\u{7f}", "'a\u{7f}' contains invalid characters"),
        ("ünï", ""),
    ] {
        expect(ids::validate(id), reason);
    }
    expect(ids::validate(&"x".repeat(255)), "");
    expect(ids::validate(&"x".repeat(256)), "ID must not be greater than 255 characters");
}

#[test]
fn offer_filters_require_valid_quantities() {
    let check = |quantities: &[(&str, f64)], reason: &str| {
        let quantities = quantities.iter().map(|(name, value)| (name.to_string(), value::Scalar { value: *value }));
        let minimum =
            MinAllocatableResources { quantities: vec![ResourceQuantities { quantities: quantities.collect() }] };
        let filters = OfferFilters { min_allocatable_resources: Some(Box::new(minimum)) };
        let info = FrameworkInfo { offer_filters: [("a".to_owned(), filters)].into(), ..multi_role(&["a"]) };
        expect(framework::validate(&info), reason);
    };
    check(&[("cpus", 0.0), ("mem", 32.0)], "");
    check(&[], "Resource quantities must contain at least one quantity");
    check(&[("cpus", -1.0)], "Invalid resource quantity for 'cpus': Negative values not supported");
    check(&[("cpus", f64::NAN)], "Invalid resource quantity for 'cpus': NaN not supported");
    check(&[("cpus", f64::INFINITY)], "Invalid resource quantity for 'cpus': Infinite values not supported");
    check(&[("cpus", 1e-310)], "Invalid resource quantity for 'cpus': Subnormal values not supported");
}

#[test]
fn a_failover_timeout_must_be_a_valid_duration() {
    let check = |timeout: f64, reason: &str| {
        let info = FrameworkInfo { failover_timeout: Some(timeout), ..multi_role(&["a"]) };
        expect(framework::validate(&info), reason);
    };
    check(0.0, "");
    check(-1.0, "");
    check(604_800.0, "");
    check(1e20, "The framework failover_timeout (1e+20) is invalid");
    check(f64::NAN, "The framework failover_timeout (nan) is invalid");
}

#[test]
fn an_update_cannot_change_principal_user_and_checkpoint() {
    let old = FrameworkInfo { principal: Some("ann".into()), checkpoint: Some(true), ..multi_role(&["a"]) };
    let check = |new: FrameworkInfo, reason: &str| expect(framework::validate_update(&old, &new), reason);
    check(FrameworkInfo { roles: vec!["b".into()], ..old.clone() }, "");
    check(FrameworkInfo { principal: None, ..old.clone() }, "Changing framework's principal is not allowed.");
    check(
        FrameworkInfo { user: "bob".into(), ..old.clone() },
        "Updating 'FrameworkInfo.user' is unsupported; attempted to update from 'root' to 'bob'",
    );
    check(
        FrameworkInfo { checkpoint: None, ..old.clone() },
        "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from 'true' to 'false'",
    );
}

#[test]
fn a_resubscription_ignores_changes_of_user_and_checkpoint() {
    let old = FrameworkInfo { checkpoint: Some(true), ..multi_role(&["a"]) };
    let mut new = FrameworkInfo { user: "bob".into(), checkpoint: Some(false), ..multi_role(&["b"]) };
    expect(framework::validate_resubscribe(&old, &mut new), "");
    assert_eq!(new, FrameworkInfo { checkpoint: Some(true), ..multi_role(&["b"]) });

    let mut stranger = FrameworkInfo { principal: Some("eve".into()), ..old.clone() };
    expect(framework::validate_resubscribe(&old, &mut stranger), "Changing framework's principal is not allowed.");
}

#[test]
fn suppressed_roles_must_be_among_the_roles() {
    let set = |roles: &[&str]| roles.iter().map(|role| role.to_string()).collect::<BTreeSet<_>>();
    expect(framework::validate_suppressed_roles(&set(&["a", "b"]), &set(&["b"])), "");
    expect(
        framework::validate_suppressed_roles(&set(&["a"]), &set(&["a", "z", "y"])),
        "Suppressed role 'y' is not contained in the list of roles",
    );
}

/// Checks offers of a simulated master: `<framework> <role> <agent>` by offer id.
fn check_offers(ids: &[&str], reason: &str) {
    let book = |id: &str| {
        let facts = match id {
            "o1" => "f a s1",
            "o2" => "f a s1",
            "foreign" => "g a s1",
            "other-role" => "f b s1",
            "other-agent" => "f a s2",
            _ => return None,
        };
        let mut words = facts.split(' ');
        let mut word = || words.next().unwrap();
        Some(OfferSummary {
            framework: ::ids::FrameworkId::new(word()),
            role: ::ids::Role::new(word()),
            agent: ::ids::AgentId::new(word()),
        })
    };
    let ids: Vec<OfferId> = ids.iter().map(|id| OfferId { value: id.to_string() }).collect();
    expect(offer::validate(&ids, book, &::ids::FrameworkId::new("f")), reason);
}

#[test]
fn combined_offers_must_have_the_same_framework_role_and_agent() {
    check_offers(&[], "");
    check_offers(&["o1"], "");
    check_offers(&["o1", "o2"], "");
    check_offers(&["o1", "gone", "o1"], "Duplicate offer o1 in offer list");
    check_offers(&["foreign", "gone"], "Offer gone is no longer valid");
    check_offers(&["o1", "foreign"], "Offer foreign has invalid framework g while framework f is expected");
    check_offers(
        &["o1", "other-agent", "other-role"],
        "Aggregated offers must be allocated to the same role. Offer other-role uses role 'b but another is using \
         role 'a",
    );
    check_offers(
        &["o1", "other-agent"],
        "Aggregated offers must belong to one single agent. Offer other-agent uses agent s2 and agent s1",
    );
}

proptest! {
    /// Every id that the rule accepts can be the name of a directory.
    #[test]
    fn a_valid_id_is_one_path_component(id in "\\PC{0,40}|[./a\\\\\u{0}-\u{1f}]{0,8}") {
        if ids::validate(&id).is_ok() {
            let path = std::path::Path::new(&id);
            let parts: Vec<_> = path.components().collect();
            prop_assert!(matches!(parts.as_slice(), [std::path::Component::Normal(_)]));
            prop_assert!(!id.contains('\0'));
        }
    }
}
