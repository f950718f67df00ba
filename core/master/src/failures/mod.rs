//! The failure monitor: the events that it observes, and how its effects are carried out.

mod monitor;

pub(crate) use monitor::{
    FailurePersistence, agent_usage, failures_persisted, observe, observe_recovery_complete, observe_task_end,
    observe_task_health, persist_failures, reactivate_held, reply_when_persisted, restore_failures,
};
