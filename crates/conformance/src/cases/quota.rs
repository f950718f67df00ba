//! Quota.

use serde_json::{Value, json};

use crate::check;
use crate::stop::{Checked, During};
use crate::suite::{Case, Need};
use crate::world::World;

pub const CASES: &[Case] = &[Case {
    id: "13.28",
    checks: "UPDATE_QUOTA: 400 for guarantees above limits or capacity and nested roles; 200 and shown otherwise",
    needs: &[Need::Quota],
    run: update_quota,
}];

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
    update(config("a/b", 0.0, 1.0), false)?.expect(400).during("a nested role")?;
    update(config(&role, 1e6, 1e6), false)?.expect(400).during("more than the cluster has")?;
    update(config(&role, 0.0, 5.0), false)?.expect(200)?;
    let shown = world.operator(&json!({"type": "GET_QUOTA"}))?.expect(200)?.json()?;
    let configs = check::array_at(&shown, "/get_quota/status/configs")?;
    let own = configs.iter().find(|config| config["role"] == role.as_str()).cloned().unwrap_or_default();
    check::equal_at(&own, "/limits/cpus/value", 5.0)?;
    update(json!({"role": role}), false)?.expect(200).during("taking it back").map(drop)
}
