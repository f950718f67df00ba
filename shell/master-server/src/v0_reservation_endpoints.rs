//! The forms `/reserve`, `/unreserve`, `/create-volumes`, `/destroy-volumes`: each is a call of the operator API.

use std::sync::Arc;

use ::master::{Input, OperatorCall};
use http::Method;
use messages::v1;
use serde::de::IgnoredAny;
use v1::master::Call;
use v1::master::call::{CreateVolumes, DestroyVolumes, ReserveResources, Type, UnreserveResources};
use views::Query;
use wire::Limits;

use super::app::MasterApp;
use edge::http::request::{Request, parse_query};
use edge::http::respond::{Response, answer, bad_request, method_not_allowed, unavailable};

pub async fn handle(app: &Arc<MasterApp>, route: &str, request: &Request) -> Response {
    if request.method != Method::POST {
        return method_not_allowed(&["POST"], &request.method);
    }
    let call = match parse_query(&String::from_utf8_lossy(&request.body))
        .map_err(|error| error.to_string())
        .and_then(|form| call_of(route, &form))
    {
        Ok(call) => call,
        Err(reason) => return bad_request(reason),
    };
    let caller = app.caller();
    let ask = |reply| Input::OperatorCall(OperatorCall { reply, caller, call: Box::new(call) });
    app.inbox.ask(ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}

fn call_of(route: &str, form: &Query) -> Result<Call, String> {
    let agent = form.get("slaveId").ok_or_else(|| missing("slaveId"))?;
    let agent_id = v1::AgentId { value: agent.to_owned() };
    let of = |kind: Type| Call { r#type: Some(kind as i32), ..Default::default() };
    // Mesos words the two kinds of forms a little differently.
    let list = |field: &str| resources(form, field, "Error in parsing");
    Ok(match route {
        "reserve" => {
            let resources_of = |field: &str| resources(form, field, "Error parsing");
            let resources = resources_of("resources")?;
            let source = if form.get("source").is_some() { resources_of("source")? } else { Vec::new() };
            let reserve = ReserveResources { agent_id, source, resources };
            Call { reserve_resources: Some(Box::new(reserve)), ..of(Type::ReserveResources) }
        }
        "unreserve" => {
            let unreserve = UnreserveResources { agent_id, resources: list("resources")? };
            Call { unreserve_resources: Some(Box::new(unreserve)), ..of(Type::UnreserveResources) }
        }
        "create-volumes" => {
            let create = CreateVolumes { agent_id, volumes: list("volumes")? };
            Call { create_volumes: Some(Box::new(create)), ..of(Type::CreateVolumes) }
        }
        _ => {
            let destroy = DestroyVolumes { agent_id, volumes: list("volumes")? };
            Call { destroy_volumes: Some(Box::new(destroy)), ..of(Type::DestroyVolumes) }
        }
    })
}

fn missing(field: &str) -> String {
    format!("Missing '{field}' query parameter in the request body")
}

/// A JSON array of resources.
fn resources(form: &Query, field: &str, failed: &str) -> Result<Vec<v1::Resource>, String> {
    let text = form.get(field).ok_or_else(|| missing(field))?;
    let failed =
        |reason: &dyn std::fmt::Display| format!("{failed} '{field}' query parameter in the request body: {reason}");
    // The reader of messages takes a lone object for a list; this is one.
    serde_json::from_str::<Vec<IgnoredAny>>(text).map_err(|error| failed(&error))?;
    let whole = format!(r#"{{"resources":{text}}}"#);
    let list: v1::offer::operation::Unreserve =
        wire::json::decode(whole.as_bytes(), &Limits::default()).map_err(|error| failed(&error))?;
    Ok(list.resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUS: &str = r#"[{"name":"cpus","type":"SCALAR","scalar":{"value":1}}]"#;

    fn call(route: &str, form: &[(&str, &str)]) -> Result<Call, String> {
        let text: Vec<String> = form.iter().map(|(key, value)| format!("{key}={value}")).collect();
        call_of(route, &parse_query(&text.join("&")).unwrap())
    }

    #[test]
    fn forms_are_calls() {
        let reserve = call("reserve", &[("slaveId", "a"), ("resources", CPUS), ("source", CPUS)]).unwrap();
        let reserve = reserve.reserve_resources.unwrap();
        assert_eq!((reserve.agent_id.value.as_str(), reserve.resources.len(), reserve.source.len()), ("a", 1, 1));
        let call_type = |route, field| call(route, &[("slaveId", "a"), (field, CPUS)]).unwrap().r#type();
        assert_eq!(call_type("reserve", "resources"), Type::ReserveResources);
        assert_eq!(call_type("unreserve", "resources"), Type::UnreserveResources);
        assert_eq!(call_type("create-volumes", "volumes"), Type::CreateVolumes);
        assert_eq!(call_type("destroy-volumes", "volumes"), Type::DestroyVolumes);
    }

    #[test]
    fn incomplete_forms_say_what_is_missing() {
        for (route, field) in [
            ("reserve", "resources"),
            ("unreserve", "resources"),
            ("create-volumes", "volumes"),
            ("destroy-volumes", "volumes"),
        ] {
            assert_eq!(call(route, &[(field, "[]")]), Err(missing("slaveId")), "{route}");
            assert_eq!(call(route, &[("slaveId", "a")]), Err(missing(field)), "{route}");
            for wrong in ["{", "{}", "[1]", r#"[{"name":"cpus"}]"#, "x"] {
                let reason = call(route, &[("slaveId", "a"), (field, wrong)]).unwrap_err();
                let begin = if route == "reserve" { "Error parsing" } else { "Error in parsing" };
                assert!(
                    reason.starts_with(&format!("{begin} '{field}' query parameter in the request body: ")),
                    "{reason}"
                );
            }
        }
    }
}
