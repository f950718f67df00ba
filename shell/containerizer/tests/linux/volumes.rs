//! Volumes of the host and of sandboxes, seen from inside.

use containerizer::{Propagation, Volume, VolumeSource};

use super::*;

fn host_path(path: &std::path::Path, container_path: &str, read_only: bool) -> Volume {
    let source = VolumeSource::HostPath { path: path.to_owned(), propagation: Propagation::HostToContainer };
    Volume { source, container_path: container_path.into(), read_only }
}

fn sandbox_path(root: &std::path::Path, path: &str, container_path: &str) -> Volume {
    let source = VolumeSource::Sandbox { root: root.to_owned(), path: path.into() };
    Volume { source, container_path: container_path.into(), read_only: false }
}

#[test]
fn a_container_sees_the_volumes_that_it_asks_for() {
    let Some(host) = linux("a_container_sees_the_volumes_that_it_asks_for", &ALL) else { return };
    let data = host.sandbox("data");
    fs::write(data.join("file"), "of the host\n").unwrap();
    let hidden = host.sandbox("hidden");
    let command = format!(
        "cat in/data/file; (echo no > in/data/file) 2>/dev/null || echo read-only; cat one; echo more >> one; \
         echo kept > {0}/kept; ls {0}; cat mine/deep/x",
        hidden.display()
    );
    let mut launch = host.shell("c", &command);
    fs::create_dir_all(host.sandbox("c").join("own")).unwrap();
    fs::write(host.sandbox("c").join("own/x"), "own\n").unwrap();
    launch.requests.volumes = vec![
        host_path(&data, "in/data", true),
        host_path(&data.join("file"), "one", false),
        host_path(&data, hidden.to_str().unwrap(), false),
        sandbox_path(&host.sandbox("c"), "own", "mine/deep"),
    ];
    host.launch(launch);
    assert_eq!(host.exited("c"), Some(0), "{}", fs::read_to_string(host.sandbox("c").join("stderr")).unwrap());
    assert_eq!(host.read("c", "stdout"), "of the host\nread-only\nof the host\nfile\nkept\nown\n");
    assert_eq!(fs::read_to_string(data.join("file")).unwrap(), "of the host\nmore\n");
    assert!(data.join("kept").exists() && fs::read_dir(&hidden).unwrap().count() == 0);
    assert_eq!(host.mounts(), [""; 0], "nothing is mounted on the host");
}

#[test]
fn a_volume_that_cannot_be_shown_is_refused_with_its_path() {
    let Some(mut host) = linux("a_volume_that_cannot_be_shown_is_refused_with_its_path", &ALL) else { return };
    let (data, elsewhere) = (host.sandbox("data"), host.sandbox("elsewhere"));
    let check = |host: &Host, volume: Volume, user: bool, expect: &str| {
        let mut launch = host.shell("c", "true");
        launch.requests.volumes = vec![volume];
        launch.user = user.then(|| containerizer::resolve_user("nobody").unwrap());
        host.containerizer().launch(launch).unwrap();
        match host.event() {
            Event::LaunchFailed { reason, .. } => assert!(reason.contains(expect), "{reason}"),
            event => panic!("{event:?} instead of {expect}"),
        }
    };
    std::os::unix::fs::symlink(&elsewhere, host.sandbox("c").join("link")).unwrap();
    let missing = data.join("missing");
    check(&host, host_path(&missing, "in", false), false, "does not exist on the agent");
    check(&host, host_path(&data, "link", false), false, "the mount point cannot be made");
    check(&host, host_path(&data, "link/in", false), false, "the mount point cannot be made");
    check(&host, sandbox_path(&host.sandbox("c"), "link", "in"), false, "cannot be opened");
    check(&host, sandbox_path(&host.sandbox("c"), "../data", "in"), false, "without '..'");
    check(&host, host_path(&data, "../in", false), false, "without '..'");
    check(&host, host_path(&data, ".", false), false, "would hide the sandbox");
    check(&host, host_path(&data, "/proc/sys", false), false, "on / or in /proc");
    check(
        &host,
        host_path(&data, "/no/such/directory", false),
        false,
        "Absolute container path '/no/such/directory' does not",
    );
    check(&host, host_path(&data, elsewhere.to_str().unwrap(), false), true, "does not run as root");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

    host.config.host_path_volume_force_creation = vec![data.clone()];
    host.restart();
    let mut launch = host.shell("c", "echo x > in/x");
    launch.requests.volumes = vec![host_path(&missing, "in", false)];
    host.launch(launch);
    assert_eq!(host.exited("c"), Some(0));
    assert!(missing.join("x").exists());
}

/// A directory of the host is made a shared mount, in which the container mounts.
#[test]
fn mounts_of_a_container_appear_on_the_host_if_it_asks_for_it() {
    use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};
    let test = "mounts_of_a_container_appear_on_the_host_if_it_asks_for_it";
    let Some(host) = linux(test, &ALL) else { return };
    let shared = host.sandbox("shared");
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = unmount(&self.0, UnmountFlags::DETACH);
        }
    }
    mount_bind(&shared, &shared).unwrap();
    let _mounted = Unmount(shared.clone());
    mount_change(&shared, MountPropagationFlags::SHARED).unwrap();
    fs::create_dir(shared.join("point")).unwrap();
    for (id, propagation, expect) in
        [("one", Propagation::HostToContainer, false), ("both", Propagation::Bidirectional, true)]
    {
        let mut launch =
            host.shell(id, "mount -t tmpfs none in/point && echo mounted; until [ -e go ]; do sleep 0.01; done");
        let source = VolumeSource::HostPath { path: shared.clone(), propagation };
        launch.requests.volumes = vec![Volume { source, container_path: "in".into(), read_only: false }];
        host.launch(launch);
        assert_eq!(host.read(id, "stdout"), "mounted\n");
        let point = shared.join("point").display().to_string();
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert_eq!(table.lines().any(|line| line.split(' ').nth(4) == Some(&point)), expect, "{id}");
        fs::write(host.sandbox(id).join("go"), "").unwrap();
        assert_eq!(host.exited(id), Some(0));
    }
    let _ = unmount(shared.join("point"), UnmountFlags::DETACH);
}
