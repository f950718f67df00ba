//! The documents that an agent shows as JSON, each by an endpoint from before the operator API.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `/state`.
    State,
    /// `/containers`.
    Containers,
    /// `/monitor/statistics`.
    Statistics,
}

impl Document {
    /// The document of an endpoint's route.
    pub fn at(route: &str) -> Option<Self> {
        Some(match route {
            "state" => Document::State,
            "containers" => Document::Containers,
            "monitor/statistics" => Document::Statistics,
            _ => return None,
        })
    }
}
