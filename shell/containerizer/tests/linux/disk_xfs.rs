//! Project quotas of a real XFS, which is mounted from a file. Where the kernel has none, `make cgroup2` runs these tests.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use containerizer::{PersistentVolume, XfsConfig};

use super::*;

/// A host whose sandboxes are on an XFS.
struct XfsHost {
    host: Host,
    disk: PathBuf,
}

impl Drop for XfsHost {
    fn drop(&mut self) {
        self.host.end();
        let _ = rustix::mount::unmount(&self.disk, rustix::mount::UnmountFlags::DETACH);
    }
}

fn runs(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Mounts a new XFS with project quotas below the directory of the host.
fn mount_xfs(host: &Host) -> Result<PathBuf, String> {
    let (image, disk) = (host.directory.path().join("xfs.img"), host.directory.path().join("disk"));
    fs::File::create(&image).and_then(|file| file.set_len(320 << 20)).map_err(|error| error.to_string())?;
    fs::create_dir(&disk).map_err(|error| error.to_string())?;
    let (image, mount_point) = (image.to_str().unwrap(), disk.to_str().unwrap());
    runs("mkfs.xfs", &["-q", image])?;
    runs("mount", &["-o", "loop,pquota", image, mount_point])?;
    Ok(disk)
}

fn xfs(test: &str, change: impl FnOnce(&mut Config)) -> Option<XfsHost> {
    let mut host = linux(test, &["filesystem/linux"])?;
    let disk = match mount_xfs(&host) {
        Ok(disk) => disk,
        Err(why) => {
            skip(test, &format!("an XFS with project quotas cannot be mounted ({why}): make cgroup2 runs it"));
            return None;
        }
    };
    host.config.isolation.push("disk/xfs".to_owned());
    host.config.work_dir = Some(disk.clone());
    host.config.enforce_container_disk_quota = true;
    host.config.container_disk_watch_interval = Duration::from_millis(100);
    change(&mut host.config);
    let mut host = XfsHost { host, disk };
    match host.host.try_restart() {
        Ok(()) => Some(host),
        // The kernel mounts an XFS with the option and has no quotas.
        Err(Error::Request(why)) if why.contains("quota") => {
            skip(test, &format!("{why}: make cgroup2 runs it"));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

impl XfsHost {
    /// Returns a launch with a sandbox at Mesos' place in the work directory.
    fn shell(&self, id: &str, command: &str, disk: u64) -> Launch {
        let sandbox = self.sandbox(id);
        fs::create_dir_all(&sandbox).unwrap();
        let mut launch = self.host.shell(id, command);
        launch.environment.push(("MESOS_DIRECTORY".into(), sandbox.clone().into()));
        launch.working_directory = sandbox;
        launch.limits.disk = Some(disk);
        launch
    }

    fn sandbox(&self, id: &str) -> PathBuf {
        self.disk.join(format!("slaves/S/frameworks/F/executors/e/runs/{id}"))
    }

    fn volume(&self, name: &str, size: Option<u64>, container: &str) -> Bind {
        let source = self.disk.join("volumes/roles/r").join(name);
        let root = self.sandbox(container);
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(root.join(name)).unwrap();
        let volume = Some(PersistentVolume { id: name.to_owned(), size });
        Bind { source, root, path: name.into(), read_only: false, volume }
    }
}

const MEGABYTE: u64 = 1 << 20;

#[test]
fn writes_beyond_the_quota_fail() {
    let Some(xfs) = xfs("writes_beyond_the_quota_fail", |_| {}) else { return };
    let command = "head -c 500000 /dev/zero > small && echo small; head -c 3000000 /dev/zero > large || echo refused; \
                   head -c 3000000 /dev/zero > data/three && echo three; head -c 3000000 /dev/zero > data/more || echo refused; \
                   head -c 9000000 /dev/zero > whole/nine && echo nine; exec sleep 1000";
    // A link out of the sandbox does not lead the quota anywhere.
    let mut launch = xfs.shell("c", command, MEGABYTE);
    let elsewhere = xfs.disk.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, xfs.sandbox("c").join("link")).unwrap();
    fs::create_dir(xfs.sandbox("c").join("fetched")).unwrap();
    fs::write(xfs.sandbox("c").join("fetched/file"), vec![1; 100_000]).unwrap();
    launch.binds = vec![xfs.volume("data", Some(5 * MEGABYTE), "c"), xfs.volume("whole", None, "c")];
    xfs.host.launch(launch);
    until(|| (xfs.host.read("c", "stdout") == "small\nrefused\nthree\nrefused\nnine\n").then_some(()));
    let usage = xfs.host.containerizer().usage(&id("c")).unwrap();
    assert!((900_000..=MEGABYTE).contains(&usage.disk_used_bytes.unwrap()), "{usage:?}");
    assert_eq!(usage.disk_limit_bytes, Some(MEGABYTE));
    let [volume] = usage.volumes.as_slice() else { panic!("a whole disk has no quota: {usage:?}") };
    assert_eq!((volume.id.as_str(), volume.limit), ("data", Some(5 * MEGABYTE)));
    assert!((4_900_000..=5 * MEGABYTE).contains(&volume.used.unwrap()), "{usage:?}");
    // What is not below the sandbox has no quota.
    fs::write(elsewhere.join("large"), vec![1; 4_000_000]).unwrap();

    let more = Limits { disk: Some(8 * MEGABYTE), ..Limits::default() };
    xfs.host.containerizer().update(&id("c"), more).unwrap();
    fs::write(xfs.sandbox("c").join("now"), vec![1; 3_000_000]).unwrap();
    let further = xfs.volume("further", Some(MEGABYTE), "c");
    xfs.host.containerizer().bind(&id("c"), &further).unwrap();
    let refused = fs::write(further.source.join("file"), vec![1; 3_000_000]).unwrap_err();
    assert!(matches!(refused.raw_os_error(), Some(28 | 122)), "{refused}");
}

#[test]
fn a_container_beyond_its_quota_is_ended_if_the_operator_wants_it() {
    let ends = |config: &mut Config| config.xfs.kill_containers = true;
    let Some(mut xfs) = xfs("a_container_beyond_its_quota_is_ended_if_the_operator_wants_it", ends) else { return };
    let write = "head -c 3145728 /dev/zero > file; echo written; exec sleep 1000";
    xfs.host.launch(xfs.shell("c", write, MEGABYTE));
    let Event::Exited { limitation: Some(limitation), .. } = xfs.host.event() else { panic!("it has a limit") };
    assert_eq!(limitation.kind, LimitationKind::Disk { limit: MEGABYTE });
    let message = &limitation.message;
    assert!(message.starts_with("Disk usage (") && message.ends_with(") exceeded quota (1MB)"), "{message}");

    // A volume of its own, and an agent that has started meanwhile.
    let mut launch = xfs.shell(
        "v",
        "until [ -e go ]; do sleep 0.1; done; head -c 3145728 /dev/zero > data/file; exec sleep 1000",
        50 * MEGABYTE,
    );
    let volume = xfs.volume("data", Some(MEGABYTE), "v");
    launch.binds = vec![volume.clone()];
    xfs.host.launch(launch);
    xfs.host.restart();
    xfs.host.containerizer().add_volume(&id("v"), &volume).unwrap();
    fs::write(xfs.sandbox("v").join("go"), "").unwrap();
    let Event::Exited { limitation: Some(limitation), .. } = xfs.host.event() else { panic!("it has a limit") };
    let message = &limitation.message;
    assert!(message.ends_with(") exceeded quota (1MB) for volume 'data'"), "{message}");
}

#[test]
fn a_project_is_used_again_when_its_sandbox_is_gone() {
    let narrow = |config: &mut Config| config.xfs = XfsConfig { project_range: vec![(7, 7)], ..XfsConfig::default() };
    let Some(mut xfs) = xfs("a_project_is_used_again_when_its_sandbox_is_gone", narrow) else { return };
    xfs.host.launch(xfs.shell("one", "exit 0", MEGABYTE));
    assert_eq!(xfs.host.exited("one"), Some(0));
    // The next agent finds the project at the sandbox, which a framework may still read.
    xfs.host.restart();
    xfs.host.containerizer().launch(xfs.shell("two", "true", MEGABYTE)).unwrap();
    let Event::LaunchFailed { reason, .. } = xfs.host.event() else { panic!("no project is free") };
    assert!(reason.starts_with("Failed to assign project ID, range exhausted"), "{reason}");
    fs::remove_dir_all(xfs.sandbox("one")).unwrap();
    xfs.host.launch(xfs.shell("three", "head -c 3000000 /dev/zero > file || echo refused", MEGABYTE));
    assert_eq!(xfs.host.exited("three"), Some(0));
    assert_eq!(xfs.host.read("three", "stdout"), "refused\n");
}

#[test]
fn an_agent_whose_work_directory_has_no_project_quota_does_not_start() {
    let Some(mut host) = linux("an_agent_whose_work_directory_has_no_project_quota_does_not_start", &ALL) else {
        return;
    };
    host.config.isolation.push("disk/xfs".to_owned());
    host.config.work_dir = Some(Path::new("/proc").to_owned());
    let refused = host.try_restart().unwrap_err().to_string();
    assert_eq!(refused, "--isolation=disk/xfs: '/proc' is not an XFS filesystem");
    host.config.isolation.pop();
}
