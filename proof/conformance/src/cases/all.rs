//! All cases in the order of their numbers.

use super::*;
use crate::suite::Case;

pub fn all() -> impl Iterator<Item = &'static Case> {
    let mut cases: Vec<&Case> = [
        content::CASES,
        subscription::CASES,
        calls::CASES,
        refusals::CASES,
        offers::CASES,
        reconciliation::CASES,
        operations::CASES,
        operator::CASES,
        v0_endpoints::CASES,
        agents::CASES,
        driver::CASES,
        running::CASES,
        agent_api::CASES,
        executor::CASES,
        bad_input::CASES,
        auth::CASES,
        follower::CASES,
        reservations::CASES,
        quota::CASES,
        maintenance::CASES,
        draining::CASES,
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.sort_by_key(|case| order(case.id));
    cases.into_iter()
}

/// Returns the sort key of a case: chapters in numerical order, and those that begin with a letter last.
fn order(id: &'static str) -> (bool, u32, &'static str) {
    let (chapter, rest) = id.split_once('.').unwrap_or((id, ""));
    let digits: String = chapter.chars().take_while(char::is_ascii_digit).collect();
    (digits.is_empty(), digits.parse().unwrap_or(0), if digits.is_empty() { id } else { rest })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_unique_number_and_a_sentence() {
        let mut ids = BTreeSet::new();
        for case in all() {
            assert!(ids.insert(case.id), "{} is used twice", case.id);
            assert!(!case.checks.is_empty() && case.checks.len() < 120, "{}: {}", case.id, case.checks);
        }
    }

    #[test]
    fn all_forty_cases_of_the_inventory_exist() {
        let covered: BTreeSet<u32> = all()
            .filter_map(|case| case.id.strip_prefix("13."))
            .filter_map(|rest| rest.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok())
            .collect();
        let missing: Vec<u32> = (1..=40).filter(|number| !covered.contains(number)).collect();
        assert_eq!(missing, Vec::<u32>::new());
    }
}
