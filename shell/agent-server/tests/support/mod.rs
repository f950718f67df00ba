//! A master and agents in this process or as processes of this very program.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use agent_server::{AgentOptions, ExecutorProgram};
use containerizer::Launcher;
use edge::Running;
use master_server::MasterOptions;
use model::Upid;
use resources::Resources;

pub fn master() -> Running {
    master_with(|_| {})
}

pub fn master_with(change: impl FnOnce(&mut MasterOptions)) -> Running {
    let mut options = MasterOptions::new(Ipv4Addr::LOCALHOST, 0, "localhost");
    change(&mut options);
    master_server::start(options).expect("the master starts")
}

/// Returns the configuration of the core of an agent that registers at once.
pub fn config(work: &Path, resources: &str) -> agent::Config {
    let resources = Resources::parse(resources, "*").expect("resources");
    let pid: Upid = "slave(1)@127.0.0.1:0".parse().expect("a pid");
    let mut config = agent::Config::new(pid, "localhost", work, resources);
    config.registration_backoff_factor = Duration::from_millis(1);
    config
}

/// Returns the options of an agent whose executors are this program with the argument `executor`; `name` is the name of
/// the executors.
pub fn options(name: &str, master: impl ToString, port: u16, config: agent::Config) -> AgentOptions {
    let mut options = AgentOptions::new(Ipv4Addr::LOCALHOST, port, master.to_string(), config);
    options.containerizer.launcher = Launcher::Posix;
    let path = std::env::current_exe().expect("this program");
    options.executor = Some(ExecutorProgram { path, argv: vec![name.to_owned(), "executor".to_owned()] });
    options
}

/// Runs the tests of a program without a test harness.
pub fn block_on<T>(tests: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(tests)
}

/// Runs an agent until it ends. `refuse` receives the error of an agent that cannot start.
pub fn run(options: AgentOptions, refuse: impl FnOnce(&dyn std::error::Error)) -> ExitCode {
    block_on(async {
        match agent_server::start(options) {
            Ok(running) => {
                running.wait().await;
                ExitCode::SUCCESS
            }
            Err(error) => {
                refuse(&error);
                ExitCode::FAILURE
            }
        }
    })
}
