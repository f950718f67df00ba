//! The cost of quota, single-threaded, with the parameters of Mesos' `LargeAndSmallQuota` and `NonQuotaVsQuota`
//! benchmarks: agents with `cpus:2;mem:2048;disk:2048`; roles with the quota of half an agent and of two agents, one
//! framework each; in the second benchmark, roles with the quota of `agents per role` whole agents.
//!
//! `cargo bench -p allocator --bench quota` prints a table; arguments select cases by name.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program of its own")]

mod cases;
mod clock;

use std::time::Duration;

use allocator::{AgentOptions, Allocation, Allocator, FrameworkOptions, Options, Quota};
use cases::case_filter;
use clock::Clock;
use messages::v1;
use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::Resources;

const AGENT: &str = "cpus:2;mem:2048;disk:2048";
const SMALL: &str = "cpus:1;mem:1024;disk:1024";
const LARGE: &str = "cpus:4;mem:4096;disk:4096";

fn main() {
    let chosen = case_filter();
    println!("{:<66}{:>8}{:>12}", "case", "offers", "time");
    for (small, large) in [(25, 5), (250, 50), (2_500, 500), (5_000, 1_000)] {
        if chosen("large_and_small") {
            large_and_small(small, large);
        }
    }
    for roles in [100, 1_000] {
        for with_quota in [false, true] {
            if chosen("with_and_without") {
                with_and_without(roles, with_quota);
            }
        }
    }
}

fn large_and_small(small: usize, large: usize) {
    let agents = small / 5 + large * 5;
    let roles = (0..small).map(|i| (format!("smallQuotaRole{i}"), SMALL));
    let roles: Vec<_> = roles.chain((0..large).map(|i| (format!("largeQuotaRole{i}"), LARGE))).collect();
    let mut bench = Bench::new(agents, roles.iter().map(|(role, _)| role.as_str()), 1);
    for (role, text) in &roles {
        bench.promise(role, text);
    }
    let label = |what: &str| format!("{agents} agents x {} roles with quota: {what}", roles.len());
    let offers = bench.timed(&label("first round"), |_| {});
    bench.timed(&label("nothing changed"), |_| {});
    bench.timed(&label("forced full round"), |allocator| allocator.update_whitelist(None));
    bench.each(&label("free a part, it goes back"), &offers, |_, _| {});
    bench.each(&label("free a part, another role takes it"), &offers, |allocator, offer| {
        allocator.suppress(&offer.framework, &[]);
    });
    bench.each(&label("raise a quota"), &offers, |allocator, offer| {
        allocator.set_quota(&offer.role, quota("cpus:4;mem:4096;disk:4096"));
    });
}

fn with_and_without(roles: usize, with_quota: bool) {
    let agents = roles * 2;
    let names: Vec<String> = (0..roles).map(|i| format!("role{i}")).collect();
    let mut bench = Bench::new(agents, names.iter().map(String::as_str), 2);
    if with_quota {
        names.iter().for_each(|role| bench.promise(role, LARGE));
    }
    let with = if with_quota { "with quota" } else { "without quota" };
    bench.timed(&format!("{agents} agents x {roles} roles x 2 frameworks, {with}: first round"), |_| {});
}

struct Bench {
    allocator: Allocator,
    now: Monotonic,
}

impl Bench {
    fn new<'a>(agents: usize, roles: impl Iterator<Item = &'a str>, frameworks_per_role: usize) -> Self {
        let mut allocator = Allocator::new(Options::default());
        let capabilities: Vec<i32> = (1..=8).collect();
        for i in 0..agents {
            let id = AgentId::new(format!("agent-{i:06}"));
            let info = v1::AgentInfo { hostname: format!("host{i}"), ..Default::default() };
            let total = Resources::parse(AGENT, "*").unwrap();
            let options = AgentOptions { id: &id, info: &info, capabilities: &capabilities, total, active: true };
            allocator.add_agent(options, &[]);
        }
        for role in roles {
            for i in 0..frameworks_per_role {
                let id = FrameworkId::new(format!("{role}-{i}"));
                #[allow(deprecated, reason = "a framework with one role")]
                let info = v1::FrameworkInfo {
                    user: "user".into(),
                    name: id.to_string(),
                    role: Some(role.into()),
                    ..Default::default()
                };
                allocator.add_framework(
                    FrameworkOptions { id: &id, info: &info, suppressed: &[], constraints: None },
                    true,
                    &[],
                );
            }
        }
        Bench { allocator, now: Monotonic::default() }
    }

    fn promise(&mut self, role: &str, text: &str) {
        self.allocator.set_quota(&Role::new(role), quota(text));
    }

    fn timed(&mut self, label: &str, before: impl FnOnce(&mut Allocator)) -> Vec<Allocation> {
        before(&mut self.allocator);
        let start = Clock::start();
        let offers = self.allocator.allocate(self.now);
        report(label, offers.len(), start.elapsed());
        offers
    }

    /// Prints the median of a hundred single changes, since the worst contains other work of the machine.
    fn each(&mut self, label: &str, offers: &[Allocation], change: impl Fn(&mut Allocator, &Allocation)) {
        let mut times = Vec::new();
        let mut made = 0;
        for offer in offers.iter().step_by((offers.len() / 100).max(1)) {
            change(&mut self.allocator, offer);
            let start = Clock::start();
            self.allocator.recover(self.now, &offer.framework, &offer.agent, &offer.resources, None);
            made += self.allocator.allocate(self.now).len();
            times.push(start.elapsed());
        }
        times.sort_unstable();
        report(&format!("{label}, each"), made, times.get(times.len() / 2).copied().unwrap_or_default());
    }
}

/// Sets guarantees and limits to the same amounts.
fn quota(text: &str) -> Quota {
    let guarantees = Resources::parse(text, "*").unwrap().quantities();
    let limits = guarantees.iter().map(|(name, limit)| (name.clone(), limit)).collect();
    Quota { guarantees, limits }
}

fn report(label: &str, offers: usize, time: Duration) {
    println!("{label:<66}{offers:>8}{:>9.3} ms", time.as_secs_f64() * 1e3);
}
