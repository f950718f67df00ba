//! Renders `/help` from the endpoint table: the processes, the endpoints of a process, and a page for each endpoint, as
//! Markdown in the form of libprocess (`help.cpp`). Unlike Mesos it finds the page of a route with several parts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::http::endpoint::{Availability, Endpoint, EndpointTable, Methods};
use crate::http::request::{Request, decode};
use crate::http::respond::{Response, bad_request, json, respond};

/// Answers `/help`, `/help/PROCESS` and `/help/PROCESS/ENDPOINT`.
pub fn answer<A>(table: &EndpointTable<A>, request: &Request) -> Response {
    if request.query.get("format") == Some("json") {
        return json(everything(table), None);
    }
    let parts: Result<Vec<String>, _> =
        request.path.split('/').filter(|part| !part.is_empty()).skip(1).map(decode).collect();
    let parts = match parts {
        Ok(parts) => parts,
        Err(malformed) => return bad_request(malformed.to_string()),
    };
    let markdown = match parts.as_slice() {
        [] => processes(table),
        [process] => match endpoints(table, process) {
            Some(markdown) => markdown,
            None => return bad_request(format!("No help available for '/{process}'.\n")),
        },
        [process, route @ ..] => {
            let route = route.join("/");
            let found: Vec<_> = table.rows().filter(|row| row.process == process && row.route == route).collect();
            if found.is_empty() {
                return bad_request(format!("No help available for '/{process}/{route}'.\n"));
            }
            found.into_iter().map(page).collect::<Vec<_>>().join("\n")
        }
    };
    respond(StatusCode::OK, &[(header::CONTENT_TYPE, content_type(request))], markdown)
}

/// Returns `text/x-markdown` for programs, and plain text for browsers, which would offer to save Markdown.
fn content_type(request: &Request) -> HeaderValue {
    let agent = request.header(header::USER_AGENT).unwrap_or_default();
    if agent.starts_with("curl") || agent.starts_with("HTTPie") {
        HeaderValue::from_static("text/x-markdown")
    } else {
        HeaderValue::from_static("text/plain; charset=utf-8")
    }
}

fn rows_of<A>(table: &EndpointTable<A>) -> BTreeMap<&'static str, Vec<&'static Endpoint<A>>> {
    let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in table.rows() {
        rows.entry(row.process).or_default().push(row);
    }
    rows
}

fn processes<A>(table: &EndpointTable<A>) -> String {
    let mut document = "## HELP\n".to_owned();
    let mut references = String::new();
    for process in rows_of(table).into_keys() {
        let _ = writeln!(document, "> [/{process}][{process}]");
        let _ = writeln!(references, "[{process}]: help/{process}");
    }
    format!("{document}\n{references}")
}

fn endpoints<A>(table: &EndpointTable<A>, process: &str) -> Option<String> {
    let rows = rows_of(table).remove(process)?;
    let mut document = format!("## `/{process}` ##\n");
    let mut references = String::new();
    for row in rows {
        let path = row.path();
        let path = path.trim_start_matches('/');
        let _ = writeln!(document, "> [/{path}][{path}]");
        let _ = writeln!(references, "[{path}]: {path}");
    }
    Some(format!("{document}\n{references}"))
}

fn page<A>(row: &Endpoint<A>) -> String {
    let methods = match row.methods {
        Methods::Any => "Any method is served.".to_owned(),
        Methods::Only(methods) => format!("Methods: {}.", methods.join(", ")),
    };
    let availability = match row.availability {
        Availability::Always => "",
        Availability::Leader | Availability::LeaderAddress => {
            "A master that does not lead redirects to the leading one.\n"
        }
        Availability::Recovered => "503 while the agent recovers.\n",
    };
    let authentication = match row.realm {
        Some(_) => "This endpoint requires authentication iff HTTP authentication is\nenabled.",
        None => "This endpoint does not require authentication.",
    };
    format!(
        "### USAGE ###\n>        {}\n\n### TL;DR; ###\n{}\n\n### DESCRIPTION ###\n{methods}\n{availability}\n\
         ### AUTHENTICATION ###\n{authentication}\n",
        row.path(),
        row.help,
    )
}

/// Renders `?format=json` in the shape of libprocess.
fn everything<A>(table: &EndpointTable<A>) -> String {
    let endpoint = |row: &'static Endpoint<A>| json!({ "name": format!("/{}", row.route), "text": page(row) });
    let processes = rows_of(table)
        .into_iter()
        .map(|(id, rows)| json!({ "id": id, "endpoints": rows.into_iter().map(endpoint).collect::<Vec<_>>() }));
    json!({ "processes": processes.collect::<Vec<_>>() }).to_string()
}
