//! Which containers of the daemon belong to an agent, and what becomes of those that it does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

use crate::Error;

/// The prefix of the names of all containers of Mesos.
const PREFIX: &str = "mesos-";

/// Returns the name at Docker of a container, by which the tools of both systems recognise it.
pub fn container_name(container: &str) -> String {
    format!("{PREFIX}{container}")
}

/// Returns the id of the container with this name at Docker; `None` if Mesos has not made it. Names of Mesos 0.23 to 1.3
/// have the id of the agent before that of the container, and containers of executors end with `.executor`.
pub fn container_id(name: &str) -> Option<&str> {
    let name = name.strip_prefix('/').unwrap_or(name).strip_prefix(PREFIX)?;
    let id = match name.split('.').collect::<Vec<_>>().as_slice() {
        [id] | [id, "executor"] => *id,
        [_, id] | [_, id, "executor"] => *id,
        _ => return None,
    };
    Uuid::try_parse(id).is_ok().then_some(id)
}

/// A container of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedContainer {
    /// The id at Docker.
    pub id: String,
    /// The id of the container of Mesos.
    pub container: String,
    /// Whether it runs, or is paused or about to start again.
    pub runs: bool,
    /// The directories of the host that are mounted in it.
    pub sources: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    source: String,
}

/// Reads the answer to a list of containers. Those that Mesos has not made are left out.
///
/// # Errors
/// Returns [`Error::Invalid`] if it is no list.
pub fn parse_list(body: &[u8]) -> Result<Vec<ListedContainer>, Error> {
    let entries: Vec<Entry> =
        serde_json::from_slice(body).map_err(|error| Error::Invalid(format!("no list of containers: {error}")))?;
    let listed = entries.into_iter().filter_map(|entry| {
        let container = entry.names.iter().find_map(|name| container_id(name))?.to_owned();
        let sources = entry.mounts.into_iter().map(|mount| PathBuf::from(mount.source)).collect();
        let runs = !matches!(entry.state.as_str(), "exited" | "dead" | "created" | "removing");
        Some(ListedContainer { id: entry.id, container, runs, sources })
    });
    Ok(listed.collect())
}

/// What an agent knows about one of its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Its executor runs.
    Alive,
    /// It has ended, and its container at Docker is kept for a while.
    Ended,
}

/// What becomes of a container of the daemon when an agent starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leftover {
    /// Its executor looks after it.
    Keep,
    /// Its executor has ended, so it is stopped, and removed later.
    Stop,
    /// It has ended. It is removed later.
    Remove,
    /// It is an orphan, which is stopped and removed now.
    Orphan,
    /// It belongs to the agent with this work directory, or nothing is known about it and orphans are left alone.
    LeaveAlone(Option<PathBuf>),
}

/// Returns what becomes of a container. `known` has the containers of this agent. Several agents may share a daemon: a
/// container whose sandbox is in the work directory of another agent is that agent's, as long as the directory exists.
pub fn judge(
    listed: &ListedContainer,
    known: &BTreeMap<String, Known>,
    work_dir: &Path,
    kill_orphans: bool,
    exists: &dyn Fn(&Path) -> bool,
) -> Leftover {
    match known.get(&listed.container) {
        Some(Known::Alive) => return Leftover::Keep,
        Some(Known::Ended) => return if listed.runs { Leftover::Stop } else { Leftover::Remove },
        None => {}
    }
    let owner = listed.sources.iter().find_map(|source| owner(source, &listed.container));
    match owner {
        Some(owner) if owner != work_dir && exists(&owner.join("slaves")) => Leftover::LeaveAlone(Some(owner)),
        _ if kill_orphans => Leftover::Orphan,
        _ => Leftover::LeaveAlone(None),
    }
}

/// Returns the work directory of a sandbox,
/// `<work_dir>/slaves/<id>/frameworks/<id>/executors/<id>/runs/<container>`, or of a link to one,
/// `<work_dir>/slaves/<id>/docker/links/<container>`.
fn owner(source: &Path, container: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = source.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    let depth = match parts.as_slice() {
        [.., "slaves", _, "frameworks", _, "executors", _, "runs", last] if *last == container => 8,
        [.., "slaves", _, "docker", "links", last] if *last == container => 5,
        _ => return None,
    };
    source.ancestors().nth(depth).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-2222-4333-8444-555555555555";

    #[test]
    fn names_are_those_of_mesos() {
        assert_eq!(container_id(&container_name(ID)), Some(ID));
        for (name, expect) in [
            (format!("/mesos-{ID}"), Some(ID)),
            (format!("mesos-agent-S0.{ID}"), Some(ID)),
            (format!("mesos-agent-S0.{ID}.executor"), Some(ID)),
            (format!("mesos-{ID}.executor"), Some(ID)),
            (format!("web-{ID}"), None),
            ("mesos-dns".to_owned(), None),
            (format!("mesos-a.b.c.{ID}"), None),
        ] {
            assert_eq!(container_id(&name), expect, "{name}");
        }
    }

    #[test]
    fn a_list_has_the_containers_of_mesos() {
        let text = format!(
            r#"[{{"Id":"1","Names":["/mesos-{ID}"],"State":"running","Mounts":[{{"Source":"/w"}}]}},
                {{"Id":"2","Names":["/mesos-dns"],"State":"running"}},
                {{"Id":"3","Names":["/other/alias","/mesos-S0.{ID}"],"State":"exited"}}]"#
        );
        let found = parse_list(text.as_bytes()).unwrap();
        let shown: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.runs, one.sources.len())).collect();
        assert_eq!(shown, [("1", true, 1), ("3", false, 0)]);
        assert!(parse_list(b"{}").is_err());
    }

    #[test]
    fn each_container_has_its_agent() {
        let sandbox = |work_dir: &str| format!("{work_dir}/slaves/S/frameworks/F/executors/e/runs/{ID}");
        let check = |known: Option<Known>, runs: bool, source: &str, kill: bool, expect: Leftover| {
            let listed = ListedContainer { id: "d".into(), container: ID.into(), runs, sources: vec![source.into()] };
            let known = known.map(|known| (ID.to_owned(), known)).into_iter().collect();
            let exists = |path: &Path| path == Path::new("/other/slaves");
            assert_eq!(judge(&listed, &known, Path::new("/own"), kill, &exists), expect);
        };
        check(Some(Known::Alive), true, &sandbox("/own"), true, Leftover::Keep);
        check(Some(Known::Ended), true, &sandbox("/own"), true, Leftover::Stop);
        check(Some(Known::Ended), false, &sandbox("/own"), true, Leftover::Remove);
        check(None, true, &sandbox("/own"), true, Leftover::Orphan);
        check(None, true, &sandbox("/own"), false, Leftover::LeaveAlone(None));
        check(None, true, &sandbox("/other"), true, Leftover::LeaveAlone(Some("/other".into())));
        check(
            None,
            true,
            &format!("/other/slaves/S/docker/links/{ID}"),
            true,
            Leftover::LeaveAlone(Some("/other".into())),
        );
        // The agent with this directory cannot return.
        check(None, true, &sandbox("/gone"), true, Leftover::Orphan);
        check(None, true, "/etc", true, Leftover::Orphan);
    }
}
