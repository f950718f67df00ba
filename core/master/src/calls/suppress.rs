//! SUPPRESS and REVIVE.

use model::{FrameworkId, Role};

use crate::effects::Context;
use crate::master::Master;
use model::master::Change;

impl Master {
    pub(crate) fn suppress(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, roles: &[String]) {
        self.metrics.messages_suppress_offers.increment();
        let Some(roles) = self.own_roles(framework, roles) else { return };
        self.allocator.suppress(framework, &roles);
        self.set_suppressed(cx, framework, &roles, true);
    }

    pub(crate) fn revive(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, roles: &[String]) {
        self.metrics.messages_revive_offers.increment();
        let Some(roles) = self.own_roles(framework, roles) else { return };
        self.allocator.revive(framework, &roles);
        self.set_suppressed(cx, framework, &roles, false);
    }

    /// A call that names a role the framework is not subscribed to does nothing at all.
    fn own_roles(&self, framework: &FrameworkId, roles: &[String]) -> Option<Vec<Role>> {
        let framework = self.frameworks.get(framework.as_str())?;
        if let Some(foreign) = roles.iter().find(|role| !framework.has_role(role)) {
            tracing::warn!(framework = %framework.id(), role = foreign, "ignoring a call that names a foreign role");
            return None;
        }
        Some(roles.iter().map(Role::new).collect())
    }

    /// No roles mean all of them.
    fn set_suppressed(&mut self, cx: &mut Context<'_>, framework: &FrameworkId, roles: &[Role], suppressed: bool) {
        let Some(framework) = self.frameworks.get_mut(framework.as_str()) else { return };
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
}
