//! The settings of operators by the endpoints from before the operator API: `/weights`, `/quota`, `/maintenance/…`,
//! `/machine/…`. Each request becomes a call of that API.

use std::sync::Arc;

use ::master::{Input, OperatorCall};
use http::Method;
use messages::v1::maintenance::Schedule;
use messages::v1::master::Call;
use messages::v1::master::call::{
    RemoveQuota, SetQuota, StartMaintenance, StopMaintenance, Type, UpdateMaintenanceSchedule, UpdateWeights,
};
use messages::v1::quota::QuotaRequest;
use messages::v1::{MachineId, WeightInfo};
use views::master::Document;
use wire::Limits;
use wire::json::{self, JsonError};

use super::app::MasterApp;
use super::endpoints::PROCESS;
use super::v0_endpoints::read;
use edge::http::request::{Request, decode};
use edge::http::respond::{Response, answer, bad_request, unavailable};

/// Answers `/weights`: GET reads the weights, PUT changes them.
pub async fn weights(app: &Arc<MasterApp>, request: &Request) -> Response {
    if request.method == Method::GET {
        return read(app, Document::Weights, request).await;
    }
    match json::decode_list::<WeightInfo>(&request.body, &Limits::default()) {
        Ok(weight_infos) => {
            let update_weights = Some(Box::new(UpdateWeights { weight_infos }));
            ask(app, request, Call { update_weights, ..call(Type::UpdateWeights) }).await
        }
        Err(error) => {
            let step = match error {
                JsonError::NotJson(_) => "parse update weights request JSON",
                JsonError::NotConvertible(_) => "convert weights JSON array to protobuf",
            };
            bad_request(format!("Failed to {step} '{}': {error}", body(request)))
        }
    }
}

/// Answers `/quota`: GET reads the quotas, POST sets one, DELETE removes one.
pub async fn quota(app: &Arc<MasterApp>, request: &Request) -> Response {
    match request.method {
        Method::POST => set_quota(app, request).await,
        Method::DELETE => remove_quota(app, request).await,
        _ => read(app, Document::Quota, request).await,
    }
}

#[allow(deprecated, reason = "the endpoint is as old as the call")]
async fn set_quota(app: &Arc<MasterApp>, request: &Request) -> Response {
    match json::decode::<QuotaRequest>(&request.body, &Limits::default()) {
        Ok(quota_request) => {
            let set_quota = Some(Box::new(SetQuota { quota_request }));
            ask(app, request, Call { set_quota, ..call(Type::SetQuota) }).await
        }
        Err(error) => {
            let step = match error {
                JsonError::NotJson(_) => "parse",
                JsonError::NotConvertible(_) => "validate",
            };
            bad_request(format!("Failed to {step} set quota request JSON '{}': {error}", body(request)))
        }
    }
}

/// Answers DELETE. The role is the rest of the path, including its slashes.
#[allow(deprecated, reason = "the endpoint is as old as the call")]
async fn remove_quota(app: &Arc<MasterApp>, request: &Request) -> Response {
    let role = request.below(PROCESS, "quota");
    let Ok(role) = decode(role) else { return bad_request(format!("Failed to decode the role in '{role}'")) };
    if role.is_empty() {
        return bad_request(
            "Failed to parse remove quota request for path '/master/quota': expected 3 tokens, found 2 tokens",
        );
    }
    let remove_quota = Some(RemoveQuota { role });
    ask(app, request, Call { remove_quota, ..call(Type::RemoveQuota) }).await
}

/// Answers `/maintenance/schedule`: GET reads the schedule, POST replaces it.
pub async fn schedule(app: &Arc<MasterApp>, request: &Request) -> Response {
    if request.method == Method::GET {
        return read(app, Document::MaintenanceSchedule, request).await;
    }
    match json::decode::<Schedule>(&request.body, &Limits::default()) {
        Ok(schedule) => {
            let update_maintenance_schedule = Some(Box::new(UpdateMaintenanceSchedule { schedule }));
            ask(app, request, Call { update_maintenance_schedule, ..call(Type::UpdateMaintenanceSchedule) }).await
        }
        Err(error) => bad_request(error.to_string()),
    }
}

/// Answers `/machine/down`: starts the maintenance of machines.
pub async fn machine_down(app: &Arc<MasterApp>, request: &Request) -> Response {
    machines(app, request, |machines| Call {
        start_maintenance: Some(Box::new(StartMaintenance { machines })),
        ..call(Type::StartMaintenance)
    })
    .await
}

/// Answers `/machine/up`: ends the maintenance of machines.
pub async fn machine_up(app: &Arc<MasterApp>, request: &Request) -> Response {
    machines(app, request, |machines| Call {
        stop_maintenance: Some(Box::new(StopMaintenance { machines })),
        ..call(Type::StopMaintenance)
    })
    .await
}

async fn machines(app: &Arc<MasterApp>, request: &Request, call: impl FnOnce(Vec<MachineId>) -> Call) -> Response {
    match json::decode_list(&request.body, &Limits::default()) {
        Ok(machines) => ask(app, request, call(machines)).await,
        Err(error) => bad_request(error.to_string()),
    }
}

fn call(kind: Type) -> Call {
    Call { r#type: Some(kind as i32), ..Call::default() }
}

async fn ask(app: &Arc<MasterApp>, request: &Request, call: Call) -> Response {
    let caller = request.caller.clone();
    let ask = |reply| Input::OperatorCall(OperatorCall { reply, caller, call: Box::new(call) });
    app.inbox.ask(request.body.len(), ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}

fn body(request: &Request) -> String {
    String::from_utf8_lossy(&request.body).into_owned()
}
