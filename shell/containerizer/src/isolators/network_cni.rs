//! `network/cni`: networks of containers by plugins (CNI).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ids::ContainerId;
use rustix::process::Pid;

use super::{ContainerContext, Isolator};
use crate::cni::{Attached, Attachments, Detacher, JoinedNetwork, NAME_FILES, Networks};
use crate::launch_spec::LaunchSpec;
use crate::volumes::{Source, Target, VolumeMount};
use crate::{Config, Error, Launch, Usage, check_hostname};

/// Gives containers that ask for networks a network namespace with an interface for each of them, a host name, and the files
/// by which they resolve names. Other containers use the network of the agent, and nested containers that of their parent.
///
/// The namespace is made and attached before the container exists, and the first process enters it.
pub(super) struct NetworkCni {
    /// `None` without the directories of the operator.
    attachments: Option<Arc<Attachments>>,
    detacher: Option<Detacher>,
    /// The containers with networks of their own. Their directories say the same.
    joined: Mutex<BTreeMap<ContainerId, Vec<JoinedNetwork>>>,
    /// `--network_cni_metrics`.
    metrics: bool,
}

impl NetworkCni {
    pub(super) fn new(config: &Config) -> Self {
        let settings = &config.networks;
        let made = settings.directories.as_ref().map(|(config_dir, plugins_dir)| {
            let networks = Networks::new(config_dir, plugins_dir);
            Attachments::new(&settings.root, networks, &settings.dns, settings.plugin_timeout)
        });
        let attachments = made.transpose().unwrap_or_else(|error| {
            let root = settings.root.display();
            tracing::error!("containers cannot join networks: cannot make '{root}': {error}");
            None
        });
        let attachments = attachments.map(Arc::new);
        NetworkCni {
            detacher: attachments.clone().map(Detacher::new),
            attachments,
            joined: Mutex::default(),
            metrics: settings.metrics,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ContainerId, Vec<JoinedNetwork>>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&self, id: &ContainerId, launch: &Launch) -> Result<Attached, Error> {
        let requests = &launch.requests.networks;
        let Some(attachments) = &self.attachments else {
            let name = requests.first().map(|request| request.name.as_str()).unwrap_or_default();
            return Err(Error::Request(format!("Unknown CNI network '{}'", model::visible(name))));
        };
        let hostname = hostname(id, launch)?;
        attachments.attach(id, &hostname, requests).map_err(|error| Error::Network(error.to_string()))
    }
}

impl fmt::Debug for NetworkCni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkCni").field("attachments", &self.attachments).finish_non_exhaustive()
    }
}

impl Isolator for NetworkCni {
    fn name(&self) -> &'static str {
        "network/cni"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let is_session = launch.nesting.as_ref().is_some_and(|nesting| nesting.session);
        if launch.requests.networks.is_empty() || is_session {
            // As in Mesos, a session uses the network of its parent, whatever it asks for.
            let parent = container.parent.filter(|pid| has_own_network(*pid));
            if let Some(parent) = parent {
                spec.enter_network = Some(namespace_of(parent, "net"));
                spec.enter_host_name = spec.hostname.is_none().then(|| namespace_of(parent, "uts"));
                spec.enter_mounts = Some(parent);
                spec.namespaces.mount = !is_session;
            }
            return Ok(());
        }
        let attached = self.attach(container.id, launch)?;
        self.lock().insert(container.id.clone(), attached.networks.clone());
        spec.enter_network = Some(attached.namespace);
        spec.hostname = Some(hostname(container.id, launch)?);
        spec.namespaces.uts = true;
        spec.namespaces.mount = true;
        spec.enter_mounts = container.parent;
        spec.name_files = name_files(&attached.names);
        spec.names = Some(attached.names);
        let address = attached.networks.iter().flat_map(|joined| &joined.addresses).next();
        let variables = [
            // Libraries listen on the address that they find here (MESOS-3553).
            ("LIBPROCESS_IP", Some("0.0.0.0".to_owned())),
            ("MESOS_CONTAINER_IP", address.map(ToString::to_string)),
        ];
        for (name, value) in variables {
            if let Some(value) = value {
                spec.environment.retain(|(other, _)| other != name);
                spec.environment.push((name.into(), value.into()));
            }
        }
        Ok(())
    }

    fn networks(&self, id: &ContainerId) -> Option<Vec<JoinedNetwork>> {
        self.lock().get(id).cloned()
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        let Some(pid) = container.pid.filter(|_| self.metrics) else { return };
        let interfaces = match self.lock().get(container.id) {
            None => return,
            Some(networks) => networks.len(),
        };
        // The file shows the interfaces of the process that it is read of.
        let table = container.kernel.read(&PathBuf::from(format!("/proc/{}/net/dev", pid.as_raw_nonzero())));
        usage.network = table.ok().and_then(|table| counters(&table, interfaces));
    }

    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        if let Some(joined) = self.attachments.as_ref().and_then(|attachments| attachments.joined(container.id)) {
            self.lock().insert(container.id.clone(), joined);
        }
        Ok(())
    }

    fn recovered(&self, alive: &BTreeSet<ContainerId>) {
        let Some((attachments, detacher)) = self.attachments.as_ref().zip(self.detacher.as_ref()) else { return };
        for id in attachments.containers().into_iter().filter(|id| !alive.contains(id)) {
            tracing::info!(%id, "a container of an earlier agent is detached from its networks");
            detacher.detach(&id);
        }
    }

    fn cleanup(&self, container: &ContainerContext<'_>) -> io::Result<()> {
        match &self.detacher {
            Some(detacher) if !detacher.detach(container.id) => Err(io::ErrorKind::WouldBlock.into()),
            _ => {
                self.lock().remove(container.id);
                Ok(())
            }
        }
    }
}

/// Returns the host name that a container asks for, else its id, as in Mesos. Of an id that is none, the characters that a
/// host name can have.
fn hostname(id: &ContainerId, launch: &Launch) -> Result<String, Error> {
    if let Some(name) = &launch.requests.hostname {
        check_hostname(name)?;
        return Ok(name.clone());
    }
    let plain = |byte: &char| byte.is_ascii_alphanumeric() || *byte == '-';
    let name: String = id.values().last().unwrap_or_default().chars().filter(plain).take(63).collect();
    let name = name.trim_matches('-');
    Ok(if name.is_empty() { "container" } else { name }.to_owned())
}

/// Returns the mounts of the files by which the container resolves names over those of the host. A file that the host does
/// not have is left out.
fn name_files(names: &Path) -> Vec<VolumeMount> {
    let mount = |(file, place): &(&str, &str)| {
        let path = names.join(file);
        // A link is followed on the host, as the container would follow it.
        let target = Path::new(place).canonicalize().ok()?;
        path.exists().then_some(VolumeMount {
            source: Source::Host { path, make: false },
            target: Target::Host(target),
            read_only: false,
            bidirectional: false,
            owner: None,
        })
    };
    NAME_FILES.iter().filter_map(mount).collect()
}

fn namespace_of(pid: Pid, kind: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/ns/{kind}", pid.as_raw_nonzero()))
}

/// Returns whether a process is not in the network namespace of the agent.
fn has_own_network(pid: Pid) -> bool {
    let its = std::fs::read_link(namespace_of(pid, "net"));
    let ours = std::fs::read_link("/proc/thread-self/ns/net");
    matches!((its, ours), (Ok(its), Ok(ours)) if its != ours)
}

/// Adds up the counters of the first interfaces of a container (proc_pid_net(5)). Returns `None` for another format.
fn counters(table: &str, interfaces: usize) -> Option<crate::NetworkUsage> {
    let mut sum = crate::NetworkUsage::default();
    for line in table.lines().skip(2) {
        let (name, numbers) = line.split_once(':')?;
        let number: Option<usize> = name.trim().strip_prefix("eth").and_then(|number| number.parse().ok());
        if number.is_none_or(|number| number >= interfaces) {
            continue;
        }
        let numbers = numbers.split_whitespace().map(|number| number.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let at = |index: usize| numbers.get(index).copied();
        sum.received.add(at(0)?, at(1)?, at(2)?, at(3)?);
        sum.sent.add(at(8)?, at(9)?, at(10)?, at(11)?);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_those_of_the_networks() {
        let table = "Inter-|   Receive                                                |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
            lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n  \
            eth0:    1000      10    1    2    0     0          0         0     2000      20    3    4    0     0       0          0\n  \
            eth1:       5       1    0    0    0     0          0         0        7       1    0    0    0     0       0          0\n  \
            eth9:       5       1    0    0    0     0          0         0        7       1    0    0    0     0       0          0\n";
        let sum = counters(table, 2).unwrap();
        let numbers =
            |counters: crate::PacketCounters| [counters.bytes, counters.packets, counters.errors, counters.dropped];
        assert_eq!((numbers(sum.received), numbers(sum.sent)), ([1005, 11, 1, 2], [2007, 21, 3, 4]));
        assert_eq!(counters("", 1), Some(crate::NetworkUsage::default()));
        assert_eq!(counters("a\nb\nno colon\n", 1), None);
    }
}
