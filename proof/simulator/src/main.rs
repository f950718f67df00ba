//! `simulate` runs many seeds on all cores, or one seed with a trace.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::{Parser, ValueEnum};
use simulator::{Counts, Mutant, Options, Outcome, minimise, plan, run};

/// Runs clusters of real master and agent cores in virtual time, with crashes, partitions, lost messages and slow disks,
/// and checks after every step that nothing is lost.
///
/// `simulate --seeds 10000` runs the seeds 0 to 9999; `simulate --seed 4711` repeats one and shows the faults that its
/// failure needs.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// The number of seeds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Repeat this seed and print a trace of its failure.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// With --seed: only these faults of its plan, by number (`2,3`), or `none`.
    #[arg(long, requires = "seed", value_parser = Faults::parse)]
    only: Option<Faults>,
    /// Plant a bug. The run has to fail.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Continue after failures and name them all at the end.
    #[arg(long)]
    keep_going: bool,
    /// The number of threads; all cores by default.
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// With --seed: the number of lines of the trace that are shown before the failure.
    #[arg(long, default_value_t = 60)]
    lines: usize,
}

#[derive(Debug, Clone)]
struct Faults(Vec<usize>);

impl Faults {
    fn parse(text: &str) -> Result<Self, std::num::ParseIntError> {
        let numbers = text.split(',').filter(|_| text != "none").map(|number| number.trim().parse());
        numbers.collect::<Result<_, _>>().map(Faults)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.seed {
        Some(seed) => one(&arguments, seed),
        None => many(&arguments),
    }
}

fn one(arguments: &Arguments, seed: u64) -> ExitCode {
    let only = arguments.only.clone().map(|Faults(numbers)| numbers);
    let options = Options { seed, mutant: arguments.mutant, only, traced: true };
    let outcome = run(&options);
    if outcome.violation.is_none() {
        println!("seed {seed} holds: {}", outcome.counts);
        return ExitCode::SUCCESS;
    }
    explain(&options, arguments.lines);
    ExitCode::FAILURE
}

fn explain(options: &Options, lines: usize) {
    let (needed, outcome) = minimise(&Options { traced: false, ..options.clone() });
    let plan = plan(options.seed);
    println!("{:?}, {:?}", plan.size, plan.conditions);
    println!("faults that it needs ({} of {}):", needed.len(), plan.faults.len());
    for number in &needed {
        if let Some((at, fault)) = plan.faults.get(*number) {
            println!("{:>10.3}  #{number} {fault:?}", at.as_secs_f64());
        }
    }
    let skipped = outcome.trace.len().saturating_sub(lines);
    println!("the last of {} lines:", outcome.trace.len());
    for line in outcome.trace.iter().skip(skipped) {
        println!("{line}");
    }
    println!("VIOLATION: {}", outcome.violation.unwrap_or_default());
    let only: Vec<String> = needed.iter().map(usize::to_string).collect();
    let only = if only.is_empty() { "none".to_owned() } else { only.join(",") };
    let program = std::env::args().next().unwrap_or_else(|| "simulate".to_owned());
    let mutant = options.mutant.and_then(|mutant| mutant.to_possible_value());
    let mutant = mutant.map(|mutant| format!(" --mutant {}", mutant.get_name())).unwrap_or_default();
    println!("again: {program} --seed {}{mutant} --only {only}", options.seed);
}

fn many(arguments: &Arguments) -> ExitCode {
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let (next, stop) = (AtomicU64::new(arguments.from), AtomicBool::new(false));
    let end = arguments.from + arguments.seeds;
    let total = Mutex::new((Counts::default(), 0u64, Vec::<Outcome>::new()));
    let begin = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = run(&Options { mutant: arguments.mutant, ..Options::new(seed) });
                    let Ok(mut total) = total.lock() else { return };
                    total.0 += outcome.counts;
                    total.1 += 1;
                    if total.1.is_multiple_of(1000) {
                        eprintln!("{} seeds in {:.0} s: {}", total.1, begin.elapsed().as_secs_f64(), total.0);
                    }
                    if let Some(violation) = &outcome.violation {
                        eprintln!("seed {seed} fails: {violation}");
                        stop.store(!arguments.keep_going, Ordering::Relaxed);
                        total.2.push(outcome);
                    }
                }
            });
        }
    });
    let Ok((counts, seeds, mut failed)) = total.into_inner() else { return ExitCode::FAILURE };
    println!("{seeds} seeds in {:.1} s: {counts}", begin.elapsed().as_secs_f64());
    failed.sort_by_key(|outcome| outcome.seed);
    if failed.len() > 1 {
        let seeds: Vec<String> = failed.iter().map(|outcome| outcome.seed.to_string()).collect();
        println!("{} seeds fail: {}", failed.len(), seeds.join(", "));
    }
    match failed.first() {
        Some(outcome) => {
            explain(&Options { mutant: arguments.mutant, ..Options::new(outcome.seed) }, arguments.lines);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
