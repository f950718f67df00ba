//! The template itself, and the processes that are forked from it.

use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recv, recvmsg, send};
use rustix::process::{DumpableBehavior, Pid, getppid, set_dumpable_behavior};
use rustix::thread::set_name;

use super::process_strings::ProcessStrings;
use super::request::{Body, Descriptors, Header, MAX_BODY, MAX_DESCRIPTORS, Reply};
use crate::spawn::child::{NO_SIGNALS, Outcome, Step, enter_container, reset_signals};
use crate::spawn::clone::{CloneArguments, flags_of};

/// Runs the program `executor-template`: forks executors for the agent, whose socket is the standard input, until the agent
/// ends. Each executor runs `executor`, which gets the arguments and returns whether it has succeeded.
pub fn executor_template(executor: impl FnOnce(&[String]) -> bool) -> ExitCode {
    // The agent sees that the template has ended, and does without it.
    let Ok(mut strings) = start() else { return ExitCode::FAILURE };
    while let Ok(Some(request)) = next_request(rustix::stdio::stdin()) {
        match fork(&request) {
            Ok(None) => match join(request, &mut strings) {
                Some(arguments) => exit(if executor(&arguments) { 0 } else { 1 }),
                None => exit(127),
            },
            Ok(Some(pid)) => reply(&request.channel, Reply::Created(pid)),
            Err(errno) => reply(&request.channel, Reply::NotCreated(errno.raw_os_error())),
        }
    }
    ExitCode::SUCCESS
}

/// Ends this process without running what the libraries of the template have registered for its exit.
#[allow(unsafe_code)]
fn exit(status: i32) -> ! {
    let _ = io::stdout().flush();
    // SAFETY: has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Prepares this process once for all that are forked from it, and tells the agent.
fn start() -> io::Result<ProcessStrings> {
    close_descriptors();
    reset_signals(&NO_SIGNALS);
    ignore_broken_pipes();
    set_name(c"tepui")?;
    let strings = ProcessStrings::take()?;
    // What is computed once per process is computed here.
    executor::warm_up();
    send(rustix::stdio::stdin(), &[0], SendFlags::NOSIGNAL)?;
    Ok(strings)
}

/// Closes what an agent may have passed on by mistake, since nothing that is forked executes a program (CVE-2024-21626).
#[allow(unsafe_code)]
fn close_descriptors() {
    // SAFETY: only descriptors above the standard streams are closed, and this process has opened none yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0) };
}

/// Rust ignores SIGPIPE in its programs, as the executors expect.
#[allow(unsafe_code)]
fn ignore_broken_pipes() {
    // SAFETY: sets the disposition of a signal without a handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// A request for a process.
struct Request {
    header: Header,
    channel: OwnedFd,
    descriptors: Descriptors,
}

/// Waits for a request; `None` if there are no more, because the agent has ended.
fn next_request(socket: BorrowedFd<'_>) -> io::Result<Option<Request>> {
    let mut bytes = [0; Header::LENGTH];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        retry_on_intr(|| recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC))?;
    if received.bytes != Header::LENGTH {
        return Ok(None);
    }
    let header = Header::decode(bytes);
    let rights = |message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    };
    let descriptors: Vec<OwnedFd> = ancillary.drain().filter_map(rights).flatten().collect();
    // A request that an agent has left behind would start a container that no agent expects.
    if getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != header.agent) {
        return Ok(None);
    }
    let sorted = Descriptors::of(header, descriptors);
    Ok(sorted.map(|(channel, descriptors)| Request { header, channel, descriptors }))
}

/// Creates a process that is a child of the agent. Returns its pid; in the process itself, `None`.
#[allow(unsafe_code)]
fn fork(request: &Request) -> Result<Option<i32>, Errno> {
    let flags = u64::from((libc::CLONE_PARENT | flags_of(request.header.namespaces)).cast_unsigned());
    let cgroup = request.descriptors.cgroup.as_ref().map(|cgroup| u64::from(cgroup.as_raw_fd().cast_unsigned()));
    let arguments = CloneArguments::of_fork(flags, cgroup);
    // SAFETY: without CLONE_VM, the new process goes on from here with a copy of the memory, as after fork(2). This process
    // has one thread, so that no lock is held by another one. What libc remembers of the thread is its id alone, which it
    // uses for threads that are not the caller.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArguments>()) };
    match i32::try_from(pid) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => Ok(Some(pid)),
        // SAFETY: always valid for reads.
        _ => Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() })),
    }
}

/// Lets this process, which was just forked, join its container and become its executor. Returns the arguments; `None` if a
/// step has failed, which the agent has been told.
fn join(request: Request, strings: &mut ProcessStrings) -> Option<Vec<String>> {
    let Request { header, channel, descriptors } = request;
    let outcome = Outcome::default();
    let joined = become_executor(header, descriptors, &channel, strings);
    let (arguments, pid) = match joined {
        Ok((arguments, pid)) => (Some(arguments), pid.map_or(0, |pid| pid.as_raw_nonzero().get())),
        Err((step, errno)) => {
            outcome.fail(step, errno);
            (None, 0)
        }
    };
    let (step, errno) = outcome.to_numbers();
    reply(&channel, Reply::Joined(step, errno, pid));
    drop(channel);
    // As after execve(2), users may inspect their processes, but not before those have closed what root has opened
    // (pidfd_getfd(2)).
    let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
    arguments
}

fn become_executor(
    header: Header,
    descriptors: Descriptors,
    channel: &OwnedFd,
    strings: &mut ProcessStrings,
) -> Result<(Vec<String>, Option<Pid>), (Step, Errno)> {
    let mut bytes = vec![0; usize::try_from(header.body).unwrap_or(MAX_BODY).min(MAX_BODY)];
    let (length, _) = recv(channel, &mut bytes[..], RecvFlags::empty()).map_err(|errno| (Step::Request, errno))?;
    let body = bytes.get(..length).and_then(Body::decode).ok_or((Step::Request, Errno::INVAL))?;
    let arguments = body.argv.iter().map(|argument| argument.to_str().map(str::to_owned));
    let arguments = arguments.collect::<Result<_, _>>().map_err(|_| (Step::Request, Errno::ILSEQ))?;
    let (argv, environment) = (body.argv.clone(), body.environment.clone());
    let plan = body.into_plan(header, descriptors);
    let pid = enter_container(&plan)?;
    strings.replace(&argv, &environment);
    // From here on the next agent finds this process: the lock is released with the plan.
    Ok((arguments, pid))
}

fn reply(channel: &OwnedFd, reply: Reply) {
    // Without an agent, nobody needs it.
    let _ = send(channel, &reply.encode(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}
