//! The accepted offers of one ACCEPT, and how operations use them up.

use messages::v1::offer::Operation;
use model::{AgentId, FrameworkId, Role};
use resources::operation::{Application, OperationSpec, consumed};
use resources::{Conversion, Resources, conversions};

use crate::agents::{Agent, Agents};
use crate::frameworks::{Framework, Frameworks};

/// The accepted offers, taken together while the operations use them up.
#[derive(Debug, Clone)]
pub(crate) struct AcceptedOffers {
    framework: FrameworkId,
    agent: AgentId,
    role: Role,
    offered: Resources,
    remaining: Resources,
    /// The shared resources. Launches do not use them up, since any number of tasks can share them.
    shared: Resources,
    /// The resources of the tasks and executors that were launched.
    launched: Resources,
    /// The volumes that grew or shrank, and the resources that were freed.
    resized: Resources,
    /// The resources of operations whose result is not known yet.
    pending: Resources,
}

/// Queries of the offered and the remaining resources.
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

    /// Returns the framework that accepted the offers and the agent of the offers; `None` if one of them is gone.
    pub fn parties<'a>(&self, agents: &'a Agents, frameworks: &'a Frameworks) -> Option<(&'a Framework, &'a Agent)> {
        Some((frameworks.get(self.framework.as_str())?, agents.get(self.agent.as_str())?))
    }

    /// Returns all resources that were offered.
    pub fn offered(&self) -> &Resources {
        &self.offered
    }

    /// Returns the resources that a task may use.
    pub fn available(&self) -> Resources {
        if self.shared.is_empty() { self.remaining.clone() } else { self.remaining.non_shared() + self.shared.clone() }
    }

    /// Returns the resources that were not used, in their form after the operations.
    pub fn free(&self) -> Resources {
        &self.remaining + &self.resized
    }

    /// Returns all offered resources in their form after the operations.
    pub fn converted(&self) -> Resources {
        &(&self.free() + &self.launched) + &self.pending
    }
}

/// The use of resources by launches and operations.
impl AcceptedOffers {
    pub fn launch(&mut self, resources: &Resources) {
        self.remaining -= resources;
        self.launched += resources;
    }

    /// Returns the offers after an operation has been applied. Later operations cannot use a resized volume (Mesos
    /// reserves the right to resize asynchronously) or resources that a resource provider still has to create.
    ///
    /// # Errors
    /// Returns why the operation does not apply to the resources of the offers.
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
            }
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
