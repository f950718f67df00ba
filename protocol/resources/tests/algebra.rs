//! Addition, subtraction, containment and equality, case by case: the cases that Mesos' resources tests cover.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::*;
use ids::Role;
use messages::v1;
use resources::{Resource, ResourceQuantities, Resources, Scalar};

/// Takes the left and the right side, and expects their sum, their difference, and whether left contains right.
#[track_caller]
fn check(left: impl Into<Given>, right: impl Into<Given>, sum: &str, difference: &str, contains: bool) {
    let (Given(left), Given(right)) = (left.into(), right.into());
    assert_eq!((&left + &right).to_string(), sum, "{left} + {right}");
    assert_eq!((&left - &right).to_string(), difference, "{left} - {right}");
    assert_eq!(left.contains(&right), contains, "{left} contains {right}");
    let mut assigned = left.clone();
    assigned += &right;
    assigned -= &right;
    assigned += &right;
    assert_eq!(assigned, &(&(&left + &right) - &right) + &right);
}

struct Given(Resources);

impl From<&str> for Given {
    fn from(text: &str) -> Self {
        Given(parse(text))
    }
}

impl From<Resources> for Given {
    fn from(resources: Resources) -> Self {
        Given(resources)
    }
}

impl From<v1::Resource> for Given {
    fn from(resource: v1::Resource) -> Self {
        Given(resource.alone())
    }
}

impl<const N: usize> From<[v1::Resource; N]> for Given {
    fn from(resources: [v1::Resource; N]) -> Self {
        Given(of(&resources))
    }
}

#[test]
fn scalars_are_added_subtracted_and_compared() {
    check("cpus:50;mem:4096", "cpus:40;mem:4096", "cpus:90; mem:8192", "cpus:10", true);
    check("cpus:1;mem:512", "cpus:0.5", "cpus:1.5; mem:512", "cpus:0.5; mem:512", true);
    check("cpus:1", "mem:1", "cpus:1; mem:1", "cpus:1", false);
    check("cpus:1", "cpus:1.001", "cpus:2.001", "{}", false);
    check("", "cpus:1", "cpus:1", "{}", false);
    check("cpus:1", "", "cpus:1", "cpus:1", true);
    check("cpus:0", "cpus:1", "cpus:1", "{}", false);
    check("cpus(a):1;cpus:1", "cpus(a):1", "cpus:1; cpus(reservations: [(STATIC,a)]):2", "cpus:1", true);
    check("cpus:2", "cpus(a):1", "cpus:2; cpus(reservations: [(STATIC,a)]):1", "cpus:2", false);
}

#[test]
fn scalars_have_three_decimals() {
    check("cpus:0.1", "cpus:0.2", "cpus:0.3", "{}", false);
    check("cpus:1.5011", "cpus:0.0009", "cpus:1.502", "cpus:1.5", true);
    check("cpus:1.5015", "cpus:0", "cpus:1.502", "cpus:1.502", true);
    let one = parse("cpus:1.001");
    let mut sum = one.clone();
    (0..100_000).for_each(|_| sum += &one);
    (0..100_000).for_each(|_| sum -= &one);
    assert_eq!(sum, one);
    assert_eq!(sum.cpus(), 1.001);
}

#[test]
fn ranges_are_added_subtracted_and_compared() {
    check("ports:[20000-40000]", "ports:[30000-50000]", "ports:[20000-50000]", "ports:[20000-29999]", false);
    check("ports:[1-10]", "ports:[5-6]", "ports:[1-10]", "ports:[1-4, 7-10]", true);
    check("ports:[1-10]", "ports:[1-10]", "ports:[1-10]", "{}", true);
    check("ports:[1-4]", "ports:[5-8]", "ports:[1-8]", "ports:[1-4]", false);
    check("ports:[1-3, 7-9]", "ports:[2-8]", "ports:[1-9]", "ports:[1-1, 9-9]", false);
    check("ports:[1-3, 7-9]", "ports:[2-3, 7-7]", "ports:[1-3, 7-9]", "ports:[1-1, 8-9]", true);
    check("ports:[5-9]", "ports:[0-100]", "ports:[0-100]", "{}", false);
    check("ports:[1-2, 4-5, 7-8]", "ports:[2-7]", "ports:[1-8]", "ports:[1-1, 8-8]", false);
    check(
        "ports:[0-18446744073709551615]",
        "ports:[0-0]",
        "ports:[0-18446744073709551615]",
        "ports:[1-18446744073709551615]",
        true,
    );
    check(
        "ports(a):[1-2]",
        "ports:[1-2]",
        "ports:[1-2]; ports(reservations: [(STATIC,a)]):[1-2]",
        "ports(reservations: [(STATIC,a)]):[1-2]",
        false,
    );
}

#[test]
fn sets_are_added_subtracted_and_compared() {
    check("disks:{sda1, sda2}", "disks:{sda2, sda3}", "disks:{sda1, sda2, sda3}", "disks:{sda1}", false);
    check("disks:{sda1, sda2}", "disks:{sda2}", "disks:{sda1, sda2}", "disks:{sda1}", true);
    check("disks:{sda1}", "disks:{sda1}", "disks:{sda1}", "{}", true);
    assert_eq!(parse("disks:{a,b}"), parse("disks:{b,a}"));
    assert_ne!(parse("disks:{a}"), parse("disks:{b}"));
}

#[test]
fn dynamic_reservations_are_distinguished() {
    let cpus = || proto("cpus:8");
    let plain = || cpus().reserved(dynamic("ads"));
    let of_someone = || cpus().reserved(by("someone", dynamic("ads")));
    let labelled_a = || cpus().reserved(labelled(&[("k", Some("a"))], dynamic("ads")));
    let labelled_b = || cpus().reserved(labelled(&[("k", Some("b"))], dynamic("ads")));
    let empty_labels = || cpus().reserved(labelled(&[], dynamic("ads")));
    let fixed = || cpus().reserved(static_reservation("ads"));
    let all = [plain(), of_someone(), labelled_a(), labelled_b(), empty_labels(), fixed()];
    assert_eq!(of(&all).len(), all.len());
    for (i, left) in all.iter().enumerate() {
        for (j, right) in all.iter().enumerate() {
            assert_eq!(left.clone().alone() == right.clone().alone(), i == j);
            assert_eq!(left.clone().alone().contains(&right.clone().alone()), i == j);
        }
    }
    check(plain(), plain(), "cpus(reservations: [(DYNAMIC,ads)]):16", "{}", true);
    check(labelled_a(), labelled_a(), "cpus(reservations: [(DYNAMIC,ads,{k: a})]):16", "{}", true);
}

/// Mesos compares labels without regard to their order.
#[test]
fn the_order_of_labels_does_not_matter() {
    let level = |labels: &[(&str, Option<&str>)]| proto("cpus:1").reserved(labelled(labels, dynamic("ads"))).alone();
    assert_eq!(level(&[("a", Some("1")), ("b", None)]), level(&[("b", None), ("a", Some("1"))]));
    assert_ne!(level(&[("a", Some("1"))]), level(&[("a", Some("1")), ("a", Some("1"))]));
}

#[test]
fn refinements_are_distinguished() {
    let outer = || proto("cpus:1").reserved(static_reservation("a"));
    let inner = || outer().reserved(dynamic("a/b"));
    check(
        [outer(), inner()],
        inner(),
        "cpus(reservations: [(STATIC,a)]):1; cpus(reservations: [(STATIC,a),(DYNAMIC,a/b)]):2",
        "cpus(reservations: [(STATIC,a)]):1",
        true,
    );
    check(
        outer(),
        inner(),
        "cpus(reservations: [(STATIC,a)]):1; cpus(reservations: [(STATIC,a),(DYNAMIC,a/b)]):1",
        "cpus(reservations: [(STATIC,a)]):1",
        false,
    );
}

#[test]
fn persistent_volumes_are_indivisible() {
    let volume = |size: &str, id: &str| proto(&format!("disk(r):{size}")).persistent(id);
    let reserved = "(reservations: [(STATIC,r)])";
    check(
        volume("10", "1"),
        volume("10", "1"),
        &format!("disk{reserved}[1:path]:10; disk{reserved}[1:path]:10"),
        "{}",
        true,
    );
    check(
        volume("10", "1"),
        volume("5", "1"),
        &format!("disk{reserved}[1:path]:5; disk{reserved}[1:path]:10"),
        &format!("disk{reserved}[1:path]:10"),
        false,
    );
    check(
        [volume("10", "1"), volume("20", "2")],
        volume("20", "2"),
        &format!("disk{reserved}[1:path]:10; disk{reserved}[2:path]:20; disk{reserved}[2:path]:20"),
        &format!("disk{reserved}[1:path]:10"),
        true,
    );
    let (one, two) = (volume("10", "1").alone(), of(&[volume("10", "1"), volume("10", "1")]));
    assert!(!one.contains(&two));
    assert!(two.contains(&one) && two.contains(&two));
}

/// The path of a volume's mount and its creator are not part of the volume.
#[test]
fn mount_and_principal_do_not_distinguish_a_volume() {
    let one = proto("disk(r):10").persistent("1");
    let other = one.clone().with(|resource| {
        let disk = resource.disk.as_mut().unwrap();
        disk.volume = None;
        disk.persistence.as_mut().unwrap().principal = Some("someone".to_owned());
    });
    assert_eq!(one.clone().alone(), other.clone().alone());
    assert!((&one.clone().alone() - &other.alone()).is_empty());
    // The use of the volume is kept all the same.
    assert_eq!(one.clone().alone().to_proto(), [one]);
}

#[test]
fn disks_are_added_and_subtracted_by_source() {
    let disk = |size: &str, source| proto(&format!("disk:{size}")).sourced(source);
    check(disk("10", path("/p")), disk("4", path("/p")), "disk[PATH:/p]:14", "disk[PATH:/p]:6", true);
    check(
        disk("10", path("/p")),
        disk("4", path("/q")),
        "disk[PATH:/p]:10; disk[PATH:/q]:4",
        "disk[PATH:/p]:10",
        false,
    );
    check(
        disk("10", mount("/m")),
        disk("4", mount("/m")),
        "disk[MOUNT:/m]:4; disk[MOUNT:/m]:10",
        "disk[MOUNT:/m]:10",
        false,
    );
    check(disk("10", mount("/m")), disk("10", mount("/m")), "disk[MOUNT:/m]:10; disk[MOUNT:/m]:10", "{}", true);
    check(disk("10", block()), disk("4", block()), "disk[BLOCK]:4; disk[BLOCK]:10", "disk[BLOCK]:10", false);
    check(disk("10", raw(None)), disk("4", raw(None)), "disk[RAW]:14", "disk[RAW]:6", true);
    check(
        disk("10", raw(Some("i"))),
        disk("4", raw(Some("i"))),
        "disk[RAW(,i,)]:4; disk[RAW(,i,)]:10",
        "disk[RAW(,i,)]:10",
        false,
    );
    check(disk("10", path("/p")), "disk:4", "disk:4; disk[PATH:/p]:10", "disk[PATH:/p]:10", false);
}

#[test]
fn disk_sources_are_distinguished_by_every_field() {
    let base = || raw(Some("id"));
    let labels = v1::Labels { labels: vec![v1::Label { key: "k".into(), value: None }] };
    let mut sources = vec![raw(None), raw(Some("other")), base()];
    sources.extend([base(), base(), base()]);
    sources[3].profile = Some("fast".to_owned());
    sources[4].vendor = Some("vendor".to_owned());
    sources[5].metadata = Some(Box::new(labels));
    let mut bare_path = path("x");
    bare_path.path = None;
    let mut empty_path = path("x");
    empty_path.path.as_mut().unwrap().root = None;
    sources.extend([bare_path, empty_path, path("x"), path("y"), mount("x")]);
    let all: Vec<_> = sources.into_iter().map(|source| proto("disk:1").sourced(source)).collect();
    for (i, left) in all.iter().enumerate() {
        for (j, right) in all.iter().enumerate() {
            assert_eq!(left.clone().alone() == right.clone().alone(), i == j, "{left:?} {right:?}");
        }
        assert_eq!(left.clone().alone().to_proto(), std::slice::from_ref(left));
    }
}

#[test]
fn shared_resources_are_counted() {
    let volume = || proto("disk(r):50").persistent("1").shared();
    let shown = |count: u32| format!("disk(reservations: [(STATIC,r)])[1:path]<SHARED>:50<{count}>");
    check(volume(), volume(), &shown(2), "{}", true);
    check([volume(), volume(), volume()], volume(), &shown(4), &shown(2), true);
    check(volume(), [volume(), volume()], &shown(3), "{}", false);
    let other = proto("disk(r):100").persistent("2").shared();
    assert_eq!((&volume().alone() - &other.clone().alone()), volume().alone());
    // Sharing is a part of the resource's descriptor.
    let unshared = proto("disk(r):50").persistent("1");
    assert!(!volume().alone().contains(&unshared.clone().alone()));
    assert!(!unshared.clone().alone().contains(&volume().alone()));
    let both = of(&[volume(), volume(), unshared]);
    assert_eq!((both.len(), both.disk()), (2, 100.0));
    assert_eq!(both.shared().iter().map(Resource::copies).collect::<Vec<_>>(), [2]);
    // The number of copies is no amount.
    assert_eq!(of(&[volume(), volume()]).quantities(), volume().alone().quantities());
}

#[test]
fn revocable_resources_are_distinguished() {
    let spare = || proto("cpus:1").revocable();
    check([proto("cpus:1"), spare()], spare(), "cpus:1; cpus{REV}:2", "cpus:1", true);
    check("cpus:1", spare(), "cpus:1; cpus{REV}:1", "cpus:1", false);
}

#[test]
fn resources_of_different_providers_are_distinguished() {
    let of_rp = |id: &str| proto("disk:1").provided_by(id);
    check([of_rp("1"), of_rp("2")], of_rp("2"), "disk:1; disk:2", "disk:1", true);
    assert!(!of_rp("1").alone().contains(&of_rp("2").alone()));
    assert!(!of_rp("1").alone().contains(&parse("disk:1")));
    assert_eq!(of(&[of_rp("1"), proto("disk:1")]).by_provider(Some("1")), of_rp("1").alone());
    assert_eq!(of(&[of_rp("1"), proto("disk:1")]).by_provider(None), parse("disk:1"));
}

#[test]
fn allocations_are_distinguished_by_role() {
    let [one, two] = [Role::new("one"), Role::new("two")];
    let cpus = parse("cpus:1");
    check(
        cpus.allocated(&one),
        cpus.allocated(&two),
        "cpus(allocated: one):1; cpus(allocated: two):1",
        "cpus(allocated: one):1",
        false,
    );
    let mut all = &cpus.allocated(&one) + &cpus.allocated(&two);
    assert_eq!(all.allocation_roles().into_iter().collect::<Vec<_>>(), [one.clone(), two.clone()]);
    assert_eq!(all.allocated_to("one"), cpus.allocated(&one));
    assert_eq!(all.unallocated(), parse("cpus:2"));
    all.allocate(&two);
    assert_eq!(all, parse("cpus:2").allocated(&two));
    all.unallocate();
    assert_eq!(all, parse("cpus:2"));
    let deep = cpus.allocated(&Role::new("one/a"));
    assert_eq!((deep.allocated_within("one"), deep.allocated_within("on")), (deep.clone(), Resources::new()));
}

#[test]
fn filters_by_reservation() {
    let refined = proto("cpus:4").reserved(static_reservation("a")).reserved(dynamic("a/b"));
    let all = &parse("cpus:1;cpus(a):2;cpus(c):8") + &refined.alone();
    let cpus = |resources: Resources| resources.cpus();
    assert_eq!(cpus(all.unreserved()), 1.0);
    assert_eq!(cpus(all.reserved(None)), 14.0);
    assert_eq!(cpus(all.reserved(Some("a"))), 2.0);
    assert_eq!(cpus(all.reserved(Some("a/b"))), 4.0);
    assert_eq!(cpus(all.reserved_within("a")), 6.0);
    assert_eq!(cpus(all.allocatable_to("a")), 3.0);
    assert_eq!(cpus(all.allocatable_to("a/b")), 7.0);
    assert_eq!(cpus(all.allocatable_to("a/b/c")), 7.0);
    assert_eq!(cpus(all.allocatable_to("ab")), 1.0);
    assert_eq!(cpus(all.allocatable_to("*")), 1.0);
    assert_eq!(all.to_unreserved(), parse("cpus:15"));
    let mut stripped = all.clone();
    stripped.strip_reservations();
    assert_eq!(stripped, parse("cpus:15"));
}

#[test]
fn reservations_are_pushed_and_popped() {
    let level = |proto| resources::Reservation::from_proto(&proto).unwrap();
    let refined = proto("cpus:1").reserved(static_reservation("a")).reserved(by("p", dynamic("a/b"))).alone();
    let outer = parse("cpus(a):1");
    assert_eq!(outer.push_reservation(&level(by("p", dynamic("a/b")))), refined);
    assert_eq!(refined.pop_reservation(), outer);
    assert_eq!(refined.pop_reservation().pop_reservation(), parse("cpus:1"));
    let role = |resources: &Resources| resources.iter().map(|r| r.reservation_role().cloned()).collect::<Vec<_>>();
    assert_eq!(role(&refined), [Some(Role::new("a/b"))]);
    assert_eq!(role(&parse("cpus:1")), [None]);
}

#[test]
fn totals_by_name() {
    let all = parse("cpus:1;cpus(a):2.5;mem:512;disk:9;gpus:3;ports:[1-2];ports(a):[3-4];tags:{x};tags(a):{y};n:7");
    assert_eq!((all.cpus(), all.mem(), all.disk(), all.gpus()), (3.5, 512.0, 9.0, 3.0));
    assert_eq!(all.ports().to_string(), "[1-4]");
    assert_eq!(all.get_set("tags").map(|set| set.to_string()), Some("{x, y}".to_owned()));
    assert_eq!(all.get_scalar("n"), Some(Scalar::from_thousandths(7000)));
    assert_eq!(all.get_scalar("ports"), None);
    assert_eq!(all.get_ranges("none"), None);
    assert_eq!(all.by_name("cpus").len(), 2);
    assert_eq!(
        all.names().iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["cpus", "gpus", "mem", "disk", "ports", "n", "tags"]
    );
    assert_eq!(all.quantities().to_string(), "cpus:3.5; disk:9; gpus:3; mem:512; n:7");
    assert_eq!(all.scalars(), parse("cpus:1;cpus(a):2.5;mem:512;disk:9;gpus:3;n:7"));
}

#[test]
fn quantities_are_covered_by_any_kind_of_value() {
    let quantities = |text: &str| parse(text).quantities();
    let all = parse("cpus:1;cpus(a):1;ports:[1-10];tags:{a,b,c}");
    for (wanted, covered) in [
        ("", true),
        ("cpus:2", true),
        ("cpus:2.001", false),
        ("ports:10", true),
        ("ports:11", false),
        ("tags:3", true),
        ("tags:4", false),
        ("cpus:1;mem:1", false),
    ] {
        assert_eq!(all.covers(&quantities(wanted)), covered, "{wanted}");
    }
}

#[test]
fn quantities_alone() {
    let of = |text: &str| parse(text).quantities();
    let mut quantities = of("cpus:2;mem:10");
    quantities -= &of("cpus:3;disk:1");
    assert_eq!(quantities, of("mem:10"));
    assert!(of("cpus:2;mem:1").contains(&of("cpus:2")));
    assert!(!of("cpus:2").contains(&of("mem:1")));
    assert_eq!(of("cpus:1;mem:50").max_share(&of("cpus:10;mem:100"), |_| true), 0.5);
    assert_eq!(of("cpus:1;mem:50").max_share(&of("cpus:10;mem:100"), |name| name.as_str() != "mem"), 0.1);
    assert_eq!(of("gpus:1").max_share(&of("cpus:10"), |_| true), 0.0);
    assert_eq!(ResourceQuantities::new().to_string(), "{}");
}

/// The resources of 10,000 agents are kept in memory several times over.
#[test]
fn resources_are_small() {
    assert!(size_of::<Resources>() <= 8);
    assert!(size_of::<Resource>() <= 72);
}
