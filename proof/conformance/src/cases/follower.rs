//! A master that does not lead: `--master` names a follower in a cluster that has a leader.

use serde_json::json;

use crate::case_error::{Checked, During};
use crate::check;
use crate::http::Request;
use crate::scheduler::{PATH, framework, subscribe_request};
use crate::suite::{Case, Need};
use crate::world::World;

pub const CASES: &[Case] = &[Case {
    id: "13.35",
    checks: "a follower redirects everything but /health and /flags to the same path on the leader",
    needs: &[Need::Follower],
    run: redirects,
}];

fn redirects(world: &World) -> Checked {
    let operator = Request::post("/api/v1").json(&json!({"type": "GET_HEALTH"}));
    for (request, path) in [
        (subscribe_request(&framework(world)), PATH),
        (operator, "/api/v1"),
        (Request::get("/state"), "/state"),
        (Request::get("/master/state"), "/master/state"),
        (Request::get("/redirect"), ""),
    ] {
        let answer = world.send(request)?.expect(307).during(path)?;
        let location = answer.header("Location").unwrap_or_default();
        let right = location.starts_with("//") && location.ends_with(path);
        check::holds("Location", &format!("//leader:port{path}"), right, location)?;
    }
    for path in ["/health", "/flags"] {
        world.get(path)?.expect(200).during(path)?;
    }
    Ok(())
}
