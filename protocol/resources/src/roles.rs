//! The syntax of role names and the tree they form: `eng/web` is below `eng`.

/// Why a text is no role name, in Mesos' words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRole {
    #[error("Role names cannot be the empty string")]
    Empty,
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

pub const ANY: &str = "*";

pub fn validate(role: &str) -> Result<(), InvalidRole> {
    let name = || role.to_owned();
    match role {
        ANY => return Ok(()),
        "" => return Err(InvalidRole::Empty),
        _ if role.starts_with('/') => return Err(InvalidRole::LeadingSlash(name())),
        _ if role.ends_with('/') => return Err(InvalidRole::TrailingSlash(name())),
        _ if role.contains("//") => return Err(InvalidRole::AdjacentSlashes(name())),
        _ => {}
    }
    role.split('/').try_for_each(|component| match component {
        "." | ".." | ANY => Err(InvalidRole::ReservedComponent { role: name(), component: component.to_owned() }),
        _ if component.starts_with('-') => Err(InvalidRole::LeadingDash(component.to_owned())),
        _ if component.contains(is_refused) => Err(InvalidRole::Whitespace(component.to_owned())),
        _ => Ok(()),
    })
}

/// ASCII whitespace and DEL, which Mesos calls backspace.
fn is_refused(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\x7f')
}

/// `role` is strictly below `ancestor`.
pub fn is_strict_subrole(role: &str, ancestor: &str) -> bool {
    role.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

/// `role` is `ancestor` or below it.
pub fn is_within(role: &str, ancestor: &str) -> bool {
    role == ancestor || is_strict_subrole(role, ancestor)
}

/// From the parent up to the top-level role.
pub fn ancestors(role: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(role), |role| role.rsplit_once('/').map(|(parent, _)| parent)).skip(1)
}

/// A comma-separated list, as in `--roles`.
pub fn parse_list(text: &str) -> Result<Vec<String>, InvalidRole> {
    let roles: Vec<String> = text.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect();
    roles.iter().try_for_each(|role| validate(role))?;
    Ok(roles)
}
