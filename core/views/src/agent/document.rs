//! The documents that an agent shows as JSON, one for each endpoint from before the operator API.

/// A document that an agent shows as JSON.
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
    /// Returns the document of an endpoint's route; `None` if there is none.
    pub fn at(route: &str) -> Option<Self> {
        Some(match route {
            "state" => Document::State,
            "containers" => Document::Containers,
            "monitor/statistics" => Document::Statistics,
            _ => return None,
        })
    }
}
