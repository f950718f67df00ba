//! The syntax of role names and the tree they form: `eng/web` is below `eng`.
//!
//! The rules and their texts follow Mesos (`src/common/roles.cpp`), except for the bounds on length and depth, which
//! Mesos does not have: the master keeps an entry for every level of every role.

/// The longest role name in bytes.
pub const MAX_LENGTH: usize = 1024;

/// The most levels of a role: `a/b/c` has three.
pub const MAX_LEVELS: usize = 32;

/// The reason for which a text is not a role name, with the text of Mesos.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidRole {
    #[error("Role names cannot be the empty string")]
    Empty,
    #[error("Role names cannot be longer than {MAX_LENGTH} bytes: this one has {0}, choose a shorter name")]
    TooLong(usize),
    #[error("Roles cannot have more than {MAX_LEVELS} levels: this one has {0}, choose a role with fewer slashes")]
    TooDeep(usize),
    #[error("Role '{0}' cannot start with a slash")]
    LeadingSlash(String),
    #[error("Role '{0}' cannot end with a slash")]
    TrailingSlash(String),
    #[error("Role '{0}' cannot contain two adjacent slashes")]
    AdjacentSlashes(String),
    #[error("Role '{role}' cannot include '{component}' as a component")]
    ReservedComponent { role: String, component: String },
    #[error("Role component '{0}' is invalid because it starts with a dash")]
    LeadingDash(String),
    #[error("Role component '{0}' is invalid because it contains backspace or whitespace")]
    Whitespace(String),
}

/// The role of resources that are reserved to nobody, and of frameworks that name no role.
pub const ANY: &str = "*";

/// Checks the syntax of a role name.
///
/// # Errors
///
/// Returns the first rule that is broken.
pub fn validate(role: &str) -> Result<(), InvalidRole> {
    let name = || role.to_owned();
    if role.len() > MAX_LENGTH {
        return Err(InvalidRole::TooLong(role.len()));
    }
    match role {
        ANY => return Ok(()),
        "" => return Err(InvalidRole::Empty),
        _ if role.starts_with('/') => return Err(InvalidRole::LeadingSlash(name())),
        _ if role.ends_with('/') => return Err(InvalidRole::TrailingSlash(name())),
        _ if role.contains("//") => return Err(InvalidRole::AdjacentSlashes(name())),
        _ if levels(role) > MAX_LEVELS => return Err(InvalidRole::TooDeep(levels(role))),
        _ => {}
    }
    role.split('/').try_for_each(|component| match component {
        "." | ".." | ANY => Err(InvalidRole::ReservedComponent { role: name(), component: component.to_owned() }),
        _ if component.starts_with('-') => Err(InvalidRole::LeadingDash(component.to_owned())),
        _ if component.contains(is_refused) => Err(InvalidRole::Whitespace(component.to_owned())),
        _ => Ok(()),
    })
}

/// Returns whether a character is ASCII whitespace or DEL, which Mesos calls backspace.
fn is_refused(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\x7f')
}

/// Returns the number of levels of a role: 1 for a top-level role.
pub fn levels(role: &str) -> usize {
    role.split('/').count()
}

/// Returns whether `role` is strictly below `ancestor`.
pub fn is_strict_subrole(role: &str, ancestor: &str) -> bool {
    role.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns whether `role` is `ancestor` or below it.
pub fn is_within(role: &str, ancestor: &str) -> bool {
    role == ancestor || is_strict_subrole(role, ancestor)
}

/// Iterates over the roles above a role, from its parent up to the top-level role.
pub fn ancestors(role: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(role), |role| role.rsplit_once('/').map(|(parent, _)| parent)).skip(1)
}

/// Parses a comma-separated list of roles, as in `--roles`.
///
/// # Errors
///
/// Returns the first rule that a role of the list breaks.
pub fn parse_list(text: &str) -> Result<Vec<String>, InvalidRole> {
    let roles: Vec<String> = text.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect();
    roles.iter().try_for_each(|role| validate(role))?;
    Ok(roles)
}
