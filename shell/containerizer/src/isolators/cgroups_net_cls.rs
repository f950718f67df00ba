//! `cgroups/net_cls`: a class for the network packets of each container, by which `tc` and `iptables` recognise them.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{ContainerContext, Isolator};
use crate::cgroups::Controller;
use crate::handles::HandleAllocator;
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch, NetClassHandles, Usage};

/// Gives each container a class, if the operator has classes. The kernel has the class of a container, and the handles in
/// use are known again after a restart.
#[derive(Debug)]
pub(super) struct CgroupsNetCls {
    handles: Option<Mutex<HandleAllocator>>,
}

impl CgroupsNetCls {
    pub(super) fn new(handles: Option<NetClassHandles>) -> Self {
        CgroupsNetCls { handles: handles.map(|handles| Mutex::new(HandleAllocator::new(handles))) }
    }

    fn handles(&self) -> Option<MutexGuard<'_, HandleAllocator>> {
        self.handles.as_ref().map(|handles| handles.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the file with the class of a container that has a cgroup of its own.
fn file(container: &ContainerContext<'_>) -> Option<PathBuf> {
    let (_, path) = container.cgroups?.location(Controller::NetCls)?;
    Some(path.join("net_cls.classid"))
}

fn class(container: &ContainerContext<'_>) -> Option<u32> {
    container.kernel.read(&file(container)?).ok()?.trim().parse().ok().filter(|class| *class != 0)
}

impl Isolator for CgroupsNetCls {
    fn name(&self) -> &'static str {
        "cgroups/net_cls"
    }

    fn prepare(&self, container: &ContainerContext<'_>, _: &Launch, _: &mut LaunchSpec) -> Result<(), Error> {
        let (Some(mut handles), Some(file)) = (self.handles(), file(container)) else { return Ok(()) };
        let class = handles.take().ok_or_else(|| Error::NoHandle(handles.size()))?;
        let written = container.kernel.write(&file, &class.to_string());
        if written.is_err() {
            handles.free(class);
        }
        written.map_err(Error::io("cannot write to", file))
    }

    fn usage(&self, container: &ContainerContext<'_>, usage: &mut Usage) {
        usage.net_cls_classid = class(container);
    }

    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        if let (Some(mut handles), Some(class)) = (self.handles(), class(container)) {
            handles.mark(class);
        }
        Ok(())
    }

    fn cleanup(&self, container: &ContainerContext<'_>) -> std::io::Result<()> {
        if let (Some(mut handles), Some(class)) = (self.handles(), class(container)) {
            handles.free(class);
        }
        Ok(())
    }
}
