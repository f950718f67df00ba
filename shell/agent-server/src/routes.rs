//! The endpoints of an agent process.

use edge::http::route::Routes;

/// The name of an agent's process since the beginning; masters and executors take it from the agent's address.
pub const PROCESS: &str = "slave(1)";

pub const ROUTES: Routes = Routes {
    delegate: PROCESS,
    processes: &[
        (PROCESS, &["api/v1", "api/v1/executor", "containers", "flags", "health", "monitor/statistics", "state"]),
        ("files", &["browse", "read", "download", "debug"]),
        ("help", &[""]),
        ("logging", &["toggle"]),
        ("metrics", &["", "snapshot"]),
        ("system", &["stats.json"]),
        ("version", &[""]),
    ],
};
