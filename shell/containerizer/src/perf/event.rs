//! The names of performance events, as `perf list` and `PerfStatistics` of Mesos have them, and their numbers in
//! linux/perf_event.h.

/// An event that the kernel can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerfEvent {
    /// The name of its field in `PerfStatistics`, in lower case.
    pub field: &'static str,
    /// `PERF_TYPE_…`.
    pub kind: u32,
    /// The event of this type.
    pub config: u64,
}

const HARDWARE: u32 = 0;
const SOFTWARE: u32 = 1;
const CACHE: u32 = 3;

/// The events of the processor and of the kernel: the name, other names of `perf`, the type and the number.
const SIMPLE: [(&str, &[&str], u32, u64); 19] = [
    ("cycles", &["cpu-cycles"], HARDWARE, 0),
    ("instructions", &[], HARDWARE, 1),
    ("cache_references", &[], HARDWARE, 2),
    ("cache_misses", &[], HARDWARE, 3),
    ("branches", &["branch-instructions"], HARDWARE, 4),
    ("branch_misses", &[], HARDWARE, 5),
    ("bus_cycles", &[], HARDWARE, 6),
    ("stalled_cycles_frontend", &["idle-cycles-frontend"], HARDWARE, 7),
    ("stalled_cycles_backend", &["idle-cycles-backend"], HARDWARE, 8),
    ("ref_cycles", &[], HARDWARE, 9),
    ("cpu_clock", &[], SOFTWARE, 0),
    ("task_clock", &[], SOFTWARE, 1),
    ("page_faults", &["faults"], SOFTWARE, 2),
    ("context_switches", &["cs"], SOFTWARE, 3),
    ("cpu_migrations", &["migrations"], SOFTWARE, 4),
    ("minor_faults", &[], SOFTWARE, 5),
    ("major_faults", &[], SOFTWARE, 6),
    ("alignment_faults", &[], SOFTWARE, 7),
    ("emulation_faults", &[], SOFTWARE, 8),
];

/// The events of caches: the name, the cache, the operation (0 reads, 1 writes, 2 prefetches) and the result (1 misses).
const OF_CACHES: [(&str, u64, u64, u64); 32] = [
    ("l1_dcache_loads", 0, 0, 0),
    ("l1_dcache_load_misses", 0, 0, 1),
    ("l1_dcache_stores", 0, 1, 0),
    ("l1_dcache_store_misses", 0, 1, 1),
    ("l1_dcache_prefetches", 0, 2, 0),
    ("l1_dcache_prefetch_misses", 0, 2, 1),
    ("l1_icache_loads", 1, 0, 0),
    ("l1_icache_load_misses", 1, 0, 1),
    ("l1_icache_prefetches", 1, 2, 0),
    ("l1_icache_prefetch_misses", 1, 2, 1),
    ("llc_loads", 2, 0, 0),
    ("llc_load_misses", 2, 0, 1),
    ("llc_stores", 2, 1, 0),
    ("llc_store_misses", 2, 1, 1),
    ("llc_prefetches", 2, 2, 0),
    ("llc_prefetch_misses", 2, 2, 1),
    ("dtlb_loads", 3, 0, 0),
    ("dtlb_load_misses", 3, 0, 1),
    ("dtlb_stores", 3, 1, 0),
    ("dtlb_store_misses", 3, 1, 1),
    ("dtlb_prefetches", 3, 2, 0),
    ("dtlb_prefetch_misses", 3, 2, 1),
    ("itlb_loads", 4, 0, 0),
    ("itlb_load_misses", 4, 0, 1),
    ("branch_loads", 5, 0, 0),
    ("branch_load_misses", 5, 0, 1),
    ("node_loads", 6, 0, 0),
    ("node_load_misses", 6, 0, 1),
    ("node_stores", 6, 1, 0),
    ("node_store_misses", 6, 1, 1),
    ("node_prefetches", 6, 2, 0),
    ("node_prefetch_misses", 6, 2, 1),
];

/// Returns the events of these names, in any case and with `-` or `_`, each once.
///
/// # Errors
/// Returns the first name that is no event of `PerfStatistics`.
pub(crate) fn parse_events(names: &[String]) -> Result<Vec<PerfEvent>, String> {
    let mut events: Vec<PerfEvent> = Vec::new();
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        let event = event(&name.to_ascii_lowercase()).ok_or_else(|| name.to_owned())?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

fn event(name: &str) -> Option<PerfEvent> {
    let field = name.replace('-', "_");
    let simple = SIMPLE.iter().find(|(own, others, ..)| *own == field || others.contains(&name));
    let of_cache = || OF_CACHES.iter().find(|(own, ..)| *own == field);
    match simple {
        Some((field, _, kind, config)) => Some(PerfEvent { field, kind: *kind, config: *config }),
        None => of_cache().map(|(field, cache, operation, result)| PerfEvent {
            field,
            kind: CACHE,
            config: cache | operation << 8 | result << 16,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_perf() {
        let parse = |text: &str| parse_events(&text.split(',').map(str::to_owned).collect::<Vec<_>>());
        let found =
            parse("cycles, cpu-cycles,L1-dcache-load-misses,LLC-stores,task-clock,context_switches,cs,").unwrap();
        let expect = [
            ("cycles", HARDWARE, 0),
            ("l1_dcache_load_misses", CACHE, 0x1_0000),
            ("llc_stores", CACHE, 0x102),
            ("task_clock", SOFTWARE, 1),
            ("context_switches", SOFTWARE, 3),
        ];
        assert_eq!(found, expect.map(|(field, kind, config)| PerfEvent { field, kind, config }));
        assert_eq!(parse("cycles,sched:sched_switch"), Err("sched:sched_switch".to_owned()));
        assert_eq!(parse(""), Ok(Vec::new()));
    }
}
