//! Laws that hold for all resources.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::*;
use ids::Role;
use messages::v1;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use resources::{Range, Ranges, ResourceQuantities, Resources, Scalar};

/// Half of the ports and tags. Collections of different halves are disjoint: for scalars `a + b - b = a` always holds,
/// for sets only if `a` and `b` are disjoint.
#[derive(Debug, Clone, Copy)]
enum Half {
    Low,
    High,
}

fn plain(half: Half) -> impl Strategy<Value = v1::Resource> {
    let (base, tag) = match half {
        Half::Low => (0u64, "l"),
        Half::High => (1000, "h"),
    };
    prop_oneof![
        3 => (select(vec!["cpus", "gpus", "mem", "disk", "bandwidth"]), 1u32..5000)
            .prop_map(|(name, n)| proto(&format!("{name}:{}", f64::from(n) / 1000.0))),
        1 => vec((0u64..990, 0u64..9), 1..4).prop_map(move |ranges| {
            let ranges: Vec<String> =
                ranges.iter().map(|(begin, more)| format!("{}-{}", base + begin, base + begin + more)).collect();
            proto(&format!("ports:[{}]", ranges.join(",")))
        }),
        1 => vec(0u8..6, 1..4).prop_map(move |items| {
            let mut items: Vec<String> = items.iter().map(|item| format!("{tag}{item}")).collect();
            items.sort();
            items.dedup();
            proto(&format!("tags:{{{}}}", items.join(",")))
        }),
    ]
}

/// Generates any resource that passes validation.
fn resource(half: Half) -> impl Strategy<Value = v1::Resource> {
    let reservations = prop_oneof![
        2 => Just(vec![]),
        1 => Just(vec![static_reservation("eng")]),
        1 => Just(vec![static_reservation("eng"), dynamic("eng/web")]),
        1 => Just(vec![by("operator", dynamic("ads"))]),
        1 => Just(vec![labelled(&[("k", Some("v")), ("a", None)], dynamic("ads"))]),
    ];
    let source =
        option::weighted(0.4, select(vec![mount("/m1"), mount("/m2"), path("/p"), block(), raw(None), raw(Some("r"))]));
    let persistence = option::weighted(0.3, select(vec!["v1", "v2"]));
    let others = (any::<bool>(), option::weighted(0.2, Just("rp")), option::weighted(0.3, select(vec!["x", "y"])));
    (plain(half), reservations, source, persistence, any::<bool>(), others).prop_map(
        |(resource, reservations, source, persistence, shared, (revocable, provider, allocated))| {
            let is_disk = resource.name == "disk";
            let mut resource = resource.with(|resource| resource.reservations = reservations);
            if let Some(source) = source.filter(|_| is_disk) {
                resource = resource.sourced(source);
            }
            if let Some(id) = persistence.filter(|_| is_disk) {
                resource = resource.persistent(id);
                if shared {
                    resource = resource.shared();
                }
            }
            if revocable {
                resource = resource.revocable();
            }
            if let Some(id) = provider {
                resource = resource.provided_by(id);
            }
            match allocated {
                Some(role) => resource.allocated_to(role),
                None => resource,
            }
        },
    )
}

fn protos(half: Half) -> impl Strategy<Value = Vec<v1::Resource>> {
    vec(resource(half), 0..8)
}

fn low() -> impl Strategy<Value = Resources> {
    protos(Half::Low).prop_map(|protos| of(&protos))
}

fn high() -> impl Strategy<Value = Resources> {
    protos(Half::High).prop_map(|protos| of(&protos))
}

/// Returns a part of `whole`: some entries are left out, some made smaller.
fn part(whole: &Resources, choices: &[u8]) -> Resources {
    let shrink = |(mut resource, choice): (v1::Resource, u8)| match choice % 4 {
        0 => None,
        1 | 2 => Some(resource),
        _ => {
            if let (Some(scalar), None) = (resource.scalar.as_mut(), &resource.disk) {
                scalar.value = (scalar.value * 500.0).floor() / 1000.0;
            }
            Some(resource)
        }
    };
    let kept: Vec<_> = whole.to_proto().into_iter().zip(choices.iter().copied().cycle()).filter_map(shrink).collect();
    of(&kept)
}

proptest! {
    #[test]
    fn adding_then_subtracting_changes_nothing(a in low(), b in high()) {
        let sum = &a + &b;
        prop_assert_eq!(&(&sum - &b), &a);
        prop_assert_eq!(&(&sum - &a), &b);
    }

    #[test]
    fn subtracting_then_adding_changes_nothing(a in low(), choices in vec(any::<u8>(), 1..9)) {
        let b = part(&a, &choices);
        prop_assert!(a.contains(&b), "{} in {}", b, a);
        prop_assert_eq!(&(&(&a - &b) + &b), &a);
    }

    #[test]
    fn addition_commutes_and_associates(a in low(), b in high(), c in low()) {
        prop_assert_eq!(&a + &b, &b + &a);
        prop_assert_eq!(&(&a + &b) + &c, &a + &(&b + &c));
    }

    #[test]
    fn order_does_not_matter(
        (protos, shuffled) in protos(Half::Low).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(of(&protos), of(&shuffled));
        prop_assert_eq!(of(&protos).to_proto(), of(&shuffled).to_proto());
    }

    #[test]
    fn containment_is_a_partial_order(a in low(), b in low(), choices in vec(any::<u8>(), 1..9), again in vec(any::<u8>(), 1..9)) {
        prop_assert!(a.contains(&a));
        prop_assert!(a.contains(&Resources::new()));
        prop_assert_eq!(a.contains(&b) && b.contains(&a), a == b);
        let smaller = part(&a, &choices);
        let smallest = part(&smaller, &again);
        prop_assert!(a.contains(&smallest));
        prop_assert_eq!(smaller.contains(&a), smaller == a);
    }

    #[test]
    fn a_sum_contains_its_parts(a in low(), b in high()) {
        prop_assert!((&a + &b).contains(&a));
        prop_assert!((&a + &b).contains(&b));
        prop_assert!(a.contains(&(&a - &b)));
    }

    #[test]
    fn subtracting_a_superset_leaves_nothing(a in low(), choices in vec(any::<u8>(), 1..9)) {
        let b = part(&a, &choices);
        prop_assert!((&b - &a).is_empty());
    }

    /// The wire keeps everything but the number of copies of a shared volume, of which it has one.
    #[test]
    fn resources_round_trip_through_messages(a in low()) {
        let protos = a.to_proto();
        let once: Resources = a.iter().map(|resource| Resources::from_proto(&[resource.to_proto()]).unwrap()).fold(Resources::new(), |sum, one| sum + one);
        prop_assert_eq!(&of(&protos), &once);
        if a.iter().all(|resource| resource.copies() == 1) {
            prop_assert_eq!(&once, &a);
        }
        prop_assert_eq!(&of(&a.to_proto_endpoint()), &once);
        match a.to_proto_pre_refinement() {
            Ok(old) => {
                prop_assert!(old.iter().all(|resource| resource.reservations.is_empty()));
                prop_assert_eq!(&of(&old), &once);
            }
            Err(_) => prop_assert!(a.iter().any(|resource| resource.has_refined_reservations())),
        }
    }

    #[test]
    fn printed_resources_can_be_parsed(protos in vec(plain(Half::Low), 0..8)) {
        let plain = of(&protos);
        prop_assume!(!plain.is_empty());
        prop_assert_eq!(parse(&plain.to_string()), plain);
    }

    /// The JSON form of `--resources` can express everything that an agent may have from the start, in both formats of
    /// reservations.
    #[test]
    fn the_json_form_is_equivalent(a in low()) {
        let given = a.unallocated().filter(|resource| {
            !(resource.is_revocable() || resource.is_persistent_volume() || resource.is_dynamically_reserved())
        });
        let json = |protos: &[v1::Resource]| {
            let each: Vec<String> =
                protos.iter().map(|proto| String::from_utf8(wire::json::encode(proto)).unwrap()).collect();
            format!("[{}]", each.join(","))
        };
        prop_assert_eq!(&Resources::parse(&json(&given.to_proto()), "*").unwrap(), &given);
        let old = given.to_proto_pre_refinement().unwrap();
        prop_assert_eq!(&Resources::parse(&json(&old), "*").unwrap(), &given);
        // Resources that name no role get the default role, and no others do.
        let by_default = Resources::parse(&json(&given.unreserved().to_proto()), "eng").unwrap();
        prop_assert_eq!(by_default.quantities(), given.unreserved().quantities());
        prop_assert!(by_default.unreserved().is_empty());
    }

    #[test]
    fn filters_partition_the_resources(a in low()) {
        let check = |left: Resources, right: Resources| assert_eq!(&(&left + &right), &a);
        check(a.reserved(None), a.unreserved());
        check(a.revocable(), a.non_revocable());
        check(a.shared(), a.non_shared());
        prop_assert!(a.allocatable_to("eng/web").contains(&a.allocatable_to("eng")));
        prop_assert_eq!(a.allocatable_to("nobody"), a.unreserved());
    }

    #[test]
    fn unallocate_reverses_allocate(a in low()) {
        let role = Role::new("r");
        let allocated = a.allocated(&role);
        prop_assert!(allocated.is_empty() || allocated.allocation_roles().into_iter().eq([role]));
        prop_assert_eq!(allocated.unallocated(), a.unallocated());
        prop_assert_eq!(a.quantities().iter().count(), allocated.quantities().iter().count());
    }

    #[test]
    fn quantities_add_up(a in vec(plain(Half::Low), 0..8), b in vec(plain(Half::High), 0..8)) {
        let (a, b) = (of(&a), of(&b));
        let mut sum = a.quantities();
        sum += &b.quantities();
        prop_assert_eq!(&sum, &(&a + &b).quantities());
        sum -= &b.quantities();
        prop_assert_eq!(&sum, &a.quantities());
        prop_assert!(a.covers(&a.quantities()));
        let share = a.quantities().max_share(&(&a + &b).quantities(), |_| true);
        prop_assert!((0.0..=1.0).contains(&share));
    }

    /// The operations agree with those on a plain list of the integers inside.
    #[test]
    fn ranges_are_sets_of_integers(left in vec((0u64..60, 0u64..12), 0..6), right in vec((0u64..60, 0u64..12), 0..6)) {
        let ranges = |pairs: &[(u64, u64)]| Ranges::new(pairs.iter().map(|(begin, more)| Range { begin: *begin, end: begin + more }));
        let (a, b) = (ranges(&left), ranges(&right));
        let inside = |ranges: &Ranges| (0..100).filter(|n| ranges.contains_value(*n)).collect::<Vec<_>>();
        let (in_a, in_b) = (inside(&a), inside(&b));
        prop_assert_eq!(inside(&a.union(&b)), (0..100).filter(|n| in_a.contains(n) || in_b.contains(n)).collect::<Vec<_>>());
        prop_assert_eq!(inside(&a.difference(&b)), in_a.iter().copied().filter(|n| !in_b.contains(n)).collect::<Vec<_>>());
        prop_assert_eq!(a.contains(&b), in_b.iter().all(|n| in_a.contains(n)));
        prop_assert_eq!(a.count(), in_a.len() as u64);
        prop_assert_eq!(Ranges::new(a.difference(&b).iter()), a.difference(&b));
    }

    #[test]
    fn scalars_survive_floating_point(thousandths in 0i64..1_000_000_000_000_000) {
        let scalar = Scalar::from_thousandths(thousandths);
        prop_assert_eq!(Scalar::from_f64(scalar.as_f64()), scalar);
        prop_assert_eq!(scalar.to_string().parse::<f64>().map(Scalar::from_f64), Ok(scalar));
    }

    #[test]
    fn no_message_causes_a_panic(protos in vec(any_resource(), 0..4)) {
        if let Ok(resources) = Resources::from_proto(&protos) {
            let _ = (resources.to_string(), &resources + &resources, &resources - &resources, resources.quantities());
            prop_assert!(resources.contains(&resources));
        }
    }

    #[test]
    fn no_text_causes_a_panic(text in "[a-z(){}\\[\\]:;,. *0-9-]{0,40}") {
        let _ = Resources::parse(&text, "*");
        let _ = resources::attributes::parse(&text);
    }
}

/// Generates a resource field by field, without regard to its meaning.
fn any_resource() -> impl Strategy<Value = v1::Resource> {
    let scalar = option::of(any::<f64>().prop_map(|value| v1::value::Scalar { value }));
    let range = (any::<u64>(), any::<u64>()).prop_map(|(begin, end)| v1::value::Range { begin, end });
    let ranges = option::of(vec(range, 0..3).prop_map(|range| Box::new(v1::value::Ranges { range })));
    let set = option::of(vec("[ab]?", 0..3).prop_map(|item| Box::new(v1::value::Set { item })));
    let level = (option::of(-1i32..4), option::of("[ab*/.]{0,3}"))
        .prop_map(|(r#type, role)| v1::resource::ReservationInfo { r#type, role, ..Default::default() });
    ("(cpus|disk|ports)?", -1i32..5, scalar, ranges, set, vec(level, 0..3), any::<bool>()).prop_map(
        |(name, r#type, scalar, ranges, set, reservations, shared)| v1::Resource {
            name,
            r#type,
            scalar,
            ranges,
            set,
            reservations,
            shared: shared.then(Default::default),
            ..Default::default()
        },
    )
}

#[test]
fn an_empty_quantity_is_contained_everywhere() {
    assert!(Resources::new().covers(&ResourceQuantities::new()));
}
