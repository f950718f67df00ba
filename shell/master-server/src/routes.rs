//! The endpoints of a master process.

use edge::http::route::Routes;

pub const ROUTES: Routes = Routes {
    delegate: "master",
    processes: &[
        (
            "master",
            &[
                "api/v1",
                "api/v1/scheduler",
                "create-volumes",
                "destroy-volumes",
                "explain",
                "failures",
                "flags",
                "frameworks",
                "health",
                "kill-task",
                "machine/down",
                "machine/up",
                "maintenance/schedule",
                "maintenance/status",
                "partitions",
                "quota",
                "redirect",
                "reserve",
                "roles",
                "slaves",
                "state",
                "state-summary",
                "tasks",
                "teardown",
                "unreserve",
                "weights",
            ],
        ),
        ("files", &["browse", "read", "download", "debug"]),
        ("help", &[""]),
        ("logging", &["toggle"]),
        ("metrics", &["", "snapshot"]),
        ("system", &["stats.json"]),
        ("version", &[""]),
    ],
};
