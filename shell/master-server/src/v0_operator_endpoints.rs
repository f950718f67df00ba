//! What operators set, by the endpoints from before the operator API: `/weights`, `/quota`, `/maintenance/…`,
//! `/machine/…`. Each becomes a call of that API.

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
use wire::Limits;
use wire::json::{self, JsonError};

use super::app::MasterApp;
use super::v0_endpoints::read;
use edge::http::request::{Request, decode};
use edge::http::respond::{Response, answer, bad_request, method_not_allowed, unavailable};

pub async fn weights(app: &Arc<MasterApp>, request: &Request) -> Response {
    match request.method {
        Method::GET => read(app, "weights", request).await,
        Method::PUT => match json::decode_list::<WeightInfo>(&request.body, &Limits::default()) {
            Ok(weight_infos) => {
                let update_weights = Some(Box::new(UpdateWeights { weight_infos }));
                ask(app, Call { update_weights, ..call(Type::UpdateWeights) }).await
            }
            Err(error) => {
                let step = match error {
                    JsonError::NotJson(_) => "parse update weights request JSON",
                    JsonError::NotConvertible(_) => "convert weights JSON array to protobuf",
                };
                bad_request(format!("Failed to {step} '{}': {error}", body(request)))
            }
        },
        _ => method_not_allowed(&["GET", "PUT"], &request.method),
    }
}

pub async fn quota(app: &Arc<MasterApp>, request: &Request) -> Response {
    match request.method {
        Method::GET => read(app, "quota", request).await,
        Method::POST => set_quota(app, request).await,
        Method::DELETE => remove_quota(app, request).await,
        _ => method_not_allowed(&["GET", "POST", "DELETE"], &request.method),
    }
}

#[allow(deprecated, reason = "the endpoint is as old as the call")]
async fn set_quota(app: &Arc<MasterApp>, request: &Request) -> Response {
    match json::decode::<QuotaRequest>(&request.body, &Limits::default()) {
        Ok(quota_request) => {
            let set_quota = Some(Box::new(SetQuota { quota_request }));
            ask(app, Call { set_quota, ..call(Type::SetQuota) }).await
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

/// The role is what follows in the path, slashes and all.
#[allow(deprecated, reason = "the endpoint is as old as the call")]
async fn remove_quota(app: &Arc<MasterApp>, request: &Request) -> Response {
    let path = request.path.trim_matches('/');
    let path = path.strip_prefix("master/").unwrap_or(path);
    let role = path.strip_prefix("quota").map(|rest| rest.trim_matches('/')).unwrap_or_default();
    let Ok(role) = decode(role) else { return bad_request(format!("Failed to decode the role in '{path}'")) };
    if role.is_empty() {
        return bad_request(
            "Failed to parse remove quota request for path '/master/quota': expected 3 tokens, found 2 tokens",
        );
    }
    let remove_quota = Some(RemoveQuota { role });
    ask(app, Call { remove_quota, ..call(Type::RemoveQuota) }).await
}

pub async fn schedule(app: &Arc<MasterApp>, request: &Request) -> Response {
    match request.method {
        Method::GET => read(app, "maintenance/schedule", request).await,
        Method::POST => match json::decode::<Schedule>(&request.body, &Limits::default()) {
            Ok(schedule) => {
                let update_maintenance_schedule = Some(Box::new(UpdateMaintenanceSchedule { schedule }));
                ask(app, Call { update_maintenance_schedule, ..call(Type::UpdateMaintenanceSchedule) }).await
            }
            Err(error) => bad_request(error.to_string()),
        },
        _ => method_not_allowed(&["GET", "POST"], &request.method),
    }
}

pub async fn status(app: &Arc<MasterApp>, request: &Request) -> Response {
    match request.method {
        Method::GET => read(app, "maintenance/status", request).await,
        _ => method_not_allowed(&["GET"], &request.method),
    }
}

pub async fn machine_down(app: &Arc<MasterApp>, request: &Request) -> Response {
    machines(app, request, |machines| Call {
        start_maintenance: Some(Box::new(StartMaintenance { machines })),
        ..call(Type::StartMaintenance)
    })
    .await
}

pub async fn machine_up(app: &Arc<MasterApp>, request: &Request) -> Response {
    machines(app, request, |machines| Call {
        stop_maintenance: Some(Box::new(StopMaintenance { machines })),
        ..call(Type::StopMaintenance)
    })
    .await
}

async fn machines(app: &Arc<MasterApp>, request: &Request, call: impl FnOnce(Vec<MachineId>) -> Call) -> Response {
    if request.method != Method::POST {
        return method_not_allowed(&["POST"], &request.method);
    }
    match json::decode_list(&request.body, &Limits::default()) {
        Ok(machines) => ask(app, call(machines)).await,
        Err(error) => bad_request(error.to_string()),
    }
}

fn call(kind: Type) -> Call {
    Call { r#type: Some(kind as i32), ..Call::default() }
}

async fn ask(app: &Arc<MasterApp>, call: Call) -> Response {
    let caller = app.caller();
    let ask = |reply| Input::OperatorCall(OperatorCall { reply, caller, call: Box::new(call) });
    app.inbox.ask(ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}

fn body(request: &Request) -> String {
    String::from_utf8_lossy(&request.body).into_owned()
}
