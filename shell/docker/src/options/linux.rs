//! What `LinuxInfo` and `RLimitInfo` ask for. Mesos' containerizer ignores it silently; here it is carried out or refused.

use messages::v1;
use serde_json::json;
use v1::linux_info::IpcMode;
use v1::r_limit_info::r_limit::Type as Limit;

use super::document::Document;
use super::error::InvalidOptions;

/// Adds capabilities, namespaces, the filter of system calls and resource limits.
///
/// # Errors
/// Returns the field that Docker has no counterpart of.
pub fn add(document: &mut Document, container: &v1::ContainerInfo) -> Result<(), InvalidOptions> {
    for limit in container.rlimit_info.iter().flat_map(|info| &info.rlimits) {
        let Some(name) = name(limit.r#type()) else { continue };
        // No number is no limit, and Docker writes that as -1.
        let number = |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1));
        document.push_host("Ulimits", json!({ "Name": name, "Soft": number(limit.soft), "Hard": number(limit.hard) }));
    }
    let Some(linux) = container.linux_info.as_deref() else { return Ok(()) };
    #[expect(deprecated, reason = "older frameworks set the older field")]
    let effective = linux.effective_capabilities.as_deref().or(linux.capability_info.as_deref());
    if linux.bounding_capabilities.is_some() {
        return Err(InvalidOptions::Field("container.linux_info.bounding_capabilities"));
    }
    if let Some(effective) = effective {
        document.push_host("CapDrop", "ALL");
        for number in &effective.capabilities {
            let capability = v1::capability_info::Capability::try_from(*number).ok();
            let name = capability.map(|capability| capability.as_str_name());
            let name = name.filter(|name| *name != "UNKNOWN");
            document
                .push_host("CapAdd", name.ok_or(InvalidOptions::Field("container.linux_info.effective_capabilities"))?);
        }
    }
    match linux.ipc_mode() {
        IpcMode::Unknown => {}
        IpcMode::Private => document.set_host("IpcMode", "private"),
        IpcMode::ShareParent => document.set_host("IpcMode", "host"),
    }
    if let Some(megabytes) = linux.shm_size {
        document.set_host("ShmSize", u64::from(megabytes) << 20);
    }
    if linux.share_pid_namespace == Some(true) {
        document.set_host("PidMode", "host");
    }
    if let Some(seccomp) = &linux.seccomp {
        match (seccomp.unconfined, &seccomp.profile_name) {
            (Some(true), None) => document.push_host("SecurityOpt", "seccomp=unconfined"),
            (_, None) => {}
            (_, Some(_)) => return Err(InvalidOptions::Field("container.linux_info.seccomp.profile_name")),
        }
    }
    Ok(())
}

/// Returns Docker's name of a resource limit. Linux ignores the limit of locks since 2.4.25.
fn name(limit: Limit) -> Option<&'static str> {
    Some(match limit {
        Limit::Unknown | Limit::RlmtLocks => return None,
        Limit::RlmtAs => "as",
        Limit::RlmtCore => "core",
        Limit::RlmtCpu => "cpu",
        Limit::RlmtData => "data",
        Limit::RlmtFsize => "fsize",
        Limit::RlmtMemlock => "memlock",
        Limit::RlmtMsgqueue => "msgqueue",
        Limit::RlmtNice => "nice",
        Limit::RlmtNofile => "nofile",
        Limit::RlmtNproc => "nproc",
        Limit::RlmtRss => "rss",
        Limit::RlmtRtprio => "rtprio",
        Limit::RlmtRttime => "rttime",
        Limit::RlmtSigpending => "sigpending",
        Limit::RlmtStack => "stack",
    })
}
