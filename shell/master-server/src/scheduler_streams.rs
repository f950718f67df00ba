//! The framework that is subscribed on each event stream, as of the last batch.
//!
//! This table alone suffices to accept the calls of a busy scheduler. Mesos answers 202 to them whatever their effect
//! is, once it has found the framework and compared the stream; waiting for the core to do the same would cost two
//! context switches per call. The table changes before the core's replies of the same batch go out, so that after the
//! reply to a TEARDOWN or a failover, further calls go to the core, which refuses them as Mesos does.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use messages::v1;
use messages::v1::scheduler::call::Type;
use model::StreamId;

/// The framework of each event stream.
#[derive(Debug, Default)]
pub struct SchedulerStreams(Mutex<HashMap<StreamId, v1::FrameworkId>>);

impl SchedulerStreams {
    /// Adds a stream of a framework.
    pub fn opened(&self, stream: StreamId, framework: v1::FrameworkId) {
        self.lock().insert(stream, framework);
    }

    /// Removes a stream.
    pub fn closed(&self, stream: StreamId) {
        self.lock().remove(&stream);
    }

    /// Returns whether the core would answer the call with 202. That holds only for calls whose effects are events,
    /// because other calls may be followed by a read that has to show their effects.
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
