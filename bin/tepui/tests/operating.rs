//! The promises of `docs/operating.md` and `docs/failures.md`, checked with real processes: quota, volumes, maintenance
//! and draining.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "operating/cluster.rs"]
mod cluster;

use cluster::{Cluster, blocks, until};
use failures::{Policy, SuspicionOptions};
use master_server::SinkOptions;
use messages::v1;
use messages::v1::scheduler::call::{AcceptInverseOffers, Type};
use messages::v1::scheduler::{Call, Event};
use model::incident::Kind;
use serde_json::json;
use tepui_client::{Address, Events, Scheduler};

#[test]
fn quota_and_partitions_limit_a_role() {
    let cluster = Cluster::start();
    assert_eq!(
        cluster.tepui(&["quota", "set", "web", "--limit", "cpus:1,mem:32"]),
        "role web gets at most cpus:1 mem:32; nothing is guaranteed to it\n"
    );
    let _web = cluster.begin(&["run", "--role", "web", "--name", "web", "-n", "3", "--cpus", "1", "--", "sleep 1000"]);
    until("one task runs", || (cluster.tasks("TASK_RUNNING") == 1).then_some(()));
    until("quota is why no other does", || {
        let why = cluster.tepui(&["explain", "role", "web"]);
        why.contains("tepui quota --help").then_some(())
    });
    assert_eq!(cluster.tasks("TASK_RUNNING"), 1);
    let shown = cluster.tepui(&["quota", "list"]);
    assert!(shown.ends_with("web   -          cpus:1 mem:32  cpus:1 mem:32\n"), "{shown}");

    cluster.tepui(&["quota", "set", "web", "--limit", "cpus:2,mem:64"]);
    until("a second one runs", || (cluster.tasks("TASK_RUNNING") == 2).then_some(()));
    assert_eq!(
        cluster.refused(&["quota", "set", "web", "--limit", "cpus:1,mem:32"]).lines().last().unwrap(),
        "what to do: raise the limit, end tasks of the role, or repeat with --force: what runs goes on then"
    );
    let refused = cluster.refused(&["partition", "set", "p", "--role", "web", "--max", "cpus:3"]);
    assert!(refused.ends_with("what to do: remove the quota first: tepui quota remove ROLE\n"), "{refused}");
    cluster.tepui(&["partition", "set", "ops", "--role", "ops", "--min", "cpus:1", "--priority", "3"]);
    let changed = cluster.json(&["partition", "set", "ops", "--max", "cpus:2"]);
    assert_eq!((&changed["priority"], &changed["resources"]), (&json!(3), &json!({"cpus": {"min": 1.0, "max": 2.0}})));
    cluster.tepui(&["partition", "remove", "ops"]);

    cluster.tepui(&["quota", "remove", "web"]);
    until("all run", || (cluster.tasks("TASK_RUNNING") == 3).then_some(()));
    assert!(cluster.refused(&["quota", "remove", "web"]).contains("`tepui quota list`"));
}

#[test]
fn weights_are_set_and_roles_shown() {
    let cluster = Cluster::start();
    assert_eq!(
        cluster.tepui(&["weight", "list"]),
        "Every role has weight 1. Set another with: tepui weight set ROLE=2\n"
    );
    cluster.tepui(&["weight", "set", "web=3", "batch=0.5"]);
    assert_eq!(cluster.tepui(&["weight", "list"]), "ROLE   WEIGHT\nbatch  0.5\nweb    3\n");
    assert!(cluster.tepui(&["role", "show", "web"]).contains("weight      3\n"));
    assert!(cluster.refused(&["weight", "set", "web=-1"]).contains("Weights must be positive"));
}

#[test]
fn disk_is_reserved_becomes_a_volume_and_is_given_back() {
    let cluster = Cluster::start();
    let resources = || cluster.agents()[0]["total_resources"].to_string();
    assert!(
        cluster
            .refused(&["volume", "create", "node7", "--role", "db", "--id", "data", "--size", "64"])
            .ends_with("reserve it first: tepui reserve S0 disk:64 --role db\n")
    );
    cluster.tepui(&["reserve", "node7", "disk:128,ports:[31000-31009]", "--role", "db", "--label", "team=search"]);
    cluster.tepui(&["volume", "create", "S0", "--role", "db", "--id", "data", "--size", "64"]);
    let held = resources();
    assert!(held.contains(r#""persistence":{"id":"data"}"#) && held.contains(r#""value":"search""#), "{held}");
    let directory = cluster.agent_directory("node7").join("volumes/roles/db/data");
    until("the volume exists", || directory.is_dir().then_some(()));

    cluster.tepui(&["volume", "grow", "da", "--by", "32"]);
    cluster.tepui(&["volume", "shrink", "da", "--by", "16"]);
    assert!(cluster.tepui(&["volume", "list"]).contains("data    S0 (node7)  db    80         no      -\n"));
    assert!(cluster.refused(&["volume", "grow", "data", "--by", "64"]).contains("reserve it first"));

    cluster.tepui(&["volume", "destroy", "data"]);
    until("the volume is gone", || (!directory.exists()).then_some(()));
    let call = cluster.json(&["unreserve", "S0", "ports:[31000-31004]", "--role", "db"]);
    assert_eq!(call["unreserve_resources"]["resources"][0]["ranges"]["range"], json!([{"begin": 31000, "end": 31004}]));
    cluster.tepui(&["unreserve", "S0", "--role", "db"]);
    assert!(!resources().contains("DYNAMIC"), "{}", resources());
    assert!(cluster.refused(&["unreserve", "S0", "--role", "db"]).contains("nothing on agent S0 is reserved to db"));
}

#[test]
fn an_agent_is_drained_and_reactivated() {
    let cluster = Cluster::start();
    let _task = cluster.begin(&["run", "--name", "sleeper", "--", "sleep 1000"]);
    until("it runs", || (cluster.tasks("TASK_RUNNING") == 1).then_some(()));

    cluster.tepui(&["deactivate", "S0"]);
    assert!(cluster.tepui(&["agents"]).contains("deactivated"));
    assert_eq!(cluster.tasks("TASK_RUNNING"), 1, "what runs goes on");
    cluster.tepui(&["reactivate", "S0"]);

    let said = cluster.tepui(&["drain", "node7", "--grace", "5s", "--wait"]);
    assert!(said.ends_with("agent S0 is drained\n"), "{said}");
    assert_eq!(cluster.agents()[0]["drain_info"]["state"], "DRAINED");
    assert_eq!((cluster.tasks("TASK_RUNNING"), cluster.tasks("TASK_KILLED")), (0, 1));
    assert!(cluster.tepui(&["agents"]).contains(" drained "));

    cluster.tepui(&["reactivate", "S0"]);
    assert!(cluster.refused(&["reactivate", "S0"]).contains("answered 400: Agent is not deactivated\nwhat to do: "));
    cluster.tepui(&["run", "--name", "again", "--", "true"]);

    cluster.tepui(&["drain", "S0", "--gone", "--wait"]);
    assert!(cluster.agents().is_empty());
    assert!(cluster.refused(&["drain", "S0"]).contains("`tepui agents` lists them"));
}

#[tokio::test]
async fn a_scheduled_machine_is_brought_down_after_answers() {
    let mut cluster = Cluster::start();
    let mut framework = Framework::with_a_task(&cluster.master).await;
    cluster.tepui(&["maintenance", "schedule", "node7", "--start", "in 2h", "--for", "1h"]);
    let offers = framework.event_of(|event| event.inverse_offers.clone()).await.inverse_offers;
    assert_eq!(offers[0].unavailability.duration.unwrap().nanoseconds, 3_600_000_000_000);
    let accept = AcceptInverseOffers { inverse_offer_ids: vec![offers[0].id.clone()], ..Default::default() };
    let call = Call {
        r#type: Some(Type::AcceptInverseOffers.into()),
        accept_inverse_offers: Some(Box::new(accept)),
        ..Default::default()
    };
    framework.scheduler.call(call).await.unwrap();
    until("the answer is shown", || {
        cluster.tepui(&["maintenance", "status"]).contains(" 1h00m  tester: leaves\n").then_some(())
    });
    assert_eq!(cluster.json(&["maintenance", "status"])["schedule"]["windows"].as_array().unwrap().len(), 1);

    let refused = cluster.refused(&["drain", "S0"]);
    assert!(
        refused.contains("is part of a maintenance schedule under Machine node7 (127.0.0.1)\nwhat to do: "),
        "{refused}"
    );
    assert!(cluster.refused(&["maintenance", "stop", "node7"]).contains("is not in DOWN mode"));
    cluster.tepui(&["maintenance", "start", "node7"]);
    until("its agent is removed", || cluster.agents().is_empty().then_some(()));
    assert!(cluster.tepui(&["maintenance", "status"]).contains("  down  "));
    assert!(cluster.refused(&["maintenance", "clear", "--all"]).contains("tepui maintenance stop MACHINE"));
    cluster.tepui(&["maintenance", "stop", "node7"]);
    assert!(cluster.tepui(&["maintenance", "status"]).starts_with("No maintenance is scheduled."));
    cluster.start_agent("node7", "127.0.0.1");
    let back = until("its agent is back", || cluster.agents().first().cloned());
    assert!(back["agent_info"]["id"]["value"].as_str().unwrap().ends_with("-S1"), "{back}");
}

#[test]
fn help_of_every_command_has_examples() {
    let help = |command: &[&str]| {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_tepui")).args(command).arg("--help").output().unwrap();
        assert!(output.status.success(), "{command:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // Each text is part of the paragraphs that describe the command.
    for (command, taught) in [
        ("role", "A role need not be created"),
        ("quota", "A guarantee is kept free"),
        ("weight", "Weights count among roles of one level"),
        ("partition", "Mesos has no partitions"),
        ("reserve", "They have to be free"),
        ("unreserve", "has to be destroyed first"),
        ("volume", "keeps what they write"),
        ("maintenance", "Times are UTC"),
        ("drain", "comes back with `tepui reactivate`"),
        ("deactivate", "`tepui drain` ends them instead"),
        ("reactivate", "has to be drained first"),
        ("gone", "There is no way back"),
    ] {
        let text = help(&[command]);
        let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flowing.contains(taught), "{command}: {text}");
        assert!(
            text.contains("Examples:\n  tepui ") && text.contains(&format!("  tepui {command} ")),
            "{command}: {text}"
        );
    }
}

#[test]
fn the_guide_of_operators_is_correct() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating.md")).unwrap();
    Cluster::with_agents(&["node7", "node8"]).follow(&guide);
}

#[test]
fn the_guide_of_failures_is_correct() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/failures.md")).unwrap();
    let ping = std::time::Duration::from_secs(15);
    let read = |json: &str| Policy::parse(json, ping).unwrap_or_else(|error| panic!("{json}: {error}"));
    let [first, defaults, example, sinks] = blocks(&guide, "json")[..].try_into().unwrap();
    let (default, shown) = (Policy::new(ping), read(defaults));
    // The policy in the guide can only have whole seconds.
    let whole = |policy: &Policy| policy.suspicion.min_deviation.as_secs_f64().round();
    assert_eq!(whole(&shown), whole(&default));
    let suspicion = SuspicionOptions { min_deviation: default.suspicion.min_deviation, ..shown.suspicion };
    assert_eq!(Policy { suspicion, ..shown }, default);
    assert_eq!((read(first).rules.len(), read(example).rules.len()), (3, 4));
    assert_eq!(SinkOptions::parse(sinks).unwrap().len(), 3);
    for kind in Kind::ALL {
        assert!(guide.contains(&format!("\n| `{kind}` | ")), "{kind} is not explained");
    }

    // Measurements of a busy machine would add failures.
    let policy = format!("--recovery_policy={first}");
    Cluster::with_flags(&["node7"], &[policy], &["--disk_watch_interval=1hrs".to_owned()]).follow(&guide);
}

/// A framework that runs a task on the first offer.
struct Framework {
    scheduler: Scheduler,
    events: Events<Event>,
}

impl Framework {
    async fn with_a_task(master: &str) -> Self {
        let master: Address = master.parse().unwrap();
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let info =
            v1::FrameworkInfo { user, name: "tester".to_owned(), roles: vec!["*".to_owned()], ..Default::default() };
        let capability =
            v1::framework_info::Capability { r#type: Some(v1::framework_info::capability::Type::MultiRole.into()) };
        let info = v1::FrameworkInfo { capabilities: vec![capability], ..info };
        let (scheduler, events) = Scheduler::subscribe(&master, info).await.unwrap();
        let mut framework = Framework { scheduler, events };
        let offer = framework.event_of(|event| event.offers.as_ref()?.offers.first().cloned()).await;
        let task = v1::TaskInfo {
            name: "t".to_owned(),
            task_id: v1::TaskId { value: "t".to_owned() },
            agent_id: offer.agent_id,
            resources: offer.resources.into_iter().filter(|r| r.name == "cpus" || r.name == "mem").collect(),
            command: Some(Box::new(v1::CommandInfo { value: Some("sleep 1000".to_owned()), ..Default::default() })),
            ..Default::default()
        };
        framework.scheduler.launch(vec![offer.id], vec![task]).await.unwrap();
        let status = framework.event_of(|event| event.update.as_ref().map(|update| update.status.clone())).await;
        framework.scheduler.acknowledge(&status).await.unwrap();
        framework
    }

    async fn event_of<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.next().await.unwrap().expect("the stream goes on");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }
}
