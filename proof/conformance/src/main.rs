//! A black-box suite for masters and agents that speak Mesos. It knows nothing of how they are made: every case holds on
//! C++ Mesos 1.11, and a case that fails there is a wrong case.

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
