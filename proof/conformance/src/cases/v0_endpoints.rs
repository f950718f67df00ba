//! The v0 endpoints: `/state` and similar reads, files, and forms.

use serde_json::json;

use crate::case_error::{CaseError, Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::http::{Connection, Request, fetch};
use crate::scheduler::{Scheduler, framework};
use crate::suite::Case;
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case { id: "4.3a", checks: "/state has all its keys, on both of its paths", needs: &[], run: state },
    Case {
        id: "4.3b",
        checks: "an unknown longer path is served by the nearest one: /api/v1/operator, /master/frameworks/",
        needs: &[],
        run: path_fallback,
    },
    Case {
        id: "4.3c",
        checks: "unknown paths are 404; /system/stats.json kept its old name",
        needs: &[],
        run: unknown_paths,
    },
    Case {
        id: "13.35a",
        checks: "/redirect on the leader is 307 to itself for GET and HEAD; anything below it is 404",
        needs: &[],
        run: redirect,
    },
    Case { id: "4.3d", checks: "jsonp wraps the answer and changes its type", needs: &[], run: jsonp },
    Case { id: "4.3e", checks: "answers of 1024 bytes and more are gzipped on demand", needs: &[], run: gzip },
    Case { id: "4.3f", checks: "/files without path is 400, with an unknown path 404", needs: &[], run: files },
    Case { id: "4.3g", checks: "/health and /version answer on every master", needs: &[], run: health_and_version },
    Case {
        id: "4.3h",
        checks: "/metrics/snapshot has names of master and system; a malformed timeout is 400",
        needs: &[],
        run: metrics,
    },
    Case { id: "4.3i", checks: "/tasks filters, limits and orders", needs: &[], run: tasks },
    Case { id: "4.3j", checks: "/slaves and /frameworks filter by id", needs: &[], run: filters },
    Case { id: "13.26", checks: "/teardown takes a form: 400 missing or wrong, 200 right", needs: &[], run: teardown },
    Case { id: "5.3a", checks: "pipelined requests are answered in order", needs: &[], run: pipelined },
    Case { id: "5.3b", checks: "Connection: close is honoured", needs: &[], run: connection_close },
    Case { id: "4.3k", checks: "/roles shows a framework's role", needs: &[], run: roles },
    Case { id: "4.3l", checks: "/state-summary counts tasks by state", needs: &[], run: state_summary },
    Case { id: "4.3m", checks: "/flags shows the flags as text", needs: &[], run: flags },
];

fn state(world: &World) -> Checked {
    for path in ["/state", "/master/state"] {
        let response = world.get(path)?.expect(200)?.expect_header("Content-Type", "application/json")?;
        let state = response.json()?;
        for key in [
            "version",
            "build_date",
            "build_time",
            "build_user",
            "start_time",
            "elected_time",
            "id",
            "pid",
            "hostname",
            "capabilities",
            "activated_slaves",
            "deactivated_slaves",
            "unreachable_slaves",
            "leader",
            "leader_info",
            "flags",
            "slaves",
            "recovered_slaves",
            "frameworks",
            "completed_frameworks",
            "orphan_tasks",
            "unregistered_frameworks",
        ] {
            check::at(&state, &format!("/{key}"))?;
        }
        check::equal_at(&state, "/pid", format!("master@{}", world.master))?;
        check::equal_at(&state, "/leader", format!("master@{}", world.master))?;
        check::equal_at(&state, "/orphan_tasks", json!([]))?;
        check::equal_at(&state, "/unregistered_frameworks", json!([]))?;
    }
    Ok(())
}

fn path_fallback(world: &World) -> Checked {
    let call = json!({"type": "GET_HEALTH"});
    for path in ["/api/v1/operator", "/api/v1/state", "/master/api/v1", "/master/api/v1/x/y", "/api/v1/"] {
        world.send(Request::post(path).json(&call))?.expect(200).during(path)?;
    }
    for path in ["/master/frameworks/", "/tasks/", "/state/", "/master/state/x"] {
        world.get(path)?.expect(200).during(path)?;
    }
    Ok(())
}

fn unknown_paths(world: &World) -> Checked {
    // The old `.json` names are 404 in Mesos 1.11, but a master may serve them for old monitors.
    for path in ["/nothing", "/master/nothing", "/files/nothing"] {
        world.get(path)?.expect(404).and_then(|r| r.expect_body("404 Not Found.")).during(path)?;
    }
    world.get("/system/stats.json")?.expect(200).map(drop)
}

fn redirect(world: &World) -> Checked {
    for path in ["/redirect", "/master/redirect"] {
        for method in ["GET", "HEAD"] {
            let response = world.send(Request::new(method, path))?.expect(307)?;
            let location = response.header("Location").unwrap_or_default();
            let port = format!(":{}", world.master.port());
            let names_master = location.starts_with("//") && location.ends_with(&port);
            check::holds("Location", "//host:port of the master", names_master, location)?;
        }
    }
    for path in ["/redirect/x", "/master/redirect/x"] {
        world.get(path)?.expect(404).during(path)?;
    }
    Ok(())
}

fn jsonp(world: &World) -> Checked {
    for path in ["/state", "/master/state", "/version", "/metrics/snapshot", "/tasks"] {
        let response =
            world.get(&format!("{path}?jsonp=cb"))?.expect(200)?.expect_header("Content-Type", "text/javascript")?;
        let text = response.text();
        let wrapped = text.starts_with("cb(") && text.ends_with(')');
        check::holds(path, "cb(…) without semicolon", wrapped, &text)?;
    }
    Ok(())
}

fn gzip(world: &World) -> Checked {
    let request = Request::get("/state").header("Accept-Encoding", "gzip");
    let response = world.send(request)?.expect(200)?.expect_header("Content-Encoding", "gzip")?;
    check::equal("magic", Some(&[0x1f, 0x8b][..]), response.body.get(..2))?;
    let small = Request::get("/version").header("Accept-Encoding", "gzip");
    world.send(small)?.expect(200)?.expect_no_header("Content-Encoding")?;
    let refused = Request::get("/state").header("Accept-Encoding", "identity");
    world.send(refused)?.expect(200)?.expect_no_header("Content-Encoding").map(drop)
}

fn files(world: &World) -> Checked {
    for path in ["/files/browse", "/files/read", "/files/download"] {
        world.get(path)?.expect(400)?.expect_body("Expecting 'path=value' in query.\n").during(path)?;
        world.get(&format!("{path}?path=/nothing"))?.expect(404).during(path)?;
    }
    world.get("/files/debug")?.expect(200)?.json().map(drop)
}

fn health_and_version(world: &World) -> Checked {
    for path in ["/health", "/master/health"] {
        world.get(path)?.expect(200)?.expect_body("").during(path)?;
    }
    let version = world.get_json("/version")?;
    let text = check::text_at(&version, "/version")?;
    check::holds("version", "1.11 or newer", text.starts_with("1."), text)?;
    check::text_at(&version, "/build_date").map(drop)
}

fn metrics(world: &World) -> Checked {
    let metrics = world.get_json("/metrics/snapshot")?;
    let number = |name: &str| {
        let value = metrics.get(name).ok_or_else(|| CaseError::unexpected("metrics", name, "none"))?;
        value.as_f64().ok_or_else(|| CaseError::unexpected(name, "a number", value))
    };
    for name in [
        "master/slaves_active",
        "master/slaves_connected",
        "master/frameworks_active",
        "master/tasks_running",
        "master/tasks_finished",
        "master/cpus_total",
        "master/mem_total",
        "master/messages_register_framework",
        "master/dropped_messages",
        "master/outstanding_offers",
        "master/uptime_secs",
        "system/cpus_total",
        "system/load_1min",
        "allocator/mesos/allocation_runs",
        "registrar/registry_size_bytes",
    ] {
        number(name)?;
    }
    check::equal("master/elected", 1.0, number("master/elected")?)?;
    world.get("/metrics/snapshot?timeout=10secs")?.expect(200)?;
    world.get("/metrics/snapshot?timeout=bogus")?.expect(400).map(drop)
}

fn tasks(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let ids: Vec<String> = (0..3).map(|_| world.fresh("task")).collect();
    let tasks: Vec<_> = ids.iter().map(|id| crate::scheduler::task(id, agent.id())).collect();
    scheduler.accept(&[&offer], json!([{"type": "LAUNCH", "launch": {"task_infos": tasks}}]))?;
    let of = |query: &str| world.get_json(&format!("/tasks?framework_id={}&{query}", scheduler.id()));
    let count = |query: &str| Ok::<_, CaseError>(check::array_at(&of(query)?, "/tasks")?.len());
    eventually("three tasks", || Ok((count("")? == 3).then_some(())))?;
    check::equal("limit=2", 2, count("limit=2")?)?;
    check::equal("offset=2", 1, count("offset=2")?)?;
    check::equal("task_id", 1, count(&format!("task_id={}", ids[0]))?)?;
    let one = of(&format!("task_id={}", ids[0]))?;
    check::equal_at(&one, "/tasks/0/id", ids[0].as_str())?;
    check::equal_at(&one, "/tasks/0/state", "TASK_STAGING")?;
    check::equal_at(&one, "/tasks/0/slave_id", agent.id())?;
    check::equal_at(&one, "/tasks/0/framework_id", scheduler.id())?;
    check::equal_at(&one, "/tasks/0/resources/cpus", 0.1)
}

fn filters(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let scheduler = Scheduler::subscribe(world, framework(world))?;
    let slaves = world.get_json(&format!("/slaves?slave_id={}", agent.id()))?;
    check::equal("agents", 1, check::array_at(&slaves, "/slaves")?.len())?;
    check::equal_at(&slaves, "/slaves/0/id", agent.id())?;
    check::equal_at(&slaves, "/slaves/0/hostname", agent.info.hostname.as_str())?;
    check::equal_at(&slaves, "/slaves/0/pid", agent.peer.pid.to_string())?;
    check::equal_at(&slaves, "/slaves/0/resources/cpus", 4.0)?;
    check::equal_at(&slaves, "/slaves/0/resources/ports", "[31000-31009]")?;
    check::equal_at(&slaves, "/slaves/0/active", true)?;
    let nobody = world.get_json("/slaves?slave_id=nobody")?;
    check::equal_at(&nobody, "/slaves", json!([]))?;
    let frameworks = world.get_json(&format!("/frameworks?framework_id={}", scheduler.id()))?;
    check::equal("frameworks", 1, check::array_at(&frameworks, "/frameworks")?.len())?;
    check::equal_at(&frameworks, "/frameworks/0/id", scheduler.id())?;
    check::equal_at(&frameworks, "/frameworks/0/active", true)?;
    check::equal_at(&frameworks, "/frameworks/0/roles/0", scheduler.role())
}

fn teardown(world: &World) -> Checked {
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let post = |form: &str| world.send(Request::post("/teardown").form(form));
    post("x=y")?.expect(400)?.expect_body("Missing 'frameworkId' query parameter in the request body")?;
    post("frameworkId=nobody")?.expect(400)?.expect_body("No framework found with specified ID")?;
    world.get("/teardown")?.expect(405)?.expect_header("Allow", "POST")?;
    post(&format!("frameworkId={}", scheduler.id()))?.expect(200)?;
    scheduler.events.expect_end(SOON)?;
    scheduler.mark_removed();
    Ok(())
}

fn pipelined(world: &World) -> Checked {
    let mut connection = Connection::open(world.master)?;
    let mut bytes = Vec::new();
    for path in ["/state", "/nothing", "/version", "/redirect"] {
        bytes.extend(Request::get(path).to_bytes(world.master));
    }
    connection.write(&bytes)?;
    for status in [200, 404, 200, 307] {
        connection.read_response(false)?.expect(status)?;
    }
    Ok(())
}

fn connection_close(world: &World) -> Checked {
    let mut connection = Connection::open(world.master)?;
    connection.write(&Request::get("/version").header("Connection", "close").to_bytes(world.master))?;
    connection.read_response(false)?.expect(200)?;
    check::holds("connection", "closed by the master", connection.ends_within(SOON)?, "open")?;
    fetch(world.master, &Request::get("/version"))?.expect(200).map(drop)
}

fn roles(world: &World) -> Checked {
    let scheduler = Scheduler::subscribe(world, framework(world))?;
    let roles = world.get_json("/roles")?;
    let role = check::array_at(&roles, "/roles")?.iter().find(|role| role["name"] == scheduler.role()).cloned();
    let role = role.ok_or_else(|| CaseError::unexpected("/roles", scheduler.role(), &roles))?;
    check::equal_at(&role, "/weight", 1.0)?;
    check::equal_at(&role, "/frameworks/0", scheduler.id())
}

fn state_summary(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    scheduler.launch(&offer, &crate::scheduler::task(&id, agent.id()))?;
    agent.expect_run_task()?;
    let summary = world.get_json("/state-summary")?;
    for (list, id) in [("slaves", agent.id()), ("frameworks", scheduler.id())] {
        let entry = check::array_at(&summary, &format!("/{list}"))?.iter().find(|e| e["id"] == id).cloned();
        let entry = entry.ok_or_else(|| CaseError::unexpected(list, id, &summary))?;
        check::equal_at(&entry, "/TASK_STAGING", 1)?;
        check::equal_at(&entry, "/TASK_RUNNING", 0)?;
    }
    Ok(())
}

fn flags(world: &World) -> Checked {
    let flags = world.get_json("/flags")?;
    for (flag, value) in
        [("agent_ping_timeout", "15secs"), ("allocation_interval", "1secs"), ("allocator", "hierarchical")]
    {
        check::equal_at(&flags, &format!("/flags/{flag}"), value)?;
    }
    Ok(())
}
