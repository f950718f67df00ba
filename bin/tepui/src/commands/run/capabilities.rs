//! `--cap-add` and `--cap-drop`: the capabilities of a task, as docker reads them.

use std::fmt;

use messages::v1;
use messages::v1::capability_info::Capability;

/// The capabilities that docker leaves to containers (its documentation, "Runtime privilege and Linux capabilities").
const DEFAULT: [Capability; 14] = [
    Capability::AuditWrite,
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Mknod,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// A capability, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    All,
    One(Capability),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::All => f.write_str("ALL"),
            Named::One(capability) => f.write_str(capability.as_str_name()),
        }
    }
}

/// Reads a name such as `NET_ADMIN`, `cap_net_admin` or `ALL`.
///
/// # Errors
///
/// There is no such capability.
pub fn capability(text: &str) -> Result<Named, String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if name == "ALL" {
        return Ok(Named::All);
    }
    let found = Capability::from_str_name(name).filter(|found| *found != Capability::Unknown);
    found.map(Named::One).ok_or_else(|| format!("there is no capability '{text}'; write e.g. NET_ADMIN or ALL"))
}

/// Adds the capabilities to a container, which is not changed if there are none. Without root, a task can only have
/// what is added to it.
pub fn add_to(linux_info: &mut Option<Box<v1::LinuxInfo>>, add: &[Named], drop: &[Named], is_root: bool) {
    if add.is_empty() && drop.is_empty() {
        return;
    }
    let bounding = combined(&DEFAULT, add, drop);
    let effective = if is_root { bounding.clone() } else { combined(&[], add, drop) };
    let info = |set: Vec<Capability>| {
        Some(Box::new(v1::CapabilityInfo { capabilities: set.into_iter().map(i32::from).collect() }))
    };
    let linux_info = linux_info.get_or_insert_default();
    linux_info.effective_capabilities = info(effective);
    linux_info.bounding_capabilities = info(bounding);
}

/// Returns the capabilities in the order of their numbers. What is both added and dropped is dropped, unless all are
/// dropped.
fn combined(base: &[Capability], add: &[Named], drop: &[Named]) -> Vec<Capability> {
    let dropped = |capability: Capability| drop.contains(&Named::One(capability));
    let added = |capability: Capability| add.contains(&Named::All) || add.contains(&Named::One(capability));
    let inherited = |capability: Capability| base.contains(&capability) && !drop.contains(&Named::All);
    let all = (0..=u8::MAX).filter_map(|number| Capability::try_from(1000 + i32::from(number)).ok());
    all.filter(|it| !dropped(*it) && (added(*it) || inherited(*it))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_as_docker_reads_them() {
        let check = |add: &[&str], drop: &[&str], is_root: bool, expect: Option<(&str, usize)>| {
            let named = |names: &[&str]| names.iter().map(|name| capability(name).unwrap()).collect::<Vec<_>>();
            let mut linux_info = None;
            add_to(&mut linux_info, &named(add), &named(drop), is_root);
            let shown = linux_info.map(|info| {
                let set = info.effective_capabilities.unwrap();
                let names: Vec<_> = set.capabilities().map(|it| it.as_str_name()).collect();
                (names.join(","), info.bounding_capabilities.unwrap().capabilities.len())
            });
            assert_eq!(shown, expect.map(|(names, bounding)| (names.to_owned(), bounding)), "{add:?} {drop:?}");
        };
        check(&[], &[], true, None);
        check(&["NET_ADMIN"], &["all"], true, Some(("NET_ADMIN", 1)));
        check(&["cap_net_admin"], &[], false, Some(("NET_ADMIN", 15)));
        check(&[], &["NET_RAW"], false, Some(("", 13)));
        check(&["SYS_TIME"], &["SYS_TIME", "ALL"], true, Some(("", 0)));
        let rest = "CHOWN,DAC_OVERRIDE,FOWNER,FSETID,KILL,SETGID,SETUID,SETPCAP,NET_BIND_SERVICE,SYS_CHROOT,AUDIT_WRITE,SETFCAP";
        check(&[], &["NET_RAW", "MKNOD"], true, Some((rest, 12)));
        let mut linux_info = None;
        add_to(&mut linux_info, &[Named::All], &[], true);
        assert_eq!(linux_info.unwrap().effective_capabilities.unwrap().capabilities.len(), 41);
        assert!(capability("FLY").is_err() && capability("unknown").is_err() && capability("").is_err());
    }
}
