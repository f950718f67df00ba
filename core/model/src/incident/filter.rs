//! Which incidents somebody wants to hear of.

use super::incident::{Incident, Kind, Severity, UnknownName};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub kind: Option<Kind>,
    /// And what is worse.
    pub severity: Option<Severity>,
    /// The id of what it is about, the end of that, or its host.
    pub object: Option<String>,
    pub open_only: bool,
    /// The newest so many.
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    #[error("invalid '{name}': {reason}")]
    Name { name: &'static str, reason: UnknownName },
    #[error("invalid '{name}': expected {expected}")]
    Value { name: &'static str, expected: &'static str },
}

impl Filter {
    /// From the parameters of a query.
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

    pub fn admits(&self, incident: &Incident) -> bool {
        self.kind.is_none_or(|kind| incident.kind == kind)
            && self.severity.is_none_or(|least| incident.severity >= least)
            && self.object.as_ref().is_none_or(|name| incident.is_about(name))
            && (!self.open_only || incident.is_open())
    }
}
