//! The usage report of the machine to a master that supports it: Tepui's does, Mesos' drops a message with an unknown
//! name.

use messages::tepui::AgentUsage;

use crate::config::Config;
use crate::effects::{Command, Context, Timer};
use crate::registration::identity::Identity;
use crate::registration::master_connection::MasterConnection;
use crate::sandboxes::gc::Gc;
use crate::usage::MachineUsage;

/// Requests a measurement, every `--disk_watch_interval`; the shell measures the disk at the same time.
pub(crate) fn disk_watch_due(config: &Config, master: &MasterConnection, cx: &mut Context<'_>) {
    cx.arm_after(Timer::DiskWatch, config.disk_watch_interval);
    if master.is_registered() {
        cx.command(Command::Measure(Timer::DiskWatch));
    }
}

/// Sends a measurement to the master.
pub(crate) fn send_agent_usage(
    gc: &Gc,
    identity: &Identity,
    master: &MasterConnection,
    cx: &mut Context<'_>,
    usage: &MachineUsage,
) {
    let Some(master) = master.registered_pid() else { return };
    let message = AgentUsage {
        agent_id: identity.proto(),
        load: usage.load.map(|load| load.five_minutes),
        processors: usage.processors.map(f64::from),
        memory_available: usage.memory_available,
        disk_used: gc.usage(),
        cpu_waiting: usage.cpu_waiting,
    };
    cx.send(master, message);
}
