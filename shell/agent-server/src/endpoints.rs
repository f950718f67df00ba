//! The endpoints of an agent process.

use edge::endpoints::common::{CommonRows, flags, health};
use edge::http::action::{Action, Realm};
use edge::http::endpoint::{Availability, Endpoint, EndpointTable, Handler, RequestContent, ResponseContent};
use views::agent::Document;

use super::app::AgentApp;
use super::{executor_api, operator_api, reads};

/// The id of the agent's process, unchanged since the first versions of Mesos. Masters and executors use it in
/// addresses.
pub const PROCESS: &str = "slave(1)";

/// Every endpoint of an agent.
pub const TABLE: EndpointTable<AgentApp> =
    EndpointTable { delegate: PROCESS, groups: &[OWN_PROCESS, CommonRows::ROWS] };

const OWN_PROCESS: &[Endpoint<AgentApp>] = &[
    Endpoint::new(
        PROCESS,
        "api/v1",
        "The operator API: calls about the agent and its containers.",
        Handler::Stream(|app, request, body| Box::pin(async move { operator_api::handle(&app, &request, body).await })),
    )
    .methods(&["POST"])
    .needs(Realm::ReadWrite, &[Action::OfTheCall])
    .available(Availability::Recovered)
    .content(RequestContent::CallOrRecords, ResponseContent::OfTheCall),
    Endpoint::new(
        PROCESS,
        "api/v1/executor",
        "The executor API.",
        Handler::Whole(|app, request| Box::pin(async move { executor_api::handle(&app, &request).await })),
    )
    .methods(&["POST"])
    .needs(Realm::Executor, &[Action::OfTheCall])
    .content(RequestContent::Call, ResponseContent::OfTheCall),
    health(PROCESS),
    flags(PROCESS),
    Endpoint::new(
        PROCESS,
        "state",
        "Returns everything about the agent.",
        Handler::Whole(|app, request| Box::pin(async move { reads::document(&app, Document::State, &request).await })),
    )
    .needs(Realm::ReadOnly, &[Action::ViewFramework, Action::ViewTask, Action::ViewExecutor, Action::ViewRole])
    .available(Availability::Recovered),
    Endpoint::new(
        PROCESS,
        "containers",
        "Returns containers and what they use: ?framework_id=&executor_id=&container_id=.",
        Handler::Whole(|app, request| Box::pin(async move { reads::containers(&app, &request).await })),
    )
    .needs(Realm::ReadOnly, &[Action::GetEndpoint, Action::ViewContainer]),
    Endpoint::new(
        PROCESS,
        "monitor/statistics",
        "Returns what executors use.",
        Handler::Whole(|app, request| Box::pin(async move { reads::statistics(&app, &request).await })),
    )
    .needs(Realm::ReadOnly, &[Action::GetEndpoint]),
    Endpoint::new(
        PROCESS,
        "containerizer/debug",
        "Returns what containers that are being launched wait for: the pull of their images.",
        Handler::Whole(|app, request| Box::pin(async move { reads::pending(&app, &request).await })),
    )
    .needs(Realm::ReadOnly, &[Action::GetEndpoint]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use edge::http::endpoint::Methods;

    use super::*;

    const ANY: &[&str] = &[];

    /// The endpoints of Mesos 1.11's agent with the methods that they serve; an empty list where Mesos does not check.
    const MESOS: &[(&str, &[&str])] = &[
        ("/slave(1)/api/v1", &["POST"]),
        ("/slave(1)/api/v1/executor", &["POST"]),
        ("/slave(1)/containerizer/debug", ANY),
        ("/slave(1)/containers", ANY),
        ("/slave(1)/flags", &["GET"]),
        ("/slave(1)/health", ANY),
        ("/slave(1)/monitor/statistics", ANY),
        ("/slave(1)/state", ANY),
        ("/files/browse", ANY),
        ("/files/read", ANY),
        ("/files/download", ANY),
        ("/files/debug", ANY),
        ("/metrics/snapshot", ANY),
        ("/logging/toggle", ANY),
        ("/system/stats.json", ANY),
        ("/version", ANY),
        ("/help", ANY),
    ];

    /// The endpoints of Mesos that are missing, with the reason.
    const MISSING: &[(&str, &str)] = &[
        ("/slave(1)/api/v1/resource_provider", "there are no resource providers yet"),
        ("/profiler/start", "it needs gperftools"),
        ("/memory-profiler/start", "it needs jemalloc"),
        ("/__processes__", "it shows queues of libprocess processes, which do not exist here"),
    ];

    #[test]
    fn the_endpoints_are_those_of_mesos() {
        let mut rows: BTreeMap<String, Methods> = TABLE.rows().map(|row| (row.path(), row.methods)).collect();
        assert_eq!(rows.len(), TABLE.rows().count(), "a path twice");
        for (path, methods) in MESOS {
            let methods = if methods.is_empty() { Methods::Any } else { Methods::Only(methods) };
            assert_eq!(rows.remove(*path), Some(methods), "{path}");
        }
        for (path, why) in MISSING {
            assert!(!rows.contains_key(*path), "{path}: {why}");
        }
        // The remaining row is the endpoint for Prometheus, which Mesos does not have.
        assert_eq!(rows.into_keys().collect::<Vec<_>>(), ["/metrics"]);
    }
}
