//! Measures how many containers per second can be launched: `launch_rate [count] [MB of ballast] [isolation,…]`, e.g.
//! `cargo bench -p containerizer --bench launch_rate -- 1000 500`.
//!
//! The ballast is touched memory of this process. A `fork` would copy its page tables for each container.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a program of its own")]

use std::sync::mpsc::sync_channel;
use std::time::Instant;

use containerizer::{Config, Containerizer, Event, Launch, Launcher, Limits, Output, Program};

fn main() {
    // cargo passes `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let count: usize = arguments.next().map_or(1000, |text| text.parse().unwrap());
    let ballast: usize = arguments.next().map_or(0, |text| text.parse().unwrap());
    let isolation = arguments.next().unwrap_or("cgroups/cpu,cgroups/mem,cgroups/pids".into());
    let ballast = vec![1u8; ballast << 20];

    let directory = tempfile::tempdir().unwrap();
    let root = format!("tepui-rate-{}", std::process::id());
    let config = Config {
        launcher: Launcher::Auto,
        isolation: isolation.split(',').map(str::to_owned).collect(),
        cgroups_root: root.clone(),
        runtime_dir: directory.path().into(),
        ..Config::default()
    };
    let (sender, events) = sync_channel(count * 2);
    let containerizer = Containerizer::new(config, move |event| drop(sender.send(event))).unwrap();
    containerizer.missing_isolation().iter().for_each(|sentence| println!("missing: {sentence}"));

    let begin = Instant::now();
    for number in 0..count {
        containerizer
            .launch(Launch {
                id: ids::ContainerId::new(format!("c{number}")),
                program: Program::Path("/bin/true".into()),
                argv: vec!["true".into()],
                init: None,
                environment: Vec::new(),
                working_directory: directory.path().into(),
                user: None,
                limits: Limits { cpus: 0.1, memory: 32 << 20, ..Limits::default() },
                rlimits: Vec::new(),
                binds: Vec::new(),
                requests: containerizer::Requests::default(),
                stdin: containerizer::Input::Nothing,
                terminal: None,
                nesting: None,
                stdout: Output::Discard,
                stderr: Output::Discard,
            })
            .unwrap();
    }
    let (mut launched, mut ended) = (None, 0);
    let mut launches = 0;
    while ended < count {
        match events.recv().unwrap() {
            Event::Launched { .. } => {
                launches += 1;
                if launches == count {
                    launched = Some(begin.elapsed());
                }
            }
            Event::Exited { status: Some(0), .. } => ended += 1,
            event => panic!("{event:?}"),
        }
    }
    let total = begin.elapsed();
    let rate = |elapsed: std::time::Duration| count as f64 / elapsed.as_secs_f64();
    println!(
        "{count} containers, {} MB of ballast: launched at {:.0}/s, over at {:.0}/s",
        ballast.len() >> 20,
        launched.map_or(0.0, rate),
        rate(total)
    );
    drop(containerizer);
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let _ = std::fs::remove_dir(hierarchy.path().join(&root));
    }
    let _ = std::fs::remove_dir(std::path::Path::new("/sys/fs/cgroup").join(&root));
}
