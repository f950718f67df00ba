//! The endpoints of a master process.

use edge::endpoints::common::{CommonRows, flags, health};
use edge::http::action::{Action, Realm};
use edge::http::endpoint::{Availability, Endpoint, EndpointTable, Extent, Handler, RequestContent, ResponseContent};
use edge::limits::MAX_BODY;
use views::master::Document;

use super::app::MasterApp;
use super::v0_reservation_endpoints::Form;
use super::{
    explain, failures, offer_constraints, operator_api, partitions, redirect, registry_endpoint, scheduler_api,
    v0_endpoints, v0_operator_endpoints, v0_reservation_endpoints,
};

/// The id of the process that messages and paths without a process belong to.
pub const PROCESS: &str = "master";

/// Every endpoint of a master.
pub const TABLE: EndpointTable<MasterApp> =
    EndpointTable { delegate: PROCESS, groups: &[CALLS, READS, CHANGES, OTHER_PROCESSES, CommonRows::ROWS] };

/// Makes a handler from an async function of the application and the request, and its further arguments.
macro_rules! handler {
    ($function:path $(, $about:expr)?) => {
        Handler::Whole(|app, request| Box::pin(async move { $function(&app, $($about,)? &request).await }))
    };
}

const fn row(route: &'static str, help: &'static str, handler: Handler<MasterApp>) -> Endpoint<MasterApp> {
    Endpoint::new(PROCESS, route, help, handler).available(Availability::Leader)
}

const CALLS: &[Endpoint<MasterApp>] = &[
    row("api/v1", "The operator API: calls that read and change the cluster.", handler!(operator_api::handle))
        .methods(&["POST"])
        .needs(Realm::ReadWrite, &[Action::OfTheCall])
        .content(RequestContent::Call, ResponseContent::OfTheCall),
    row("api/v1/scheduler", "The scheduler API.", handler!(scheduler_api::handle))
        .methods(&["POST"])
        .needs(Realm::Scheduler, &[Action::OfTheCall])
        .content(RequestContent::Call, ResponseContent::OfTheCall),
];

const READS: &[Endpoint<MasterApp>] = &[
    health(PROCESS),
    flags(PROCESS),
    row("redirect", "Redirects to the leading master.", handler!(redirect::get))
        .extent(Extent::Exact)
        .available(Availability::LeaderAddress)
        .content(RequestContent::None, ResponseContent::Empty),
    row("state", "Returns everything about the cluster.", handler!(v0_endpoints::read, Document::State))
        .needs(Realm::ReadOnly, &[Action::ViewFramework, Action::ViewTask, Action::ViewExecutor, Action::ViewRole]),
    row(
        "state-summary",
        "Returns the agents and frameworks, with numbers of tasks.",
        handler!(v0_endpoints::read, Document::StateSummary),
    )
    .needs(Realm::ReadOnly, &[Action::ViewFramework]),
    row("slaves", "Returns the agents: ?slave_id=.", handler!(v0_endpoints::read, Document::Agents))
        .needs(Realm::ReadOnly, &[Action::ViewRole]),
    row("frameworks", "Returns the frameworks: ?framework_id=.", handler!(v0_endpoints::read, Document::Frameworks))
        .needs(Realm::ReadOnly, &[Action::ViewFramework, Action::ViewTask, Action::ViewExecutor]),
    row(
        "tasks",
        "Returns tasks: ?limit=&offset=&order=&framework_id=&task_id=.",
        handler!(v0_endpoints::read, Document::Tasks),
    )
    .needs(Realm::ReadOnly, &[Action::ViewFramework, Action::ViewTask]),
    row("roles", "Returns the roles and what they use.", handler!(v0_endpoints::read, Document::Roles))
        .needs(Realm::ReadOnly, &[Action::ViewRole]),
    row(
        "maintenance/status",
        "Returns the machines that are draining or down.",
        handler!(v0_endpoints::read, Document::MaintenanceStatus),
    )
    .methods(&["GET"])
    .needs(Realm::ReadOnly, &[Action::GetMaintenanceStatus]),
    row("explain", "Explains why something is not offered: ?framework=&role=&agent=&demand=.", handler!(explain::get))
        .methods(&["GET"])
        .needs(Realm::ReadOnly, &[Action::ViewFramework, Action::ViewRole]),
    row(
        "failures",
        "Returns what is or was wrong: ?type=&severity=&object=&open&limit=&follow.",
        handler!(failures::api::get),
    )
    .methods(&["GET"])
    .needs(Realm::ReadOnly, &[Action::ViewFramework])
    .content(RequestContent::None, ResponseContent::JsonOrLines),
];

const CHANGES: &[Endpoint<MasterApp>] = &[
    form(Form::Reserve, "reserve", "Reserves resources of an agent.", &[Action::ReserveResources]),
    form(Form::Unreserve, "unreserve", "Gives reserved resources of an agent back.", &[Action::UnreserveResources]),
    form(Form::CreateVolumes, "create-volumes", "Creates persistent volumes.", &[Action::CreateVolume]),
    form(Form::DestroyVolumes, "destroy-volumes", "Destroys persistent volumes.", &[Action::DestroyVolume]),
    row("teardown", "Ends a framework and all of its tasks: frameworkId.", handler!(v0_endpoints::teardown))
        .methods(&["POST"])
        .needs(Realm::ReadWrite, &[Action::TeardownFramework])
        .content(RequestContent::Form, ResponseContent::Empty),
    row("kill-task", "Ends a task: frameworkId, taskId.", handler!(v0_endpoints::kill_task))
        .methods(&["POST"])
        .needs(Realm::ReadWrite, &[Action::TeardownFramework])
        .content(RequestContent::Form, ResponseContent::Empty),
    row("weights", "Returns or changes the weights of roles.", handler!(v0_operator_endpoints::weights))
        .methods(&["GET", "PUT"])
        .needs(Realm::ReadWrite, &[Action::ViewRole, Action::UpdateWeight])
        .content(RequestContent::Json, ResponseContent::Json),
    row("quota", "Returns, sets or removes the quota of a role.", handler!(v0_operator_endpoints::quota))
        .methods(&["GET", "POST", "DELETE"])
        .needs(Realm::ReadWrite, &[Action::GetQuota, Action::UpdateQuota])
        .content(RequestContent::Json, ResponseContent::Json),
    row(
        "maintenance/schedule",
        "Returns or replaces the maintenance schedule.",
        handler!(v0_operator_endpoints::schedule),
    )
    .methods(&["GET", "POST"])
    .needs(Realm::ReadWrite, &[Action::GetMaintenanceSchedule, Action::UpdateMaintenanceSchedule])
    .content(RequestContent::Json, ResponseContent::Json)
    // A schedule may name all machines.
    .max_body(MAX_BODY),
    row("machine/down", "Brings scheduled machines down.", handler!(v0_operator_endpoints::machine_down))
        .methods(&["POST"])
        .needs(Realm::ReadWrite, &[Action::StartMaintenance])
        .content(RequestContent::Json, ResponseContent::Empty)
        .max_body(MAX_BODY),
    row("machine/up", "Brings machines up again.", handler!(v0_operator_endpoints::machine_up))
        .methods(&["POST"])
        .needs(Realm::ReadWrite, &[Action::StopMaintenance])
        .content(RequestContent::Json, ResponseContent::Empty)
        .max_body(MAX_BODY),
    row("partitions", "Returns the partitions.", handler!(v0_endpoints::read, Document::Partitions))
        .extent(Extent::Exact)
        .methods(&["GET"])
        .needs(Realm::ReadOnly, &[Action::GetQuota]),
    row(
        "partitions",
        "Returns, creates, replaces or removes a partition: /partitions/ID.",
        handler!(partitions::handle),
    )
    .extent(Extent::Below)
    .methods(&["GET", "PUT", "DELETE"])
    .needs(Realm::ReadWrite, &[Action::GetQuota, Action::UpdateQuota])
    .content(RequestContent::Json, ResponseContent::Json),
];

/// The endpoints of other libprocess processes of a Mesos master. Followers answer them themselves.
const OTHER_PROCESSES: &[Endpoint<MasterApp>] = &[
    Endpoint::new("registrar(1)", "registry", "Returns the registry.", handler!(registry_endpoint::get))
        .needs(Realm::ReadOnly, &[]),
    Endpoint::new(
        "allocator",
        "offer_constraints_debug",
        "Returns which agents the offer constraints of frameworks exclude.",
        handler!(offer_constraints::get),
    )
    .needs(Realm::ReadOnly, &[Action::ViewFramework]),
];

const fn form(form: Form, route: &'static str, help: &'static str, actions: &'static [Action]) -> Endpoint<MasterApp> {
    let handler = match form {
        Form::Reserve => handler!(v0_reservation_endpoints::handle, Form::Reserve),
        Form::Unreserve => handler!(v0_reservation_endpoints::handle, Form::Unreserve),
        Form::CreateVolumes => handler!(v0_reservation_endpoints::handle, Form::CreateVolumes),
        Form::DestroyVolumes => handler!(v0_reservation_endpoints::handle, Form::DestroyVolumes),
    };
    row(route, help, handler)
        .methods(&["POST"])
        .needs(Realm::ReadWrite, actions)
        .content(RequestContent::Form, ResponseContent::Empty)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use edge::http::endpoint::Methods;

    use super::*;

    const ANY: &[&str] = &[];

    /// The endpoints of Mesos 1.11's master with the methods that they serve; an empty list where Mesos does not check.
    const MESOS: &[(&str, &[&str])] = &[
        ("/master/api/v1", &["POST"]),
        ("/master/api/v1/scheduler", &["POST"]),
        ("/master/create-volumes", &["POST"]),
        ("/master/destroy-volumes", &["POST"]),
        ("/master/flags", &["GET"]),
        ("/master/frameworks", ANY),
        ("/master/health", ANY),
        ("/master/machine/down", &["POST"]),
        ("/master/machine/up", &["POST"]),
        ("/master/maintenance/schedule", &["GET", "POST"]),
        ("/master/maintenance/status", &["GET"]),
        ("/master/quota", &["GET", "POST", "DELETE"]),
        ("/master/redirect", ANY),
        ("/master/reserve", &["POST"]),
        ("/master/roles", ANY),
        ("/master/slaves", ANY),
        ("/master/state", ANY),
        ("/master/state-summary", ANY),
        ("/master/tasks", ANY),
        ("/master/teardown", &["POST"]),
        ("/master/unreserve", &["POST"]),
        ("/master/weights", &["GET", "PUT"]),
        ("/registrar(1)/registry", ANY),
        ("/allocator/offer_constraints_debug", ANY),
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

    /// The endpoints of Tepui that Mesos does not have, with their purpose.
    const OWN: &[(&str, &str)] = &[
        ("/master/explain", "why something is not offered"),
        ("/master/failures", "incidents"),
        ("/master/kill-task", "the end of a task for an operator"),
        ("/master/partitions", "partitions"),
        ("/metrics", "Prometheus"),
    ];

    #[test]
    fn the_endpoints_are_those_of_mesos_and_some_more() {
        let mut rows: BTreeMap<String, Vec<Methods>> = BTreeMap::new();
        for row in TABLE.rows() {
            rows.entry(row.path()).or_default().push(row.methods);
        }
        for (path, methods) in MESOS {
            let methods = if methods.is_empty() { Methods::Any } else { Methods::Only(methods) };
            assert_eq!(rows.remove(*path), Some(vec![methods]), "{path}");
        }
        for (path, what_for) in OWN {
            assert!(rows.remove(*path).is_some(), "{path}: {what_for}");
        }
        // The endpoints `/profiler` and `/memory-profiler` of Mesos need gperftools and jemalloc, `/__processes__`
        // shows queues of libprocess processes that do not exist here, and the web files belong to the web UI.
        assert_eq!(rows.into_keys().collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn endpoints_that_change_something_require_an_action() {
        for row in TABLE.rows() {
            let changes = matches!(row.methods, Methods::Only(methods) if methods != ["GET"]);
            assert!(!changes || !row.actions.is_empty(), "{}", row.path());
            assert!(!row.help.is_empty() && row.help.ends_with('.'), "{}", row.path());
        }
    }

    #[test]
    fn a_follower_answers_requests_about_itself() {
        let check = |path: &str, expect: Availability| {
            assert_eq!(TABLE.resolve(path).map(|row| row.availability), Some(expect), "{path}");
        };
        check("/state", Availability::Leader);
        check("/redirect", Availability::LeaderAddress);
        check("/api/v1", Availability::Leader);
        check("/partitions/a", Availability::Leader);
        for own in ["/health", "/flags", "/version", "/metrics/snapshot", "/files/read", "/registrar(1)/registry"] {
            check(own, Availability::Always);
        }
    }
}
