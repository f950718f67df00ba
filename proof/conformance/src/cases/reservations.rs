//! Reservations and weights.

use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::http::Request;
use crate::scheduler::{Scheduler, framework, scalar, with};
use crate::suite::{Case, Need};
use crate::world::World;

pub const CASES: &[Case] = &[
    Case {
        id: "13.24",
        checks: "RESERVE in an ACCEPT is 202 and a later offer shows the reservation; UNRESERVE undoes it",
        needs: &[Need::Reserve],
        run: by_scheduler,
    },
    Case {
        id: "13.25",
        checks: "/reserve: 202; 400 for missing fields, unknown agents, unreserved resources; 409 for too much",
        needs: &[Need::Reserve],
        run: by_form,
    },
    Case {
        id: "13.27",
        checks: "/weights: 400 for what is no positive weight of a role; 200 and shown otherwise",
        needs: &[Need::Weights],
        run: weights,
    },
];

fn refining(world: &World) -> Value {
    let capabilities = json!([{"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"}]);
    with(framework(world), json!({"capabilities": capabilities, "principal": "ann"}))
}

fn reserved(role: &str) -> Value {
    let reservation = json!([{"type": "DYNAMIC", "role": role, "principal": "ann"}]);
    with(scalar("cpus", 1.0), json!({"reservations": reservation}))
}

fn by_scheduler(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, refining(world))?;
    let role = scheduler.role().to_owned();
    let holds_reservation = |offer: &Value| {
        let resources = offer["resources"].as_array().cloned().unwrap_or_default();
        resources.into_iter().find(|resource| resource["reservations"][0]["role"] == role.as_str())
    };
    let offer = scheduler.offer_of(agent.id())?;
    let resources = json!([reserved(&role)]);
    scheduler.accept(&[&offer], json!([{"type": "RESERVE", "reserve": {"resources": resources}}]))?;
    let offer = scheduler.offer_of(agent.id())?;
    let cpus = holds_reservation(&offer).unwrap_or_default();
    check::equal_at(&cpus, "/reservations/0/type", "DYNAMIC")?;
    check::equal_at(&cpus, "/reservations/0/principal", "ann")?;
    check::equal_at(&cpus, "/scalar/value", 1.0)?;
    scheduler.accept(&[&offer], json!([{"type": "UNRESERVE", "unreserve": {"resources": resources}}]))?;
    let offer = scheduler.offer_of(agent.id())?;
    check::holds("offer", "no reservation", holds_reservation(&offer).is_none(), &offer)
}

fn by_form(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let post = |form: &str| world.send(Request::post("/reserve").form(form));
    let of = |resources: Value| {
        let text = resources.to_string().replace('%', "%25").replace('&', "%26").replace('+', "%2B");
        format!("slaveId={}&resources={text}", agent.id())
    };
    post("x=y")?.expect(400)?.expect_body("Missing 'slaveId' query parameter in the request body")?;
    post("slaveId=nobody")?.expect(400)?.expect_body("Missing 'resources' query parameter in the request body")?;
    post("slaveId=nobody&resources=[]")?.expect(400)?.expect_body("No agent found with specified ID")?;
    post(&of(json!([scalar("cpus", 1.0)])))?.expect(400).during("an unreserved resource")?;
    let role = world.fresh("role");
    let too_much = with(reserved(&role), json!({"scalar": {"value": 100}}));
    post(&of(json!([too_much])))?.expect(409).during("more than there is")?;
    post(&of(json!([reserved(&role)])))?.expect(202)?;
    world.get("/reserve")?.expect(405).map(drop)
}

fn weights(world: &World) -> Checked {
    let put = |body: &str| world.send(Request::new("PUT", "/weights").text(body));
    for body in [
        r#"[{"role":"r","weight":0}]"#,
        r#"[{"role":"r","weight":-1}]"#,
        r#"[{"role":"r","weight":"x"}]"#,
        r#"[{"weight":1}]"#,
        r#"[{"role":"/x","weight":1}]"#,
        "{",
    ] {
        put(body)?.expect(400).during(body)?;
    }
    let role = world.fresh("role");
    put(&json!([{"role": role, "weight": 2.5}]).to_string())?.expect(200)?;
    let shown = world.get_json("/weights")?;
    let own = shown.as_array().and_then(|weights| weights.iter().find(|weight| weight["role"] == role.as_str()));
    check::equal_at(own.unwrap_or(&Value::Null), "/weight", 2.5)?;
    world.send(Request::post("/weights"))?.expect(405)?.expect_header("Allow", "GET, PUT").map(drop)
}
