//! The v0 scheduler driver: its calls, and its ways to subscribe.

use machine::Status;
use messages::v1;
use messages::v1::scheduler::call::Type;
use model::Upid;
use wire::Limits;

use super::disconnect::remove_framework;
use super::framework::Connection;
use super::subscribe::{known_id, subscribe_driver};
use crate::calls::dispatch;
use crate::interface::Context;
use crate::state::State;

/// Handles a `mesos.scheduler.Call` as it was received. An invalid one is not answered: libprocess has no way to, and a
/// driver does not send one.
pub(crate) fn driver_call(state: &mut State, cx: &mut Context<'_>, from: &Upid, bytes: &[u8]) {
    let (call, force) = match wire::v0::decode_scheduler_call(bytes, &Limits::default()) {
        Ok(decoded) => decoded,
        Err(error) => return tracing::warn!(driver = %from, %error, "ignoring a malformed call"),
    };
    if let Err(reason) = validation::scheduler_call::validate(&call, None) {
        return tracing::warn!(driver = %from, %reason, "ignoring an invalid call");
    }
    let kind = call.r#type();
    if kind == Type::Subscribe {
        if let Some(subscribe) = call.subscribe {
            subscribe_driver(state, cx, from.clone(), *subscribe, force);
        }
        return;
    }
    if call.framework_id.as_ref().is_some_and(|id| state.frameworks.is_completed(&id.value)) {
        // Mesos sends nothing, and the driver of a framework that an operator tore down waits for ever.
        return Connection::Driver(from.clone()).error(cx, "Framework has been removed");
    }
    let framework = call.framework_id.as_ref().and_then(|id| state.frameworks.get(&id.value));
    let Some(framework) = framework.filter(|framework| framework.driver() == Some(from)) else {
        return tracing::warn!(driver = %from, call = kind.as_str_name(), "ignoring a call of a foreign framework");
    };
    if !framework.state().is_connected() {
        return Connection::Driver(from.clone()).error(cx, "Framework disconnected");
    }
    let id = framework.id().clone();
    match kind {
        // The v0 protocol has no feedback of operations.
        Type::AcknowledgeOperationStatus | Type::ReconcileOperations | Type::Unknown => {
            tracing::warn!(driver = %from, call = kind.as_str_name(), "ignoring a call that v0 does not have");
        }
        Type::UpdateFramework => {
            let answer = dispatch(state, cx, &id, call);
            if answer.status != Status::Ok {
                Connection::Driver(from.clone()).error(cx, &answer.body);
            }
        }
        Type::Teardown => {
            state.metrics.messages_unregister_framework.increment();
            remove_framework(state, cx, &id);
        }
        Type::Subscribe
        | Type::Accept
        | Type::Decline
        | Type::AcceptInverseOffers
        | Type::DeclineInverseOffers
        | Type::Revive
        | Type::Kill
        | Type::Shutdown
        | Type::Acknowledge
        | Type::Reconcile
        | Type::Message
        | Type::Request
        | Type::Suppress => drop(dispatch(state, cx, &id, call)),
    }
}

pub(crate) fn register_framework(state: &mut State, cx: &mut Context<'_>, from: &Upid, info: v1::FrameworkInfo) {
    if known_id(&info).is_some() {
        return Connection::Driver(from.clone()).error(cx, "Registering with 'id' already set");
    }
    subscribe_driver(state, cx, from.clone(), subscribe_of(info), false);
}

pub(crate) fn reregister_framework(
    state: &mut State,
    cx: &mut Context<'_>,
    from: &Upid,
    info: v1::FrameworkInfo,
    failover: bool,
) {
    if known_id(&info).is_none() {
        return Connection::Driver(from.clone()).error(cx, "Re-registering without an 'id'");
    }
    subscribe_driver(state, cx, from.clone(), subscribe_of(info), failover);
}

fn subscribe_of(framework_info: v1::FrameworkInfo) -> v1::scheduler::call::Subscribe {
    v1::scheduler::call::Subscribe { framework_info, ..Default::default() }
}
