//! The algebra of resources, with the resources of one agent and of one task. Fragmented ports are what costs.
//! `cargo bench -p resources`

#![allow(clippy::unwrap_used, reason = "a program of its own")]

use divan::{Bencher, black_box};
use resources::Resources;

fn main() {
    divan::main();
}

const AGENT: &str = "cpus:24;mem:65536;disk:102400;ports:[31000-32000]";
const TASK: &str = "cpus:0.5;mem:128;ports:[31500-31502]";

fn parsed(text: &str) -> Resources {
    Resources::parse(text, "*").unwrap()
}

/// Returns the free resources of an agent of which every second port is in use.
fn fragmented(ports: usize) -> Resources {
    let ranges: Vec<String> = (0..ports).map(|n| 31_000 + 2 * n).map(|port| format!("{port}-{port}")).collect();
    parsed(&format!("cpus:24;mem:65536;disk:102400;ports:[{}]", ranges.join(",")))
}

#[divan::bench]
fn parse() -> Resources {
    parsed(black_box(AGENT))
}

#[divan::bench]
fn from_protobuf(bencher: Bencher<'_, '_>) {
    let proto = parsed(AGENT).to_proto();
    bencher.bench(|| Resources::from_proto(&proto).unwrap());
}

#[divan::bench]
fn to_protobuf(bencher: Bencher<'_, '_>) {
    let agent = parsed(AGENT);
    bencher.bench(|| agent.to_proto());
}

#[divan::bench]
fn contains(bencher: Bencher<'_, '_>) {
    let (agent, task) = (parsed(AGENT), parsed(TASK));
    bencher.bench(|| agent.contains(&task));
}

/// A task takes its resources and gives them back.
#[divan::bench]
fn subtract_and_add(bencher: Bencher<'_, '_>) {
    let (agent, task) = (parsed(AGENT), parsed(TASK));
    bencher.bench(|| {
        let mut free = agent.clone();
        free -= &task;
        free += &task;
        free
    });
}

#[divan::bench(args = [1, 16, 500])]
fn subtract_one_of_fragmented_ports(bencher: Bencher<'_, '_>, ports: usize) {
    let (agent, task) = (fragmented(ports), parsed("cpus:0.5;ports:[31000-31000]"));
    bencher.bench(|| {
        let mut free = agent.clone();
        free -= &task;
        free
    });
}
