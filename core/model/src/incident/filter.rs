//! Selection of incidents by the parameters of a query or a sink.

use super::incident::{Incident, Kind, Severity, UnknownName};

/// Selects incidents by kind, severity and object. The default selects all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only incidents of this kind.
    pub kind: Option<Kind>,
    /// Only incidents of at least this severity.
    pub severity: Option<Severity>,
    /// Only incidents about this object: its id, the part of the id behind the id of the master, or its host name.
    pub object: Option<String>,
    /// Only incidents that are not over.
    pub open_only: bool,
    /// At most this number of the newest incidents.
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidFilter {
    #[error("invalid '{name}': {reason}")]
    Name { name: &'static str, reason: UnknownName },
    #[error("invalid '{name}': expected {expected}")]
    Value { name: &'static str, expected: &'static str },
}

impl Filter {
    /// Reads the parameters `type`, `severity`, `object`, `open` and `limit` of a query.
    ///
    /// # Errors
    ///
    /// The error names the parameter and its possible values.
    pub fn parse<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, InvalidFilter> {
        let named = |name, reason| InvalidFilter::Name { name, reason };
        Ok(Filter {
            kind: get("type").map(|text| text.parse().map_err(|reason| named("type", reason))).transpose()?,
            severity: get("severity")
                .map(|text| text.parse().map_err(|reason| named("severity", reason)))
                .transpose()?,
            object: get("object").map(str::to_owned),
            open_only: match get("open") {
                None | Some("false") => false,
                Some("" | "true") => true,
                Some(_) => return Err(InvalidFilter::Value { name: "open", expected: "true or false" }),
            },
            limit: match get("limit").map(str::parse) {
                None => None,
                Some(Ok(limit)) => Some(limit),
                Some(Err(_)) => return Err(InvalidFilter::Value { name: "limit", expected: "a number" }),
            },
        })
    }

    /// Returns whether an incident is selected. The caller applies `limit`.
    pub fn admits(&self, incident: &Incident) -> bool {
        self.kind.is_none_or(|kind| incident.kind == kind)
            && self.severity.is_none_or(|least| incident.severity >= least)
            && self.object.as_ref().is_none_or(|name| incident.is_about(name))
            && (!self.open_only || incident.is_open())
    }
}
