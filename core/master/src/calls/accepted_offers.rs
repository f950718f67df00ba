//! The accepted offers of one ACCEPT, and how operations use them up.

use messages::v1::offer::Operation;
use model::{AgentId, FrameworkId, Role};
use resources::operation::{Application, OperationSpec, consumed};
use resources::{Conversion, Resources, conversions};

/// The accepted offers, taken together while the operations use them up.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedOffers {
    framework: FrameworkId,
    agent: AgentId,
    role: Role,
    offered: Resources,
    remaining: Resources,
    /// One more task can always share what is here, however many do already.
    shared: Resources,
    /// Held by tasks and executors that were launched.
    launched: Resources,
    /// Volumes that grew or shrank, and what was freed of them.
    resized: Resources,
    /// Held by operations whose result is not known yet.
    pending: Resources,
}

/// What they are, and what is left of them.
impl AcceptedOffers {
    /// Creates offers of which nothing has been used.
    pub fn new(framework: FrameworkId, agent: AgentId, role: Role, offered: Resources) -> Self {
        AcceptedOffers {
            framework,
            agent,
            role,
            remaining: offered.clone(),
            shared: offered.shared(),
            offered,
            launched: Resources::new(),
            resized: Resources::new(),
            pending: Resources::new(),
        }
    }

    pub fn framework(&self) -> &FrameworkId {
        &self.framework
    }

    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    /// All that was offered.
    pub fn offered(&self) -> &Resources {
        &self.offered
    }

    /// What a task may use.
    pub fn available(&self) -> Resources {
        if self.shared.is_empty() { self.remaining.clone() } else { self.remaining.non_shared() + self.shared.clone() }
    }

    /// What was not used, with what was made of it.
    pub fn free(&self) -> Resources {
        &self.remaining + &self.resized
    }

    /// What everything that was offered has become.
    pub fn converted(&self) -> Resources {
        &(&self.free() + &self.launched) + &self.pending
    }
}

/// How they are used up.
impl AcceptedOffers {
    pub fn launch(&mut self, resources: &Resources) {
        self.remaining -= resources;
        self.launched += resources;
    }

    /// What is left once an operation has been applied. What a resized volume becomes is not for the operations after
    /// it (Mesos wants to be free to do these later), nor what a resource provider still has to make.
    pub fn after(&self, operation: &Operation) -> Result<AcceptedOffers, String> {
        let mut after = self.clone();
        let spec = OperationSpec::of(operation.r#type());
        match spec.application {
            Application::ImmediateForLaterOffers => {
                let steps = conversions(operation).map_err(|error| error.to_string())?;
                for Conversion { consumed, converted } in steps {
                    after.take(&consumed, operation, "operation")?;
                    after.resized += converted;
                }
            }
            Application::ByResourceProvider => {
                let consumed = consumed(operation);
                after.take(&consumed, operation, "Operation")?;
                after.pending += consumed;
            }
            Application::Immediate | Application::Launch | Application::Unknown => {
                let steps = conversions(operation).map_err(|error| error.to_string())?;
                after.remaining = after.remaining.apply_all(&steps).map_err(|error| error.to_string())?;
                if spec.changes_volumes {
                    after.shared = after.remaining.shared();
                }
            } // Launches are no operations on resources.
        }
        Ok(after)
    }

    fn take(&mut self, consumed: &Resources, operation: &Operation, noun: &str) -> Result<(), String> {
        if !self.remaining.contains(consumed) {
            let name = operation.r#type().as_str_name();
            return Err(format!("Invalid {name} {noun}: {} does not contain {consumed}", self.remaining));
        }
        self.remaining -= consumed;
        Ok(())
    }
}
