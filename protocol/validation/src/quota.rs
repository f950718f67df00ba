//! Validation of quotas, without regard to the cluster: the configurations of UPDATE_QUOTA and the requests of
//! SET_QUOTA.

use std::collections::{BTreeMap, BTreeSet};

use messages::v1;
use messages::v1::quota::{QuotaConfig, QuotaRequest};
use resources::{Scalar, roles};

use crate::framework::validate_scalar;
use crate::{ValidationError, Within};

/// The largest amount of a resource that is counted in megabytes: one exabyte.
const MOST_MEGABYTES: f64 = (1u64 << 40) as f64;
/// The largest amount of any other resource: one trillion.
const MOST: f64 = 1e12;

/// The most resources that a quota names.
const MAX_NAMES: usize = 1024;

type Amounts = BTreeMap<String, v1::value::Scalar>;

/// Checks a configuration of UPDATE_QUOTA.
///
/// # Errors
///
/// The reason is that of `quota::validate` in Mesos' `src/master/quota.cpp`.
pub fn validate_config(config: &QuotaConfig) -> Result<(), ValidationError> {
    roles::validate(&config.role).within("Invalid 'QuotaConfig.role'")?;
    validate_size(&config.guarantees).within("Invalid 'QuotaConfig.guarantees'")?;
    validate_size(&config.limits).within("Invalid 'QuotaConfig.limits'")?;
    validate_values(&config.guarantees, "guarantee")?;
    validate_values(&config.limits, "limit")?;
    validate_within_limits(config)
}

/// Larger numbers overflow once they are summed. Mesos does not bound the number of names.
fn validate_size(amounts: &Amounts) -> Result<(), ValidationError> {
    if amounts.len() > MAX_NAMES {
        let names = amounts.len();
        return Err(ValidationError::new(format!("{names} resources are named and {MAX_NAMES} may be")));
    }
    amounts.iter().try_for_each(|(name, amount)| {
        let (most, words) = match name.as_str() {
            "mem" | "disk" => (MOST_MEGABYTES, "1 exabyte"),
            _ => (MOST, "1 trillion"),
        };
        if amount.value > most {
            let shown = shown(amount.value);
            return Err(ValidationError::new(format!(
                "{{'{name}': {shown}}} is invalid: values greater than {words} ({most}) are not supported"
            )));
        }
        Ok(())
    })
}

fn validate_values(amounts: &Amounts, kind: &str) -> Result<(), ValidationError> {
    amounts.iter().try_for_each(|(name, amount)| {
        let place = format!("Invalid {kind} configuration {{'{name}': {}}}", shown(amount.value));
        validate_scalar(amount.value).within(&place)
    })
}

fn validate_within_limits(config: &QuotaConfig) -> Result<(), ValidationError> {
    let scalar = |amount: &v1::value::Scalar| Scalar::from_f64(amount.value);
    let is_above = |(name, guarantee): (&String, &v1::value::Scalar)| {
        config.limits.get(name).is_some_and(|limit| scalar(guarantee) > scalar(limit))
    };
    if config.guarantees.iter().any(is_above) {
        return Err(ValidationError::new(format!(
            "'QuotaConfig.guarantees' {} is not contained within the 'QuotaConfig.limits' {}",
            list(&config.guarantees),
            list(&config.limits)
        )));
    }
    Ok(())
}

/// Prints the amounts as `{ cpus: 1, mem: 2 }`.
fn list(amounts: &Amounts) -> String {
    let each: Vec<String> = amounts.iter().map(|(name, amount)| format!("{name}: {}", shown(amount.value))).collect();
    match each.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", each.join(", ")),
    }
}

/// Prints an amount as Mesos does, with at most three decimals; a number that has no such form is printed as it is.
fn shown(value: f64) -> String {
    const LARGEST: f64 = 9e15;
    if value.abs() < LARGEST { Scalar::from_f64(value).to_string() } else { value.to_string() }
}

/// Checks a request of SET_QUOTA or `POST /quota`, whose resources have been validated before.
///
/// # Errors
///
/// The reason is that of `quota::validation::quotaInfo` in Mesos' `src/master/quota.cpp`.
pub fn validate_request(request: &QuotaRequest) -> Result<(), ValidationError> {
    roles::validate(request.role()).within("QuotaInfo with invalid role")?;
    if request.guarantee.is_empty() {
        return Err(ValidationError::new("QuotaInfo with empty 'guarantee'"));
    }
    let mut names = BTreeSet::new();
    request.guarantee.iter().try_for_each(|resource| {
        validate_plain(resource)?;
        if !names.insert(&resource.name) {
            return Err(ValidationError::new(format!(
                "QuotaInfo contains duplicate resource name '{}'",
                resource.name
            )));
        }
        Ok(())
    })
}

/// Checks that a resource is an amount and has no other property.
fn validate_plain(resource: &v1::Resource) -> Result<(), ValidationError> {
    if is_reserved(resource) {
        return Err(ValidationError::new("QuotaInfo must not contain any ReservationInfo"));
    }
    if resource.disk.is_some() {
        return Err(ValidationError::new("QuotaInfo must not contain DiskInfo"));
    }
    if resource.revocable.is_some() {
        return Err(ValidationError::new("QuotaInfo must not contain RevocableInfo"));
    }
    if resource.r#type() != v1::value::Type::Scalar {
        return Err(ValidationError::new("QuotaInfo must not include non-scalar resources"));
    }
    Ok(())
}

/// Returns whether a resource is reserved in either format.
#[allow(deprecated, reason = "the format from before reservation refinement is still sent")]
fn is_reserved(resource: &v1::Resource) -> bool {
    !resource.reservations.is_empty()
        || resource.reservation.is_some()
        || resource.role.as_deref().is_some_and(|role| role != roles::ANY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(list: &[(&str, f64)]) -> Amounts {
        list.iter().map(|(name, value)| ((*name).to_owned(), v1::value::Scalar { value: *value })).collect()
    }

    fn check(role: &str, guarantees: &[(&str, f64)], limits: &[(&str, f64)], expect: &str) {
        let config = QuotaConfig { role: role.to_owned(), guarantees: amounts(guarantees), limits: amounts(limits) };
        let found = validate_config(&config).err().map(|invalid| invalid.to_string()).unwrap_or_default();
        assert_eq!(found, expect);
    }

    #[test]
    fn configurations_are_checked() {
        check("r", &[], &[], "");
        check("a/b", &[("cpus", 1.0)], &[("cpus", 1.0)], "");
        check("r", &[("cpus", 1.0), ("mem", 5.0)], &[("cpus", 1.0)], "");
        check("r", &[("mem", 1_099_511_627_776.0)], &[("cpus", 0.0)], "");
        check(
            "a b",
            &[],
            &[],
            "Invalid 'QuotaConfig.role': Role component 'a b' is invalid because it contains backspace or whitespace",
        );
        check(
            "r",
            &[("cpus", 2.0), ("mem", 10.5)],
            &[("cpus", 1.0)],
            "'QuotaConfig.guarantees' { cpus: 2, mem: 10.5 } is not contained within the 'QuotaConfig.limits' { cpus: 1 }",
        );
        check(
            "r",
            &[],
            &[("cpus", 1e13)],
            "Invalid 'QuotaConfig.limits': {'cpus': 10000000000000} is invalid: values greater than 1 trillion \
             (1000000000000) are not supported",
        );
        check(
            "r",
            &[("disk", 1e13)],
            &[],
            "Invalid 'QuotaConfig.guarantees': {'disk': 10000000000000} is invalid: values greater than 1 exabyte \
             (1099511627776) are not supported",
        );
        check(
            "r",
            &[("cpus", -0.5)],
            &[],
            "Invalid guarantee configuration {'cpus': -0.5}: Negative values not supported",
        );
        check("r", &[], &[("x", f64::NAN)], "Invalid limit configuration {'x': NaN}: NaN not supported");
    }

    fn check_request(role: &str, text: &str, change: impl Fn(&mut v1::Resource), expect: &str) {
        let mut guarantee = resources::Resources::parse(text, "*").unwrap().to_proto();
        guarantee.iter_mut().for_each(change);
        let request = QuotaRequest { role: Some(role.to_owned()), guarantee, force: None };
        let found = validate_request(&request).err().map(|invalid| invalid.to_string()).unwrap_or_default();
        assert_eq!(found, expect);
    }

    #[test]
    fn requests_are_checked() {
        check_request("r", "cpus:1;mem:2", |_| {}, "");
        check_request("", "cpus:1", |_| {}, "QuotaInfo with invalid role: Role names cannot be the empty string");
        check_request("r", "", |_| {}, "QuotaInfo with empty 'guarantee'");
        check_request("r", "ports:[1-2]", |_| {}, "QuotaInfo must not include non-scalar resources");
        check_request("r", "cpus(x):1", |_| {}, "QuotaInfo must not contain any ReservationInfo");
        check_request("r", "cpus:1", |r| r.disk = Some(Box::default()), "QuotaInfo must not contain DiskInfo");
        check_request(
            "r",
            "cpus:1",
            |r| r.revocable = Some(v1::resource::RevocableInfo::default()),
            "QuotaInfo must not contain RevocableInfo",
        );
        let one_name = |r: &mut v1::Resource| r.name = "x".to_owned();
        check_request("r", "cpus:1;mem:1", one_name, "QuotaInfo contains duplicate resource name 'x'");
    }
}
