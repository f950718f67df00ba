//! Suggests what an unknown name may have meant.

use crate::definition::Definition;
use crate::tables::DEFINITIONS;

/// Returns a part of a sentence in brackets: the nearest name of this program, or the program that has such a flag.
pub(crate) fn suggestion(definition: &Definition, name: &str) -> String {
    if let Some(nearest) = nearest(definition, name) {
        return format!(" (did you mean '--{nearest}'?)");
    }
    match DEFINITIONS.iter().find(|other| other.find(name).is_some()) {
        Some(other) => format!(" (it is a flag of `{}`)", other.program),
        None => String::new(),
    }
}

/// Returns the name with the fewest changes, if they are few for its length.
fn nearest(definition: &Definition, name: &str) -> Option<&'static str> {
    let allowed = (name.len() / 3).clamp(1, 4);
    let names = definition.flags().flat_map(|flag| flag.aliases.iter().chain([&flag.name]).map(|n| (*n, flag.name)));
    let (_, nearest) = names
        .map(|(known, flag)| (distance(known, name), flag))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= allowed)?;
    Some(nearest)
}

/// Returns the Levenshtein distance, in which two swapped characters count once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Program;
    use crate::tables::{AgentFlags, MasterFlags};

    #[test]
    fn the_nearest_name_is_suggested() {
        let check = |definition: &Definition, name: &str, expect: &str| {
            assert_eq!(suggestion(definition, name), expect, "{name}");
        };
        let master = &MasterFlags::DEFINITION;
        check(master, "prot", " (did you mean '--port'?)");
        check(master, "workdir", " (did you mean '--work_dir'?)");
        check(master, "slave_ping_timeouts", " (did you mean '--agent_ping_timeout'?)");
        check(master, "isolation", " (it is a flag of `tepui agent`)");
        check(&AgentFlags::DEFINITION, "zk", " (it is a flag of `tepui master`)");
        check(master, "frobnicate", "");
        check(master, "", "");
    }
}
