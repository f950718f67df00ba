//! Incidents and the history of agents as records.

use std::sync::Arc;
use std::time::Duration;

use failures::FailureHistory;
use messages::tepui::registry as proto;
use model::incident::{Action, Incident, InvolvedObject, UnknownName};
use model::{AgentId, FrameworkId, Timestamp};

pub(super) fn incident_record(incident: &Incident) -> proto::Incident {
    let (agent, framework, master) = match &incident.object {
        InvolvedObject::Agent(agent) => (Some(agent), None, None),
        InvolvedObject::Framework(framework) => (None, Some(framework), None),
        InvolvedObject::Executors(agent, framework) => (Some(agent), Some(framework), None),
        InvolvedObject::Master(master) => (None, None, Some(master)),
    };
    let action = |action: &Action| proto::incident::Action {
        at: action.at.nanos(),
        action: action.action.clone().into_owned(),
        reason: action.reason.clone(),
    };
    proto::Incident {
        number: incident.number,
        id: incident.id.clone(),
        r#type: incident.kind.as_str().to_owned(),
        severity: incident.severity.as_str().to_owned(),
        agent: agent.map(ToString::to_string),
        framework: framework.map(ToString::to_string),
        master: master.cloned(),
        hostname: incident.hostname.clone(),
        details: incident.details.clone(),
        detected: incident.detected.nanos(),
        actions: incident.actions.iter().map(action).collect(),
        recovered: incident.recovered.map(Timestamp::nanos),
    }
}

pub(super) fn read_incident(record: proto::Incident) -> Result<Incident, UnknownName> {
    let object = match (record.agent, record.framework) {
        (Some(agent), Some(framework)) => InvolvedObject::Executors(AgentId::new(agent), FrameworkId::new(framework)),
        (Some(agent), None) => InvolvedObject::Agent(AgentId::new(agent)),
        (None, Some(framework)) => InvolvedObject::Framework(FrameworkId::new(framework)),
        (None, None) => InvolvedObject::Master(record.master.unwrap_or_default()),
    };
    let action = |action: proto::incident::Action| Action {
        at: Timestamp::from_nanos(action.at),
        action: action.action.into(),
        reason: action.reason,
    };
    Ok(Incident {
        id: record.id,
        number: record.number,
        kind: record.r#type.parse()?,
        severity: record.severity.parse()?,
        object,
        hostname: record.hostname,
        details: record.details,
        detected: Timestamp::from_nanos(record.detected),
        actions: record.actions.into_iter().map(action).collect(),
        recovered: record.recovered.map(Timestamp::from_nanos),
    })
}

pub(super) fn history_record(agent: &AgentId, history: &FailureHistory) -> proto::FailureHistory {
    proto::FailureHistory {
        agent: agent.to_string(),
        hostname: Some(history.hostname.clone()),
        departures: history.departures.iter().map(|at| at.nanos()).collect(),
        quarantine: history.quarantine.map(|(until, length)| proto::failure_history::Quarantine {
            until: until.nanos(),
            length: u64::try_from(length.as_nanos()).unwrap_or(u64::MAX),
        }),
        probation: history.probation.map(Timestamp::nanos),
        overruled: history.overruled.iter().map(|kind| kind.as_str().to_owned()).collect(),
        drained: history.drained.then_some(true),
    }
}

pub(super) fn read_history(record: proto::FailureHistory) -> Result<(AgentId, Arc<FailureHistory>), UnknownName> {
    let drained = record.drained();
    let quarantine = record.quarantine.map(|q| (Timestamp::from_nanos(q.until), Duration::from_nanos(q.length)));
    let overruled = record.overruled.iter().map(|name| name.parse());
    let history = FailureHistory {
        hostname: record.hostname.unwrap_or_default(),
        departures: record.departures.into_iter().map(Timestamp::from_nanos).collect(),
        quarantine,
        probation: record.probation.map(Timestamp::from_nanos),
        overruled: overruled.collect::<Result<_, _>>()?,
        drained,
    };
    Ok((AgentId::new(record.agent), Arc::new(history)))
}
