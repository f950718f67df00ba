//! The cost of allocation rounds, single-threaded, with the parameters of Mesos' `DeclineOffers` benchmark: each agent
//! has `cpus:24;mem:4096;disk:4096;ports:[31000-32000]`, of which one framework has `cpus:16;mem:2014;disk:1024` and
//! sixteen fragments of ports; all frameworks are in role `*` and decline their offers for ever.
//!
//! `cargo bench -p allocator` prints a table; arguments select cases by name.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of its own")]

mod cases;
mod clock;

use std::time::Duration;

use allocator::{AgentOptions, Allocation, Allocator, FrameworkOptions, Options};
use cases::case_filter;
use clock::Clock;
use messages::v1;
use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::Resources;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn main() {
    let chosen = case_filter();
    println!("{:<62}{:>10}{:>12}", "case", "offers", "time");
    for (agents, frameworks) in [(10_000, 1), (10_000, 1_000), (10_000, 3_000), (50_000, 6_000)] {
        if chosen("rounds") {
            rounds(agents, frameworks);
        }
    }
    if chosen("memory") {
        memory(10_000);
    }
    if chosen("refused") {
        everything_refused(5_000, 100);
    }
    for agents in [5_000, 10_000, 20_000, 40_000] {
        if chosen("change") {
            one_change(agents);
        }
    }
}

/// Measures the first round, a round that offers everything again after all was declined, and a round in between.
fn rounds(agents: usize, frameworks: usize) {
    let mut bench = Bench::new(agents, frameworks);
    let label = |what: &str| format!("{agents} agents x {frameworks} frameworks: {what}");
    let offers = bench.timed(&label("first round"), |_| {});
    bench.decline(offers);
    let offers = bench.timed(&label("round after all was declined"), |_| {});
    bench.timed(&label("round without change"), |_| {});
    for offer in offers {
        bench.allocator.recover(bench.now, &offer.framework, &offer.agent, &offer.resources, None);
    }
    bench.timed(&label("round after all was freed"), |_| {});
}

/// Measures the resident memory of agents whose resources are all offered.
fn memory(agents: usize) {
    let before = resident_kib();
    let mut bench = Bench::new(agents, 1);
    let offers = bench.allocator.allocate(bench.now);
    let grown = resident_kib().saturating_sub(before);
    println!("{:<62}{:>10}{:>8} KiB", format!("{agents} agents, all offered: resident memory"), offers.len(), grown);
}

/// Returns the resident memory in KiB; zero where there is no `/proc`.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn everything_refused(agents: usize, frameworks: usize) {
    let mut bench = Bench::new(agents, frameworks);
    loop {
        let offers = bench.allocator.allocate(bench.now);
        if offers.is_empty() {
            break;
        }
        bench.decline(offers);
    }
    let label = |what: &str| format!("{agents} agents x {frameworks} frameworks, all refused: {what}");
    println!("{:<62}{:>10}", label("live refusals"), bench.allocator.active_offer_filters());
    bench.timed(&label("nothing changed"), |_| {});
    bench.timed(&label("forced full round"), |allocator| allocator.update_whitelist(None));
    let revived = bench.frameworks[0].0.clone();
    bench.timed(&label("suppress, revive one"), |allocator| {
        allocator.suppress(&revived, &[]);
        allocator.revive(&revived, &[]);
    });
}

/// The cost of one freed agent must not depend on how many there are.
fn one_change(agents: usize) {
    let mut bench = Bench::new(agents, 100);
    let offers = bench.allocator.allocate(bench.now);
    let start = Clock::start();
    let changes = 1_000;
    for offer in offers.iter().cycle().take(changes) {
        bench.allocator.recover(bench.now, &offer.framework, &offer.agent, &offer.resources, None);
        let again = bench.allocator.allocate(bench.now);
        assert_eq!(again.len(), 1);
        let [taken] = again.as_slice() else { return };
        bench.allocator.recover(bench.now, &taken.framework, &taken.agent, &taken.resources, None);
        let back = bench.allocator.allocate(bench.now);
        assert_eq!(back.len(), 1);
    }
    report(
        &format!("{agents} agents x 100 frameworks: free one agent and offer it"),
        1,
        start.elapsed() / (2 * changes as u32),
    );
}

struct Bench {
    allocator: Allocator,
    frameworks: Vec<(FrameworkId, v1::FrameworkInfo)>,
    now: Monotonic,
}

impl Bench {
    fn new(agents: usize, frameworks: usize) -> Self {
        let mut allocator = Allocator::new(Options::default());
        let info = v1::FrameworkInfo { user: "user".into(), name: "framework".into(), ..Default::default() };
        let frameworks: Vec<_> =
            (0..frameworks).map(|i| (FrameworkId::new(format!("framework-{i:06}")), info.clone())).collect();
        for (id, info) in &frameworks {
            allocator.add_framework(FrameworkOptions { id, info, suppressed: &[], constraints: None }, true, &[]);
        }
        let total = Resources::parse("cpus:24;mem:4096;disk:4096;ports:[31000-32000]", "*").unwrap();
        let fragments: Vec<String> =
            (0..16).map(|i| 31_000 + i * 62).map(|port| format!("{port}-{}", port + 30)).collect();
        let used = format!("cpus:16;mem:2014;disk:1024;ports:[{}]", fragments.join(","));
        let used = Resources::parse(&used, "*").unwrap().allocated(&Role::new("*"));
        let capabilities: Vec<i32> = (1..=8).collect();
        let start = Clock::start();
        for i in 0..agents {
            let id = AgentId::new(format!("agent-{i:06}"));
            let info = v1::AgentInfo { hostname: format!("host{i}"), ..Default::default() };
            let owner = frameworks[i % frameworks.len()].0.clone();
            let options =
                AgentOptions { id: &id, info: &info, capabilities: &capabilities, total: total.clone(), active: true };
            allocator.add_agent(options, &[(owner, used.clone())]);
        }
        report(&format!("{agents} agents x {} frameworks: add agents", frameworks.len()), 0, start.elapsed());
        Bench { allocator, frameworks, now: Monotonic::default() }
    }

    fn timed(&mut self, label: &str, before: impl FnOnce(&mut Allocator)) -> Vec<Allocation> {
        before(&mut self.allocator);
        let start = Clock::start();
        let offers = self.allocator.allocate(self.now);
        report(label, offers.len(), start.elapsed());
        offers
    }

    fn decline(&mut self, offers: Vec<Allocation>) {
        for offer in offers {
            self.allocator.recover(self.now, &offer.framework, &offer.agent, &offer.resources, Some(YEAR));
        }
    }
}

fn report(label: &str, offers: usize, time: Duration) {
    println!("{label:<62}{offers:>10}{:>9.3} ms", time.as_secs_f64() * 1e3);
}
