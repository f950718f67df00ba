//! Resources as amounts by name.

use std::collections::{BTreeMap, BTreeSet};

use model::Role;
use resources::{Name, Resource, ResourceQuantities, Resources, Scalar, Value};

use crate::json::{self, Object};

/// The names that are always present, zero or not.
const ALWAYS: [(Name, &str); 4] =
    [(Name::DISK, "disk"), (Name::MEM, "mem"), (Name::GPUS, "gpus"), (Name::CPUS, "cpus")];

/// Writes `{"cpus":0.5,…,"ports":"[31000-32000]"}`: summed by name over roles, reservations and disks, with revocable
/// amounts apart, under `<name>_revocable`.
pub(crate) fn resources(out: &mut Vec<u8>, resources: &Resources) {
    let mut sums = [Scalar::ZERO; ALWAYS.len()];
    let mut all_shown = true;
    for resource in resources {
        match always_shown(resource) {
            Some((at, amount)) => sums[at] = sums[at].saturating_add(amount),
            None => all_shown = false,
        }
    }
    json::object(out, |object| {
        for ((_, name), sum) in ALWAYS.iter().zip(sums) {
            scalar(object.member(name), sum);
        }
        if !all_shown {
            others(object, resources);
        }
    });
}

/// Returns the position in [`ALWAYS`] and the amount; `None` for any other resource.
fn always_shown(resource: &Resource) -> Option<(usize, Scalar)> {
    let at = ALWAYS.iter().position(|(name, _)| name == resource.name())?;
    Some((at, scalar_of(resource).filter(|_| !resource.is_revocable())?))
}

fn others(object: &mut Object<'_>, resources: &Resources) {
    // The resources are sorted by name.
    for of_name in resources.iter().as_slice().chunk_by(|a, b| a.name() == b.name()) {
        let others = || of_name.iter().filter(|resource| always_shown(resource).is_none());
        for (i, first) in others().enumerate() {
            if others().take(i).any(|earlier| sums_with(earlier, first)) {
                continue;
            }
            let member = match first.is_revocable() {
                true => object.entry(&format!("{}_revocable", first.name())),
                false => object.entry(first.name().as_str()),
            };
            sum(member, first, others().skip(i + 1).filter(|other| sums_with(first, other)));
        }
    }
}

fn sums_with(a: &Resource, b: &Resource) -> bool {
    a.name() == b.name()
        && a.is_revocable() == b.is_revocable()
        && std::mem::discriminant(a.value()) == std::mem::discriminant(b.value())
}

fn sum<'a>(out: &mut Vec<u8>, first: &Resource, others: impl Iterator<Item = &'a Resource>) {
    match first.value() {
        Value::Scalar(amount) => {
            scalar(out, others.filter_map(scalar_of).fold(*amount, Scalar::saturating_add));
        }
        Value::Ranges(ranges) => {
            let sum = others.fold(ranges.clone(), |sum, other| match other.value() {
                Value::Ranges(ranges) => sum.union(ranges),
                _ => sum,
            });
            json::string(out, &sum.to_string());
        }
        Value::Set(set) => {
            let sum = others.fold(set.clone(), |sum, other| match other.value() {
                Value::Set(set) => sum.union(set),
                _ => sum,
            });
            json::string(out, &sum.to_string());
        }
    }
}

fn scalar_of(resource: &Resource) -> Option<Scalar> {
    resource.value().as_scalar()
}

/// Writes a scalar with a decimal point, as Mesos prints doubles.
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

/// Writes only the names that are present.
pub(crate) fn quantities(object: &mut Object<'_>, name: &'static str, amounts: &ResourceQuantities) {
    object.object(name, |object| {
        for (name, amount) in amounts.iter() {
            scalar(object.entry(name.as_str()), amount);
        }
    });
}

/// Writes each resource by itself, with its reservations and disk.
pub(crate) fn full(out: &mut Vec<u8>, resources: &Resources) {
    json::array(out, &resources.to_proto_endpoint(), json::message);
}

/// Returns the reserved resources, by the role of the innermost reservation.
pub(crate) fn by_role(resources: &Resources) -> BTreeMap<String, Resources> {
    let roles: BTreeSet<&str> =
        resources.iter().filter_map(|resource| resource.reservation_role()).map(Role::as_str).collect();
    roles.into_iter().map(|role| (role.to_owned(), resources.reserved(Some(role)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_summed_by_name() {
        let check = |text: &str, expect: &str| {
            let mut out = Vec::new();
            super::resources(&mut out, &Resources::parse(text, "*").unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expect, "{text}");
        };
        check("", r#"{"disk":0.0,"mem":0.0,"gpus":0.0,"cpus":0.0}"#);
        check("cpus:0.1;cpus(a):0.2;mem:1024.125", r#"{"disk":0.0,"mem":1024.125,"gpus":0.0,"cpus":0.3}"#);
        check(
            "ports:[5-6];ports(a):[1-2,9-9];bugs:3;bugs(a):0.05;zones:{b};zones(a):{a}",
            r#"{"disk":0.0,"mem":0.0,"gpus":0.0,"cpus":0.0,"ports":"[1-2, 5-6, 9-9]","bugs":3.05,"zones":"{a, b}"}"#,
        );
    }

    #[test]
    fn amounts_keep_their_decimals() {
        let check = |thousandths, expect: &str| {
            let mut out = Vec::new();
            scalar(&mut out, Scalar::from_thousandths(thousandths));
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(0, "0.0");
        check(1, "0.001");
        check(10, "0.01");
        check(100, "0.1");
        check(1050, "1.05");
        check(-1500, "-1.5");
        check(12_000_000, "12000.0");
    }
}
