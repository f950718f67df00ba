//! The layout of sandboxes, which is Mesos': operators' tools and `/files` rely on it.

use std::path::{Path, PathBuf};

use model::{AgentId, ContainerId, ExecutorId, FrameworkId};

pub(crate) fn framework(work_dir: &Path, agent: &AgentId, framework: &FrameworkId) -> PathBuf {
    work_dir.join("slaves").join(agent.as_str()).join("frameworks").join(framework.as_str())
}

pub(crate) fn executor(work_dir: &Path, agent: &AgentId, framework_id: &FrameworkId, executor: &ExecutorId) -> PathBuf {
    framework(work_dir, agent, framework_id).join("executors").join(executor.as_str())
}

/// Returns the sandbox of a container: that of one run of an executor, or `containers/<id>` in its parent's.
pub(crate) fn run(
    work_dir: &Path,
    agent: &AgentId,
    framework: &FrameworkId,
    executor_id: &ExecutorId,
    container: &ContainerId,
) -> PathBuf {
    executor(work_dir, agent, framework, executor_id).join("runs").join(container.path("containers"))
}
