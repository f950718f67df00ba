//! The documents that a master shows as JSON, one for each endpoint from before the operator API.

/// A document that a master shows as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `/state`.
    State,
    /// `/state-summary`.
    StateSummary,
    /// `/slaves`.
    Agents,
    /// `/frameworks`.
    Frameworks,
    /// `/tasks`.
    Tasks,
    /// `/roles`.
    Roles,
    /// `/weights`.
    Weights,
    /// `/quota`.
    Quota,
    /// `/partitions`.
    Partitions,
    /// `/maintenance/schedule`.
    MaintenanceSchedule,
    /// `/maintenance/status`.
    MaintenanceStatus,
}

impl Document {
    /// Returns the document of an endpoint's path, with or without `/master` before it; `None` if there is none.
    pub fn at(path: &str) -> Option<Self> {
        let path = path.trim_matches('/');
        Some(match path.strip_prefix("master/").unwrap_or(path) {
            "state" => Document::State,
            "state-summary" => Document::StateSummary,
            "slaves" => Document::Agents,
            "frameworks" => Document::Frameworks,
            "tasks" => Document::Tasks,
            "roles" => Document::Roles,
            "weights" => Document::Weights,
            "quota" => Document::Quota,
            "partitions" => Document::Partitions,
            "maintenance/schedule" => Document::MaintenanceSchedule,
            "maintenance/status" => Document::MaintenanceStatus,
            _ => return None,
        })
    }
}
