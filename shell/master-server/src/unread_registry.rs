//! Finds registries in the work directory that this master does not read. An operator who starts a master with other
//! flags, or in place of a Mesos master, has to know that the cluster begins without their content.

use std::path::Path;

use ::store::EmbeddedStore;

use super::registrar::RegistryBackend;

/// Returns one sentence for each fact that an operator has to know before the cluster is used.
pub fn warnings(backend: &RegistryBackend, work_dir: Option<&Path>) -> Vec<String> {
    let mut warnings = Vec::new();
    if *backend == RegistryBackend::InMemory {
        warnings.push(
            "the registry is kept in memory: the next start of this master knows of no agents, quota, weights or maintenance"
                .to_owned(),
        );
    }
    let Some(work_dir) = work_dir else { return warnings };
    let own = EmbeddedStore::path_in(&work_dir.join("registry"));
    let mesos = work_dir.join("replicated_log");
    let known = "agents come back with their ids, but quota, weights, maintenance and gone agents have to be set again";
    if *backend != RegistryBackend::Embedded && own.exists() {
        warnings.push(format!(
            "{} is not read with these flags; if it is the past of this cluster: {known}",
            own.display()
        ));
    }
    if mesos.exists() && !own.exists() {
        warnings.push(format!("{} is the registry of a Mesos master, which cannot be read: {known}", mesos.display()));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(backend: RegistryBackend, files: &[&str], expect: &[&str]) {
        let work_dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = work_dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let given = warnings(&backend, Some(work_dir.path()));
        assert_eq!(given.len(), expect.len(), "{given:?}");
        assert!(given.iter().zip(expect).all(|(given, expect)| given.contains(expect)), "{given:?}");
    }

    #[test]
    fn unread_registries_are_reported() {
        const OWN: &str = "registry/registry.redb";
        const MESOS: &str = "replicated_log/CURRENT";
        let zookeeper = || RegistryBackend::ZooKeeper {
            url: "zk://127.0.0.1:2181/mesos".parse().unwrap(),
            session_timeout: std::time::Duration::from_secs(10),
        };
        check(RegistryBackend::Embedded, &[], &[]);
        check(RegistryBackend::Embedded, &[OWN], &[]);
        check(RegistryBackend::Embedded, &[MESOS], &["replicated_log is the registry of a Mesos master"]);
        // The directory has been used by this program before.
        check(RegistryBackend::Embedded, &[MESOS, OWN], &[]);
        check(zookeeper(), &[], &[]);
        check(zookeeper(), &[OWN], &["registry.redb is not read with these flags"]);
        check(RegistryBackend::InMemory, &[OWN], &["kept in memory", "registry.redb is not read"]);
    }
}
