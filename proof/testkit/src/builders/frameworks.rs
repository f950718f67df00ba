//! Builders of `FrameworkInfo`.

use messages::v1;
use messages::v1::framework_info::{Capability, capability};

use super::framework_id;

/// Returns a framework of user `root` that states only its name, as one did before Mesos had roles and capabilities.
pub fn framework(name: &str) -> v1::FrameworkInfo {
    v1::FrameworkInfo { user: "root".to_owned(), name: name.to_owned(), ..Default::default() }
}

/// Methods that add to a framework.
pub trait FrameworkBuilder {
    /// Sets the id, for a framework that has subscribed before or whose id the test chooses.
    fn with_id(self, id: &str) -> Self;
    /// Sets the user that the tasks run as.
    fn of_user(self, user: &str) -> Self;
    /// Sets the roles in which the framework takes offers.
    fn with_roles(self, roles: &[&str]) -> Self;
    /// Sets the capabilities to exactly these.
    fn with_capabilities(self, capabilities: &[capability::Type]) -> Self;
    /// Sets the failover timeout: the seconds for which the master keeps the tasks after the scheduler has
    /// disconnected.
    fn with_failover_timeout(self, seconds: f64) -> Self;
    /// Turns on checkpointing: agents keep the tasks when they restart.
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
