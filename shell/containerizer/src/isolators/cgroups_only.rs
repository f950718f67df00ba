//! `cgroups/hugetlb` and `cgroups/net_prio`: containers have a cgroup of the controller, whose values are the operator's,
//! as in Mesos.

use super::Isolator;

/// An isolator for which the launcher does everything. Its name is the value.
#[derive(Debug)]
pub(super) struct CgroupsOnly(pub &'static str);

impl Isolator for CgroupsOnly {
    fn name(&self) -> &'static str {
        self.0
    }
}
