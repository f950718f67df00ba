//! The first steps of README.md, carried out: each command line of the block is run on a cluster of `tepui local`, and its
//! output begins as a reader expects. Lines about images, pods and terminals are left to the tests of these; that every
//! line is accepted is checked in `src/commands/document_tests.rs`. What `make build` says before it begins is checked here,
//! too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use processes::TEPUI;
use testkit::process::LocalCluster;

const README: &str = include_str!("../../../README.md");

/// What the output of a line has to be, by the beginning of the line. `$OUT` is the standard output.
type Expect = fn(&str, &Output);

const LINES: &[(&str, Expect)] = &[
    ("tepui run -- 'echo", |out, output| {
        assert!(output.status.success() && out.starts_with("hello from ") && out.trim().len() > 11, "{out}");
    }),
    ("tepui run -n 20", |out, output| {
        assert!(output.status.success() && out.contains("run.19"), "{out}");
    }),
    ("tepui logs -f", |_, output| assert!(output.status.success())),
    ("tepui wait", |_, output| assert_eq!(output.status.code(), Some(3))),
    ("tepui tasks", |out, output| assert!(output.status.success() && out.contains("run.7"), "{out}")),
    ("tepui agents", |out, output| {
        assert!(output.status.success() && out.lines().count() >= 3 && out.contains("S1"), "{out}");
    }),
    ("tepui explain task run.7", |out, output| {
        assert!(output.status.success() && out.contains("run.7"), "{out}");
    }),
    ("tepui quota set dev", |out, output| {
        assert!(output.status.success() && out.starts_with("role dev gets at most cpus:4"), "{out}");
    }),
    ("tepui drain --help", |out, output| assert!(output.status.success() && out.contains("--grace"), "{out}")),
    ("tepui failures", |_, output| assert!(output.status.success())),
    ("tepui examples", |out, output| {
        assert!(output.status.success() && out.starts_with("A cluster on this machine"), "{out}");
    }),
    ("tepui", |out, output| assert!(output.status.success() && out.contains("agents"), "{out}")),
];

/// Lines that other tests carry out, or that need what a test does not have.
const ELSEWHERE: [&str; 4] = ["tepui local", "tepui run --image", "tepui run --pod", "tepui exec -it"];

fn shell(local: &LocalCluster, line: &str) -> Output {
    let programs = Path::new(TEPUI).parent().unwrap().display().to_string();
    Command::new("sh")
        .args(["-c", line])
        .env("TEPUI_MASTER", format!("127.0.0.1:{}", local.port))
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn the_first_steps_are_true() {
    let block = README.split("\n```sh\n").find(|block| block.contains("\ntepui local ")).unwrap();
    let lines = block.split("\n```").next().unwrap().lines();
    let lines = lines.map(|line| line.split(" # ").next().unwrap_or_default().trim());
    let lines: Vec<&str> = lines.filter(|line| line.starts_with("tepui")).collect();
    let local = LocalCluster::start(TEPUI, 2, &["--resources=cpus:4;mem:1024", "--launcher=posix"]);
    let mut id = None;
    let mut expected: Vec<&str> = LINES.iter().map(|(begin, _)| *begin).collect();
    for line in lines {
        if ELSEWHERE.iter().any(|begin| line.starts_with(begin)) {
            continue;
        }
        // The task of the example sleeps for a minute, and the id is that of another cluster.
        let line = line.replace("sleep 60", "sleep 0.5").replace("sleep 2;", "");
        if line.starts_with("tepui run --detach") {
            let output = shell(&local, &line);
            let out = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            assert!(output.status.success() && out.ends_with("/run"), "{line}: {output:?}");
            id = Some(out);
            continue;
        }
        let line = id.as_ref().map_or(line.clone(), |id| line.replace("0002/run", id));
        let Some((begin, expect)) = LINES
            .iter()
            .find(|(begin, _)| line == *begin || (*begin != "tepui" && line.starts_with(&format!("{begin} "))))
        else {
            continue;
        };
        let output = shell(&local, &line);
        eprintln!("{line}: {output:?}");
        expect(&String::from_utf8_lossy(&output.stdout), &output);
        expected.retain(|other| other != begin);
    }
    assert!(expected.is_empty() && id.is_some(), "README.md has no such lines any more: {expected:?}");
}

/// Returns what is said before a build into this directory.
fn notice(target: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/build-notice.py");
    let output = Command::new("python3").args([Path::new(script), target]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_build_says_what_is_going_to_happen() {
    let target = tempfile::tempdir().unwrap();
    let first = notice(target.path());
    assert!(first.starts_with("building target/release/tepui, which consists of some "), "{first}");
    assert!(
        first.contains(" crates: about ") && first.contains(" minutes on ") && first.lines().count() == 1,
        "{first}"
    );

    let release = target.path().join("release");
    std::fs::create_dir_all(release.join("deps")).unwrap();
    let source = target.path().join("source.rs");
    std::fs::write(&source, "").unwrap();
    std::fs::write(release.join("tepui"), "").unwrap();
    std::fs::write(release.join("tepui.d"), format!("{}/tepui: {}\n", release.display(), source.display())).unwrap();
    assert_eq!(notice(target.path()), "", "everything is built");

    for number in 0..200 {
        std::fs::write(release.join(format!("deps/lib{number}.rlib")), "").unwrap();
    }
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(&source).unwrap().set_modified(later).unwrap();
    let second = notice(target.path());
    assert!(second.starts_with("building what has changed of target/release/tepui: about a minute on "), "{second}");
}
