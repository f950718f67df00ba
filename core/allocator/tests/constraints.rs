//! Offer constraints, with the agents and constraints of Mesos' own tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod scenario;

use std::sync::Arc;

use allocator::{IneligibilityReason, OfferConstraintsFilter, PatternLimits};
use messages::v1::scheduler::attribute_constraint::{self, predicate, selector};
use messages::v1::scheduler::offer_constraints::RoleConstraints;
use messages::v1::scheduler::offer_constraints::role_constraints::Group;
use messages::v1::scheduler::{self, AttributeConstraint};
use predicate::Predicate;
use scenario::*;
use selector::{PseudoattributeType, Selector};

fn constraint(selector: Option<Selector>, predicate: Option<Predicate>) -> AttributeConstraint {
    AttributeConstraint {
        selector: attribute_constraint::Selector { selector },
        predicate: attribute_constraint::Predicate { predicate },
    }
}

/// Parses `foo exists`, `@hostname is x`, `bar is not x`, `bar matches x`, `bar mismatches x`.
fn parse(text: &str) -> AttributeConstraint {
    let (name, rest) = text.split_once(' ').unwrap();
    let (verb, value) = match rest.split_once(' ') {
        Some(("is", value)) if value.starts_with("not ") => ("is not", value.trim_start_matches("not ")),
        Some((verb, value)) => (verb, value),
        None => (rest, ""),
    };
    let selector = match name {
        "@hostname" => Selector::PseudoattributeType(PseudoattributeType::Hostname as i32),
        "@region" => Selector::PseudoattributeType(PseudoattributeType::Region as i32),
        "@zone" => Selector::PseudoattributeType(PseudoattributeType::Zone as i32),
        name => Selector::AttributeName(name.to_owned()),
    };
    let value = value.to_owned();
    let predicate = match verb {
        "exists" => Predicate::Exists(predicate_message::Exists {}),
        "lacks" => Predicate::NotExists(predicate_message::NotExists {}),
        "is" => Predicate::TextEquals(predicate_message::TextEquals { value }),
        "is not" => Predicate::TextNotEquals(predicate_message::TextNotEquals { value }),
        "matches" => Predicate::TextMatches(predicate_message::TextMatches { regex: value }),
        "mismatches" => Predicate::TextNotMatches(predicate_message::TextNotMatches { regex: value }),
        other => panic!("no predicate {other}"),
    };
    constraint(Some(selector), Some(predicate))
}

use attribute_constraint::predicate as predicate_message;

fn group(constraints: Vec<AttributeConstraint>) -> Group {
    Group { attribute_constraints: constraints }
}

fn for_role(role: &str, groups: Vec<Group>) -> scheduler::OfferConstraints {
    scheduler::OfferConstraints { role_constraints: [(role.to_owned(), RoleConstraints { groups })].into() }
}

fn compile(message: &scheduler::OfferConstraints) -> Arc<OfferConstraintsFilter> {
    Arc::new(OfferConstraintsFilter::compile(message, PatternLimits::default()).unwrap())
}

/// Returns a framework with groups of constraints for role `r`.
fn demanding(groups: &[&[&str]]) -> FrameworkSpec {
    let groups = groups.iter().map(|texts| group(texts.iter().map(|text| parse(text)).collect())).collect();
    FrameworkSpec { constraints: Some(compile(&for_role("r", groups))), ..framework("f1", &["r"]) }
}

fn on(attributes: &str) -> AgentSpec {
    let agent = agent("a1", "cpus:1;mem:100");
    if attributes.is_empty() { agent } else { agent.with_attributes(attributes) }
}

/// Expects that an agent with the attributes `offered` is offered, and one with the attributes `excluded` is not.
fn check(groups: &[&[&str]], offered: &[&str], excluded: &[&str]) {
    for attributes in offered {
        // The order in which agent and framework are added makes no difference.
        scenario().add_framework(&demanding(groups)).add_agent(&on(attributes)).expect_offers(&[("f1", "r", "a1", "")]);
        scenario().add_agent(&on(attributes)).add_framework(&demanding(groups)).expect_offers(&[("f1", "r", "a1", "")]);
    }
    for attributes in excluded {
        scenario().add_framework(&demanding(groups)).add_agent(&on(attributes)).expect_offers(&[]);
        scenario().add_agent(&on(attributes)).add_framework(&demanding(groups)).expect_offers(&[]);
    }
}

#[test]
fn exists_requires_the_attribute() {
    check(&[&["bar exists"]], &["bar:123", "foo:123;bar:456"], &["foo:123", ""]);
}

#[test]
fn not_exists_requires_the_absence_of_the_attribute() {
    check(&[&["bar lacks"]], &["foo:123", ""], &["bar:123", "foo:123;bar:456"]);
}

/// Scalars and ranges satisfy every predicate about text.
#[test]
fn text_equals_matches_equal_texts_only() {
    check(&[&["bar is baz"]], &["bar:baz", "bar:123", "bar:[1-17]"], &["bar:zab", "foo:baz"]);
}

#[test]
fn text_not_equals_matches_different_texts_only() {
    check(&[&["bar is not baz"]], &["bar:123", "bar:[1-17]", "bar:zab", "foo:baz"], &["bar:baz"]);
}

#[test]
fn the_first_attribute_of_a_name_counts() {
    check(&[&["bar is baz"]], &["bar:baz;bar:foo", "bar:123;bar:foo"], &["bar:foo;bar:baz", "bar:foo;bar:123"]);
}

#[test]
fn text_matches_requires_a_match_of_the_pattern() {
    check(&[&["bar matches [a-d]+"]], &["bar:abcd", "bar:123", "bar:[1-17]"], &["bar:bcde", "foo:abcd"]);
}

#[test]
fn text_not_matches_requires_no_match_of_the_pattern() {
    check(&[&["bar mismatches [a-d]+"]], &["bar:123", "bar:[1-17]", "bar:bcde", "foo:abcd"], &["bar:abcd"]);
}

#[test]
fn all_constraints_of_a_group_must_hold() {
    check(&[&["foo exists", "bar lacks"]], &["foo:123", "baz:123;foo:456"], &["", "bar:456", "bar:123;foo:456"]);
}

#[test]
fn one_satisfied_group_is_enough() {
    check(&[&["foo exists"], &["bar lacks"]], &["", "baz:123", "bar:123;foo:456"], &["bar:123"]);
}

#[test]
fn constraints_do_not_apply_to_other_roles() {
    let spec = FrameworkSpec {
        constraints: Some(compile(&for_role("r1", vec![group(vec![parse("foo exists")])]))),
        ..framework("f1", &["r1", "r2"])
    };
    scenario().add_framework(&spec).add_agent(&on("")).expect_offers(&[("f1", "r2", "a1", "")]);
}

#[test]
fn constraints_apply_to_the_host_name() {
    check(&[&["@hostname is host-a1"]], &[""], &[]);
    check(&[&["@hostname exists"]], &[""], &[]);
    check(&[&["@hostname matches host-b.*"]], &[], &[""]);
}

#[test]
fn constraints_apply_to_region_and_zone() {
    let in_region = on("").in_region("r1");
    let aware = |groups: &[&[&str]]| demanding(groups).can(Can::RegionAware);
    let offers: &[(&str, &str, &str, &str)] = &[("f1", "r", "a1", "")];
    scenario()
        .add_framework(&aware(&[&["@region is r1", "@zone is zone"]]))
        .add_agent(&in_region)
        .expect_offers(offers);
    scenario().add_framework(&aware(&[&["@region is not r1"]])).add_agent(&in_region).expect_offers(&[]);
    scenario().add_framework(&aware(&[&["@zone is other"]])).add_agent(&in_region).expect_offers(&[]);
    // An agent without a domain has neither region nor zone: `lacks` and `is not` hold for it, and `is` does not.
    scenario().add_framework(&aware(&[&["@region lacks", "@zone lacks"]])).add_agent(&on("")).expect_offers(offers);
    scenario().add_framework(&aware(&[&["@region is not r1"]])).add_agent(&on("")).expect_offers(offers);
    scenario().add_framework(&aware(&[&["@region is r1"]])).add_agent(&on("")).expect_offers(&[]);
}

#[test]
fn a_framework_can_change_its_constraints() {
    scenario()
        .add_framework(&demanding(&[&["foo exists"]]))
        .add_agent(&on("bar:1"))
        .expect_offers(&[])
        .update_framework(&demanding(&[&["bar exists"]]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 0)
        .update_framework(&demanding(&[&["foo exists"]]))
        .advance_seconds(1)
        .expect_offers(&[])
        .update_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn changed_attributes_are_checked_again() {
    scenario()
        .add_framework(&demanding(&[&["foo exists"]]))
        .add_agent(&on("bar:1"))
        .expect_offers(&[])
        .update_agent(&on("foo:1"))
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 0)
        .update_agent(&on("bar:1"))
        .advance_seconds(1)
        .expect_offers(&[]);
}

/// The indices of removed agents and frameworks are reused.
#[test]
fn exclusions_of_removed_agents_and_frameworks_are_removed() {
    scenario()
        .add_framework(&demanding(&[&["foo exists"]]))
        .add_agent(&on("bar:1"))
        .expect_offers(&[])
        .remove_framework("f1")
        .add_framework(&framework("f2", &["r"]))
        .expect_offers(&[("f2", "r", "a1", "")])
        .remove_framework("f2")
        .add_framework(&demanding(&[&["bar exists"]]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .remove_agent("a1")
        .add_agent(&on("foo:1"))
        .expect_offers(&[])
        .remove_agent("a1")
        .add_agent(&on("bar:1"))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn an_explanation_names_an_unmet_constraint_of_each_group() {
    scenario()
        .add_framework(&demanding(&[&["foo exists", "bar is x"], &["@hostname matches z", "bar lacks"]]))
        .add_agent(&on("foo:1;bar:y"))
        .expect_reasons(
            "f1",
            "r",
            "a1",
            &[IneligibilityReason::Constraints(vec!["attribute 'bar' is 'x'".into(), "hostname matches 'z'".into()])],
        );
}

fn refuses(message: &scheduler::OfferConstraints, reason: &str) {
    let refused = OfferConstraintsFilter::compile(message, PatternLimits::default()).unwrap_err();
    assert_eq!(refused.to_string(), reason);
}

#[test]
fn incomplete_constraints_are_refused_with_the_messages_of_mesos() {
    let exists = || Some(Predicate::Exists(predicate_message::Exists {}));
    let unknown = Some(Selector::PseudoattributeType(PseudoattributeType::Unknown as i32));
    let name = Some(Selector::AttributeName("foo".into()));
    refuses(
        &for_role("r", vec![]),
        "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role r",
    );
    refuses(
        &for_role("r", vec![group(vec![])]),
        "'OfferConstraints::RoleConstraints::groups' for role rcontains an empty RoleConstraints::Group",
    );
    refuses(
        &for_role("r", vec![group(vec![constraint(None, exists())])]),
        "A role r has an invalid 'AttributeConstraint': Exactly one of 'AttributeConstraint::Selector::name' or \
         'AttributeConstraint::Selector::pseudoattribute_type' must be set",
    );
    refuses(
        &for_role("r", vec![group(vec![constraint(unknown, exists())])]),
        "A role r has an invalid 'AttributeConstraint': Unknown pseudoattribute type",
    );
    refuses(
        &for_role("r", vec![group(vec![constraint(name, None)])]),
        "A role r has an invalid 'AttributeConstraint': Unknown predicate type",
    );
}

#[test]
fn broken_and_oversized_patterns_are_refused() {
    for verb in ["matches", "mismatches"] {
        let message = for_role("r", vec![group(vec![parse(&format!("bar {verb} [a-d"))])]);
        refuses(
            &message,
            "A role r has an invalid 'AttributeConstraint': Failed to construct regex from pattern '[a-d': unclosed \
             character class",
        );
        let message = for_role("r", vec![group(vec![parse(&format!("bar {verb} (a+){{50}}"))])]);
        let refused = OfferConstraintsFilter::compile(&message, PatternLimits::default()).unwrap_err().to_string();
        assert!(refused.contains("Regex '(a+){50}' is too complex: program size of "), "{refused}");
    }
}
