//! The warnings for the user of the task about content that an archive loses or changes while it is unpacked.

/// The warnings of one item. The first are kept as texts and the rest is counted, since a hostile archive may cause a
/// million.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    texts: Vec<String>,
    more: u64,
}

const MAX_TEXTS: usize = 20;

impl Warnings {
    /// Adds a warning, unless the text exists already.
    pub fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.texts.contains(&text) {
            return;
        }
        if self.texts.len() < MAX_TEXTS {
            self.texts.push(text);
        } else {
            self.more += 1;
        }
    }

    /// Returns one line for each warning.
    pub fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.texts.push(format!("and {} more warnings", self.more));
        }
        self.texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_warnings_are_printed_and_the_rest_counted() {
        let mut warnings = Warnings::default();
        for number in 0..25 {
            warnings.add(format!("w{number}"));
            warnings.add("w0");
        }
        let lines = warnings.into_lines();
        assert_eq!((lines.len(), lines[20].as_str()), (21, "and 5 more warnings"));
    }
}
