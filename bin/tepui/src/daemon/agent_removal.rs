//! The flags that say when a master gives agents up, and how many.

use std::time::Duration;

use flags::Parsed;

use crate::commands::CommandError;

/// Mesos' `MIN_AGENT_REREGISTER_TIMEOUT`: agents wait up to a minute between two attempts.
const MIN_REREGISTER: Duration = Duration::from_secs(10 * 60);

pub fn apply(flags: &Parsed, config: &mut master::Config) -> Result<(), CommandError> {
    reregister_timeout(flags, config)?;
    if let Some(text) = flags.get("agent_removal_rate_limit") {
        config.agent_removal_interval = Some(interval(text).ok_or_else(|| {
            CommandError::message(format!(
                "--agent_removal_rate_limit={text}: expected <agents>/<duration>, e.g. 1/10mins"
            ))
        })?);
    }
    if let Some(text) = flags.get("recovery_agent_removal_limit") {
        config.recovery_agent_removal_limit = share(text).ok_or_else(|| {
            CommandError::message(format!("--recovery_agent_removal_limit={text}: expected a percentage, e.g. 50%"))
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
    if config.registry_gc_interval.is_zero() {
        return Err(CommandError::message("Expected `--registry_gc_interval` to be more than 0"));
    }
    if let Some(count) = flags.integer("registry_max_agent_count").and_then(|n| usize::try_from(n).ok()) {
        config.registry_max_agent_count = count;
    }
    Ok(())
}

/// Less than Mesos allows would give up agents that are well.
fn reregister_timeout(flags: &Parsed, config: &mut master::Config) -> Result<(), CommandError> {
    if let Some(timeout) = flags.duration("agent_ping_timeout") {
        if timeout < Duration::from_secs(1) || timeout > Duration::from_secs(15 * 60) {
            return Err(CommandError::message("Expected `--agent_ping_timeout` to be between 1secs and 15mins"));
        }
        config.agent_ping_timeout = timeout;
    }
    if let Some(count) = flags.integer("max_agent_ping_timeouts") {
        let count = u32::try_from(count).ok().filter(|count| *count > 0);
        config.max_agent_ping_timeouts =
            count.ok_or_else(|| CommandError::message("Expected `--max_agent_ping_timeouts` to be at least 1"))?;
    }
    if let Some(timeout) = flags.duration("agent_reregister_timeout") {
        if timeout < MIN_REREGISTER {
            return Err(CommandError::message(format!(
                "Invalid value '{}' for --agent_reregister_timeout: Must be at least 10mins",
                model::format_duration(timeout)
            )));
        }
        config.agent_reregister_timeout = timeout;
    }
    Ok(())
}

/// `2/1mins` is one in thirty seconds.
fn interval(text: &str) -> Option<Duration> {
    let (agents, time) = text.split_once('/')?;
    let agents: u32 = agents.trim().parse().ok().filter(|agents| *agents > 0)?;
    Some(model::parse_duration(time.trim()).ok()? / agents)
}

fn share(text: &str) -> Option<f64> {
    let percent: f64 = text.strip_suffix('%')?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_below_the_minimum_are_refused() {
        let check = |argument: &str, expect: Option<&str>| {
            let flags = flags::parse(&flags::MASTER, vec![argument.to_owned()], []).unwrap();
            let mut config = master::Config::new("127.0.0.1:5050".parse().unwrap(), "host");
            let said = apply(&flags, &mut config).err().map(|failure| failure.to_string());
            assert_eq!(said.as_deref(), expect, "{argument}");
        };
        check("--agent_ping_timeout=1secs", None);
        check("--agent_ping_timeout=15mins", None);
        let pings = Some("Expected `--agent_ping_timeout` to be between 1secs and 15mins");
        check("--agent_ping_timeout=999ms", pings);
        check("--slave_ping_timeout=16mins", pings);
        check("--max_agent_ping_timeouts=1", None);
        check("--max_agent_ping_timeouts=0", Some("Expected `--max_agent_ping_timeouts` to be at least 1"));
        check("--agent_reregister_timeout=10mins", None);
        let reregister = "Invalid value '1mins' for --agent_reregister_timeout: Must be at least 10mins";
        check("--agent_reregister_timeout=1mins", Some(reregister));
        check("--registry_gc_interval=0secs", Some("Expected `--registry_gc_interval` to be more than 0"));
    }

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
