//! Control characters and line breaks in names, messages and ids do not reach a terminal or break a table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod processes;

use std::process::{Command, Stdio};

use messages::v1;
use messages::v1::scheduler::Event;
use processes::TEPUI;
use tepui_client::{Address, Events, Scheduler};
use testkit::process::LocalCluster;

const NAME: &str = "\x1b[31mred\x1b[0m\nfake row\u{9b}2J\u{202e}";

/// Returns the first event that fits.
async fn event_of<T>(events: &mut Events<Event>, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        let event = events.next().await.unwrap().expect("the stream goes on");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

/// Runs a task whose command, and therefore the message of its end, contains control characters.
async fn run(master: &Address) -> (Scheduler, Events<Event>) {
    use v1::framework_info::{Capability, capability::Type};
    let info = v1::FrameworkInfo {
        user: std::env::var("USER").unwrap_or_else(|_| "root".to_owned()),
        name: NAME.to_owned(),
        roles: vec!["*".to_owned()],
        capabilities: vec![Capability { r#type: Some(Type::MultiRole.into()) }],
        ..Default::default()
    };
    let (scheduler, mut events) = Scheduler::subscribe(master, info).await.unwrap();
    let offer = event_of(&mut events, |event| event.offers.as_ref()?.offers.first().cloned()).await;
    let value = Some("/no/\x1b[2J\x1b]0;owned\x07\rFAKE".to_owned());
    let task = v1::TaskInfo {
        name: NAME.to_owned(),
        task_id: v1::TaskId { value: "e1".to_owned() },
        agent_id: offer.agent_id,
        resources: offer.resources.into_iter().filter(|r| r.name == "cpus" || r.name == "mem").collect(),
        command: Some(Box::new(v1::CommandInfo { value, shell: Some(false), ..Default::default() })),
        ..Default::default()
    };
    scheduler.launch(vec![offer.id], vec![task]).await.unwrap();
    loop {
        let status = event_of(&mut events, |event| event.update.as_ref().map(|update| update.status.clone())).await;
        scheduler.acknowledge(&status).await.unwrap();
        if status.state() == v1::TaskState::TaskFailed {
            return (scheduler, events);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn control_characters_of_names_reach_no_terminal() {
    let local = LocalCluster::start(TEPUI, 1, &["--resources=cpus:1;mem:128", "--launcher=posix"]);
    let master = format!("127.0.0.1:{}", local.port);
    let (scheduler, _events) = run(&master.parse().unwrap()).await;
    let tepui = |arguments: &[&str]| {
        let mut command = Command::new(TEPUI);
        let output = command.args(arguments).env("TEPUI_MASTER", &master).stdin(Stdio::null()).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let id = scheduler.framework_id().value.clone();
    for arguments in [
        &["frameworks"][..],
        &["tasks"],
        &["tasks", "--wide"],
        &["explain", "task", "e1"],
        &["explain", "framework", &id],
        &["explain", "role", "*"],
        &["role", "show", "*"],
        &["cancel", "--framework", NAME],
        &["logs", NAME, "--file", NAME],
        &["frameworks", "--all"],
        &["explain", "framework", &id],
    ] {
        let said = tepui(arguments);
        let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.contains(raw), "{arguments:?}: {said:?}");
        assert!(!said.lines().any(|line| line.starts_with("fake row")), "{arguments:?}: {said:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&tepui(&["frameworks", "--json"])).unwrap();
    assert_eq!(json["completed_frameworks"][0]["framework_info"]["name"], NAME, "exact");

    for log in ["master.log", "agent-1.log"] {
        let log = std::fs::read_to_string(local.work.path().join(log)).unwrap();
        assert!(!log.contains(|c: char| c.is_control() && c != '\n'), "{log:?}");
        assert!(!log.lines().any(|line| line.starts_with("fake row")), "{log:?}");
    }
}
