//! Imports the state that a C++ Mesos agent has left in `<work_dir>/meta`: files of protobuf messages, each preceded by
//! its length in the byte order of the machine, in directories that are named after ids.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::agent::Record;
use messages::internal::{StatusUpdateRecord, slave::ResourceState, status_update_record};
use messages::schema::HasDescriptor;
use messages::v1;
use model::agent::Draining;
use model::{ContainerId, ExecutorId, FrameworkId, TaskId, Timestamp, Upid};
use wire::Limits;

use crate::Error;

/// The state of a Mesos agent as records.
#[derive(Debug, Default)]
pub struct Imported {
    /// The records, in the order in which they apply.
    pub records: Vec<Record>,
    /// The first processes of containers, where they are known.
    pub pids: Vec<(ContainerId, i32)>,
    /// The number of files that could not be read. It is zero in strict mode.
    pub errors: u64,
}

/// Imports the state; it is empty if the directory does not exist.
///
/// # Errors
/// Returns [`Error::Import`] in strict mode for a file that cannot be read, as Mesos does.
pub fn read(meta: &Path, strict: bool) -> Result<Imported, Error> {
    let mut reader = Reader { strict, imported: Imported::default() };
    reader.agent(meta)?;
    Ok(reader.imported)
}

struct Reader {
    strict: bool,
    imported: Imported,
}

impl Reader {
    fn agent(&mut self, meta: &Path) -> Result<(), Error> {
        if let Ok(id) = fs::read_to_string(meta.join("boot_id")) {
            self.add(Record::BootId(id.trim().to_owned()));
        }
        // `latest` is a link, which an agent that has left the cluster has removed.
        let Ok(directory) = fs::canonicalize(meta.join("slaves/latest")) else { return Ok(()) };
        let Some(info) = self.message::<v1::AgentInfo>(&directory.join("slave.info"))? else { return Ok(()) };
        self.add(Record::AgentInfo(Arc::new(info)));
        self.resources(&meta.join("resources"))?;
        if let Some(config) = self.message::<v1::DrainConfig>(&directory.join("drain.config"))? {
            // The file does not record when draining began.
            let draining = Draining { config, since: Timestamp::from_nanos(0) };
            self.add(Record::Drain(Some(Arc::new(draining))));
        }
        for framework in below(&directory.join("frameworks")) {
            self.framework(&framework)?;
        }
        Ok(())
    }

    /// Imports the resources. The newer file has operations as well; the older one has one message for each resource.
    fn resources(&mut self, directory: &Path) -> Result<(), Error> {
        let state = self.message::<ResourceState>(&directory.join("resources_and_operations.state"))?;
        let goal = self.message::<ResourceState>(&directory.join("resources_and_operations.target"))?;
        let target: Option<Arc<[v1::Resource]>> = goal.as_ref().map(|goal| goal.resources.clone().into());
        let resources: Arc<[v1::Resource]> = match &state {
            Some(state) => state.resources.clone().into(),
            None => self.messages::<v1::Resource>(&directory.join("resources.info"))?.into(),
        };
        let operations = goal.or(state).map(|state| state.operations).unwrap_or_default();
        if operations.is_empty() && (!resources.is_empty() || target.is_some()) {
            self.add(Record::Resources { resources: resources.clone(), target: target.clone(), operation: None });
        }
        for operation in operations {
            let operation = Some(Arc::new(operation));
            self.add(Record::Resources { resources: resources.clone(), target: target.clone(), operation });
        }
        Ok(())
    }

    fn framework(&mut self, directory: &Path) -> Result<(), Error> {
        let Some(mut info) = self.message::<v1::FrameworkInfo>(&directory.join("framework.info"))? else {
            return Ok(());
        };
        let Some(id) = name(directory) else { return Ok(()) };
        info.id.get_or_insert_with(|| v1::FrameworkId { value: id.to_owned() });
        // The file of an HTTP scheduler has `@0.0.0.0:0`.
        let pid = text(&directory.join("framework.pid")).and_then(|pid| pid.parse().ok());
        let pid = pid.filter(|pid: &Upid| !pid.is_none());
        self.add(Record::Framework { info: Arc::new(info), pid });
        let (id, executors) = (FrameworkId::new(id), below(&directory.join("executors")));
        for executor in &executors {
            self.ended_runs(&id, executor)?;
        }
        // An executor that has ended for good has no update to deliver.
        self.add(Record::UpdatesForgotten(id.clone()));
        for executor in &executors {
            self.latest_run(&id, executor)?;
        }
        Ok(())
    }

    /// Imports ended runs, which readers see as long as their sandboxes exist.
    fn ended_runs(&mut self, framework: &FrameworkId, directory: &Path) -> Result<(), Error> {
        let ended: Vec<PathBuf> = below(&directory.join("runs")).into_iter().filter(|run| has_ended(run)).collect();
        for run in ended {
            let (Some(executor), Some(container)) = (name(directory), name(&run)) else { continue };
            let (executor, container) = (ExecutorId::new(executor), ContainerId::new(container));
            self.run(framework, directory, &run)?;
            self.add(Record::ExecutorRemoved { framework: framework.clone(), executor, container });
        }
        Ok(())
    }

    fn latest_run(&mut self, framework: &FrameworkId, directory: &Path) -> Result<(), Error> {
        let Ok(run) = fs::canonicalize(directory.join("runs/latest")) else { return Ok(()) };
        let (Some(executor), Some(container)) = (name(directory), name(&run)) else { return Ok(()) };
        if has_ended(&run) {
            return Ok(());
        }
        self.run(framework, directory, &run)?;
        let (executor, container) = (ExecutorId::new(executor), ContainerId::new(container));
        if let Some(pid) = text(&run.join("pids/libprocess.pid")).and_then(|pid| pid.parse().ok()) {
            let (framework, container) = (framework.clone(), container.clone());
            self.add(Record::ExecutorLink { framework, executor, container, pid: Some(pid) });
        }
        if let Some(pid) = text(&run.join("pids/forked.pid")).and_then(|pid| pid.parse().ok()) {
            self.imported.pids.push((container, pid));
        }
        Ok(())
    }

    /// Imports an executor in its container, and its tasks.
    fn run(&mut self, framework: &FrameworkId, directory: &Path, run: &Path) -> Result<(), Error> {
        let Some(info) = self.message::<v1::ExecutorInfo>(&directory.join("executor.info"))? else { return Ok(()) };
        let Some(container) = name(run).map(ContainerId::new) else { return Ok(()) };
        let command_task = text(&directory.join("executor_generated_for_command_task")).map_or_else(
            // Agents before 1.5 do not write this file.
            || info.command.as_ref().is_some_and(|command| command.value().ends_with("mesos-executor")),
            |text| text == "1",
        );
        self.add(Record::Executor {
            framework: framework.clone(),
            container: container.clone(),
            info: Arc::new(info),
            command_task,
        });
        for task in below(&run.join("tasks")) {
            self.task(framework, &container, &task)?;
        }
        Ok(())
    }

    fn task(&mut self, framework: &FrameworkId, container: &ContainerId, directory: &Path) -> Result<(), Error> {
        let Some(task) = self.message::<v1::Task>(&directory.join("task.info"))? else { return Ok(()) };
        let id = TaskId::from(&task.task_id);
        self.add(Record::Task { framework: framework.clone(), container: container.clone(), task: Arc::new(task) });
        for record in self.messages::<StatusUpdateRecord>(&directory.join("task.updates"))? {
            let (framework, task) = (framework.clone(), id.clone());
            match (record.r#type(), record.update, record.uuid) {
                (status_update_record::Type::Update, Some(update), _) => {
                    let mut status = update.status;
                    status.uuid = status.uuid.or(update.uuid);
                    status.timestamp.get_or_insert(update.timestamp);
                    status.executor_id = status.executor_id.or(update.executor_id);
                    self.add(Record::Update { framework, task, status: Arc::new(status) });
                }
                (status_update_record::Type::Ack, _, Some(uuid)) => {
                    self.add(Record::Acknowledged { framework, task, uuid });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, record: Record) {
        self.imported.records.push(record);
    }

    /// Reads the first message of a file. An empty file was being created when the agent was killed.
    fn message<T: HasDescriptor>(&mut self, path: &Path) -> Result<Option<T>, Error> {
        Ok(self.messages(path)?.into_iter().next())
    }

    /// Reads all messages of a file. A truncated message at the end is left by a crash and ignored, as in Mesos.
    fn messages<T: HasDescriptor>(&mut self, path: &Path) -> Result<Vec<T>, Error> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return self.unreadable(path, error.to_string()),
        };
        let mut rest = bytes.as_slice();
        let mut all = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let Some((message, behind)) = behind.split_at_checked(u32::from_ne_bytes(*length) as usize) else { break };
            match wire::decode::<T>(message, &Limits::default()) {
                Ok(message) => all.push(message),
                Err(error) => return self.unreadable(path, error.to_string()),
            }
            rest = behind;
        }
        Ok(all)
    }

    fn unreadable<T>(&mut self, path: &Path, reason: String) -> Result<Vec<T>, Error> {
        if self.strict {
            return Err(Error::Import { path: path.to_owned(), reason });
        }
        tracing::warn!("skipping {}: {reason}", path.display());
        self.imported.errors += 1;
        Ok(Vec::new())
    }
}

/// Returns whether the run has terminated, and all its updates are acknowledged or obsolete.
fn has_ended(run: &Path) -> bool {
    run.join("executor.sentinel").exists()
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write<T: HasDescriptor>(path: PathBuf, messages: &[T]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let framed = messages
            .iter()
            .map(wire::encode)
            .flat_map(|bytes| (bytes.len() as u32).to_ne_bytes().into_iter().chain(bytes).collect::<Vec<u8>>());
        fs::write(path, framed.collect::<Vec<u8>>()).unwrap();
    }

    /// Writes the files of a framework with an executor that runs a task.
    fn left(meta: &Path) {
        let agent = meta.join("slaves/S0");
        write(agent.join("slave.info"), &[v1::AgentInfo { hostname: "h".into(), ..Default::default() }]);
        std::os::unix::fs::symlink(&agent, meta.join("slaves/latest")).unwrap();
        let framework = agent.join("frameworks/F");
        write(framework.join("framework.info"), &[v1::FrameworkInfo { checkpoint: Some(true), ..Default::default() }]);
        fs::write(framework.join("framework.pid"), "@0.0.0.0:0").unwrap();
        let executor = framework.join("executors/e");
        write(
            executor.join("executor.info"),
            &[v1::ExecutorInfo { executor_id: v1::ExecutorId { value: "e".into() }, ..Default::default() }],
        );
        let run = executor.join("runs/C");
        fs::create_dir_all(run.join("pids")).unwrap();
        fs::write(run.join("pids/forked.pid"), "42").unwrap();
        std::os::unix::fs::symlink(&run, executor.join("runs/latest")).unwrap();
        let id = v1::TaskId { value: "t".into() };
        write(run.join("tasks/t/task.info"), &[v1::Task { task_id: id.clone(), ..Default::default() }]);
        let status = v1::TaskStatus { task_id: id, uuid: Some(vec![1; 16]), ..Default::default() };
        let update = StatusUpdateRecord {
            r#type: status_update_record::Type::Update as i32,
            update: Some(Box::new(messages::internal::StatusUpdate {
                framework_id: v1::FrameworkId { value: "F".into() },
                status,
                ..Default::default()
            })),
            ..Default::default()
        };
        write(run.join("tasks/t/task.updates"), &[update.clone(), update]);
        let resource =
            v1::Resource { name: "cpus".into(), scalar: Some(v1::value::Scalar { value: 1.0 }), ..Default::default() };
        write(meta.join("resources/resources.info"), &[resource]);
    }

    /// Returns the tasks of completed executors.
    fn completed(recovered_state: &::agent::RecoveredState) -> Vec<String> {
        let records = recovered_state.records().into_iter();
        let ids = records.filter_map(|record| match record {
            Record::CompletedTask { container, task, .. } => Some(format!("{} in {container}", task.task_id.value)),
            _ => None,
        });
        ids.collect()
    }

    /// Returns all files below a directory in the order of their names.
    fn files(directory: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<fs::DirEntry> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        let of = |entry: fs::DirEntry| match entry.file_type().unwrap() {
            kind if kind.is_dir() => files(&entry.path()),
            kind if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        };
        entries.into_iter().flat_map(of).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// Damaged files never cause a panic: what can be read is imported, the rest is counted or refused.
        #[test]
        fn any_damage_is_tolerated(which: prop::sample::Index, at: prop::sample::Index, bytes: [u8; 3], cut: bool) {
            let directory = tempfile::tempdir().unwrap();
            left(directory.path());
            let path = which.get(&files(directory.path())).clone();
            let mut content = fs::read(&path).unwrap();
            let at = at.index(content.len());
            if cut {
                content.truncate(at);
            } else {
                content.splice(at..content.len().min(at + 2), bytes);
            }
            fs::write(&path, content).unwrap();
            let imported = read(directory.path(), false).unwrap();
            let _: ::agent::RecoveredState = imported.records.into_iter().collect();
            prop_assert_eq!(read(directory.path(), true).is_err(), imported.errors > 0);
        }
    }

    #[test]
    fn the_state_of_a_mesos_agent_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let meta = directory.path();
        left(meta);
        let framework = meta.join("slaves/S0/frameworks/F");
        let imported = read(meta, true).unwrap();
        assert_eq!(imported.pids, [(ContainerId::new("C"), 42)]);
        let recovered_state: ::agent::RecoveredState = imported.records.into_iter().collect();
        assert_eq!(recovered_state.containers().collect::<Vec<_>>(), [&ContainerId::new("C")]);
        assert_eq!(completed(&recovered_state), [""; 0]);
        // This is the next run of the executor; the run that has ended is shown as long as its sandbox exists.
        let runs = framework.join("executors/e/runs");
        fs::write(runs.join("C/executor.sentinel"), "").unwrap();
        fs::create_dir_all(runs.join("D")).unwrap();
        fs::remove_file(runs.join("latest")).unwrap();
        std::os::unix::fs::symlink(runs.join("D"), runs.join("latest")).unwrap();
        let again: ::agent::RecoveredState = read(meta, true).unwrap().records.into_iter().collect();
        assert_eq!(again.containers().collect::<Vec<_>>(), [&ContainerId::new("D")]);
        assert_eq!(completed(&again), ["t in C"]);
        assert!(!again.records().iter().any(|record| matches!(record, Record::Update { .. })), "nobody waits for it");
        // A damaged file stops only a strict agent.
        fs::write(framework.join("framework.info"), [1, 0, 0, 0, 0xff]).unwrap();
        assert!(matches!(read(meta, true), Err(Error::Import { .. })));
        assert_eq!(read(meta, false).unwrap().errors, 1);
    }
}
