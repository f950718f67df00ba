//! The endpoints `/metrics/snapshot` of Mesos and `/metrics` for Prometheus.

use http::{HeaderValue, StatusCode, header};

use crate::http::request::Request;
use crate::http::respond::{self, Response, bad_request};
use crate::readers::rate_limiter::RateLimiter;

/// Metrics by name.
pub type Metrics = Vec<(String, f64)>;

/// Returns the rate limit of `/metrics/snapshot`: two requests a second, further requests wait (the default of
/// libprocess).
pub fn rate_limit() -> RateLimiter {
    RateLimiter::per_second(2)
}

/// Answers `/metrics/snapshot`: one flat JSON object ordered by name, with the values as doubles.
pub async fn snapshot<F>(limit: &RateLimiter, request: &Request, collect: F) -> Response
where
    F: FnOnce() -> Metrics + Send + 'static,
{
    if let Some(timeout) = request.query.get("timeout")
        && let Err(error) = model::parse_duration(timeout)
    {
        return bad_request(format!("Invalid timeout '{timeout}': {error}.\n"));
    }
    limit.acquire().await;
    respond::json(to_json(&gather(collect).await), request.jsonp())
}

/// Answers `/metrics` in the text format of Prometheus.
pub async fn prometheus<F>(collect: F) -> Response
where
    F: FnOnce() -> Metrics + Send + 'static,
{
    let text = views::metrics::text(&gather(collect).await);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    respond::respond(StatusCode::OK, &[(header::CONTENT_TYPE, kind)], text)
}

/// Collects the metrics. No metric takes time to collect, so that a `timeout=` is never reached.
pub async fn gather<F>(collect: F) -> Metrics
where
    F: FnOnce() -> Metrics + Send + 'static,
{
    tokio::task::spawn_blocking(collect).await.unwrap_or_default()
}

fn to_json(metrics: &Metrics) -> Vec<u8> {
    let object: serde_json::Map<String, serde_json::Value> =
        metrics.iter().map(|(name, value)| (name.clone(), serde_json::json!(value))).collect();
    serde_json::Value::Object(object).to_string().into_bytes()
}
