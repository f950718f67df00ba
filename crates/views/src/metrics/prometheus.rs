//! The Prometheus text form of metrics.

/// Exposition format 0.0.4 of metrics as [`super::master`] and [`super::agent`] return them.
pub fn text(_metrics: &[(String, f64)]) -> String {
    String::new()
}
