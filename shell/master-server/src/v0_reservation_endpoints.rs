//! The forms `/reserve`, `/unreserve`, `/create-volumes`, `/destroy-volumes`. Each becomes a call of the operator API.

use std::sync::Arc;

use ::master::{Input, OperatorCall};
use messages::v1;
use serde::de::IgnoredAny;
use v1::master::Call;
use v1::master::call::{CreateVolumes, DestroyVolumes, ReserveResources, Type, UnreserveResources};
use views::Query;
use wire::Limits;

use super::app::MasterApp;
use edge::http::request::{Request, parse_query};
use edge::http::respond::{Response, answer, bad_request, unavailable};

/// The kind of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `/reserve`.
    Reserve,
    /// `/unreserve`.
    Unreserve,
    /// `/create-volumes`.
    CreateVolumes,
    /// `/destroy-volumes`.
    DestroyVolumes,
}

/// Answers a form.
pub async fn handle(app: &Arc<MasterApp>, kind: Form, request: &Request) -> Response {
    let call = match parse_query(&String::from_utf8_lossy(&request.body))
        .map_err(|error| error.to_string())
        .and_then(|form| call_of(kind, &form))
    {
        Ok(call) => call,
        Err(reason) => return bad_request(reason),
    };
    let caller = request.caller.clone();
    let ask = |reply| Input::OperatorCall(OperatorCall { reply, caller, call: Box::new(call) });
    app.inbox.ask(request.body.len(), ask).await.map_or_else(|stopped| unavailable(stopped.to_string()), answer)
}

fn call_of(kind: Form, form: &Query) -> Result<Call, String> {
    let agent = form.get("slaveId").ok_or_else(|| missing("slaveId"))?;
    let agent_id = v1::AgentId { value: agent.to_owned() };
    let of = |kind: Type| Call { r#type: Some(kind as i32), ..Default::default() };
    // Mesos' texts differ a little between the two kinds of forms.
    let list = |field: &str| resources(form, field, "Error in parsing");
    Ok(match kind {
        Form::Reserve => {
            let resources_of = |field: &str| resources(form, field, "Error parsing");
            let resources = resources_of("resources")?;
            let source = if form.get("source").is_some() { resources_of("source")? } else { Vec::new() };
            let reserve = ReserveResources { agent_id, source, resources };
            Call { reserve_resources: Some(Box::new(reserve)), ..of(Type::ReserveResources) }
        }
        Form::Unreserve => {
            let unreserve = UnreserveResources { agent_id, resources: list("resources")? };
            Call { unreserve_resources: Some(Box::new(unreserve)), ..of(Type::UnreserveResources) }
        }
        Form::CreateVolumes => {
            let create = CreateVolumes { agent_id, volumes: list("volumes")? };
            Call { create_volumes: Some(Box::new(create)), ..of(Type::CreateVolumes) }
        }
        Form::DestroyVolumes => {
            let destroy = DestroyVolumes { agent_id, volumes: list("volumes")? };
            Call { destroy_volumes: Some(Box::new(destroy)), ..of(Type::DestroyVolumes) }
        }
    })
}

fn missing(field: &str) -> String {
    format!("Missing '{field}' query parameter in the request body")
}

/// Parses a JSON array of resources.
fn resources(form: &Query, field: &str, failed: &str) -> Result<Vec<v1::Resource>, String> {
    let text = form.get(field).ok_or_else(|| missing(field))?;
    let failed =
        |reason: &dyn std::fmt::Display| format!("{failed} '{field}' query parameter in the request body: {reason}");
    // The decoder of messages accepts a single object as a list, which Mesos refuses here.
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

    fn call(kind: Form, form: &[(&str, &str)]) -> Result<Call, String> {
        let text: Vec<String> = form.iter().map(|(key, value)| format!("{key}={value}")).collect();
        call_of(kind, &parse_query(&text.join("&")).unwrap())
    }

    #[test]
    fn forms_are_calls() {
        let reserve = call(Form::Reserve, &[("slaveId", "a"), ("resources", CPUS), ("source", CPUS)]).unwrap();
        let reserve = reserve.reserve_resources.unwrap();
        assert_eq!((reserve.agent_id.value.as_str(), reserve.resources.len(), reserve.source.len()), ("a", 1, 1));
        let call_type = |route, field| call(route, &[("slaveId", "a"), (field, CPUS)]).unwrap().r#type();
        assert_eq!(call_type(Form::Reserve, "resources"), Type::ReserveResources);
        assert_eq!(call_type(Form::Unreserve, "resources"), Type::UnreserveResources);
        assert_eq!(call_type(Form::CreateVolumes, "volumes"), Type::CreateVolumes);
        assert_eq!(call_type(Form::DestroyVolumes, "volumes"), Type::DestroyVolumes);
    }

    #[test]
    fn incomplete_forms_are_refused_with_the_missing_field() {
        for (route, field) in [
            (Form::Reserve, "resources"),
            (Form::Unreserve, "resources"),
            (Form::CreateVolumes, "volumes"),
            (Form::DestroyVolumes, "volumes"),
        ] {
            assert_eq!(call(route, &[(field, "[]")]), Err(missing("slaveId")), "{route:?}");
            assert_eq!(call(route, &[("slaveId", "a")]), Err(missing(field)), "{route:?}");
            for wrong in ["{", "{}", "[1]", r#"[{"name":"cpus"}]"#, "x"] {
                let reason = call(route, &[("slaveId", "a"), (field, wrong)]).unwrap_err();
                let begin = if route == Form::Reserve { "Error parsing" } else { "Error in parsing" };
                assert!(
                    reason.starts_with(&format!("{begin} '{field}' query parameter in the request body: ")),
                    "{reason}"
                );
            }
        }
    }
}
