//! What frameworks say of themselves.

use messages::v1;
use messages::v1::framework_info::{Capability, capability};

use super::framework_id;

/// A framework of user `root` that says nothing but its name, as one from before roles and capabilities.
pub fn framework(name: &str) -> v1::FrameworkInfo {
    v1::FrameworkInfo { user: "root".to_owned(), name: name.to_owned(), ..Default::default() }
}

/// Adds to a framework.
pub trait FrameworkBuilder {
    /// Gives it an id: it has subscribed before, or its tests name it themselves.
    fn with_id(self, id: &str) -> Self;
    /// Runs its tasks as this user.
    fn of_user(self, user: &str) -> Self;
    /// Takes offers for these roles.
    fn with_roles(self, roles: &[&str]) -> Self;
    /// Understands exactly this.
    fn with_capabilities(self, capabilities: &[capability::Type]) -> Self;
    /// Keeps its tasks for that many seconds after its scheduler has disconnected.
    fn with_failover_timeout(self, seconds: f64) -> Self;
    /// Has agents keep its tasks over their own restarts.
    fn checkpointed(self) -> Self;
}

impl FrameworkBuilder for v1::FrameworkInfo {
    fn with_id(mut self, id: &str) -> Self {
        self.id = Some(framework_id(id));
        self
    }

    fn of_user(mut self, user: &str) -> Self {
        self.user = user.to_owned();
        self
    }

    fn with_roles(mut self, roles: &[&str]) -> Self {
        self.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self
    }

    fn with_capabilities(mut self, capabilities: &[capability::Type]) -> Self {
        self.capabilities = capabilities.iter().map(|kind| Capability { r#type: Some(*kind as i32) }).collect();
        self
    }

    fn with_failover_timeout(mut self, seconds: f64) -> Self {
        self.failover_timeout = Some(seconds);
        self
    }

    fn checkpointed(mut self) -> Self {
        self.checkpoint = Some(true);
        self
    }
}
