//! Checks and compiles the offer constraints of a framework.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::scheduler;
use messages::v1::scheduler::offer_constraints::RoleConstraints;
use model::Role;

use super::constraint::{AgentAttributes, Constraint, InvalidConstraint};
use super::pattern::PatternLimits;

/// The reasons for which a master refuses offer constraints, with the texts of Mesos and its missing space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidConstraints {
    #[error("'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role {0}")]
    NoGroups(Role),
    #[error("'OfferConstraints::RoleConstraints::groups' for role {0}contains an empty RoleConstraints::Group")]
    EmptyGroup(Role),
    #[error("A role {role} has an invalid 'AttributeConstraint': {source}")]
    Constraint {
        role: Role,
        #[source]
        source: InvalidConstraint,
    },
}

/// The offer constraints of a framework, compiled.
#[derive(Debug, Default)]
pub struct OfferConstraintsFilter {
    roles: BTreeMap<Role, Groups>,
}

/// The groups of a role; at least one of them must hold.
#[derive(Debug)]
pub(crate) struct Groups(Vec<Group>);

/// The constraints of a group; all of them must hold.
type Group = Vec<Constraint>;

impl OfferConstraintsFilter {
    /// Checks and compiles offer constraints.
    ///
    /// # Errors
    ///
    /// The reason is Mesos', for the first role by name that has an invalid constraint.
    pub fn compile(
        constraints: &scheduler::OfferConstraints,
        limits: PatternLimits,
    ) -> Result<Self, InvalidConstraints> {
        // The map of the message has no order; the first role by name is named in the error.
        let named: BTreeMap<Role, &RoleConstraints> =
            constraints.role_constraints.iter().map(|(role, constraints)| (Role::new(role), constraints)).collect();
        let groups = |(role, constraints): (Role, &RoleConstraints)| {
            let groups = Groups::compile(&role, constraints, limits)?;
            Ok((role, groups))
        };
        Ok(OfferConstraintsFilter { roles: named.into_iter().map(groups).collect::<Result<_, _>>()? })
    }

    /// Returns whether nothing of this agent is offered for the role.
    pub fn excludes(&self, role: &Role, agent: &v1::AgentInfo) -> bool {
        self.of(role).is_some_and(|groups| !groups.is_satisfied_by(&AgentAttributes::from_info(agent)))
    }

    pub(crate) fn of(&self, role: &Role) -> Option<&Groups> {
        self.roles.get(role)
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.keys()
    }
}

impl Groups {
    fn compile(role: &Role, constraints: &RoleConstraints, limits: PatternLimits) -> Result<Self, InvalidConstraints> {
        if constraints.groups.is_empty() {
            return Err(InvalidConstraints::NoGroups(role.clone()));
        }
        let constraint = |message| {
            Constraint::new(message, limits)
                .map_err(|source| InvalidConstraints::Constraint { role: role.clone(), source })
        };
        let groups = constraints.groups.iter().map(|group| match group.attribute_constraints.as_slice() {
            [] => Err(InvalidConstraints::EmptyGroup(role.clone())),
            constraints => constraints.iter().map(constraint).collect::<Result<Group, _>>(),
        });
        Ok(Groups(groups.collect::<Result<_, _>>()?))
    }

    pub fn is_satisfied_by(&self, agent: &AgentAttributes) -> bool {
        self.0.iter().any(|group| group.iter().all(|constraint| constraint.holds_for(agent)))
    }

    /// Returns, in words, the first constraint of each group that does not hold.
    pub fn unmet(&self, agent: &AgentAttributes) -> Vec<String> {
        let unmet =
            |group: &Group| group.iter().find(|constraint| !constraint.holds_for(agent)).map(Constraint::to_string);
        self.0.iter().filter_map(unmet).collect()
    }
}
