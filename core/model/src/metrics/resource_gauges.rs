//! The gauges of resources: `cpus_total`, `mem_revocable_used` and so on.

use std::borrow::Cow;

use resources::Resources;

use super::MetricValue;

/// The resources that have gauges.
const NAMES: [&str; 4] = ["cpus", "gpus", "mem", "disk"];

/// The amounts of the resources that have gauges, in thousandths; memory and disk in mebibytes.
#[derive(Debug, Default)]
pub struct ResourceGauges {
    firm: [MetricValue; NAMES.len()],
    revocable: [MetricValue; NAMES.len()],
}

impl ResourceGauges {
    /// Adds the scalars of resources.
    pub fn add(&self, resources: &Resources) {
        self.change(resources, 1);
    }

    /// Subtracts the scalars of resources.
    pub fn subtract(&self, resources: &Resources) {
        self.change(resources, -1);
    }

    /// Replaces the amounts of resources that are not revocable; revocable ones in `resources` are ignored.
    pub fn set_firm(&self, resources: &Resources) {
        set(&self.firm, &resources.non_revocable());
    }

    /// Replaces the amounts of revocable resources; others in `resources` are ignored.
    pub fn set_revocable(&self, resources: &Resources) {
        set(&self.revocable, &resources.revocable());
    }

    /// Returns the amount of a resource that is not revocable; 0 for a resource without a gauge.
    pub fn firm(&self, name: &str) -> f64 {
        amount(&self.firm, name)
    }

    /// Returns the amount of a revocable resource; 0 for a resource without a gauge.
    pub fn revocable(&self, name: &str) -> f64 {
        amount(&self.revocable, name)
    }

    fn change(&self, resources: &Resources, sign: i64) {
        for resource in resources {
            let Some(amount) = resource.value().as_scalar() else { continue };
            let values = if resource.is_revocable() { &self.revocable } else { &self.firm };
            for (_, value) in NAMES.iter().zip(values).filter(|(name, _)| **name == resource.name().as_str()) {
                value.add(sign * amount.thousandths());
            }
        }
    }
}

fn amount(values: &[MetricValue; NAMES.len()], name: &str) -> f64 {
    let value = NAMES.iter().zip(values).find(|(own, _)| **own == name);
    value.map_or(0.0, |(_, value)| value.get() as f64 / 1000.0)
}

fn set(values: &[MetricValue; NAMES.len()], resources: &Resources) {
    for (name, value) in NAMES.iter().zip(values) {
        value.set(resources.get_scalar(name).map_or(0, |amount| amount.thousandths()));
    }
}

/// Iterates over `<prefix><resource>_total`, `…_used` and `…_percent` (Mesos' name of a ratio), and the same of revocable
/// resources.
pub(crate) fn gauges<'a>(
    prefix: &'static str,
    total: &'a ResourceGauges,
    used: &'a ResourceGauges,
) -> impl Iterator<Item = (Cow<'static, str>, f64)> + 'a {
    let kinds = [("", &total.firm, &used.firm), ("_revocable", &total.revocable, &used.revocable)];
    kinds.into_iter().flat_map(move |(infix, total, used)| {
        NAMES.iter().flat_map(move |name| {
            let (total, used) = (amount(total, name), amount(used, name));
            let percent = if total == 0.0 { 0.0 } else { used / total };
            [("total", total), ("used", used), ("percent", percent)]
                .map(|(suffix, value)| (Cow::Owned(format!("{prefix}{name}{infix}_{suffix}")), value))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(total: &ResourceGauges, used: &ResourceGauges, expect: &[(&str, f64)]) {
        let shown = gauges("x/", total, used).filter(|(_, value)| *value != 0.0);
        let expect: Vec<_> = expect.iter().map(|(name, value)| (Cow::Borrowed(*name), *value)).collect();
        assert_eq!(shown.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn resources_have_gauges() {
        let parse = |text| Resources::parse(text, "*").unwrap();
        let (total, used) = (ResourceGauges::default(), ResourceGauges::default());
        total.add(&parse("cpus:4;mem:1024;ports:[1-2]"));
        used.add(&parse("cpus:1.5;mem:1024"));
        used.subtract(&parse("mem:512"));
        let expect = [
            ("x/cpus_total", 4.0),
            ("x/cpus_used", 1.5),
            ("x/cpus_percent", 0.375),
            ("x/mem_total", 1024.0),
            ("x/mem_used", 512.0),
            ("x/mem_percent", 0.5),
        ];
        check(&total, &used, &expect);
        let other = ResourceGauges::default();
        other.set_firm(&parse("cpus:3;disk:1"));
        other.set_firm(&parse("cpus:4;mem:1024"));
        check(&other, &used, &expect);
    }
}
