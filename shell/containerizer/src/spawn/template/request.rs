//! What the agent and the executor template say to each other.
//!
//! A request is one message on the socket of the template: [`Header`] with descriptors. The first descriptor is the channel
//! of the new process, on which the agent has already written the [`Body`]; the replies come back on it. Both sides are the
//! same program, so that the form needs no version.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use executor::Privileges;
use rustix::process::Pid;

use crate::User;
use crate::launch_spec::Namespaces;
use crate::spawn::plan::{Executable, ProcessRecord, SpawnPlan, Strings};

/// The maximum length of a body in bytes. Containers with longer arguments and environments are started without the
/// template.
pub(super) const MAX_BODY: usize = 48 << 10;
/// The maximum number of descriptors in a request: eight, and one for each v1 hierarchy.
pub(super) const MAX_DESCRIPTORS: usize = 32;

/// What the template has to know of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The agent. The template refuses requests of an agent that has ended.
    pub agent: i32,
    /// The length of the body in bytes.
    pub body: u32,
    /// The new namespaces of the process.
    pub namespaces: Namespaces,
    /// Whether the process has to write a record.
    pub has_record: bool,
    /// Whether the lock of the agent's runtime directory is among the descriptors.
    pub has_lock: bool,
    /// Whether a v2 cgroup is among the descriptors.
    pub has_cgroup: bool,
}

impl Header {
    /// The length of an encoded header.
    pub(super) const LENGTH: usize = 9;

    fn bits(self) -> [bool; 7] {
        let Namespaces { pid, mount, ipc, uts } = self.namespaces;
        [pid, mount, ipc, uts, self.has_record, self.has_lock, self.has_cgroup]
    }

    /// Returns the encoded header.
    pub(super) fn encode(self) -> [u8; Self::LENGTH] {
        let bits = self.bits().iter().enumerate().fold(0, |bits, (place, set)| bits | u8::from(*set) << place);
        let ([a, b, c, d], [e, f, g, h]) = (self.agent.to_le_bytes(), self.body.to_le_bytes());
        [a, b, c, d, e, f, g, h, bits]
    }

    /// Decodes a header.
    pub(super) fn decode([a, b, c, d, e, f, g, h, bits]: [u8; Self::LENGTH]) -> Self {
        let has = |place: u8| bits & (1 << place) != 0;
        Header {
            agent: i32::from_le_bytes([a, b, c, d]),
            body: u32::from_le_bytes([e, f, g, h]),
            namespaces: Namespaces { pid: has(0), mount: has(1), ipc: has(2), uts: has(3) },
            has_record: has(4),
            has_lock: has(5),
            has_cgroup: has(6),
        }
    }
}

/// Returns whether a container can be started by the template: it changes nothing that only execve(2) makes complete,
/// and enters nothing of another container.
pub(super) fn is_simple(plan: &SpawnPlan) -> bool {
    let SpawnPlan {
        privileges,
        report,
        socket,
        enter_mounts,
        enter_pids,
        enter_ipc,
        enter_network,
        enter_host_name,
        binds,
        shm,
        hostname,
        volumes,
        cgroup_tasks,
        // These are carried out as for any other container.
        program: _,
        argv: _,
        environment: _,
        working_directory: _,
        user: _,
        rlimits: _,
        stdin: _,
        stdout: _,
        stderr: _,
        namespaces: _,
        cgroup: _,
        record: _,
        lock: _,
    } = plan;
    let enters = [enter_mounts, enter_pids, enter_ipc, enter_network, enter_host_name];
    *privileges == Privileges::default()
        && report.is_none()
        && socket.is_none()
        && enters.iter().all(|namespace| namespace.is_none())
        && binds.is_empty()
        && shm.is_none()
        && hostname.is_none()
        && volumes.is_empty()
        && cgroup_tasks.len() <= MAX_DESCRIPTORS - 8
}

/// Returns the header and the descriptors of a request, in the order in which `Descriptors::of` takes them.
pub(super) fn header<'a>(plan: &'a SpawnPlan, body: &[u8], channel: BorrowedFd<'a>) -> (Header, Vec<BorrowedFd<'a>>) {
    let header = Header {
        body: u32::try_from(body.len()).unwrap_or(u32::MAX),
        agent: rustix::process::getpid().as_raw_nonzero().get(),
        namespaces: plan.namespaces,
        has_record: plan.record.is_some(),
        has_lock: plan.lock.is_some(),
        has_cgroup: plan.cgroup.is_some(),
    };
    let mut descriptors = vec![channel, plan.stdin.as_fd(), plan.stdout.as_fd(), plan.stderr.as_fd()];
    descriptors.extend(plan.record.iter().map(|record| record.file.as_fd()));
    descriptors.extend(plan.lock.iter().map(|lock| lock.as_fd()));
    descriptors.extend(plan.cgroup.iter().map(OwnedFd::as_fd));
    descriptors.extend(plan.cgroup_tasks.iter().map(OwnedFd::as_fd));
    (header, descriptors)
}

/// The descriptors of a request after its channel.
#[derive(Debug)]
pub(super) struct Descriptors {
    /// Standard input, output and error.
    pub streams: [OwnedFd; 3],
    /// The file of the record.
    pub record: Option<OwnedFd>,
    /// The lock of the agent's runtime directory.
    pub lock: Option<OwnedFd>,
    /// The v2 cgroup.
    pub cgroup: Option<OwnedFd>,
    /// The `tasks` files of the v1 cgroups.
    pub tasks: Vec<OwnedFd>,
}

impl Descriptors {
    /// Sorts the descriptors of a request into its channel and the others; `None` if some are missing.
    pub(super) fn of(header: Header, descriptors: Vec<OwnedFd>) -> Option<(OwnedFd, Self)> {
        let mut next = descriptors.into_iter();
        let mut one = |wanted: bool| if wanted { next.next().map(Some) } else { Some(None) };
        let channel = one(true)??;
        let descriptors = Descriptors {
            streams: [one(true)??, one(true)??, one(true)??],
            record: one(header.has_record)?,
            lock: one(header.has_lock)?,
            cgroup: one(header.has_cgroup)?,
            tasks: next.collect(),
        };
        Some((channel, descriptors))
    }
}

/// What the new process starts with.
#[derive(Debug, PartialEq)]
pub(super) struct Body {
    /// The arguments, beginning with `argv[0]`.
    pub argv: Vec<CString>,
    /// The complete environment.
    pub environment: Vec<CString>,
    working_directory: CString,
    user: Option<User>,
    rlimits: Vec<(u32, u64, u64)>,
}

impl Body {
    /// Returns the encoded body of a plan.
    pub(super) fn encode(plan: &SpawnPlan) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        let number = |out: &mut Vec<u8>, number: u64| out.extend_from_slice(&number.to_le_bytes());
        let count = |out: &mut Vec<u8>, length: usize| number(out, length as u64);
        for list in [&plan.argv.owned, &plan.environment.owned] {
            count(&mut out, list.len());
            list.iter().for_each(|text| out.extend_from_slice(text.as_bytes_with_nul()));
        }
        out.extend_from_slice(plan.working_directory.as_bytes_with_nul());
        match &plan.user {
            None => count(&mut out, 0),
            Some(user) => {
                count(&mut out, user.groups.len() + 1);
                number(&mut out, u64::from(user.uid));
                number(&mut out, u64::from(user.gid));
                user.groups.iter().for_each(|group| number(&mut out, u64::from(*group)));
            }
        }
        for (resource, limit) in &plan.rlimits {
            number(&mut out, u64::from(*resource));
            number(&mut out, limit.rlim_cur);
            number(&mut out, limit.rlim_max);
        }
        out
    }

    /// Decodes a body; `None` if it is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let mut list = || {
            let length = rest.number()?;
            (0..length).map(|_| rest.text()).collect::<Option<Vec<_>>>()
        };
        let (argv, environment) = (list()?, list()?);
        let working_directory = rest.text()?;
        let small = |number: u64| u32::try_from(number).ok();
        let user = match rest.number()? {
            0 => None,
            groups => {
                let (uid, gid) = (small(rest.number()?)?, small(rest.number()?)?);
                let groups = (1..groups).map(|_| small(rest.number()?)).collect::<Option<Vec<_>>>()?;
                Some(User { name: String::new(), uid, gid, groups })
            }
        };
        let mut rlimits = Vec::new();
        while !rest.0.is_empty() {
            rlimits.push((small(rest.number()?)?, rest.number()?, rest.number()?));
        }
        Some(Body { argv, environment, working_directory, user, rlimits })
    }

    /// Returns the plan of the new process, without what `is_simple` excludes. `agent` is its parent.
    pub(super) fn into_plan(self, header: Header, descriptors: Descriptors) -> SpawnPlan {
        let Descriptors { streams: [stdin, stdout, stderr], record, lock, cgroup: _, tasks } = descriptors;
        let parent = Pid::from_raw(header.agent).filter(|_| !header.namespaces.pid);
        let limit = |(resource, soft, hard)| (resource, libc::rlimit64 { rlim_cur: soft, rlim_max: hard });
        SpawnPlan {
            // The process executes nothing.
            program: Executable::Path(CString::default()),
            argv: Strings::new(Vec::new()),
            environment: Strings::new(Vec::new()),
            working_directory: self.working_directory,
            user: self.user,
            rlimits: self.rlimits.into_iter().map(limit).collect(),
            privileges: Privileges::default(),
            stdin,
            stdout,
            stderr,
            report: None,
            socket: None,
            enter_mounts: None,
            enter_pids: None,
            enter_ipc: None,
            enter_network: None,
            enter_host_name: None,
            namespaces: header.namespaces,
            binds: Vec::new(),
            shm: None,
            hostname: None,
            volumes: Vec::new(),
            // The process was created in it.
            cgroup: None,
            cgroup_tasks: tasks,
            record: record.map(|file| ProcessRecord { file, parent }),
            lock: lock.map(|lock| Arc::new(lock.into())),
        }
    }
}

/// The rest of a body.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn text(&mut self) -> Option<CString> {
        let text = CStr::from_bytes_until_nul(self.0).ok()?;
        self.0 = self.0.get(text.to_bytes_with_nul().len()..)?;
        Some(text.to_owned())
    }
}

/// What the agent reads on the channel of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The template has created the process; this is its pid on the host.
    Created(i32),
    /// The template could not create the process: the error of the operating system.
    NotCreated(i32),
    /// The process has joined its container, or a step has failed: the numbers of its `Outcome`, and its pid on the host, or
    /// zero.
    Joined(u32, i32, i32),
}

impl Reply {
    /// The length of an encoded reply.
    pub(super) const LENGTH: usize = 13;

    /// Returns the encoded reply.
    pub(super) fn encode(self) -> [u8; Self::LENGTH] {
        let (kind, a, b, c) = match self {
            Reply::Created(pid) => (0, 0, 0, pid),
            Reply::NotCreated(errno) => (1, 0, errno, 0),
            Reply::Joined(step, errno, pid) => (2, step, errno, pid),
        };
        let mut bytes = [0; Self::LENGTH];
        let numbers = [a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes()];
        let all = std::iter::once(kind).chain(numbers.into_iter().flatten());
        bytes.iter_mut().zip(all).for_each(|(place, byte)| *place = byte);
        bytes
    }

    /// Decodes a reply; `None` if it is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, numbers) = bytes.split_first()?;
        let (a, numbers) = numbers.split_first_chunk()?;
        let (b, numbers) = numbers.split_first_chunk()?;
        let c = i32::from_le_bytes(numbers.try_into().ok()?);
        match kind {
            0 => Some(Reply::Created(c)),
            1 => Some(Reply::NotCreated(i32::from_le_bytes(*b))),
            2 => Some(Reply::Joined(u32::from_le_bytes(*a), i32::from_le_bytes(*b), c)),
            _ => None,
        }
    }
}

/// Returns the memory that these strings take, each with its zero byte, in bytes.
pub(super) fn size_of_strings(strings: &[CString]) -> usize {
    strings.iter().map(|text| text.as_bytes_with_nul().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch_spec::LaunchSpec;
    use crate::{Launch, Limits, Output, Program, Rlimit, RlimitKind};

    fn plan(user: Option<User>) -> SpawnPlan {
        let launch = Launch {
            id: ids::ContainerId::new("c"),
            program: Program::Path("/bin/true".into()),
            argv: vec!["tepui".into(), "executor".into(), "".into()],
            init: None,
            environment: vec![("A".into(), "1=2".into()), ("B".into(), "".into())],
            working_directory: "/tmp".into(),
            user,
            stdin: crate::Input::Nothing,
            terminal: None,
            nesting: None,
            stdout: Output::Discard,
            stderr: Output::Discard,
            rlimits: vec![Rlimit { kind: RlimitKind::Core, soft: Some(3), hard: None }],
            limits: Limits::default(),
            binds: Vec::new(),
            requests: crate::Requests::default(),
        };
        let mut spec = LaunchSpec::new(&launch);
        spec.rlimits.clone_from(&launch.rlimits);
        SpawnPlan::new(&spec).unwrap()
    }

    #[test]
    fn a_body_is_decoded_as_it_was_encoded() {
        for user in [None, Some(User { name: "u".into(), uid: 7, gid: 8, groups: vec![8, 9] })] {
            let plan = plan(user.clone());
            assert!(is_simple(&plan));
            let bytes = Body::encode(&plan);
            let body = Body::decode(&bytes).unwrap();
            assert_eq!((&body.argv, &body.environment), (&plan.argv.owned, &plan.environment.owned));
            assert_eq!(body.working_directory, plan.working_directory);
            assert_eq!(body.user, user.map(|user| User { name: String::new(), ..user }));
            assert_eq!(body.rlimits, [(libc::RLIMIT_CORE, 3, libc::RLIM64_INFINITY)]);
            for end in 0..bytes.len() {
                // The last part repeats, so that a shorter body may be complete. Nothing else is.
                assert!(Body::decode(&bytes[..end]).is_none_or(|shorter| shorter.rlimits.is_empty()));
            }
        }
    }

    #[test]
    fn headers_and_replies_are_decoded_as_they_were_encoded() {
        for bits in 0..128 {
            let bytes = [1, 2, 3, 4, 5, 6, 7, 8, bits];
            assert_eq!(Header::decode(bytes).encode(), bytes);
        }
        for reply in [Reply::Created(7), Reply::NotCreated(38), Reply::Joined(3, -1, 9)] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
        assert_eq!(Reply::decode(&[9; Reply::LENGTH]), None);
        assert_eq!(Reply::decode(&[0; Reply::LENGTH - 1]), None);
    }

    #[test]
    fn containers_with_other_privileges_are_not_simple() {
        let mut plan = plan(None);
        plan.privileges.no_new_privileges = true;
        assert!(!is_simple(&plan));
    }
}
