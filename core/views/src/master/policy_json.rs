//! The endpoints of policy from before the operator API. Where Mesos goes through a JSON tree, members are in the order
//! of their names.

use messages::tepui::registry::Partition;
use messages::v1::allocator::InverseOfferStatus;
use messages::v1::maintenance::{Window, cluster_status::DrainingMachine};
use messages::v1::{MachineId, Unavailability};
use resources::{Name, ResourceQuantities, Scalar};

use super::{Snapshot, policy};
use crate::json::{self, Object};
use crate::v0;

pub(super) fn weights(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    let shown = snapshot.policy.weights.iter().filter(|(role, _)| snapshot.visibility.shows_role(role.as_str()));
    json::array(&mut out, shown, |out, (role, weight)| {
        json::object(out, |object| {
            object.string("role", role.as_str());
            object.double("weight", *weight);
        });
    });
    out
}

pub(super) fn quota(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    json::message(&mut out, &policy::quota(snapshot));
    out
}

pub(super) fn schedule(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    json::object(&mut out, |object| {
        list(object, "windows", &snapshot.policy.maintenance.schedule.windows, window);
    });
    out
}

fn window(out: &mut Vec<u8>, window: &Window) {
    json::object(out, |object| {
        list(object, "machine_ids", &window.machine_ids, machine);
        unavailability(object.member("unavailability"), &window.unavailability);
    });
}

fn machine(out: &mut Vec<u8>, id: &MachineId) {
    json::message(out, id);
}

fn unavailability(out: &mut Vec<u8>, window: &Unavailability) {
    json::object(out, |object| {
        if let Some(duration) = &window.duration {
            json::message(object.member("duration"), duration);
        }
        json::message(object.member("start"), &window.start);
    });
}

pub(super) fn status(snapshot: &Snapshot) -> Vec<u8> {
    let status = policy::status(snapshot);
    let mut out = Vec::new();
    json::object(&mut out, |object| {
        list(object, "down_machines", &status.down_machines, machine);
        list(object, "draining_machines", &status.draining_machines, draining);
    });
    out
}

fn draining(out: &mut Vec<u8>, draining: &DrainingMachine) {
    json::object(out, |object| {
        machine(object.member("id"), &draining.id);
        list(object, "statuses", &draining.statuses, answer);
    });
}

fn answer(out: &mut Vec<u8>, answer: &InverseOfferStatus) {
    json::object(out, |object| {
        json::message(object.member("framework_id"), &answer.framework_id);
        object.string("status", answer.status().as_str_name());
        json::message(object.member("timestamp"), &answer.timestamp);
    });
}

/// Writes a list, which is left out if it is empty, as in the generic mapping.
fn list<T>(object: &mut Object<'_>, name: &'static str, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    if !items.is_empty() {
        object.array(name, items, write);
    }
}

/// Writes `{"cpus":1.0}`, zeros included.
pub(super) fn amounts<'a>(object: &mut Object<'_>, name: &'static str, amounts: impl Iterator<Item = (&'a str, f64)>) {
    object.object(name, |object| {
        for (name, amount) in amounts {
            json::double(object.entry(name), amount);
        }
    });
}

/// Writes each partition with its definition and its use: `used` are the resources that its role and the roles below it
/// use or are offered, `borrowed` those beyond the minimum, `lent` the part of the minimum that others may use since it
/// is not used.
pub(super) fn partitions(snapshot: &Snapshot) -> Vec<u8> {
    let partitions = &snapshot.policy.partitions;
    let used = snapshot.used_below(partitions.values().map(|partition| partition.role.as_str()));
    let mut out = Vec::new();
    json::object(&mut out, |object| {
        let shown = partitions.values().filter(|partition| snapshot.visibility.shows_role(&partition.role));
        object.array("partitions", shown, |out, one| {
            let nothing = ResourceQuantities::new();
            partition(out, one, used.get(one.role.as_str()).unwrap_or(&nothing));
        });
    });
    out
}

pub(super) fn one_partition(snapshot: &Snapshot, id: &str) -> Option<Vec<u8>> {
    let one = snapshot.policy.partitions.get(id).filter(|one| snapshot.visibility.shows_role(&one.role))?;
    let used = snapshot.used_below(std::iter::once(one.role.as_str()));
    let mut out = Vec::new();
    partition(&mut out, one, used.get(one.role.as_str())?);
    Some(out)
}

fn partition(out: &mut Vec<u8>, partition: &Partition, used: &ResourceQuantities) {
    let minimum: ResourceQuantities = partition
        .resources
        .iter()
        .map(|share| (Name::new(&share.name), Scalar::from_f64(share.min.unwrap_or_default())))
        .collect();
    let without = |a: &ResourceQuantities, b: &ResourceQuantities| {
        let mut rest = a.clone();
        rest -= b;
        rest
    };
    let lent = if partition.lends() { without(&minimum, used) } else { ResourceQuantities::new() };
    json::object(out, |object| {
        object.string("id", &partition.id);
        object.string("role", &partition.role);
        object.object("resources", |object| {
            for share in &partition.resources {
                json::object(object.entry(&share.name), |object| {
                    share.min.into_iter().for_each(|min| object.double("min", min));
                    share.max.into_iter().for_each(|max| object.double("max", max));
                });
            }
        });
        json::integer(object.member("priority"), i64::from(partition.priority()));
        object.double("weight", partition.weight.unwrap_or(1.0));
        object.boolean("lends", partition.lends());
        object.boolean("preemptible", partition.preemptible());
        v0::quantities(object, "used", used);
        v0::quantities(object, "lent", &lent);
        v0::quantities(object, "borrowed", &without(used, &minimum));
    });
}
