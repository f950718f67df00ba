//! Quota, by the operator API and by the v0 endpoint.

use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::http::Request;
use crate::suite::{Case, Need};
use crate::world::World;

pub const CASES: &[Case] = &[
    Case {
        id: "13.28",
        checks: "UPDATE_QUOTA: 400 for guarantees above limits, capacity or the parent's; 200 and shown otherwise",
        needs: &[Need::Quota],
        run: update_quota,
    },
    Case {
        id: "4.1-quota",
        checks: "/quota: POST sets once, 409 beyond capacity, 400 for what is no quota; DELETE removes once",
        needs: &[Need::Quota],
        run: v0_quota,
    },
];

fn update_quota(world: &World) -> Checked {
    let role = world.fresh("role");
    let update = |config: Value, force: bool| {
        let update = json!({"force": force, "quota_configs": [config]});
        world.operator(&json!({"type": "UPDATE_QUOTA", "update_quota": update}))
    };
    let config = |role: &str, guarantee: f64, limit: f64| {
        let cpus = |value: f64| json!({"cpus": {"value": value}});
        json!({"role": role, "guarantees": cpus(guarantee), "limits": cpus(limit)})
    };
    update(config(&role, 2.0, 1.0), false)?.expect(400).during("a guarantee above its limit")?;
    update(config(&role, 1e6, 1e6), false)?.expect(400).during("more than the cluster has")?;
    update(config(&role, 0.0, 5.0), false)?.expect(200)?;
    // Mesos refuses quota on every nested role.
    update(config(&format!("{role}/b"), 1.0, 1.0), true)?.expect(400).during("more than the parent is guaranteed")?;
    let shown = world.operator(&json!({"type": "GET_QUOTA"}))?.expect(200)?.json()?;
    let configs = check::array_at(&shown, "/get_quota/status/configs")?;
    let own = configs.iter().find(|config| config["role"] == role.as_str()).cloned().unwrap_or_default();
    check::equal_at(&own, "/limits/cpus/value", 5.0)?;
    update(json!({"role": role}), false)?.expect(200).during("taking it back").map(drop)
}

fn v0_quota(world: &World) -> Checked {
    let role = world.fresh("role");
    let request = |guarantee: Value, force: bool| json!({"role": role, "guarantee": guarantee, "force": force});
    let cpus = |value: f64| json!([{"name": "cpus", "type": "SCALAR", "scalar": {"value": value}}]);
    let post = |body: &Value| world.send(Request::post("/quota").json(body));
    let ports = json!([{"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}}]);
    post(&request(json!([]), true))?.expect(400)?.expect_body_containing("QuotaInfo with empty 'guarantee'")?;
    post(&request(ports, true))?.expect(400)?.expect_body_containing("must not include non-scalar resources")?;
    post(&request(cpus(1e6), false))?.expect(409)?.expect_body_containing("Quota guarantees overcommit the cluster")?;
    post(&request(cpus(1e6), true))?.expect(200)?;
    post(&request(cpus(1.0), true))?.expect(400)?.expect_body_containing("which already has quota")?;
    let roles = world.get_json("/roles")?;
    let all = check::array_at(&roles, "/roles")?;
    let own = all.iter().find(|one| one["name"] == role.as_str()).cloned().unwrap_or_default();
    check::equal_at(&own, "/quota/guarantee/cpus", 1e6)?;
    check::equal_at(&own, "/quota/limit/cpus", 1e6)?;
    let metrics = world.get_json("/metrics/snapshot")?;
    let guarantee = &metrics[format!("allocator/mesos/quota/roles/{role}/resources/cpus/guarantee").as_str()];
    check::holds("/metrics/snapshot", "the guarantee", guarantee == 1e6, &metrics)?;
    let delete = || world.send(Request::new("DELETE", &format!("/quota/{role}")));
    delete()?.expect(200)?;
    delete()?.expect(400)?.expect_body_containing("has no quota set").map(drop)
}
