//! The resources of an agent, and how to describe a part of them with its reservations, labels and disk, so that the
//! master finds it.

use messages::v1;
use messages::v1::master::response::get_agents::Agent;
use resources::{Reservation, ReservationKind, Resource, Resources, Scalar};

use crate::commands::cli::CommandError;

pub struct AgentResources {
    total: Resources,
    /// The resources that are not allocated to any framework.
    free: Resources,
}

impl AgentResources {
    pub fn of(agent: &Agent) -> Result<Self, CommandError> {
        let total = read(&agent.total_resources)?;
        let free = &total - &read(&agent.allocated_resources)?.unallocated();
        Ok(AgentResources { total, free })
    }

    pub fn volumes(&self) -> Resources {
        self.total.persistent_volumes()
    }

    /// Takes unreserved `wanted` resources out of those that fit. Free resources are taken first; used ones are taken
    /// only if the free ones are not enough, so that the master can say why it refuses.
    ///
    /// # Errors
    ///
    /// Returns the resource that is missing altogether.
    pub fn take(&self, wanted: &Resources, fits: impl Fn(&Resource) -> bool) -> Result<Resources, Resource> {
        take_from(&self.free, wanted, &fits).or_else(|_| take_from(&self.total, wanted, &fits))
    }

    /// Like `take`, but from a single resource, because a volume must be one.
    pub fn single_piece(&self, size: Scalar, fits: impl Fn(&Resource) -> bool) -> Option<Resource> {
        let enough = |resource: &&Resource| {
            resource.name().as_str() == "disk"
                && !resource.is_persistent_volume()
                && resource.value().as_scalar().is_some_and(|has| has >= size)
                && fits(resource)
        };
        let found = self.free.iter().find(enough).or_else(|| self.total.iter().find(enough))?;
        Some(if found.is_exclusive() { found.clone() } else { found.with_scalar(size) })
    }

    /// Returns all resources that fit and are no volumes.
    pub fn all(&self, fits: impl Fn(&Resource) -> bool) -> Resources {
        self.total.filter(|resource| !resource.is_persistent_volume() && fits(resource))
    }
}

fn read(resources: &[v1::Resource]) -> Result<Resources, CommandError> {
    Resources::from_proto(resources)
        .map_err(|error| CommandError::message(format!("the master's answer makes no sense: {error}")))
}

/// Returns whether the innermost reservation is a dynamic one to exactly this role.
pub fn reserved_to(resource: &Resource, role: &str) -> bool {
    let innermost = resource.reservations().last();
    innermost.is_some_and(|last: &Reservation| last.kind == ReservationKind::Dynamic && last.role.as_str() == role)
}

fn take_from(pool: &Resources, wanted: &Resources, fits: &impl Fn(&Resource) -> bool) -> Result<Resources, Resource> {
    let mut taken = Resources::new();
    for want in wanted {
        let mut candidates =
            pool.iter().filter(|one| one.name() == want.name() && !one.is_persistent_volume() && fits(one));
        match want.value().as_scalar() {
            Some(amount) => {
                let mut missing = amount;
                for one in candidates {
                    let part = one.value().as_scalar().unwrap_or(Scalar::ZERO).min(missing);
                    if part > Scalar::ZERO {
                        taken.add(one.with_scalar(part));
                        missing = missing.saturating_sub(part);
                    }
                }
                if missing > Scalar::ZERO {
                    return Err(want.clone());
                }
            }
            None => taken.add(candidates.find_map(|one| part_of(one, want)).ok_or_else(|| want.clone())?),
        }
    }
    Ok(taken)
}

/// Takes ranges or sets from one resource.
fn part_of(from: &Resource, want: &Resource) -> Option<Resource> {
    let mut proto = from.to_proto();
    let wanted = want.to_proto();
    (proto.ranges, proto.set) = (wanted.ranges, wanted.set);
    Resource::from_proto(&proto).ok().filter(|part| from.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::operate::amounts;

    fn reserved(text: &str, role: &str) -> Resources {
        let info = v1::resource::ReservationInfo {
            r#type: Some(v1::resource::reservation_info::Type::Dynamic.into()),
            role: Some(role.to_owned()),
            ..Default::default()
        };
        let reserve = |mut resource: v1::Resource| {
            resource.reservations.push(info.clone());
            resource
        };
        let protos: Vec<v1::Resource> = parse(text).to_proto().into_iter().map(reserve).collect();
        Resources::from_proto(&protos).unwrap()
    }

    fn parse(text: &str) -> Resources {
        amounts::resources(text).unwrap()
    }

    fn agent_resources() -> AgentResources {
        let total = parse("cpus:4,ports:[1-9]") + reserved("cpus:2,ports:[20-29],disk:64", "eng");
        AgentResources { free: &total - &reserved("cpus:1", "eng"), total }
    }

    #[test]
    fn taken_resources_keep_their_reservation() {
        let check = |wanted: &str, expect: Option<Resources>| {
            let taken = agent_resources().take(&parse(wanted), |one| reserved_to(one, "eng"));
            assert_eq!(taken.ok(), expect, "{wanted}");
        };
        check("cpus:1,ports:[21-22,25-25]", Some(reserved("cpus:1,ports:[21-22,25-25]", "eng")));
        check("cpus:2", Some(reserved("cpus:2", "eng")));
        check("cpus:3", None);
        check("ports:[1-2]", None);
        check("gpus:1", None);
    }

    #[test]
    fn a_volume_needs_one_piece() {
        let of_eng = |one: &Resource| reserved_to(one, "eng");
        assert_eq!(
            agent_resources().single_piece(Scalar::from_f64(64.0), of_eng).map(Resources::from),
            Some(reserved("disk:64", "eng"))
        );
        assert!(agent_resources().single_piece(Scalar::from_f64(65.0), of_eng).is_none());
        assert!(agent_resources().single_piece(Scalar::from_f64(1.0), |one| reserved_to(one, "ops")).is_none());
    }
}
