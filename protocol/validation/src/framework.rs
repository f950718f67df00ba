//! Validation of a framework that subscribes or is updated.

use std::collections::BTreeSet;

use messages::v1::scheduler::OfferConstraints;
use messages::v1::{FrameworkInfo, OfferFilters, framework_info::capability};

use prost::Message as _;
use resources::roles;

use crate::{ValidationError, Within, ids};

/// The most roles of a framework, counted with the roles above each: the master keeps an entry for every one of them.
pub const MAX_ROLES: usize = 4096;

/// The largest `FrameworkInfo` in encoded bytes. Every message that launches a task carries it.
pub const MAX_SIZE: usize = 128 << 10;

/// Checks a `FrameworkInfo` by itself.
///
/// # Errors
///
/// The reason is that of `framework::validate` in Mesos' `src/master/validation.cpp`. Mesos does not bound its size and
/// the number of roles.
pub fn validate(info: &FrameworkInfo) -> Result<(), ValidationError> {
    validate_size(info)?;
    validate_roles(info)?;
    validate_id(info)?;
    validate_offer_filters(info)?;
    validate_failover_timeout(info)
}

fn validate_size(info: &FrameworkInfo) -> Result<(), ValidationError> {
    let levels: usize = info.roles.iter().map(|role| roles::levels(role)).sum();
    if levels > MAX_ROLES {
        return Err(ValidationError::new(format!(
            "'FrameworkInfo.roles' names {levels} roles, counted with the roles above each, and may name {MAX_ROLES}: \
             subscribe several frameworks"
        )));
    }
    let size = info.encoded_len();
    if size > MAX_SIZE {
        return Err(ValidationError::new(format!(
            "'FrameworkInfo' has {size} bytes and may have {MAX_SIZE}: shorten its labels, offer filters and roles"
        )));
    }
    Ok(())
}

/// Returns whether a framework has a capability.
pub fn has_capability(info: &FrameworkInfo, wanted: capability::Type) -> bool {
    info.capabilities.iter().any(|capability| capability.r#type() == wanted)
}

/// Returns the roles of a framework: `roles` if it is MULTI_ROLE, otherwise `role`.
#[allow(deprecated, reason = "frameworks without MULTI_ROLE set `role`")]
pub fn roles(info: &FrameworkInfo) -> BTreeSet<String> {
    if has_capability(info, capability::Type::MultiRole) {
        info.roles.iter().cloned().collect()
    } else {
        BTreeSet::from([info.role().to_owned()])
    }
}

/// Checks the syntax of the roles of a framework and that `role` and `roles` fit its capabilities.
///
/// # Errors
///
/// The reason is that of `framework::internal::validateRoles` in Mesos' `src/master/validation.cpp`.
#[allow(deprecated)]
pub fn validate_roles(info: &FrameworkInfo) -> Result<(), ValidationError> {
    if !has_capability(info, capability::Type::MultiRole) {
        if !info.roles.is_empty() {
            return Err(ValidationError::new(
                "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
            ));
        }
        return roles::validate(info.role()).within("'FrameworkInfo.role' is not a valid role");
    }
    if info.role.is_some() {
        return Err(ValidationError::new(
            "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable",
        ));
    }
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<&str> = info.roles.iter().map(String::as_str).filter(|role| !seen.insert(*role)).collect();
    if !repeated.is_empty() {
        return Err(ValidationError::new(format!(
            "'FrameworkInfo.roles' contains duplicate items: {}",
            braced(repeated)
        )));
    }
    for role in &info.roles {
        roles::validate(role).within("'FrameworkInfo.roles' contains invalid role")?;
    }
    Ok(())
}

/// Checks the id of a framework; an unset or empty id asks for a new one.
///
/// # Errors
///
/// Returns an error if the id breaks the rules of [`ids::validate`].
pub fn validate_id(info: &FrameworkInfo) -> Result<(), ValidationError> {
    match &info.id {
        Some(id) if !id.value.is_empty() => ids::validate(&id.value),
        _ => Ok(()),
    }
}

/// Checks the offer filters: every minimum names at least one valid quantity.
///
/// # Errors
///
/// The reason is that of `validateOfferFilters` in Mesos' `src/common/validation.cpp`.
pub fn validate_offer_filters(info: &FrameworkInfo) -> Result<(), ValidationError> {
    info.offer_filters.values().try_for_each(validate_offer_filter)
}

fn validate_offer_filter(filters: &OfferFilters) -> Result<(), ValidationError> {
    let Some(minimum) = &filters.min_allocatable_resources else { return Ok(()) };
    for quantities in &minimum.quantities {
        if quantities.quantities.is_empty() {
            return Err(ValidationError::new("Resource quantities must contain at least one quantity"));
        }
        for (name, quantity) in &quantities.quantities {
            validate_scalar(quantity.value).within(&format!("Invalid resource quantity for '{name}'"))?;
        }
    }
    Ok(())
}

/// Checks a quantity: it is zero or a normal positive number.
///
/// # Errors
///
/// The reason is that of `validateInputScalarValue` in Mesos' `src/common/validation.cpp`.
pub fn validate_scalar(value: f64) -> Result<(), ValidationError> {
    use std::num::FpCategory;
    match value.classify() {
        FpCategory::Infinite => Err(ValidationError::new("Infinite values not supported")),
        FpCategory::Nan => Err(ValidationError::new("NaN not supported")),
        FpCategory::Subnormal => Err(ValidationError::new("Subnormal values not supported")),
        FpCategory::Normal if value < 0.0 => Err(ValidationError::new("Negative values not supported")),
        FpCategory::Zero | FpCategory::Normal => Ok(()),
    }
}

/// Checks that the failover timeout fits into 64 bits of nanoseconds. NaN is refused, since no timer can be set for it;
/// Mesos accepts it.
///
/// # Errors
///
/// The reason is that of `framework::internal::validateFailoverTimeout` in Mesos' `src/master/validation.cpp`.
pub fn validate_failover_timeout(info: &FrameworkInfo) -> Result<(), ValidationError> {
    let seconds = info.failover_timeout();
    let nanoseconds = seconds * 1e9;
    if nanoseconds >= i64::MIN as f64 && nanoseconds <= i64::MAX as f64 {
        return Ok(());
    }
    Err(ValidationError::new(format!("The framework failover_timeout ({}) is invalid", crate::text::double(seconds))))
}

/// Checks that an UPDATE_FRAMEWORK leaves principal, user and checkpointing as they are.
///
/// # Errors
///
/// The reason is that of `framework::validateUpdate` in Mesos' `src/master/validation.cpp`.
pub fn validate_update(old: &FrameworkInfo, new: &FrameworkInfo) -> Result<(), ValidationError> {
    // The reason does not name the old principal, since the caller may be another one.
    if old.principal != new.principal {
        return Err(ValidationError::new("Changing framework's principal is not allowed."));
    }
    if old.user != new.user {
        return Err(ValidationError::new(format!(
            "Updating 'FrameworkInfo.user' is unsupported; attempted to update from '{}' to '{}'",
            old.user, new.user
        )));
    }
    if old.checkpoint() != new.checkpoint() {
        return Err(ValidationError::new(format!(
            "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from '{}' to '{}'",
            old.checkpoint(),
            new.checkpoint()
        )));
    }
    Ok(())
}

/// Keeps the user and the checkpointing of a framework that subscribes again, instead of refusing another value
/// (`framework::preserveImmutableFields` in Mesos, MESOS-703).
///
/// # Errors
///
/// Returns an error if the principal has changed.
pub fn validate_resubscribe(old: &FrameworkInfo, new: &mut FrameworkInfo) -> Result<(), ValidationError> {
    new.user.clone_from(&old.user);
    if new.checkpoint() != old.checkpoint() {
        new.checkpoint = old.checkpoint;
    }
    validate_update(old, new)
}

/// Checks that suppressed roles are among the roles of the framework.
///
/// # Errors
///
/// The reason is that of `framework::validateSuppressedRoles` in Mesos' `src/master/validation.cpp`; it names the first
/// role that is not.
pub fn validate_suppressed_roles(
    roles: &BTreeSet<String>,
    suppressed: &BTreeSet<String>,
) -> Result<(), ValidationError> {
    match suppressed.difference(roles).next() {
        Some(role) => {
            Err(ValidationError::new(format!("Suppressed role '{role}' is not contained in the list of roles")))
        }
        None => Ok(()),
    }
}

/// Checks that the roles of offer constraints are among the roles of the framework. The missing space in the reason is
/// Mesos'.
///
/// # Errors
///
/// The reason is that of `framework::validateOfferConstraintsRoles` in Mesos' `src/master/validation.cpp`; it names the
/// first role that is not.
pub fn validate_offer_constraints_roles(
    roles: &BTreeSet<String>,
    constraints: &OfferConstraints,
) -> Result<(), ValidationError> {
    match constraints.role_constraints.keys().find(|role| !roles.contains(*role)) {
        Some(role) => Err(ValidationError::new(format!(
            "Offer constraints specify `role_constraints` for a role '{role}'not contained in the set of roles"
        ))),
        None => Ok(()),
    }
}

fn braced(roles: BTreeSet<&str>) -> String {
    let list: Vec<&str> = roles.into_iter().collect();
    format!("{{ {} }}", list.join(", "))
}
