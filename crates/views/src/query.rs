//! The decoded query of a read request.

use std::collections::BTreeMap;

/// Decoded keys and values; of a repeated key the last value counts, as in libprocess.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Mesos ignores a number that does not parse rather than refusing the request.
    pub(crate) fn number(&self, key: &str) -> Option<i32> {
        self.get(key)?.parse().ok()
    }

    /// Whether an entity passes an optional `?key=id` filter.
    pub(crate) fn selects(&self, key: &str, id: &str) -> bool {
        self.get(key).is_none_or(|wanted| wanted == id)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Query {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Query(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}
