//! GET_OPERATIONS: operations from their beginning until they are acknowledged.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "helpers of tests")]

mod common;
mod scenario;

use std::sync::Arc;

use messages::v1;
use model::master::{Change, OperationUuid};
use serde_json::{Value, json};
use views::master::View;

fn operation(number: u8, state: v1::OperationState) -> Arc<v1::Operation> {
    let status = v1::OperationStatus { state: state as i32, ..Default::default() };
    let reserve = v1::offer::operation::Type::Reserve;
    Arc::new(v1::Operation {
        info: v1::offer::Operation { r#type: Some(reserve as i32), ..Default::default() },
        latest_status: status,
        uuid: v1::Uuid { value: vec![number; 16] },
        ..Default::default()
    })
}

fn shown(view: &View) -> Value {
    let call = v1::master::Call { r#type: Some(v1::master::call::Type::GetOperations as i32), ..Default::default() };
    serde_json::from_slice(&view.operator_json(&call).unwrap()).unwrap()
}

#[test]
fn operations_are_shown_in_order_until_they_are_removed() {
    let mut view = View::new(scenario::static_info());
    assert_eq!(shown(&view), json!({"type": "GET_OPERATIONS", "get_operations": {}}));
    view.apply(&Change::OperationAdded(operation(2, v1::OperationState::OperationPending)));
    view.apply(&Change::OperationAdded(operation(1, v1::OperationState::OperationPending)));
    let before = view.snapshot();
    view.apply(&Change::OperationUpdated(operation(2, v1::OperationState::OperationFinished)));
    let states = |json: &Value| -> Vec<String> {
        let operations = json["get_operations"]["operations"].as_array().unwrap();
        operations.iter().map(|one| one["latest_status"]["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&shown(&view)), ["OPERATION_FINISHED", "OPERATION_PENDING"]);
    assert_eq!(shown(&view)["get_operations"]["operations"][0]["info"]["type"], "RESERVE");
    let gone = OperationUuid::from_proto(&v1::Uuid { value: vec![2; 16] }).unwrap();
    view.apply(&Change::OperationRemoved(gone));
    assert_eq!(states(&shown(&view)), ["OPERATION_PENDING"]);
    // A reader keeps the snapshot that it has.
    let call = v1::master::Call { r#type: Some(v1::master::call::Type::GetOperations as i32), ..Default::default() };
    assert_eq!(before.operator(&call).unwrap().get_operations.unwrap().operations.len(), 2);
}
