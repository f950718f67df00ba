//! A disk that guarantees a record only after a flush.

use model::Random;

/// Records in order. A record that was written but not flushed may or may not survive a crash. Only a prefix of such
/// records can survive, since records are framed and checked one after the other (a torn record ends the log).
#[derive(Debug)]
pub struct Disk<T, R> {
    durable: Vec<R>,
    /// The records that are being flushed.
    flushing: Vec<(T, R)>,
    /// The records that were written since that flush began; they are flushed next.
    written: Vec<(T, R)>,
}

impl<T, R> Default for Disk<T, R> {
    fn default() -> Self {
        Disk { durable: Vec::new(), flushing: Vec::new(), written: Vec::new() }
    }
}

impl<T, R> Disk<T, R> {
    /// Writes a record. Returns true if a flush has to be started.
    pub fn write(&mut self, token: T, record: R) -> bool {
        self.written.push((token, record));
        if self.flushing.is_empty() {
            self.flushing = std::mem::take(&mut self.written);
            return true;
        }
        false
    }

    /// Ends the flush in progress. Returns the tokens of the records that are durable now, and whether another flush
    /// has begun.
    pub fn flushed(&mut self) -> (Vec<T>, bool) {
        let mut tokens = Vec::with_capacity(self.flushing.len());
        for (token, record) in std::mem::replace(&mut self.flushing, std::mem::take(&mut self.written)) {
            self.durable.push(record);
            tokens.push(token);
        }
        (tokens, !self.flushing.is_empty())
    }

    /// Keeps a random prefix of the records that were not flushed.
    pub fn crash(&mut self, random: &mut Random) {
        let flushing = std::mem::take(&mut self.flushing);
        let survivors = random.below(flushing.len() as u64 + 1) as usize;
        self.durable.extend(flushing.into_iter().take(survivors).map(|(_, record)| record));
        self.written.clear();
    }

    /// Returns the durable records.
    pub fn records(&self) -> &[R] {
        &self.durable
    }

    /// Removes everything.
    pub fn erase(&mut self) {
        self.durable.clear();
        self.flushing.clear();
        self.written.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushed_records_survive_a_crash() {
        let mut survivors = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let mut disk = Disk::default();
            assert!(disk.write(1, "a"));
            assert!(!disk.write(2, "b"));
            assert_eq!(disk.flushed(), (vec![1], true));
            assert!(!disk.write(3, "c"));
            disk.crash(&mut Random::from_u64(seed));
            survivors.insert(disk.records().to_vec());
        }
        assert_eq!(survivors.into_iter().collect::<Vec<_>>(), [vec!["a"], vec!["a", "b"]]);
    }
}
