//! The decisions of the fetcher's cache: keys, reserved space, references, eviction (`FetcherProcess::Cache` of
//! Mesos). It does no I/O; [`crate::cache`] carries the decisions out.

use std::collections::BTreeMap;

/// Names an entry for as long as somebody holds a reference to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId(u64);

/// The next step of a request for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The file is new: reserve space for it, download it, and report the result.
    Download,
    /// Another request downloads the file: wait for its result.
    Wait,
    /// The file is in the cache.
    Retrieve,
}

/// The state of an entry's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    Downloading,
    Complete,
    /// The download has failed or the file is lost. Requests that hold the entry bypass the cache.
    Failed,
}

/// The reason for which an entry gets no space. The request bypasses the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache has no space for {requested} bytes: it has {capacity}, of which {referenced} are in use")]
pub(crate) struct NoSpace {
    pub requested: u64,
    pub capacity: u64,
    pub referenced: u64,
}

#[derive(Debug)]
struct Entry {
    key: String,
    file: String,
    /// The reserved bytes; those of the file when it is complete.
    size: u64,
    references: u32,
    state: FileState,
    /// The time of the last use, as a count of uses.
    last_used: u64,
}

/// The entries of the cache. The sum of their sizes never exceeds the capacity.
#[derive(Debug)]
pub(crate) struct CacheEntries {
    capacity: u64,
    max_entries: usize,
    used: u64,
    /// The serial number of the last entry; numbers are not used again.
    serial: u64,
    /// The number of uses so far, which orders entries by their last use.
    uses: u64,
    entries: BTreeMap<EntryId, Entry>,
    /// The entries that requests can find, by their keys.
    by_key: BTreeMap<String, EntryId>,
    /// The complete entries without references, by their last use.
    evictable: BTreeMap<u64, EntryId>,
}

impl CacheEntries {
    /// Makes an empty cache for `capacity` bytes and `max_entries` files.
    pub fn new(capacity: u64, max_entries: usize) -> Self {
        CacheEntries {
            capacity,
            max_entries,
            used: 0,
            serial: 0,
            uses: 0,
            entries: BTreeMap::new(),
            by_key: BTreeMap::new(),
            evictable: BTreeMap::new(),
        }
    }

    /// Returns the size of the cache in bytes.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Returns the reserved bytes.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Finds or makes the entry of a key, takes a reference to it, and returns what the request has to do. `base_name`
    /// is the last part of the URI.
    pub fn request(&mut self, user: Option<&str>, uri: &str, base_name: &str) -> (EntryId, Lookup) {
        let key = key(user, uri);
        self.uses += 1;
        if let Some(id) = self.by_key.get(&key).copied()
            && let Some(entry) = self.entries.get_mut(&id)
        {
            self.evictable.remove(&entry.last_used);
            entry.references = entry.references.saturating_add(1);
            entry.last_used = self.uses;
            let complete = entry.state == FileState::Complete;
            return (id, if complete { Lookup::Retrieve } else { Lookup::Wait });
        }
        self.serial += 1;
        let id = EntryId(self.serial);
        let file = file_name(user, self.serial, base_name);
        let state = FileState::Downloading;
        self.by_key.insert(key.clone(), id);
        self.entries.insert(id, Entry { key, file, size: 0, references: 1, state, last_used: self.uses });
        (id, Lookup::Download)
    }

    /// Reserves space for a download. Returns the files that have to be removed for it: those that were used least
    /// recently, and never one that is referenced.
    ///
    /// # Errors
    /// Returns [`NoSpace`] if all of them together would not be enough; nothing is evicted then.
    pub fn reserve(&mut self, id: EntryId, bytes: u64) -> Result<Vec<(EntryId, String)>, NoSpace> {
        let evictable: u64 =
            self.evictable.values().filter_map(|id| self.entries.get(id)).map(|entry| entry.size).sum();
        let referenced = self.used - evictable;
        let fits = bytes <= self.capacity - referenced && self.entries.len() - self.evictable.len() <= self.max_entries;
        if !fits || !self.is_downloading(id) {
            return Err(NoSpace { requested: bytes, capacity: self.capacity, referenced });
        }
        let mut evicted = Vec::new();
        while self.capacity - self.used < bytes || self.entries.len() > self.max_entries {
            let Some((_, victim)) = self.evictable.pop_first() else { break };
            if let Some(entry) = self.entries.remove(&victim) {
                self.used -= entry.size;
                self.by_key.remove(&entry.key);
                evicted.push((victim, entry.file));
            }
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.size = bytes;
            self.used += bytes;
        }
        Ok(evicted)
    }

    /// Completes a download. A file that is smaller than its reservation gives the rest back; one that is larger fails.
    /// Returns whether the entry is complete.
    pub fn complete(&mut self, id: EntryId, bytes: u64) -> bool {
        match self.entries.get_mut(&id) {
            Some(entry) if entry.state == FileState::Downloading && bytes <= entry.size => {
                self.used -= entry.size - bytes;
                entry.size = bytes;
                entry.state = FileState::Complete;
                true
            }
            _ => {
                self.fail(id);
                false
            }
        }
    }

    /// Marks an entry whose file cannot be used. Its space is released, and the next request downloads the file again.
    /// Returns whether the file was not marked before, in which case it has to be removed.
    pub fn fail(&mut self, id: EntryId) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        if entry.state == FileState::Failed {
            return false;
        }
        entry.state = FileState::Failed;
        self.used -= std::mem::take(&mut entry.size);
        self.by_key.remove(&entry.key);
        true
    }

    /// Drops a reference. A failed entry ends with its last one; a complete entry becomes evictable.
    pub fn release(&mut self, id: EntryId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.references = entry.references.saturating_sub(1);
        if entry.references > 0 {
            return;
        }
        match entry.state {
            FileState::Complete => {
                self.evictable.insert(entry.last_used, id);
            }
            FileState::Downloading => {
                self.fail(id);
                self.entries.remove(&id);
            }
            FileState::Failed => {
                self.entries.remove(&id);
            }
        }
    }

    /// Returns the state of an entry's file. An unknown entry counts as failed.
    pub fn state(&self, id: EntryId) -> FileState {
        self.entries.get(&id).map_or(FileState::Failed, |entry| entry.state)
    }

    /// Returns the name of an entry's file; `None` for an entry that is not known.
    pub fn file(&self, id: EntryId) -> Option<&str> {
        self.entries.get(&id).map(|entry| entry.file.as_str())
    }

    fn is_downloading(&self, id: EntryId) -> bool {
        self.state(id) == FileState::Downloading
    }
}

/// Returns the key of a file: `<user>@<uri>`, or the URI without a user. Users do not share files, because what one may
/// read another may not.
fn key(user: Option<&str>, uri: &str) -> String {
    user.map_or_else(|| uri.to_owned(), |user| format!("{user}@{uri}"))
}

/// The number of characters at each end of a long name that are kept.
const KEPT: usize = 10;

/// Returns the path of an entry's file in the cache, `<user>/c<serial>-<base name>`. Long names are shortened in the
/// middle, since the extension tells the kind of an archive.
fn file_name(user: Option<&str>, serial: u64, base_name: &str) -> String {
    let characters: Vec<char> = base_name.chars().collect();
    let short = if characters.len() <= 2 * KEPT {
        base_name.to_owned()
    } else {
        let first = characters.iter().take(KEPT);
        let last = characters.iter().skip(characters.len() - KEPT);
        first.chain(&['_']).chain(last).collect()
    };
    match user {
        None => format!("c{serial}-{short}"),
        Some(user) => format!("{}/c{serial}-{short}", directory_name(user)),
    }
}

/// Returns the name of a user's directory. Characters that would make it more than one plain name are escaped.
fn directory_name(user: &str) -> String {
    let mut name = String::new();
    for (index, byte) in user.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Requests a file, downloads it if it is new, and returns whether it came from the cache and what was evicted.
    fn fetch(cache: &mut CacheEntries, uri: &str, bytes: u64) -> (Lookup, Vec<String>) {
        let (id, lookup) = cache.request(Some("u"), uri, uri);
        let mut evicted = Vec::new();
        if lookup == Lookup::Download {
            match cache.reserve(id, bytes) {
                Ok(files) => {
                    evicted = files.into_iter().map(|(_, file)| file).collect();
                    assert!(cache.complete(id, bytes));
                }
                Err(_) => assert!(cache.fail(id)),
            }
        }
        cache.release(id);
        (lookup, evicted)
    }

    #[test]
    fn the_least_recently_used_files_are_evicted() {
        let mut cache = CacheEntries::new(100, 10);
        for (uri, bytes, lookup, evicted, used) in [
            ("a", 40, Lookup::Download, vec![], 40),
            ("b", 40, Lookup::Download, vec![], 80),
            ("a", 40, Lookup::Retrieve, vec![], 80),
            ("c", 30, Lookup::Download, vec!["u/c2-b"], 70),
            ("huge", 101, Lookup::Download, vec![], 70),
            ("d", 100, Lookup::Download, vec!["u/c1-a", "u/c3-c"], 100),
            ("empty", 0, Lookup::Download, vec![], 100),
            ("a", 40, Lookup::Download, vec!["u/c5-d"], 40),
        ] {
            let expected = (lookup, evicted.into_iter().map(str::to_owned).collect());
            assert_eq!(fetch(&mut cache, uri, bytes), expected, "{uri}");
            assert_eq!(cache.used(), used, "{uri}");
        }
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let mut cache = CacheEntries::new(100, 2);
        for (uri, evicted) in [("a", None), ("b", None), ("c", Some("u/c1-a")), ("d", Some("u/c2-b"))] {
            let (_, files) = fetch(&mut cache, uri, 1);
            assert_eq!(files.first().map(String::as_str), evicted, "{uri}");
        }
    }

    #[test]
    fn concurrent_requests_wait_for_the_first_download() {
        for (bytes, expected) in
            [(Some(8), FileState::Complete), (Some(11), FileState::Failed), (None, FileState::Failed)]
        {
            let mut cache = CacheEntries::new(100, 10);
            let (id, first) = cache.request(None, "a", "a");
            assert_eq!((first, cache.request(None, "a", "a")), (Lookup::Download, (id, Lookup::Wait)));
            assert_eq!(cache.request(Some("u"), "a", "a").1, Lookup::Download, "users do not share");
            cache.reserve(id, 10).unwrap();
            match bytes {
                Some(bytes) => drop(cache.complete(id, bytes)),
                None => drop(cache.fail(id)),
            }
            cache.release(id);
            assert_eq!(cache.state(id), expected);
            assert_eq!(cache.used(), if expected == FileState::Complete { 8 } else { 0 });
            let again = if expected == FileState::Complete { Lookup::Retrieve } else { Lookup::Download };
            assert_eq!(cache.request(None, "a", "a").1, again);
        }
    }

    #[test]
    fn a_download_without_a_result_fails() {
        let mut cache = CacheEntries::new(100, 10);
        let (id, _) = cache.request(None, "a", "a");
        cache.reserve(id, 10).unwrap();
        cache.release(id);
        assert_eq!((cache.used(), cache.request(None, "a", "a").1), (0, Lookup::Download));
    }

    #[test]
    fn names_are_those_of_mesos() {
        for (user, base, expected) in [
            (None, "a.tgz", "c7-a.tgz"),
            (Some("alice"), "a.tgz", "alice/c7-a.tgz"),
            (Some(".."), "a", "%2E./c7-a"),
            (Some("a/b c"), "a", "a%2Fb%20c/c7-a"),
            (None, "12345678901234567890", "c7-12345678901234567890"),
            (None, "a-very-long-name-of-an-archive.tar.gz", "c7-a-very-lon_ive.tar.gz"),
            (None, "ääääääääääöüüüüüüüüüü", "c7-ääääääääää_üüüüüüüüüü"),
        ] {
            assert_eq!(file_name(user, 7, base), expected);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Request(u8),
        Reserve(usize, u64),
        Complete(usize, u64),
        Fail(usize),
        Release(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..6u8).prop_map(Step::Request),
            3 => (any::<usize>(), 0..60u64).prop_map(|(which, bytes)| Step::Reserve(which, bytes)),
            3 => (any::<usize>(), 0..60u64).prop_map(|(which, bytes)| Step::Complete(which, bytes)),
            1 => any::<usize>().prop_map(Step::Fail),
            4 => any::<usize>().prop_map(Step::Release),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        /// Compares with a model that remembers what every request holds and which files exist.
        #[test]
        fn space_references_and_results_agree_with_a_naive_model(steps in steps()) {
            let mut cache = CacheEntries::new(100, 4);
            // Every held reference, and whether its holder downloads.
            let mut held: Vec<(EntryId, bool)> = Vec::new();
            let mut reserved: BTreeMap<EntryId, u64> = BTreeMap::new();
            let mut results: BTreeMap<EntryId, FileState> = BTreeMap::new();
            for step in steps {
                let holder = |which: usize, held: &Vec<(EntryId, bool)>| {
                    (!held.is_empty()).then(|| which % held.len())
                };
                match step {
                    Step::Request(uri) => {
                        let (id, lookup) = cache.request(None, &uri.to_string(), "f");
                        let known = results.get(&id).copied();
                        let downloads = lookup == Lookup::Download;
                        let expected = match lookup {
                            Lookup::Download => None,
                            Lookup::Wait => Some(FileState::Downloading),
                            Lookup::Retrieve => Some(FileState::Complete),
                        };
                        prop_assert_eq!(known, expected);
                        results.entry(id).or_insert(FileState::Downloading);
                        held.push((id, downloads));
                    }
                    Step::Reserve(which, bytes) => {
                        let Some(index) = holder(which, &held) else { continue };
                        let (id, downloads) = held[index];
                        if !downloads || reserved.contains_key(&id) || results[&id] != FileState::Downloading {
                            continue;
                        }
                        if let Ok(evicted) = cache.reserve(id, bytes) {
                            for (victim, _) in evicted {
                                prop_assert!(held.iter().all(|(id, _)| *id != victim), "evicted while referenced");
                                prop_assert_eq!(results[&victim], FileState::Complete);
                                reserved.remove(&victim);
                                results.insert(victim, FileState::Failed);
                            }
                            reserved.insert(id, bytes);
                        } else {
                            let in_use = held.iter().map(|(id, _)| *id).collect::<std::collections::BTreeSet<_>>();
                            let space: u64 = in_use.iter().filter_map(|id| reserved.get(id)).sum();
                            prop_assert!(space + bytes > 100 || in_use.len() > 4, "refused although there was space");
                        }
                    }
                    Step::Complete(which, bytes) => {
                        let Some(index) = holder(which, &held) else { continue };
                        let (id, downloads) = held[index];
                        if !downloads || results[&id] != FileState::Downloading { continue }
                        let fits = bytes <= reserved.get(&id).copied().unwrap_or_default();
                        prop_assert_eq!(cache.complete(id, bytes), fits);
                        if fits { reserved.insert(id, bytes) } else { reserved.remove(&id) };
                        results.insert(id, if fits { FileState::Complete } else { FileState::Failed });
                    }
                    Step::Fail(which) => {
                        let Some(index) = holder(which, &held) else { continue };
                        let (id, _) = held[index];
                        let was_usable = results[&id] != FileState::Failed;
                        prop_assert_eq!(cache.fail(id), was_usable);
                        reserved.remove(&id);
                        results.insert(id, FileState::Failed);
                    }
                    Step::Release(which) => {
                        let Some(index) = holder(which, &held) else { continue };
                        let (id, downloads) = held.remove(index);
                        // A holder that downloads reports a result before it lets go; otherwise the download fails.
                        if downloads && results[&id] == FileState::Downloading {
                            cache.fail(id);
                            reserved.remove(&id);
                            results.insert(id, FileState::Failed);
                        }
                        cache.release(id);
                    }
                }
                prop_assert_eq!(cache.used(), reserved.values().sum::<u64>());
                prop_assert!(cache.used() <= 100);
                for (id, _) in &held {
                    prop_assert_eq!(cache.state(*id), results[id], "everybody who holds an entry learns its result");
                }
            }
            for (id, _) in held.drain(..) {
                if results[&id] == FileState::Downloading { cache.fail(id); results.insert(id, FileState::Failed); }
                cache.release(id);
            }
            prop_assert!(cache.entries.values().all(|entry| entry.references == 0 && entry.state == FileState::Complete));
            prop_assert_eq!(cache.entries.len(), cache.evictable.len());
            prop_assert_eq!(cache.entries.len(), cache.by_key.len());
        }
    }
}
