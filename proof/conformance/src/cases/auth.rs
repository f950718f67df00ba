//! Authentication over HTTP. The master is expected to know the principal `conformance` with the secret `secret`.

use serde_json::json;

use crate::case_error::{Checked, During};
use crate::check;
use crate::events::EventStream;
use crate::http::Request;
use crate::scheduler::{framework, subscribe_request, with};
use crate::suite::{Case, Need};
use crate::world::{SOON, World};

pub const CASES: &[Case] = &[
    Case {
        id: "13.02",
        checks: "a subscription without credentials is 401 and names the realm",
        needs: &[Need::Auth],
        run: without_credentials,
    },
    Case {
        id: "13.02b",
        checks: "with credentials the framework gets their principal, and may claim no other",
        needs: &[Need::Auth],
        run: with_credentials,
    },
];

/// The encoding of `conformance:secret`.
const CREDENTIALS: &str = "Basic Y29uZm9ybWFuY2U6c2VjcmV0";

fn without_credentials(world: &World) -> Checked {
    for authorization in [None, Some("Basic eDp5"), Some("Bearer x"), Some("nonsense")] {
        let request = subscribe_request(&framework(world));
        let request = match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        world
            .send(request)?
            .expect(401)?
            .expect_header("WWW-Authenticate", "Basic realm=\"mesos-master-scheduler\"")
            .during(authorization.unwrap_or("no header"))?;
    }
    Ok(())
}

fn with_credentials(world: &World) -> Checked {
    let subscribe = |info| subscribe_request(&info).header("Authorization", CREDENTIALS);
    EventStream::open(world.master, &subscribe(framework(world)))?.expect("SUBSCRIBED", SOON)?;
    let other = with(framework(world), json!({"principal": "other"}));
    let answer = world.send(subscribe(other))?.expect(400)?;
    check::contains("body", "does not match principal 'other'", &answer.text())?;
    world.send(Request::get("/health"))?.expect(200).map(drop)
}
