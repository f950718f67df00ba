//! The numbers that no change describes: messages received, uptime, load of the machine.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Values by full metric name (`master/messages_kill_task`, `system/load_1min`). They are merged with those that the
/// view derives, and take precedence if both have a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters(BTreeMap<Cow<'static, str>, f64>);

impl Counters {
    /// Sets a metric.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: f64) {
        self.0.insert(name.into(), value);
    }

    /// Adds to a metric, which begins at zero.
    pub fn add(&mut self, name: impl Into<Cow<'static, str>>, amount: f64) {
        *self.0.entry(name.into()).or_default() += amount;
    }

    /// Sets several metrics.
    pub fn set_all<N: Into<Cow<'static, str>>>(&mut self, metrics: impl IntoIterator<Item = (N, f64)>) {
        metrics.into_iter().for_each(|(name, value)| self.set(name, value));
    }

    /// Iterates over all metrics by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }
}
