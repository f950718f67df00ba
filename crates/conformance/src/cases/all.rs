//! Every case in the order of its number.

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
        operator::CASES,
        legacy::CASES,
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
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.sort_by_key(|case| order(case.id));
    cases.into_iter()
}

/// Chapters in numerical order, those with a letter last.
fn order(id: &'static str) -> (bool, u32, &'static str) {
    let (chapter, rest) = id.split_once('.').unwrap_or((id, ""));
    let digits: String = chapter.chars().take_while(char::is_ascii_digit).collect();
    (digits.is_empty(), digits.parse().unwrap_or(0), if digits.is_empty() { id } else { rest })
}
