//! Returns the named roles; `None` if the framework is not subscribed to one of them, since the call then does nothing.

use model::master::Change;
use model::{FrameworkId, Role};

use crate::interface::Context;
use crate::state::State;

pub(crate) fn suppress(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, roles: &[String]) {
    state.metrics.messages_suppress_offers.increment();
    let Some(roles) = own_roles(state, framework, roles) else { return };
    state.allocator.suppress(framework, &roles);
    set_suppressed(state, cx, framework, &roles, true);
}

pub(crate) fn revive(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, roles: &[String]) {
    state.metrics.messages_revive_offers.increment();
    let Some(roles) = own_roles(state, framework, roles) else { return };
    state.allocator.revive(framework, &roles);
    set_suppressed(state, cx, framework, &roles, false);
}

/// A call that names a role the framework is not subscribed to does nothing at all.
fn own_roles(state: &State, framework: &FrameworkId, roles: &[String]) -> Option<Vec<Role>> {
    let framework = state.frameworks.get(framework.as_str())?;
    if let Some(foreign) = roles.iter().find(|role| !framework.has_role(role)) {
        tracing::warn!(framework = %framework.id(), role = foreign, "ignoring a call that names a foreign role");
        return None;
    }
    Some(roles.iter().map(Role::new).collect())
}

/// Suppresses or revives offers. An empty list means all roles.
fn set_suppressed(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, roles: &[Role], suppressed: bool) {
    let Some(framework) = state.frameworks.get_mut(framework.as_str()) else { return };
    let changes = |role: &Role| roles.is_empty() || roles.contains(role);
    let was = |role: &Role| framework.state.suppressed.contains(role);
    let now: Vec<Role> = framework
        .state
        .roles
        .iter()
        .filter(|role| if changes(role) { suppressed } else { was(role) })
        .cloned()
        .collect();
    if framework.state.suppressed != now {
        framework.state_mut().suppressed = now;
        cx.publish(Change::FrameworkUpdated(framework.state.clone()));
    }
}
