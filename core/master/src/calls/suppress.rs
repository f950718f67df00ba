//! SUPPRESS and REVIVE.

use allocator::Allocator;
use model::master::Change;
use model::{FrameworkId, Role};

use crate::frameworks::Frameworks;
use crate::interface::Context;
use model::master::Metrics;

pub(crate) fn suppress(
    allocator: &mut Allocator,
    frameworks: &mut Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    roles: &[String],
) {
    metrics.messages_suppress_offers.increment();
    if let Some(roles) = set_suppressed(frameworks, cx, framework, roles, true) {
        allocator.suppress(framework, &roles);
    }
}

pub(crate) fn revive(
    allocator: &mut Allocator,
    frameworks: &mut Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    roles: &[String],
) {
    metrics.messages_revive_offers.increment();
    if let Some(roles) = set_suppressed(frameworks, cx, framework, roles, false) {
        allocator.revive(framework, &roles);
    }
}

/// Returns the named roles; `None` if the framework is not subscribed to one of them. The call then has no effect.
fn own_roles(frameworks: &Frameworks, framework: &FrameworkId, roles: &[String]) -> Option<Vec<Role>> {
    let framework = frameworks.get(framework.as_str())?;
    if let Some(foreign) = roles.iter().find(|role| !framework.has_role(role)) {
        tracing::warn!(framework = %framework.id(), role = foreign, "ignoring a call that names a foreign role");
        return None;
    }
    Some(roles.iter().map(Role::new).collect())
}

/// Records that offers of the named roles are suppressed or not; an empty list means all roles. Returns the roles, or
/// `None` if the call has no effect.
fn set_suppressed(
    frameworks: &mut Frameworks,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    roles: &[String],
    suppressed: bool,
) -> Option<Vec<Role>> {
    let roles = own_roles(frameworks, framework, roles)?;
    let framework = frameworks.get_mut(framework.as_str())?;
    if framework.set_suppressed(&roles, suppressed) {
        cx.publish(Change::FrameworkUpdated(framework.snapshot().clone()));
    }
    Some(roles)
}
