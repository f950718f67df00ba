//! `/registrar(1)/registry`: the durable state in the shape of Mesos' registry (`src/master/registry.proto`).

use std::sync::Arc;

use ::master::RegistryState;
use edge::http::request::Request;
use edge::http::respond::{self, Response};
use messages::internal::{Registry, registry};
use messages::v1;
use wire::ContentType;

use super::app::MasterApp;

/// Answers with the registry; with an empty object if this master has none, as a follower of Mesos does.
pub async fn get(app: &Arc<MasterApp>, request: &Request) -> Response {
    let body = match app.registry.state().await {
        Some(state) => {
            let encode = move || wire::encode_as(ContentType::Json, &registry(&state));
            // An error means that the encoding has panicked.
            tokio::task::spawn_blocking(encode).await.unwrap_or_default()
        }
        None => b"{}".to_vec(),
    };
    respond::json(body, request.jsonp())
}

fn registry(state: &RegistryState) -> Registry {
    let agents = state.agents.values().map(|agent| registry::Slave {
        info: (*agent.info).clone(),
        drain_info: agent.drain.map(Into::into),
        deactivated: agent.deactivated.then_some(true),
    });
    let unreachable = state.unreachable.iter().map(|(id, agent)| registry::UnreachableSlave {
        id: id.to_proto(),
        timestamp: agent.since,
        drain_info: agent.drain.map(Into::into),
        deactivated: agent.deactivated.then_some(true),
    });
    let gone = state.gone.iter().map(|(id, since)| registry::GoneSlave { id: id.to_proto(), timestamp: *since });
    let machines = state.machines.values().map(|machine| registry::Machine { info: machine.clone() });
    let weights = state.weights.iter().map(|(role, weight)| registry::Weight {
        info: v1::WeightInfo { role: Some(role.to_string()), weight: *weight },
    });
    Registry {
        master: state.master.clone().map(|info| Box::new(registry::Master { info })),
        slaves: Some(Box::new(registry::Slaves { slaves: agents.collect() })),
        unreachable: Some(Box::new(registry::UnreachableSlaves { slaves: unreachable.collect() })),
        gone: Some(Box::new(registry::GoneSlaves { slaves: gone.collect() })),
        machines: Some(Box::new(registry::Machines { machines: machines.collect() })),
        schedules: if state.schedule.windows.is_empty() { Vec::new() } else { vec![state.schedule.clone()] },
        weights: weights.collect(),
        quota_configs: state.quotas.values().cloned().collect(),
        ..Registry::default()
    }
}
