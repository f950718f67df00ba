//! Validation of a scheduler's call, without regard to the master's state.

use messages::v1::scheduler::{Call, call::Type};

use crate::error::{call_type, present, require};
use crate::{ValidationError, ids};

/// Checks a scheduler's call. `principal` is the authenticated principal of the caller; `None` without authentication.
///
/// # Errors
///
/// The reason is that of `scheduler::call::validate` in Mesos' `src/master/validation.cpp`.
pub fn validate(call: &Call, principal: Option<&str>) -> Result<(), ValidationError> {
    let kind: Type = call_type(call.r#type)?;
    if kind == Type::Subscribe {
        return validate_subscribe(call, principal);
    }
    require(call.framework_id.is_some(), "Expecting 'framework_id' to be present")?;
    match kind {
        Type::Accept => present(&call.accept, "accept").map(drop),
        Type::Decline => present(&call.decline, "decline").map(drop),
        Type::AcceptInverseOffers => present(&call.accept_inverse_offers, "accept_inverse_offers").map(drop),
        Type::DeclineInverseOffers => present(&call.decline_inverse_offers, "decline_inverse_offers").map(drop),
        Type::Kill => present(&call.kill, "kill").map(drop),
        Type::Shutdown => present(&call.shutdown, "shutdown").map(drop),
        Type::Reconcile => present(&call.reconcile, "reconcile").map(drop),
        Type::ReconcileOperations => present(&call.reconcile_operations, "reconcile_operations").map(drop),
        Type::Message => present(&call.message, "message").map(drop),
        Type::Request => present(&call.request, "request").map(drop),
        Type::Acknowledge => ids::validate_uuid(&present(&call.acknowledge, "acknowledge")?.uuid),
        Type::AcknowledgeOperationStatus => {
            let acknowledge = present(&call.acknowledge_operation_status, "acknowledge_operation_status")?;
            ids::validate_uuid(&acknowledge.uuid)?;
            require(acknowledge.agent_id.is_some(), "Expecting 'agent_id' to be present")
        }
        Type::UpdateFramework => {
            let update = present(&call.update_framework, "update_framework")?;
            require(
                call.framework_id == update.framework_info.id,
                "'framework_id' differs from 'update_framework.framework_info.id'",
            )
        }
        // The handler answers UNKNOWN with 501 later.
        Type::Subscribe | Type::Teardown | Type::Revive | Type::Suppress | Type::Unknown => Ok(()),
    }
}

fn validate_subscribe(call: &Call, principal: Option<&str>) -> Result<(), ValidationError> {
    let framework = &present(&call.subscribe, "subscribe")?.framework_info;
    // An unset id equals an id that is the empty string, since protobuf 2 getters cannot tell them apart.
    let id = |id: &Option<messages::v1::FrameworkId>| id.as_ref().map_or(String::new(), |id| id.value.clone());
    require(id(&framework.id) == id(&call.framework_id), "'framework_id' differs from 'subscribe.framework_info.id'")?;
    match (principal, framework.principal.as_deref()) {
        (Some(authenticated), Some(claimed)) if authenticated != claimed => Err(ValidationError::new(format!(
            "Authenticated principal '{authenticated}' does not match principal '{claimed}' set in `FrameworkInfo`"
        ))),
        _ => Ok(()),
    }
}
