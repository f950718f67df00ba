//! Resources as amounts by name.

use std::collections::{BTreeMap, BTreeSet};

use resources::{Name, Quantities, Ranges, Resource, Resources, Scalar, Set, Value};
use vocabulary::Role;

use crate::json::{self, Object};

/// These four are always there, zero or not.
const ALWAYS: [Name; 4] = [Name::DISK, Name::MEM, Name::GPUS, Name::CPUS];

/// `{"cpus":0.5,…,"ports":"[31000-32000]"}`: summed by name over roles, reservations and
/// disks; revocable amounts apart, under `<name>_revocable`.
pub(crate) fn resources(out: &mut Vec<u8>, resources: &Resources) {
    json::object(out, |object| {
        for name in &ALWAYS {
            let amounts = resources.iter().filter(|resource| resource.name() == name && !resource.is_revocable());
            scalar(object.member(name.as_str()), amounts.filter_map(scalar_of).fold(Scalar::ZERO, Scalar::saturating_add));
        }
        for group in groups(resources) {
            let Some(first) = group.first() else { continue };
            let member = match first.is_revocable() {
                true => object.member(&format!("{}_revocable", first.name())),
                false => object.member(first.name().as_str()),
            };
            sum(member, first.value(), group);
        }
    });
}

/// What [`ALWAYS`] does not cover, by name, kind and revocability.
fn groups(resources: &Resources) -> Vec<Vec<&Resource>> {
    let mut groups: Vec<Vec<&Resource>> = Vec::new();
    let rest = resources.iter().filter(|resource| {
        resource.is_revocable() || scalar_of(resource).is_none() || !ALWAYS.contains(resource.name())
    });
    for resource in rest {
        let alike = |group: &&mut Vec<&Resource>| group.first().is_some_and(|first| sums_with(first, resource));
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(resource),
            None => groups.push(vec![resource]),
        }
    }
    groups
}

fn sums_with(a: &Resource, b: &Resource) -> bool {
    a.name() == b.name()
        && a.is_revocable() == b.is_revocable()
        && std::mem::discriminant(a.value()) == std::mem::discriminant(b.value())
}

fn sum(out: &mut Vec<u8>, kind: &Value, group: Vec<&Resource>) {
    match kind {
        Value::Scalar(_) => {
            let amounts = group.into_iter().filter_map(scalar_of);
            scalar(out, amounts.fold(Scalar::ZERO, Scalar::saturating_add));
        }
        Value::Ranges(_) => {
            let all = group.into_iter().filter_map(|resource| match resource.value() {
                Value::Ranges(ranges) => Some(ranges),
                _ => None,
            });
            json::string(out, &all.flat_map(Ranges::iter).collect::<Ranges>().to_string());
        }
        Value::Set(_) => {
            let all = group.into_iter().filter_map(|resource| match resource.value() {
                Value::Set(set) => Some(set),
                _ => None,
            });
            json::string(out, &Set::new(all.flat_map(Set::iter)).to_string());
        }
    }
}

fn scalar_of(resource: &Resource) -> Option<Scalar> {
    resource.value().as_scalar()
}

/// Always with a decimal point, as Mesos prints doubles.
pub(crate) fn scalar(out: &mut Vec<u8>, amount: Scalar) {
    let thousandths = amount.thousandths();
    if thousandths < 0 {
        out.push(b'-');
    }
    let thousandths = thousandths.unsigned_abs();
    json::integer(out, (thousandths / 1000) as i64);
    let fraction = (thousandths % 1000) as u16;
    let digits = [fraction / 100, fraction / 10 % 10, fraction % 10].map(|digit| b'0' + digit as u8);
    let kept = 3 - digits.iter().rev().take(2).take_while(|digit| **digit == b'0').count();
    out.push(b'.');
    out.extend(digits.iter().take(kept));
}

/// Only the names that are there.
pub(crate) fn quantities(object: &mut Object<'_>, name: &str, amounts: &Quantities) {
    object.object(name, |object| {
        for (name, amount) in amounts.iter() {
            scalar(object.member(name.as_str()), amount);
        }
    });
}

/// Each resource by itself, with its reservations and disk.
pub(crate) fn full(out: &mut Vec<u8>, resources: &Resources) {
    json::array(out, &resources.to_proto_endpoint(), json::message);
}

/// What is reserved, by the role of the innermost reservation.
pub(crate) fn by_role(resources: &Resources) -> BTreeMap<String, Resources> {
    let roles: BTreeSet<&str> =
        resources.iter().filter_map(|resource| resource.reservation_role()).map(Role::as_str).collect();
    roles.into_iter().map(|role| (role.to_owned(), resources.reserved(Some(role)))).collect()
}
