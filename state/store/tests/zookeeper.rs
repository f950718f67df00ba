//! The registry in a real ZooKeeper. Where ZooKeeper cannot be installed, the tests report that they are skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/zookeeper/ensemble.rs"]
mod ensemble;

use std::time::{Duration, Instant};

use ensemble::Ensemble;
use store::{Entries, Error, RecordWrite, Store, ZooKeeperStore};
use tokio::runtime::Runtime;
use zookeeper_client::{Acls, Client, CreateMode};

struct Fixture {
    ensemble: Ensemble,
    runtime: Runtime,
}

impl Fixture {
    fn start(servers: usize) -> Option<Self> {
        Some(Fixture { ensemble: Ensemble::start(servers)?, runtime: Runtime::new().unwrap() })
    }

    fn store(&self) -> ZooKeeperStore {
        let url = self.ensemble.url("/cluster/mesos").parse().unwrap();
        ZooKeeperStore::new(url, Duration::from_secs(4), self.runtime.handle().clone())
    }

    /// Returns a client that bypasses the store.
    fn client(&self) -> Client {
        self.runtime.block_on(Client::connect(&self.ensemble.servers)).unwrap()
    }
}

fn put(key: &str, value: &[u8]) -> RecordWrite {
    RecordWrite { key: key.to_owned(), value: Some(value.to_vec()) }
}

fn remove(key: &str) -> RecordWrite {
    RecordWrite { key: key.to_owned(), value: None }
}

fn entries(pairs: &[(&str, &[u8])]) -> Entries {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect()
}

#[test]
fn commits_are_read_by_the_next_leader_and_the_former_is_fenced() {
    let Some(fixture) = Fixture::start(1) else { return };
    let (mut first, mut second) = (fixture.store(), fixture.store());
    assert!(matches!(first.commit(&[put("a", b"1")]), Err(Error::Fenced)), "nobody writes before the take-over");
    assert_eq!(first.take_over().unwrap(), Entries::new());
    first.commit(&[put("agents/1.2-S0", b"one"), put("quota/a/b", b""), put("weights/x", b"w")]).unwrap();
    // The commits have the same key twice, a removal of a missing record, and no change at all.
    first.commit(&[put("weights/x", b"v"), put("weights/x", b"u"), remove("nothing"), remove("quota/a/b")]).unwrap();
    first.commit(&[put("quota/a/b", b"q"), remove("quota/a/b"), put("quota/a/b", b"p")]).unwrap();
    first.commit(&[]).unwrap();
    let expect = entries(&[("agents/1.2-S0", b"one"), ("quota/a/b", b"p"), ("weights/x", b"u")]);
    assert_eq!(second.take_over().unwrap(), expect);
    assert!(matches!(first.commit(&[put("agents/1.2-S0", b"late")]), Err(Error::Fenced)));
    second.commit(&[remove("weights/x")]).unwrap();
    assert_eq!(first.take_over().unwrap(), entries(&[("agents/1.2-S0", b"one"), ("quota/a/b", b"p")]));
    assert!(matches!(second.commit(&[put("x", b"")]), Err(Error::Fenced)));
}

#[test]
fn values_and_commits_beyond_the_limits_of_zookeeper() {
    let Some(fixture) = Fixture::start(1) else { return };
    let mut store = fixture.store();
    store.take_over().unwrap();
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    store.commit(&[put("schedule", &big), put("small", b"s")]).unwrap();
    let expect = entries(&[("schedule", &big), ("small", b"s")]);
    assert_eq!(fixture.store().take_over().unwrap(), expect);
    let mut store = fixture.store();
    store.take_over().unwrap();
    store.commit(&[put("schedule", &big[..600_000])]).unwrap();
    store.commit(&[put("small", b"t")]).unwrap();
    let expect = entries(&[("schedule", &big[..600_000]), ("small", b"t")]);
    assert_eq!(fixture.store().take_over().unwrap(), expect);
}

#[test]
fn complete_journal_entries_are_applied_and_partial_ones_ignored() {
    let Some(fixture) = Fixture::start(1) else { return };
    let mut store = fixture.store();
    store.take_over().unwrap();
    store.commit(&[put("a", b"before")]).unwrap();
    let client = fixture.client();
    let root = "/cluster/mesos/tepui/registry";
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    let create = |path: String, data: &[u8]| {
        fixture.runtime.block_on(client.create(&path, data, &options)).unwrap();
    };
    // This is one packed operation: the node, the flag for data, and the data with its header.
    let (data, _) =
        fixture.runtime.block_on(client.get_data(&format!("{root}/entries/{}", node_of(&fixture, &client)))).unwrap();
    let node = node_of(&fixture, &client);
    let mut packed = (node.len() as u64).to_be_bytes().to_vec();
    packed.extend_from_slice(node.as_bytes());
    packed.push(1);
    let after = [&data[..5], b"after"].concat();
    packed.extend_from_slice(&(after.len() as u64).to_be_bytes());
    packed.extend_from_slice(&after);

    create(format!("{root}/journal/00000000"), &packed);
    assert_eq!(fixture.store().take_over().unwrap(), entries(&[("a", b"before")]));
    create(format!("{root}/journal/00000000"), &packed);
    create(format!("{root}/journal/complete"), b"1");
    assert_eq!(fixture.store().take_over().unwrap(), entries(&[("a", b"after")]));
    assert_eq!(fixture.store().take_over().unwrap(), entries(&[("a", b"after")]));
}

/// Returns the `<bucket>/<name>` of the only record.
fn node_of(fixture: &Fixture, client: &Client) -> String {
    let entries = "/cluster/mesos/tepui/registry/entries";
    let buckets = fixture.runtime.block_on(client.list_children(entries)).unwrap();
    let found = buckets.into_iter().find_map(|bucket| {
        let names = fixture.runtime.block_on(client.list_children(&format!("{entries}/{bucket}"))).unwrap();
        names.first().map(|name| format!("{bucket}/{name}"))
    });
    found.unwrap()
}

#[test]
fn invalid_data_is_refused_and_left_unchanged() {
    let Some(fixture) = Fixture::start(1) else { return };
    fixture.store().take_over().unwrap();
    let client = fixture.client();
    let path = "/cluster/mesos/tepui/registry/entries/00/a";
    let options = CreateMode::Persistent.with_acls(Acls::anyone_all());
    fixture.runtime.block_on(client.create(path, b"junk", &options)).unwrap();
    let error = fixture.store().take_over().unwrap_err();
    let Error::Damaged { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(
        source.to_string(),
        format!("what is in {path} is not a record; deleting the node loses only that record")
    );
    fixture.runtime.block_on(client.delete(path, None)).unwrap();
    fixture.runtime.block_on(client.set_data("/cluster/mesos/tepui/registry", b"tepui registry 9", None)).unwrap();
    assert!(matches!(fixture.store().take_over(), Err(Error::Damaged { .. })));
}

#[test]
fn commits_wait_while_the_quorum_is_lost() {
    let Some(fixture) = Fixture::start(3) else { return };
    let mut store = fixture.store();
    store.take_over().unwrap();
    store.commit(&[put("a", b"1")]).unwrap();
    fixture.ensemble.kill(1);
    fixture.ensemble.kill(2);
    let error = store.commit(&[put("a", b"2")]).unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    fixture.ensemble.up(1);
    let begun = Instant::now();
    while let Err(error) = store.commit(&[put("a", b"2"), put("b", b"3")]) {
        assert!(error.is_transient(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{error:?}");
    }
    assert_eq!(fixture.store().take_over().unwrap(), entries(&[("a", b"2"), ("b", b"3")]));
}

#[test]
fn reading_ten_thousand_agents_takes_seconds() {
    let Some(fixture) = Fixture::start(1) else { return };
    let mut store = fixture.store();
    store.take_over().unwrap();
    let agents: Vec<RecordWrite> = (0..10_000).map(|n| put(&format!("agents/3d6ab4be-S{n}"), &[7; 600])).collect();
    let begun = Instant::now();
    for group in agents.chunks(500) {
        store.commit(group).unwrap();
    }
    let written = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(fixture.store().take_over().unwrap().len(), 10_000);
    let read = begun.elapsed();
    println!("10,000 agents: written in {written:?} (20 commits), read in {read:?}");
    assert!(read < Duration::from_secs(10), "{read:?}");
}
