//! Several health checks of one task, beyond Mesos, whose tasks have one (`TaskInfo.health_check`).
//!
//! A label `tepui.health_check.NAME` of a task has the further health check NAME: a `HealthCheck` in the JSON of the v1 API.
//! Labels reach the executor through every framework, library and master; a field that Mesos does not have would be lost in
//! most of them. A status of the task has labels of the same names with the results.

use messages::v1;
use wire::Limits;

use crate::{ValidationError, Within, check};

/// The beginning of the key of the label of a health check. The rest is its name.
pub const LABEL: &str = "tepui.health_check.";

/// The maximum of further health checks of a task. Each may be a process at a time.
pub const MAX_NAMED: usize = 16;

/// The maximum length of a name in bytes.
const MAX_NAME: usize = 63;

/// A health check with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedHealthCheck {
    /// The name: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// The health check.
    pub check: v1::HealthCheck,
}

/// Returns the further health checks of a task, in the order of their labels.
///
/// # Errors
///
/// The error names the label and what is wrong with it.
pub fn named(labels: Option<&v1::Labels>) -> Result<Vec<NamedHealthCheck>, ValidationError> {
    let mut found: Vec<NamedHealthCheck> = Vec::new();
    for label in labels.map(|labels| labels.labels.as_slice()).unwrap_or_default() {
        let Some(name) = label.key.strip_prefix(LABEL) else { continue };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_word) {
            return Err(ValidationError::new(format!(
                "a label '{LABEL}NAME' has a name of 1 to {MAX_NAME} letters, digits, '_', '-' and '.'"
            )));
        }
        let within = format!("Label '{LABEL}{name}' is invalid");
        let text = label.value.as_deref().unwrap_or_default();
        let parsed = wire::json::decode(text.as_bytes(), &Limits::default());
        let check: v1::HealthCheck = parsed.map_err(|error| ValidationError::new(error.to_string())).within(&within)?;
        check::validate_health_check(&check).within(&within)?;
        if found.iter().any(|other| other.name == name) {
            return Err(ValidationError::new(format!("{within}: there are two health checks of this name")));
        }
        if found.len() >= MAX_NAMED {
            return Err(ValidationError::new(format!("a task has at most {MAX_NAMED} labels '{LABEL}NAME'")));
        }
        found.push(NamedHealthCheck { name: name.to_owned(), check });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(given: &[(&str, &str)]) -> v1::Labels {
        let label =
            |(key, value): &(&str, &str)| v1::Label { key: (*key).to_owned(), value: Some((*value).to_owned()) };
        v1::Labels { labels: given.iter().map(label).collect() }
    }

    const TCP: &str = r#"{"type": "TCP", "tcp": {"port": 5432}, "interval_seconds": 2}"#;

    #[test]
    fn labels_have_health_checks() {
        let given = labels(&[("a", "b"), ("tepui.health_check.db", TCP), ("tepui.health_check.db-2", TCP)]);
        let found = named(Some(&given)).unwrap();
        assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["db", "db-2"]);
        assert_eq!(found[0].check.tcp.as_ref().map(|tcp| tcp.port), Some(5432));
        assert_eq!(named(None), Ok(Vec::new()));
    }

    #[test]
    fn invalid_labels_are_named() {
        let check = |given: &[(&str, &str)], expect: &str| {
            let error = named(Some(&labels(given))).unwrap_err().to_string();
            assert!(error.contains(expect), "{given:?}: {error}");
        };
        check(&[("tepui.health_check.", TCP)], "has a name of 1 to 63");
        check(&[("tepui.health_check.a b", TCP)], "has a name of 1 to 63");
        check(&[("tepui.health_check.a", "")], "'tepui.health_check.a' is invalid");
        check(&[("tepui.health_check.a", r#"{"type": "TCP"}"#)], "Expecting 'tcp' to be set");
        check(&[("tepui.health_check.a", TCP), ("tepui.health_check.a", TCP)], "two health checks of this name");
        let many: Vec<(String, &str)> = (0..=MAX_NAMED).map(|n| (format!("tepui.health_check.{n}"), TCP)).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        check(&many, "at most 16");
    }
}
