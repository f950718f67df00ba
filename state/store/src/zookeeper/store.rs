//! The store in ZooKeeper: takes over, reads and commits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use election::ZooKeeperUrl;
use tokio::runtime::Handle;

use super::client::{NodeWrite, RegistryNodes, RequestError};
use super::layout::{self, MAX_PART, Operation};
use crate::{Entries, Error, RecordWrite, Store};

/// The data of the registry's node. A program that does not know the format must not change the nodes.
const FORMAT: &[u8] = b"tepui registry 1";
const ENTRIES: &str = "entries";
const JOURNAL: &str = "journal";
/// The node that marks the journal as complete. It contains the number of parts.
const COMPLETE: &str = "journal/complete";

/// The access of one contender to a registry in ZooKeeper.
pub struct ZooKeeperStore {
    nodes: RegistryNodes,
    /// The version of the registry's node, which is the epoch; `None` before the contender has taken the store over.
    epoch: Option<i32>,
    /// The known nodes below `entries`.
    known: BTreeSet<String>,
    /// Whether the list of known nodes may be wrong, because the result of a commit is unknown.
    uncertain: bool,
}

impl ZooKeeperStore {
    /// Makes the access of one contender. `runtime` carries the connection; the store itself must be used outside of
    /// it.
    pub fn new(url: ZooKeeperUrl, session_timeout: Duration, runtime: Handle) -> Self {
        let nodes = RegistryNodes::new(url, session_timeout, runtime);
        ZooKeeperStore { nodes, epoch: None, known: BTreeSet::new(), uncertain: false }
    }

    /// Creates the nodes that every registry has.
    fn prepare(&mut self) -> Result<(), zookeeper_client::Error> {
        let root = self.nodes.root().to_owned();
        self.nodes.ensure(&root, FORMAT)?;
        let paths = [self.nodes.path(ENTRIES), self.nodes.path(JOURNAL)];
        for path in &paths {
            self.nodes.ensure(path, b"")?;
        }
        Ok(())
    }

    /// Lists the existing nodes without their data, and creates the nodes that group them.
    fn list_nodes(&mut self) -> Result<(), zookeeper_client::Error> {
        let buckets: Vec<String> = (0..=u8::MAX).map(|n| self.nodes.path(&format!("{ENTRIES}/{n:02x}"))).collect();
        let prefix = self.nodes.path(ENTRIES).len() + 1;
        let found = self.nodes.children_of(&buckets)?;
        let names =
            found.iter().flat_map(|(path, names)| names.iter().map(move |n| format!("{}/{n}", &path[prefix..])));
        self.known = names.collect();
        if found.len() < buckets.len() {
            let there: BTreeSet<&String> = found.iter().map(|(path, _)| path).collect();
            let missing: Vec<String> = buckets.iter().filter(|bucket| !there.contains(bucket)).cloned().collect();
            self.nodes.create_all(&missing)?;
        }
        self.uncertain = false;
        Ok(())
    }

    fn read(&mut self) -> Result<Entries, Error> {
        let prefix = self.nodes.path(ENTRIES).len() + 1;
        let paths: Vec<String> = self.known.iter().map(|node| self.nodes.path(&format!("{ENTRIES}/{node}"))).collect();
        let found = self.nodes.data_of(&paths).map_err(unavailable)?;
        // The value includes the name of a node, for error messages.
        let mut parts: BTreeMap<String, (String, BTreeMap<u32, Vec<u8>>)> = BTreeMap::new();
        for (path, data) in found {
            let name = path[prefix..].split_once('/').map(|(_, name)| name);
            let (key, part) = name.and_then(layout::parse).ok_or_else(|| self.damaged(&path))?;
            parts.entry(key).or_insert_with(|| (path, BTreeMap::new())).1.insert(part, data);
        }
        let mut entries = Entries::new();
        for (key, (path, parts)) in parts {
            let value = joined(&parts).ok_or_else(|| self.damaged(&path))?;
            entries.insert(key, value);
        }
        Ok(entries)
    }

    fn damaged(&self, path: &str) -> Error {
        let source = format!("what is in {path} is not a record; deleting the node loses only that record");
        Error::Damaged { path: self.nodes.display_path().into(), source: source.into() }
    }

    /// Completes or removes the journal, once no other master can write.
    fn complete_journal(&mut self, epoch: i32) -> Result<(), RequestError> {
        self.list_nodes().map_err(RequestError::Failed)?;
        if self.replay(epoch)? {
            self.list_nodes().map_err(RequestError::Failed)?;
        }
        Ok(())
    }

    /// Carries out a commit that is complete in the journal, and drops an incomplete one. Returns whether there was
    /// one.
    fn replay(&mut self, epoch: i32) -> Result<bool, RequestError> {
        let journal = self.nodes.path(JOURNAL);
        let children = self.nodes.children_of(&[journal]).map_err(RequestError::Failed)?;
        let children = children.into_iter().flat_map(|(_, children)| children).collect::<BTreeSet<_>>();
        if children.is_empty() {
            return Ok(false);
        }
        let parts: Vec<String> = children.iter().filter(|name| *name != "complete").cloned().collect();
        if children.contains("complete") {
            let mut packed = Vec::new();
            for part in &parts {
                let path = self.nodes.path(&format!("{JOURNAL}/{part}"));
                let (data, _) = self.nodes.get(&path).map_err(RequestError::Failed)?.unwrap_or_default();
                packed.extend_from_slice(&data);
            }
            let operations =
                layout::unpack(&packed).ok_or(RequestError::Inconsistent(zookeeper_client::Error::NoNode))?;
            self.apply_operations(epoch, &operations)?;
        }
        self.clear_journal(epoch, &children)?;
        Ok(true)
    }

    fn clear_journal(&mut self, epoch: i32, names: &BTreeSet<String>) -> Result<(), RequestError> {
        // `complete` is removed first, because the rest has no effect without it.
        let ordered = names.iter().filter(|name| *name == "complete").chain(names.iter().filter(|n| *n != "complete"));
        for name in ordered {
            let path = self.nodes.path(&format!("{JOURNAL}/{name}"));
            self.nodes.commit(epoch, &[NodeWrite::Remove(&path)])?;
        }
        Ok(())
    }

    /// Carries out operations in requests. Repeating them has no effect.
    fn apply_operations(&mut self, epoch: i32, operations: &[Operation]) -> Result<(), RequestError> {
        for request in layout::requests(operations) {
            self.request(epoch, request)?;
        }
        Ok(())
    }

    fn request(&mut self, epoch: i32, operations: &[Operation]) -> Result<(), RequestError> {
        // A node that is written twice in one request exists the second time.
        let mut after = BTreeMap::new();
        let mut puts = Vec::with_capacity(operations.len());
        let paths: Vec<String> =
            operations.iter().map(|operation| self.nodes.path(&format!("{ENTRIES}/{}", operation.node))).collect();
        for (operation, path) in operations.iter().zip(&paths) {
            let node = operation.node.as_str();
            let exists = after.get(node).copied().unwrap_or_else(|| self.known.contains(node));
            puts.extend(operation.put(path, exists));
            after.insert(node, operation.data.is_some());
        }
        if puts.is_empty() {
            return Ok(());
        }
        self.nodes.commit(epoch, &puts)?;
        for (node, exists) in after {
            if exists {
                self.known.insert(node.to_owned());
            } else {
                self.known.remove(node);
            }
        }
        Ok(())
    }

    fn journal(&mut self, epoch: i32, operations: &[Operation]) -> Result<(), RequestError> {
        let packed = layout::pack(operations);
        let mut names = BTreeSet::new();
        for (number, part) in packed.chunks(MAX_PART).enumerate() {
            let name = format!("{number:08}");
            let path = self.nodes.path(&format!("{JOURNAL}/{name}"));
            self.nodes.commit(epoch, &[NodeWrite::Create(&path, part)])?;
            names.insert(name);
        }
        let complete = self.nodes.path(COMPLETE);
        self.nodes.commit(epoch, &[NodeWrite::Create(&complete, names.len().to_string().as_bytes())])?;
        names.insert("complete".to_owned());
        self.apply_operations(epoch, operations)?;
        self.clear_journal(epoch, &names)
    }

    fn write(&mut self, epoch: i32, writes: &[RecordWrite]) -> Result<(), RequestError> {
        if self.uncertain {
            self.complete_journal(epoch)?;
        }
        let mut parts: BTreeMap<&str, u32> = BTreeMap::new();
        let mut operations = Vec::new();
        for write in writes {
            let before = parts.get(write.key.as_str()).copied().unwrap_or_else(|| self.parts_of(&write.key));
            operations.extend(layout::operations(write, before));
            parts.insert(&write.key, write.value.as_deref().map_or(0, layout::parts));
        }
        match layout::requests(&operations).len() {
            0 => Ok(()),
            1 => self.request(epoch, &operations),
            _ => self.journal(epoch, &operations),
        }
    }

    fn parts_of(&self, key: &str) -> u32 {
        (0..).take_while(|part| self.known.contains(&layout::node(key, *part))).count() as u32
    }
}

impl Store for ZooKeeperStore {
    fn take_over(&mut self) -> Result<Entries, Error> {
        self.epoch = None;
        self.prepare().map_err(unavailable)?;
        let root = self.nodes.root().to_owned();
        let (data, version) = self.nodes.get(&root).map_err(unavailable)?.ok_or(Error::Fenced)?;
        if data != FORMAT {
            return Err(Error::Damaged {
                path: self.nodes.display_path().into(),
                source: "another program, or a later version of this one, has written it".into(),
            });
        }
        // The new version is the epoch. From here on no earlier leader can commit.
        let epoch = self.nodes.set(&root, FORMAT, version).map_err(unavailable)?;
        self.complete_journal(epoch).map_err(error)?;
        let entries = self.read()?;
        self.epoch = Some(epoch);
        Ok(entries)
    }

    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), Error> {
        let epoch = self.epoch.ok_or(Error::Fenced)?;
        let written = self.write(epoch, writes);
        if written.is_err() {
            self.uncertain = true;
        }
        written.map_err(error)
    }
}

fn joined(parts: &BTreeMap<u32, Vec<u8>>) -> Option<Vec<u8>> {
    let (count, first) = layout::first_part(parts.get(&0)?)?;
    let mut value = first.to_vec();
    for part in 1..count {
        value.extend_from_slice(parts.get(&part)?);
    }
    (parts.len() == count as usize).then_some(value)
}

fn error(failure: RequestError) -> Error {
    match failure {
        RequestError::Fenced => Error::Fenced,
        RequestError::Inconsistent(error) | RequestError::Failed(error) => unavailable(error),
    }
}

/// Wraps an error. An operator can repair a session, an ensemble or a permission while the master keeps trying.
fn unavailable(error: zookeeper_client::Error) -> Error {
    Error::Unavailable { source: error.into() }
}
