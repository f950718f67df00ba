//! A black-box suite for masters and agents that speak Mesos. It depends on no implementation: every case holds for C++
//! Mesos 1.11, and a case that fails there is wrong.

mod case_error;
mod cases;
mod check;
mod cli;
mod events;
mod fake_agent;
mod http;
mod peer;
mod replay;
mod report;
mod scheduler;
mod suite;
mod world;

fn main() -> std::process::ExitCode {
    cli::run()
}
