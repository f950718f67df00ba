//! Commands, their environment, and secrets.

use messages::v1::{self, environment::variable, secret};

use crate::error::require;
use crate::{ValidationError, Within, bounds};

/// Checks the environment of a command, as Mesos does, and the length of its lists.
///
/// # Errors
///
/// The reason is that of `validateEnvironment` in Mesos' `src/common/validation.cpp`, for the first invalid variable, or
/// that of [`bounds`].
pub fn validate(command: &v1::CommandInfo) -> Result<(), ValidationError> {
    bounds::validate_command(command)?;
    let mut variables = command.environment.iter().flat_map(|environment| &environment.variables);
    variables.try_for_each(validate_variable)
}

fn validate_variable(variable: &v1::environment::Variable) -> Result<(), ValidationError> {
    let name = &variable.name;
    let refuse = |reason: &str| Err(ValidationError::new(format!("Environment variable '{name}' {reason}")));
    match variable.r#type() {
        variable::Type::Secret => {
            let Some(secret) = &variable.secret else {
                return refuse("of type 'SECRET' must have a secret set");
            };
            if variable.value.is_some() {
                return refuse("of type 'SECRET' must not have a value set");
            }
            validate_secret(secret).within(&format!("Environment variable '{name}' specifies an invalid secret"))?;
            if secret.value.as_ref().is_some_and(|value| value.data.contains(&0)) {
                return refuse("specifies a secret containing null bytes, which is not allowed in the environment");
            }
            Ok(())
        }
        variable::Type::Value if variable.value.is_none() => refuse("of type 'VALUE' must have a value set"),
        variable::Type::Value if variable.secret.is_some() => refuse("of type 'VALUE' must not have a secret set"),
        variable::Type::Value => Ok(()),
        variable::Type::Unknown => Err(ValidationError::new("Environment variable of type 'UNKNOWN' is not allowed")),
    }
}

/// Checks that the type of a secret and the field that is set agree. A secret of an unknown type passes.
///
/// # Errors
///
/// The reason is that of `validateSecret` in Mesos' `src/common/validation.cpp`.
pub fn validate_secret(secret: &v1::Secret) -> Result<(), ValidationError> {
    match secret.r#type() {
        secret::Type::Reference => {
            let Some(reference) = &secret.reference else {
                return Err(ValidationError::new("Secret of type REFERENCE must have the 'reference' field set"));
            };
            if secret.value.is_some() {
                let name = &reference.name;
                return Err(ValidationError::new(format!(
                    "Secret '{name}' of type REFERENCE must not have the 'value' field set"
                )));
            }
            Ok(())
        }
        secret::Type::Value => {
            require(secret.value.is_some(), "Secret of type VALUE must have the 'value' field set")?;
            require(secret.reference.is_none(), "Secret of type VALUE must not have the 'reference' field set")
        }
        secret::Type::Unknown => Ok(()),
    }
}
