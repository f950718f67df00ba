//! The counts of performance events in `PerfStatistics`.

use containerizer::PerfUsage;
use messages::v1;

/// Makes the function that sets the field of a count by its name.
macro_rules! counts {
    ($($field:ident)*) => {
        fn set(statistics: &mut v1::PerfStatistics, name: &str, value: f64) {
            match name {
                // As `perf` prints them, clocks are in milliseconds.
                "cpu_clock" => statistics.cpu_clock = Some(value / 1e6),
                "task_clock" => statistics.task_clock = Some(value / 1e6),
                // The conversion saturates.
                $(stringify!($field) => statistics.$field = Some(value as u64),)*
                _ => {}
            }
        }

        #[cfg(test)]
        const FIELDS: &[&str] = &["cpu_clock", "task_clock", $(stringify!($field)),*];
    };
}

counts! {
    cycles stalled_cycles_frontend stalled_cycles_backend instructions cache_references cache_misses branches
    branch_misses bus_cycles ref_cycles page_faults minor_faults major_faults context_switches cpu_migrations
    alignment_faults emulation_faults l1_dcache_loads l1_dcache_load_misses l1_dcache_stores
    l1_dcache_store_misses l1_dcache_prefetches l1_dcache_prefetch_misses l1_icache_loads
    l1_icache_load_misses l1_icache_prefetches l1_icache_prefetch_misses llc_loads llc_load_misses llc_stores
    llc_store_misses llc_prefetches llc_prefetch_misses dtlb_loads dtlb_load_misses dtlb_stores
    dtlb_store_misses dtlb_prefetches dtlb_prefetch_misses itlb_loads itlb_load_misses branch_loads
    branch_load_misses node_loads node_load_misses node_stores node_store_misses node_prefetches
    node_prefetch_misses
}

/// Returns the counts as a message.
pub fn perf_statistics(usage: &PerfUsage) -> v1::PerfStatistics {
    let mut statistics =
        v1::PerfStatistics { timestamp: usage.timestamp, duration: usage.duration, ..v1::PerfStatistics::default() };
    usage.values.iter().for_each(|(name, value)| set(&mut statistics, name, *value));
    statistics
}

#[cfg(test)]
mod tests {
    use super::*;
    use messages::schema::HasDescriptor;

    #[test]
    fn every_field_of_the_message_can_be_set() {
        let fields = v1::PerfStatistics::desc().fields.iter().map(|field| field.name);
        for name in fields.filter(|name| !matches!(*name, "timestamp" | "duration")) {
            assert!(FIELDS.contains(&name), "{name}");
        }
        let usage = PerfUsage { timestamp: 1.0, duration: 2.0, values: vec![("task_clock", 3e6), ("llc_loads", 4.6)] };
        let statistics = perf_statistics(&usage);
        assert_eq!((statistics.task_clock, statistics.llc_loads, statistics.cycles), (Some(3.0), Some(4), None));
    }
}
