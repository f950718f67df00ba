//! The flags that limit how many agents a master gives up.

use std::time::Duration;

use flags::Parsed;

use crate::commands::Failure;

pub fn apply(flags: &Parsed, config: &mut master::Config) -> Result<(), Failure> {
    if let Some(text) = flags.get("agent_removal_rate_limit") {
        config.agent_removal_interval = Some(interval(text).ok_or_else(|| {
            Failure::said(format!("--agent_removal_rate_limit={text}: expected <agents>/<duration>, e.g. 1/10mins"))
        })?);
    }
    if let Some(text) = flags.get("recovery_agent_removal_limit") {
        config.recovery_agent_removal_limit = share(text).ok_or_else(|| {
            Failure::said(format!("--recovery_agent_removal_limit={text}: expected a percentage, e.g. 50%"))
        })?;
    }
    for (name, field) in [
        ("registry_gc_interval", &mut config.registry_gc_interval),
        ("registry_max_agent_age", &mut config.registry_max_agent_age),
    ] {
        if let Some(value) = flags.duration(name) {
            *field = value;
        }
    }
    if let Some(count) = flags.integer("registry_max_agent_count").and_then(|n| usize::try_from(n).ok()) {
        config.registry_max_agent_count = count;
    }
    Ok(())
}

/// `2/1mins` is one in thirty seconds.
fn interval(text: &str) -> Option<Duration> {
    let (agents, time) = text.split_once('/')?;
    let agents: u32 = agents.trim().parse().ok().filter(|agents| *agents > 0)?;
    Some(vocabulary::parse_duration(time.trim()).ok()? / agents)
}

fn share(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_percentages_are_read_as_mesos_reads_them() {
        assert_eq!(interval("1/10mins"), Some(Duration::from_secs(600)));
        assert_eq!(interval("3/1mins"), Some(Duration::from_secs(20)));
        for text in ["", "1", "1/", "/1secs", "0/1secs", "-1/1secs", "x/1secs", "1/x", "1/1secs/2"] {
            assert_eq!(interval(text), None, "{text}");
        }
        assert_eq!(share("100%"), Some(1.0));
        assert_eq!(share("12.5%"), Some(0.125));
        for text in ["", "%", "50", "101%", "-1%", "NaN%"] {
            assert_eq!(share(text), None, "{text}");
        }
    }
}
