//! The effects of operations on resources.
#![allow(
    clippy::unwrap_used,
    clippy::cloned_ref_to_slice_refs,
    reason = "test code; lists of one read like the others"
)]

mod common;

use common::*;
use messages::v1;
use messages::v1::offer::Operation;
use messages::v1::offer::operation::{Create, CreateDisk, Destroy, GrowVolume, Reserve, ShrinkVolume, Type, Unreserve};
use proptest::prelude::*;
use proptest::sample::select;
use resources::{Resources, conversions};

fn operation(kind: Type, fill: impl FnOnce(&mut Operation)) -> Operation {
    let mut operation = Operation { r#type: Some(kind as i32), ..Default::default() };
    fill(&mut operation);
    operation
}

fn reserve(resources: Vec<v1::Resource>) -> Operation {
    reserve_from(vec![], resources)
}

fn reserve_from(source: Vec<v1::Resource>, resources: Vec<v1::Resource>) -> Operation {
    operation(Type::Reserve, |operation| operation.reserve = Some(Box::new(Reserve { source, resources })))
}

fn unreserve(resources: Vec<v1::Resource>) -> Operation {
    operation(Type::Unreserve, |operation| operation.unreserve = Some(Box::new(Unreserve { resources })))
}

fn create(volumes: Vec<v1::Resource>) -> Operation {
    operation(Type::Create, |operation| operation.create = Some(Box::new(Create { volumes })))
}

fn destroy(volumes: Vec<v1::Resource>) -> Operation {
    operation(Type::Destroy, |operation| operation.destroy = Some(Box::new(Destroy { volumes })))
}

fn grow(volume: v1::Resource, addition: v1::Resource) -> Operation {
    operation(Type::GrowVolume, |operation| {
        operation.grow_volume = Some(Box::new(GrowVolume { volume, addition }));
    })
}

fn shrink(volume: v1::Resource, megabytes: f64) -> Operation {
    operation(Type::ShrinkVolume, |operation| {
        let subtract = v1::value::Scalar { value: megabytes };
        operation.shrink_volume = Some(Box::new(ShrinkVolume { volume, subtract }));
    })
}

/// Applies an operation to the given resources, and expects the result or the reason of the refusal.
#[track_caller]
fn check(given: &[v1::Resource], operation: &Operation, expect: Result<&[v1::Resource], &str>) {
    let conversions = conversions(operation);
    let result = conversions.and_then(|steps| of(given).apply_all(&steps)).map_err(|error| error.to_string());
    assert_eq!(result, expect.map(of).map_err(str::to_owned));
}

fn disk(megabytes: u32) -> v1::Resource {
    proto(&format!("disk:{megabytes}")).reserved(dynamic("eng"))
}

#[test]
fn reserve_pushes_one_reservation() {
    let (cpus, two) = (proto("cpus:3"), proto("cpus:2").reserved(dynamic("eng")));
    check(&[cpus.clone()], &reserve(vec![two.clone()]), Ok(&[proto("cpus:1"), two.clone()]));
    let refined = two.clone().reserved(dynamic("eng/web"));
    check(&[two.clone()], &reserve(vec![refined.clone()]), Ok(&[refined.clone()]));
    check(&[refined.clone()], &unreserve(vec![refined.clone()]), Ok(&[two.clone()]));
    check(&[two.clone()], &unreserve(vec![two.clone()]), Ok(&[proto("cpus:2")]));
    let statically = proto("cpus:2").reserved(static_reservation("eng"));
    let over_static = statically.clone().reserved(dynamic("eng/web"));
    check(&[statically], &reserve(vec![over_static.clone()]), Ok(&[over_static]));
    let ports = proto("ports:[1-4]").reserved(dynamic("eng"));
    let rest = proto("ports:[5-9]");
    check(&[proto("ports:[1-9]")], &reserve(vec![ports.clone()]), Ok(&[ports, rest]));
}

#[test]
fn resources_that_are_not_contained_cannot_be_reserved() {
    let two = proto("cpus:2").reserved(dynamic("eng"));
    check(&[proto("cpus:1")], &reserve(vec![two.clone()]), Err("cpus:1 does not contain cpus:2"));
    check(
        &[two.clone()],
        &reserve(vec![two.clone()]),
        Err("cpus(reservations: [(DYNAMIC,eng)]):2 does not contain cpus:2"),
    );
    check(&[proto("cpus:2")], &reserve(vec![proto("cpus:2")]), Err("Resource cpus:2 is not reserved"));
    check(&[proto("cpus:2")], &unreserve(vec![proto("cpus:2")]), Err("Resource cpus:2 is not reserved"));
    let labelled = proto("cpus:2").reserved(labelled(&[("k", None)], dynamic("eng")));
    check(
        &[two],
        &unreserve(vec![labelled]),
        Err("cpus(reservations: [(DYNAMIC,eng)]):2 does not contain cpus(reservations: [(DYNAMIC,eng,{k})]):2"),
    );
}

#[test]
fn a_source_names_the_replaced_reservations() {
    let of_eng = proto("cpus:2").reserved(dynamic("eng"));
    let of_ads = proto("cpus:2").reserved(dynamic("ads"));
    check(&[of_eng.clone()], &reserve_from(vec![of_eng.clone()], vec![of_ads.clone()]), Ok(&[of_ads.clone()]));
    let deep = of_ads.clone().reserved(dynamic("ads/spot"));
    check(&[of_eng.clone()], &reserve_from(vec![of_eng.clone()], vec![deep.clone()]), Ok(&[deep]));
    check(
        &[of_eng.clone()],
        &reserve_from(vec![of_ads.clone()], vec![of_eng]),
        Err("cpus(reservations: [(DYNAMIC,eng)]):2 does not contain cpus(reservations: [(DYNAMIC,ads)]):2"),
    );
}

#[test]
fn both_formats_of_a_reservation_are_equivalent() {
    #[allow(deprecated, reason = "the old format is the point")]
    let old = proto("cpus:2").with(|cpus| {
        cpus.role = Some("eng".to_owned());
        cpus.reservation = Some(Box::default());
    });
    let new = proto("cpus:2").reserved(dynamic("eng"));
    check(&[proto("cpus:2")], &reserve(vec![old.clone()]), Ok(&[new.clone()]));
    check(&[new], &unreserve(vec![old]), Ok(&[proto("cpus:2")]));
}

#[test]
fn volumes_can_be_created_and_destroyed() {
    let volume = disk(100).persistent("v");
    check(&[disk(300)], &create(vec![volume.clone()]), Ok(&[disk(200), volume.clone()]));
    check(&[disk(200), volume.clone()], &destroy(vec![volume.clone()]), Ok(&[disk(300)]));
    let mounted = disk(100).sourced(mount("/m"));
    check(&[mounted.clone()], &create(vec![mounted.clone().persistent("v")]), Ok(&[mounted.clone().persistent("v")]));
    check(&[mounted.clone().persistent("v")], &destroy(vec![mounted.clone().persistent("v")]), Ok(&[mounted.clone()]));
    let whole = "disk(reservations: [(DYNAMIC,eng)])[MOUNT:/m]:100";
    let half = disk(50).sourced(mount("/m")).persistent("v");
    let error = format!("{whole} does not contain {}", whole.replace("100", "50"));
    check(&[mounted], &create(vec![half]), Err(&error));
    let on_path = disk(100).sourced(path("/p"));
    check(
        &[disk(300).sourced(path("/p"))],
        &create(vec![on_path.clone().persistent("v")]),
        Ok(&[disk(200).sourced(path("/p")), on_path.persistent("v")]),
    );
}

#[test]
fn destroy_requires_the_last_copy_of_a_shared_volume() {
    let volume = disk(100).persistent("v").shared();
    check(&[disk(100)], &create(vec![volume.clone()]), Ok(&[volume.clone()]));
    check(&[volume.clone()], &destroy(vec![volume.clone()]), Ok(&[disk(100)]));
    let printed = of(&[volume.clone()]).iter().next().unwrap().to_string();
    let error = format!("Persistent volume {printed} cannot be removed due to additional shared copies");
    check(&[volume.clone(), volume.clone()], &destroy(vec![volume]), Err(&error));
}

#[test]
fn volumes_can_grow_and_shrink() {
    let volume = |megabytes| disk(megabytes).persistent("v");
    check(&[volume(100), disk(50)], &grow(volume(100), disk(20)), Ok(&[volume(120), disk(30)]));
    check(&[volume(100)], &shrink(volume(100), 30.0), Ok(&[volume(70), disk(30)]));
    let on_path = |resource: v1::Resource| resource.sourced(path("/p"));
    check(&[on_path(volume(100))], &shrink(on_path(volume(100)), 30.0), Ok(&[on_path(volume(70)), on_path(disk(30))]));
    let provided = volume(100).provided_by("rp");
    let refused = Err("Operation not supported for resource provider");
    check(&[provided.clone()], &shrink(provided.clone(), 30.0), refused);
    check(&[provided.clone()], &grow(provided, disk(20)), refused);
}

#[test]
fn other_operations_convert_nothing() {
    let disk = CreateDisk { source: proto("disk:1"), ..Default::default() };
    let create_disk = operation(Type::CreateDisk, |operation| operation.create_disk = Some(Box::new(disk)));
    check(&[], &create_disk, Err("Operation not supported"));
    check(&[], &operation(Type::Launch, |_| {}), Err("Operation not supported"));
    check(&[], &operation(Type::Unknown, |_| {}), Err("Unknown operation"));
    let unnamed = proto("cpus:1").with(|cpus| cpus.name.clear()).reserved(dynamic("eng"));
    let reason = conversions(&reserve(vec![unnamed])).unwrap_err().to_string();
    assert!(reason.ends_with("is invalid: Empty resource name"), "{reason}");
}

#[test]
fn checkpointed_resources_replace_their_sources() {
    let check = |flags: &str, checkpointed: &[v1::Resource], expect: Result<&[v1::Resource], &str>| {
        let total = parse(flags).with_checkpointed(&of(checkpointed)).map_err(|error| error.to_string());
        assert_eq!(total, expect.map(of).map_err(str::to_owned));
    };
    let volume = disk(100).persistent("v").shared();
    check(
        "cpus:2;disk:300",
        &[disk(50), volume.clone()],
        Ok(&[proto("cpus:2"), disk(50), volume.clone(), proto("disk:150")]),
    );
    let refined = proto("cpus:1").reserved(static_reservation("eng")).reserved(dynamic("eng/web"));
    check("cpus(eng):2", &[refined.clone()], Ok(&[proto("cpus:1").reserved(static_reservation("eng")), refined]));
    check("disk:20", &[disk(50)], Err("Incompatible agent resources: disk:20 does not contain disk:50"));
    check("cpus:2", &[proto("cpus:1")], Err("Unexpected checkpointed resources cpus:1"));
    assert_eq!(
        of(&[proto("cpus:2"), disk(50), volume.clone(), disk(1).provided_by("rp")]).checkpointed(),
        of(&[disk(50), volume])
    );
}

/// Generates the resources of an agent with something of every kind, and an operation that fits them.
fn possible() -> impl Strategy<Value = (Resources, Operation)> {
    let reservation =
        select(vec![dynamic("eng"), by("ops", dynamic("ads")), labelled(&[("k", Some("v"))], dynamic("eng"))]);
    let source = prop_oneof![Just(None), Just(Some(path("/p"))), Just(Some(mount("/m")))];
    (1u32..200, 1u32..200, reservation, source, 0..6u8, any::<bool>()).prop_map(
        |(amount, more, level, source, kind, shared)| {
            let sized = |megabytes: u32| {
                let disk = proto(&format!("disk:{megabytes}"));
                source.clone().map_or(disk.clone(), |source| disk.sourced(source))
            };
            let reserved = |megabytes| sized(megabytes).reserved(level.clone());
            let volume = |megabytes| reserved(megabytes).persistent("v");
            let maybe_shared = |volume: v1::Resource| if shared { volume.shared() } else { volume };
            let rest = [proto("cpus:4"), proto("ports:[1-9]")];
            let (given, operation) = match kind {
                0 => (vec![sized(amount)], reserve(vec![reserved(amount)])),
                1 => (vec![reserved(amount)], unreserve(vec![reserved(amount)])),
                2 => (vec![reserved(amount)], create(vec![maybe_shared(volume(amount))])),
                3 => (vec![maybe_shared(volume(amount))], destroy(vec![maybe_shared(volume(amount))])),
                4 => (vec![volume(amount), reserved(more)], grow(volume(amount), reserved(more))),
                _ => (vec![volume(amount + more)], shrink(volume(amount + more), f64::from(more))),
            };
            (of(&given) + of(&rest), operation)
        },
    )
}

proptest! {
    #[test]
    fn operations_preserve_quantities((given, operation) in possible()) {
        let steps = conversions(&operation).unwrap();
        let result = given.apply_all(&steps).unwrap();
        prop_assert_eq!(result.quantities(), given.quantities());
        prop_assert_ne!(&result, &given);
    }

    #[test]
    fn undoing_a_conversion_restores_the_resources((given, operation) in possible()) {
        let steps = conversions(&operation).unwrap();
        let result = given.apply_all(&steps).unwrap();
        let back: Vec<_> = steps.into_iter().rev().map(resources::Conversion::inverse).collect();
        prop_assert_eq!(result.apply_all(&back).unwrap(), given);
    }

    /// The checkpointed resources suffice to restore the agent's total.
    #[test]
    fn the_checkpoint_restores_the_total((given, operation) in possible()) {
        let total = given.apply_all(&conversions(&operation).unwrap()).unwrap();
        let plain = parse("cpus:4;ports:[1-9]") + of(&total.by_name("disk").to_proto().into_iter().map(|disk| disk.with(|disk| {
            disk.reservations.clear();
            disk.shared = None;
            if let Some(info) = &mut disk.disk { info.persistence = None; info.volume = None; }
            if disk.disk.as_ref().is_some_and(|info| info.source.is_none()) { disk.disk = None; }
        })).collect::<Vec<_>>());
        prop_assert_eq!(plain.with_checkpointed(&total.checkpointed()).unwrap(), total);
    }
}
