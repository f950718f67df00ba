//! The decoded query of a read request.

use std::collections::BTreeMap;

/// Decoded keys and values; of a repeated key the last value counts, as in libprocess.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

/// Every key that some read uses.
const READ: &[&str] = &[
    "container_id",
    "executor_id",
    "framework_id",
    "limit",
    "offset",
    "order",
    "show_nested",
    "show_standalone",
    "slave_id",
    "task_id",
];

impl Query {
    /// Returns the query without the keys that decide nothing: monitors add time stamps against caches, and two reads
    /// that differ in them only are the same read.
    pub fn meaningful(&self) -> Query {
        Query(
            self.0
                .iter()
                .filter(|(key, _)| READ.contains(&key.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        )
    }

    /// Returns the value of a parameter.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Returns a parameter as a number; `None` if it does not parse. As in Mesos, such a parameter is ignored and the
    /// request is not refused.
    pub(crate) fn number(&self, key: &str) -> Option<i32> {
        self.get(key)?.parse().ok()
    }

    /// Returns whether an entity passes an optional `?key=id` filter.
    pub(crate) fn selects(&self, key: &str, id: &str) -> bool {
        self.get(key).is_none_or(|wanted| wanted == id)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Query {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Query(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_no_read_uses_are_left_out() {
        let query = |text: &[(&str, &str)]| Query::from_iter(text.iter().copied());
        assert_eq!(
            query(&[("_", "1795265822"), ("jsonp", "cb"), ("limit", "5")]).meaningful(),
            query(&[("limit", "5")])
        );
        assert_ne!(query(&[("task_id", "a")]).meaningful(), query(&[("task_id", "b")]).meaningful());
    }
}
