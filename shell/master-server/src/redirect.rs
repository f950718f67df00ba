//! `/redirect`: to whoever leads.

use std::sync::Arc;

use edge::http::request::Request;
use edge::http::respond::{Response, redirect};

use super::app::MasterApp;

/// Redirects to this master, which leads: others are redirected before.
pub async fn get(app: &Arc<MasterApp>, _: &Request) -> Response {
    redirect(&format!("//{}", app.authority))
}
