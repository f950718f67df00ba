//! The text of an error together with its causes.

use std::error::Error;

/// Returns the text of an error and of all its causes, separated by colons. A cause whose text is there already is left
/// out, since some types repeat their cause in their own text.
pub fn with_sources(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (**cause).source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("no such file")]
        File,
        #[error("cannot read the plan")]
        Plan(#[source] Box<Failed>),
        #[error("cannot build: {0}")]
        Build(#[source] Box<Failed>),
    }

    #[test]
    fn each_cause_is_named_once() {
        let check = |error: Failed, expect: &str| assert_eq!(with_sources(&error), expect);
        check(Failed::File, "no such file");
        check(Failed::Plan(Box::new(Failed::File)), "cannot read the plan: no such file");
        let plan = Failed::Plan(Box::new(Failed::File));
        check(Failed::Build(Box::new(plan)), "cannot build: cannot read the plan: no such file");
    }
}
