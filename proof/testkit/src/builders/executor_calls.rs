//! The calls that executors make to their agent.

use messages::v1;
use messages::v1::executor::{Call, call};

use super::{executor_id, framework_id};

/// Returns a call of this type with no other field than its ids.
pub fn executor_call(framework: &str, executor: &str, kind: call::Type) -> Call {
    Call {
        executor_id: executor_id(executor),
        framework_id: framework_id(framework),
        r#type: Some(kind as i32),
        ..Default::default()
    }
}

/// Returns SUBSCRIBE with the tasks and updates that the agent may not know of.
pub fn executor_subscribe(framework: &str, executor: &str, subscribe: call::Subscribe) -> Call {
    Call { subscribe: Some(Box::new(subscribe)), ..executor_call(framework, executor, call::Type::Subscribe) }
}

/// Returns UPDATE of a task.
pub fn executor_update(framework: &str, executor: &str, status: v1::TaskStatus) -> Call {
    let update = Some(Box::new(call::Update { status }));
    Call { update, ..executor_call(framework, executor, call::Type::Update) }
}
