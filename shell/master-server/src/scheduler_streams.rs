//! Which framework is subscribed on which stream, as of the last batch.
//!
//! The calls of a busy scheduler are accepted by this table alone. Mesos answers 202 to them whatever becomes of them,
//! once it has found the framework and compared the stream; waiting for the core to do that would cost two
//! context switches a call. The table changes before the core's answers of the same batch go out, so whoever has seen
//! a TEARDOWN or a failover answered is refused by the core as in Mesos.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use messages::v1;
use messages::v1::scheduler::call::Type;
use model::StreamId;

#[derive(Debug, Default)]
pub struct SchedulerStreams(Mutex<HashMap<StreamId, v1::FrameworkId>>);

impl SchedulerStreams {
    pub fn opened(&self, stream: StreamId, framework: v1::FrameworkId) {
        self.lock().insert(stream, framework);
    }

    pub fn closed(&self, stream: StreamId) {
        self.lock().remove(&stream);
    }

    /// Whether the call is certain to be answered with 202. Only calls whose effects come as events: others may be
    /// followed by a read that must show them.
    pub fn accepts(&self, stream: Option<&Result<StreamId, String>>, call: &v1::scheduler::Call) -> bool {
        let (Some(Ok(stream)), Some(framework)) = (stream, &call.framework_id) else { return false };
        matches!(call.r#type(), Type::Accept | Type::Decline | Type::Acknowledge)
            && self.lock().get(stream) == Some(framework)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, v1::FrameworkId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn check(stream: Option<Result<StreamId, String>>, framework: &str, kind: Type, expect: bool) {
        let scheduler_streams = SchedulerStreams::default();
        scheduler_streams.opened(StreamId(Uuid::from_u128(1)), v1::FrameworkId { value: "f".to_owned() });
        let call = v1::scheduler::Call {
            framework_id: Some(v1::FrameworkId { value: framework.to_owned() }),
            r#type: Some(kind as i32),
            ..Default::default()
        };
        assert_eq!(scheduler_streams.accepts(stream.as_ref(), &call), expect);
        scheduler_streams.closed(StreamId(Uuid::from_u128(1)));
        assert!(!scheduler_streams.accepts(stream.as_ref(), &call));
    }

    #[test]
    fn only_the_subscribed_framework_on_its_own_stream() {
        let own = || Some(Ok(StreamId(Uuid::from_u128(1))));
        check(own(), "f", Type::Accept, true);
        check(own(), "f", Type::Teardown, false);
        check(own(), "g", Type::Accept, false);
        check(Some(Ok(StreamId(Uuid::from_u128(2)))), "f", Type::Accept, false);
        check(Some(Err("x".to_owned())), "f", Type::Accept, false);
        check(None, "f", Type::Accept, false);
    }
}
