//! Downloads files from HTTP servers.

use std::io::{self, Read};
use std::time::Duration;

use ureq::Agent;
use ureq::config::{AutoHeaderValue, Config};

use crate::error::Reason;
use crate::plan::Plan;

/// Opens a stream of the file's bytes, exactly as the server has them.
pub(crate) fn open(uri: &str, plan: &Plan) -> Result<impl Read, Reason> {
    let response = client(uri, plan).get(uri).call().map_err(|error| Reason::Download(Box::new(error)))?;
    // Mesos accepts no other success: a 204 or 206 is not the file.
    if response.status().as_u16() != 200 {
        return Err(Reason::Status(response.status().as_u16()));
    }
    Ok(response.into_body().into_reader())
}

fn client(uri: &str, plan: &Plan) -> Agent {
    Config::builder()
        .user_agent(AutoHeaderValue::Provided(String::from("mesos-fetcher").into()))
        // A `.tar.gz` has to arrive unchanged, and some servers would decompress it.
        .accept_encoding(AutoHeaderValue::Provided(String::from("identity").into()))
        .http_status_as_error(false)
        .max_redirects(plan.limits.redirects)
        .max_redirects_will_error(true)
        // An https URI must not lead to a file over plain HTTP, which could be changed on the way.
        .https_only(uri.starts_with("https://"))
        .timeout_resolve(Some(plan.limits.connect_timeout))
        .timeout_connect(Some(plan.limits.connect_timeout))
        .timeout_recv_response(Some(plan.stall_timeout.max(Duration::from_millis(1))))
        .timeout_per_read(Some(plan.stall_timeout.max(Duration::from_millis(1))))
        .max_idle_connections(0)
        .build()
        .new_agent()
}

pub(crate) fn failed(error: io::Error) -> Reason {
    match error.downcast::<ureq::Error>() {
        Ok(error) => Reason::Download(Box::new(error)),
        Err(error) => Reason::Download(Box::new(ureq::Error::Io(error))),
    }
}
