//! Checks of quotas, each by itself and within the quotas of the roles above. Mesos refuses quota on nested roles;
//! here the guarantee of a child is a part of the guarantee of its parent, so that the top-level guarantees are the
//! sum of all.

use std::collections::BTreeMap;

use model::Role;
use resources::{Name, ResourceQuantities, Scalar, roles};

use crate::Quota;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum QuotaError {
    #[error("role '{role}' is guaranteed {guarantee} {name}, more than its limit of {limit}")]
    GuaranteeAboveLimit { role: Role, name: Name, guarantee: Scalar, limit: Scalar },
    #[error(
        "the roles below '{parent}' are guaranteed {children} {name} together, more than its guarantee of {guarantee}"
    )]
    ChildrenAboveParent { parent: Role, name: Name, children: Scalar, guarantee: Scalar },
    #[error("the roles below '{parent}' are guaranteed {children} {name} together, more than its limit of {limit}")]
    ChildrenAboveLimit { parent: Role, name: Name, children: Scalar, limit: Scalar },
    #[error("role '{role}' has a limit of {limit} {name}, more than the limit of {above} of '{parent}' above it")]
    LimitAboveParent { role: Role, parent: Role, name: Name, limit: Scalar, above: Scalar },
}

/// Checks all quotas that will be in force after a change. A role without quota does not bound its children; their
/// guarantees count for the next role above that has quota.
///
/// # Errors
///
/// The first role by name whose quota contradicts itself or the quota of a role above or below.
pub fn check_quotas(quotas: &BTreeMap<Role, Quota>) -> Result<(), QuotaError> {
    let mut children: BTreeMap<&Role, ResourceQuantities> = BTreeMap::new();
    for (role, quota) in quotas {
        if let Some((parent, _)) = ancestors(role, quotas).next() {
            *children.entry(parent).or_default() += &quota.guarantees;
        }
    }
    for (role, quota) in quotas {
        check_own(role, quota)?;
        check_above(role, quota, quotas)?;
        if let Some(children) = children.get(role) {
            check_children(role, quota, children)?;
        }
    }
    Ok(())
}

fn check_own(role: &Role, quota: &Quota) -> Result<(), QuotaError> {
    for (name, guarantee) in quota.guarantees.iter() {
        if let Some(limit) = quota.limits.get(name).filter(|limit| guarantee > *limit) {
            return Err(QuotaError::GuaranteeAboveLimit { role: role.clone(), name: name.clone(), guarantee, limit });
        }
    }
    Ok(())
}

fn check_above(role: &Role, quota: &Quota, quotas: &BTreeMap<Role, Quota>) -> Result<(), QuotaError> {
    for (parent, above) in ancestors(role, quotas) {
        for (name, limit) in quota.limits.iter() {
            if let Some(above) = above.limits.get(name).filter(|above| limit > *above) {
                let (role, parent, name) = (role.clone(), parent.clone(), name.clone());
                return Err(QuotaError::LimitAboveParent { role, parent, name, limit, above });
            }
        }
    }
    Ok(())
}

/// Compares the quota of a role with what the roles right below it are guaranteed together.
fn check_children(parent: &Role, quota: &Quota, children: &ResourceQuantities) -> Result<(), QuotaError> {
    for (name, children) in children.iter() {
        let parent = || parent.clone();
        let name = || name.clone();
        if let Some(limit) = quota.limits.get(&name()).filter(|limit| children > *limit) {
            return Err(QuotaError::ChildrenAboveLimit { parent: parent(), name: name(), children, limit });
        }
        let guarantee = quota.guarantees.get(&name());
        if children > guarantee {
            return Err(QuotaError::ChildrenAboveParent { parent: parent(), name: name(), children, guarantee });
        }
    }
    Ok(())
}

/// Iterates over the roles above that have quota, nearest first.
fn ancestors<'a>(
    role: &'a Role,
    quotas: &'a BTreeMap<Role, Quota>,
) -> impl Iterator<Item = (&'a Role, &'a Quota)> + 'a {
    roles::ancestors(role.as_str()).filter_map(|ancestor| quotas.get_key_value(ancestor))
}
