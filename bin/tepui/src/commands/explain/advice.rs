//! Advice for the reasons why something is not offered.

/// Returns the advice for a reason code of the master. Newer masters may have further codes.
pub fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "REFUSED" => {
            "wait, or let its scheduler call REVIVE, which ends all refusals; a scheduler that declines for long stays without offers"
        }
        "SUPPRESSED" => "its scheduler must call REVIVE for the role",
        "FRAMEWORK_INACTIVE" => "start its scheduler again: it must subscribe with the id of the framework",
        "NOT_SUBSCRIBED" => "let it subscribe with the role, or add the role with UPDATE_FRAMEWORK",
        "AGENT_INACTIVE" => {
            "see `tepui agents`: start agents that are gone, reactivate those that were deactivated or drained; `tepui explain agent` \
             tells why one is held"
        }
        "NOT_WHITELISTED" => "add their host names to the file of the master's --whitelist",
        "FRAMEWORK_LACKS_CAPABILITY" => "let it subscribe with that capability, if it can deal with what it is for",
        "AGENT_LACKS_CAPABILITY" => "start a newer version of these agents",
        "OFFER_CONSTRAINTS" => {
            "change the framework's offer constraints (UPDATE_FRAMEWORK), or the --attributes of agents"
        }
        "NOTHING_LEFT" => "wait for tasks to end (`tepui tasks`), or add agents",
        "RESERVED_FOR_OTHERS" => "unreserve it, or let the framework subscribe to the role it is reserved to",
        "TOO_LITTLE_LEFT" => {
            "wait for tasks to end, or lower --min_allocatable_resources or the framework's offer_filters"
        }
        "DEMAND_TOO_LARGE" => "ask for less in one piece, or add larger agents",
        "DEMAND_DOES_NOT_FIT" => "wait for tasks to end (`tepui tasks`), ask for less in one piece, or add agents",
        "UNKNOWN_FRAMEWORK" => "see `tepui frameworks`",
        "UNKNOWN_AGENT" => "see `tepui agents`",
        "RECOVERING" => "wait, or start the missing agents; --allocator_recovery_timeout bounds the time",
        "QUOTA_LIMIT" => "raise the limit of the role's quota, or end tasks of the role: `tepui quota --help`",
        "KEPT_FOR_GUARANTEES" => "others were promised it: lower their guarantees, or add agents: `tepui quota --help`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocator::IneligibilityReason;
    use model::{Monotonic, Role};
    use resources::ResourceQuantities;

    /// Returns the reason after this one, so that a new reason cannot be left out.
    fn next(reason: &IneligibilityReason) -> Option<IneligibilityReason> {
        let until = Monotonic::default();
        Some(match reason {
            IneligibilityReason::UnknownAgent => IneligibilityReason::UnknownFramework,
            IneligibilityReason::UnknownFramework => IneligibilityReason::NotSubscribed,
            IneligibilityReason::NotSubscribed => IneligibilityReason::FrameworkInactive,
            IneligibilityReason::FrameworkInactive => IneligibilityReason::Suppressed,
            IneligibilityReason::Suppressed => IneligibilityReason::AgentInactive,
            IneligibilityReason::AgentInactive => IneligibilityReason::NotWhitelisted,
            IneligibilityReason::NotWhitelisted => IneligibilityReason::FrameworkLacks("GPU_RESOURCES"),
            IneligibilityReason::FrameworkLacks(_) => IneligibilityReason::AgentLacks("MULTI_ROLE"),
            IneligibilityReason::AgentLacks(_) => IneligibilityReason::Constraints(Vec::new()),
            IneligibilityReason::Constraints(_) => IneligibilityReason::NothingLeft,
            IneligibilityReason::NothingLeft => IneligibilityReason::NothingOfferable,
            IneligibilityReason::NothingOfferable => IneligibilityReason::QuotaLimit {
                role: Role::new("r"),
                names: Vec::new(),
                left: ResourceQuantities::new(),
            },
            IneligibilityReason::QuotaLimit { .. } => {
                IneligibilityReason::Headroom { roles: Vec::new(), names: Vec::new() }
            }
            IneligibilityReason::Headroom { .. } => IneligibilityReason::BelowMinimum,
            IneligibilityReason::BelowMinimum => IneligibilityReason::TooLarge(Vec::new()),
            IneligibilityReason::TooLarge(_) => IneligibilityReason::DoesNotFit(Vec::new()),
            IneligibilityReason::DoesNotFit(_) => IneligibilityReason::Filtered { until },
            IneligibilityReason::Filtered { .. } => IneligibilityReason::Recovering { missing: 1, until },
            IneligibilityReason::Recovering { .. } => return None,
        })
    }

    #[test]
    fn there_is_advice_for_every_reason() {
        let reasons = std::iter::successors(Some(IneligibilityReason::UnknownAgent), next);
        let silent: Vec<_> = reasons.map(|reason| reason.code()).filter(|code| advice(code).is_none()).collect();
        assert_eq!(silent, [""; 0]);
    }

    #[test]
    fn unknown_reasons_have_no_advice() {
        assert_eq!(advice("SOMETHING_NEW"), None);
        assert!(advice("REFUSED").is_some());
    }
}
