//! The state of an agent: one component for each subject. Each owns its indices; handlers borrow those that they need.

use std::sync::Arc;

use messages::v1;
use model::Random;

use crate::config::Config;
use crate::containers::nested::NestedContainers;
use crate::containers::networks::ContainerNetworks;
use crate::draining::Drain;
use crate::executors::heartbeats::Heartbeats;
use crate::frameworks::index::Frameworks;
use crate::operations::RecoveredResources;
use crate::operations::agent_resources::AgentResources;
use crate::operations::deferred_messages::DeferredMessages;
use crate::operations::operation_status_updates::OperationStatusUpdates;
use crate::pending_writes::PendingWrites;
use crate::recovery::ExecutorRecovery;
use crate::registration::identity::Identity;
use crate::registration::master_connection::MasterConnection;
use crate::sandboxes::gc::Gc;
use crate::updates::status_update_manager::StatusUpdateManager;
use crate::usage::Oversubscription;
use model::agent::Metrics;

/// The components of an agent.
#[derive(Debug)]
pub(crate) struct State {
    /// The configuration.
    pub config: Config,
    /// The only source of randomness.
    pub random: Random,
    /// Counters and gauges, for readers.
    pub metrics: Arc<Metrics>,
    /// The agent's identity.
    pub identity: Identity,
    /// The leading master.
    pub master: MasterConnection,
    /// Frameworks with their executors and tasks.
    pub frameworks: Frameworks,
    /// The containers that were launched by calls, in other containers or by themselves.
    pub nested_containers: NestedContainers,
    /// The networks of the containers that do not use the network of the agent.
    pub container_networks: ContainerNetworks,
    /// The unacknowledged status updates of tasks.
    pub status_updates: StatusUpdateManager,
    /// The records that are being written.
    pub pending_writes: PendingWrites,
    /// Heartbeats of executors that speak HTTP.
    pub heartbeats: Heartbeats,
    /// The drain in progress; `None` if there is none.
    pub drain: Drain,
    /// The agent's resources.
    pub agent_resources: AgentResources,
    /// The operations that are not acknowledged.
    pub operation_status_updates: OperationStatusUpdates,
    /// The messages that wait while volumes change.
    pub deferred_messages: DeferredMessages,
    /// The oversubscribed resources.
    pub oversubscription: Oversubscription,
    /// The sandboxes that are to be removed.
    pub gc: Gc,
    /// The executors of an earlier process of this agent that have not reconnected yet.
    pub executor_recovery: ExecutorRecovery,
}

impl State {
    /// Creates the state of an agent that has never run.
    pub fn new(config: Config, seed: [u8; 32], metrics: Arc<Metrics>) -> Self {
        let mut random = Random::from_seed(seed);
        let info = v1::AgentInfo {
            checkpoint: Some(true),
            hostname: config.hostname.clone(),
            resources: config.resources.to_proto(),
            attributes: config.attributes.clone(),
            id: None,
            port: Some(i32::from(config.pid.address.port())),
            domain: config.domain.clone().map(Box::new),
        };
        metrics.set_total(&config.resources);
        State {
            identity: Identity::new(info, &mut random),
            random,
            master: MasterConnection::default(),
            frameworks: Frameworks::new(metrics.clone()),
            nested_containers: NestedContainers::default(),
            container_networks: ContainerNetworks::default(),
            status_updates: StatusUpdateManager::default(),
            pending_writes: PendingWrites::default(),
            heartbeats: Heartbeats::default(),
            drain: Drain::default(),
            agent_resources: AgentResources::new(config.resources.clone()),
            operation_status_updates: OperationStatusUpdates::default(),
            deferred_messages: DeferredMessages::default(),
            oversubscription: Oversubscription::default(),
            gc: Gc::new(config.gc_delay, config.gc_disk_headroom, metrics.clone()),
            executor_recovery: ExecutorRecovery::default(),
            metrics,
            config,
        }
    }

    /// Recovers the resources, operations and draining of an earlier process of this agent.
    ///
    /// # Errors
    ///
    /// Returns an error if the flags no longer contain the resources that operations were applied to.
    pub fn recover_resources(&mut self, found: &RecoveredResources) -> Result<(), resources::Error> {
        self.agent_resources = AgentResources::recovered(&self.config.work_dir, &self.config.resources, found)?;
        self.operation_status_updates = OperationStatusUpdates::recovered(found);
        self.deferred_messages = DeferredMessages::recovered(found);
        self.metrics.set_total(self.agent_resources.total());
        self.drain = Drain::recovered(found.draining.clone());
        Ok(())
    }

    /// Returns whether the results of all operations are on the disk, so that a master may be told.
    pub fn operations_are_durable(&self) -> bool {
        self.agent_resources.is_durable() && !self.deferred_messages.has_recovered()
    }
}
