//! Advice for refusals of the master, chosen by their text. The texts are those of Mesos, so this also works with its
//! masters.

use tepui_client::Error;

use crate::commands::cli::CommandError;

/// Parts of the master's answers and the advice for them. The first match counts.
const ADVICE: &[(&str, &str)] = &[
    ("exceed cluster capacity", "lower the guarantees, add agents, or repeat with --force if agents are about to come"),
    ("is already consuming", "raise the limit, end tasks of the role, or repeat with --force: what runs goes on then"),
    ("more than the maximum", "raise --max, or repeat with --force: what runs goes on then"),
    ("more than the cluster has", "lower a minimum, add agents, or repeat with --force if agents are about to come"),
    ("is not contained within the 'QuotaConfig.limits'", "raise --limit above --guarantee, or lower --guarantee"),
    ("not on the roles whitelist", "add the role to the master's --roles, or take one of those"),
    ("Unknown role", "add the role to the master's --roles, or take one of those"),
    ("not among those of --roles", "add the role to the master's --roles, or take one of those"),
    ("which stands in for its quota", "see `tepui partition list`; change it with `tepui partition set`"),
    ("has quota, which a partition would stand in for", "remove the quota first: tepui quota remove ROLE"),
    ("404 Not Found", "masters of Mesos have no partitions: `tepui quota` sets guarantees and limits"),
    ("has the partition", "see `tepui partition list`"),
    ("quota on nested role", "this master gives quota to roles without '/' only; Tepui's gives it to all"),
    ("the roles below", "see `tepui quota list`: give the role above enough for all below it, or those less"),
    ("above it", "see `tepui quota list`: a role's limit stays within that of the role above"),
    ("is not part of a maintenance schedule", "schedule it first: tepui maintenance schedule MACHINE --for 1h"),
    ("is not in DRAINING mode", "see `tepui maintenance status`: it is down already"),
    ("is not in DOWN mode", "see `tepui maintenance status`: it is not down; `tepui maintenance clear` unschedules it"),
    ("is deactivated and cannot be removed", "it is down: bring it up with `tepui maintenance stop MACHINE`"),
    (
        "is part of a maintenance schedule",
        "Mesos allows one of the two; unschedule it: tepui maintenance clear MACHINE",
    ),
    ("is not capable of draining", "the agent is too old, or its --agent_features leave AGENT_DRAINING out"),
    ("is still in the DRAINING state", "wait until it is drained: `tepui agents` shows it"),
    ("Agent is not deactivated", "nothing needs to be done: `tepui agents` shows it"),
    ("currently being marked gone", "nothing needs to be done: it leaves the cluster"),
    ("being transitioned", "wait a moment and look at `tepui agents`"),
    ("Unknown agent", "`tepui agents` lists those that are known"),
    ("No agent found", "`tepui agents` lists those that are known"),
    ("volumes in use", "end the tasks that use it first: `tepui volume list` shows who does"),
    ("Persistence ID", "take another --id, or `tepui volume destroy` the old one"),
    ("does not contain", "it is not free: see `tepui agents`; end tasks that use it (`tepui tasks`), or take less"),
    ("does not match", "give --principal as you are known to the master"),
    ("with no principal set", "give --principal as you are known to the master"),
    ("must be smaller than the size", "take less, or `tepui volume destroy` it"),
    ("RESIZE_VOLUME", "start a newer agent there"),
    ("MOUNT disk", "a volume on a disk of its own is always as large as the disk"),
    ("shared persistent volume", "create a larger volume and let tasks move over"),
];

pub fn advised(error: Error) -> CommandError {
    let advice = match &error {
        Error::Status { body, .. } => ADVICE.iter().find(|(words, _)| body.contains(words)).map(|(_, advice)| *advice),
        _ => None,
    };
    match advice {
        Some(advice) => CommandError::WithAdvice(error, advice),
        None => CommandError::Client(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> String {
        let address = tepui_client::Address::new("m", 1);
        advised(Error::Status { address, status, body: body.to_owned() }).to_string()
    }

    #[test]
    fn advice_follows_the_message_of_the_master() {
        assert_eq!(
            refusal(400, "Agent is still in the DRAINING state"),
            "m:1 answered 400: Agent is still in the DRAINING state\nwhat to do: wait until it is drained: `tepui agents` shows it"
        );
        assert_eq!(refusal(400, "something new"), "m:1 answered 400: something new");
    }
}
