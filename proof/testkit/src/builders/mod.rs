//! Builders of messages. A function makes a message with its required fields; each method of the traits adds one thing,
//! so that a message reads like the sentence that describes it:
//!
//! ```
//! use messages::v1::framework_info::capability::Type::PartitionAware;
//! use testkit::builders::*;
//!
//! let framework = framework("web").with_roles(&["prod"]).with_capabilities(&[PartitionAware]);
//! let server = task("server").on("S0").with_resources(resources("cpus:0.5;mem:64")).running("./serve");
//! let call = accept_ids(vec![offer_id("O1")], vec![launch(vec![server])]);
//! # assert_eq!(call.accept.unwrap().operations[0].launch.as_ref().unwrap().task_infos[0].agent_id.value, "S0");
//! # assert_eq!(framework.roles, ["prod"]);
//! ```

mod agent_messages;
mod executor_calls;
mod frameworks;
mod identifiers;
mod operations;
mod operator_calls;
mod resource;
mod scheduler_calls;
mod scheduler_events;
mod tasks;

pub use agent_messages::{
    agent, all_agent_capabilities, peer_message, register_agent, reregister_agent, status_update,
};
pub use executor_calls::{executor_call, executor_subscribe, executor_update};
pub use frameworks::{FrameworkBuilder, framework};
pub use identifiers::{agent_id, executor_id, framework_id, offer_id, operation_id, stream_id, task_id, upid, uuid};
pub use operations::{
    OperationBuilder, create, create_disk, destroy, exchange, grow, launch, launch_group, reserve, shrink, unreserve,
};
pub use operator_calls::{
    create_volumes, deactivate_agent, destroy_volumes, drain_agent, exchange_reservations, grow_volume,
    mark_agent_gone, reactivate_agent, reserve_resources, shrink_volume, teardown_framework, unreserve_resources,
};
pub use resource::{ResourceBuilder, persistent_volume, resources};
pub use scheduler_calls::{
    accept, accept_ids, acknowledge, acknowledge_operation, decline, framework_message, kill, reconcile,
    reconcile_operations, revive, shutdown, subscribe, suppress, teardown, unknown_call, update_framework,
};
pub use scheduler_events::{error_event, event, subscribed};
pub use tasks::{ExecutorBuilder, TaskBuilder, command, executor, status, task};
