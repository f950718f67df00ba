//! `/redirect`, which leads to the leading master.

use std::sync::Arc;

use edge::http::request::Request;
use edge::http::respond::{Response, redirect};

use super::app::MasterApp;

/// Redirects to this master, which leads: followers redirect before this handler.
pub async fn get(app: &Arc<MasterApp>, _: &Request) -> Response {
    redirect(&format!("//{}", app.authority))
}
