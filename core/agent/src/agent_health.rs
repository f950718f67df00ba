//! How the machine is, for a master that wants to know: Tepui's does, Mesos' drops a message whose name it does not know.

use messages::tepui::AgentHealth;

use crate::agent::Agent;
use crate::effects::{Command, Context, Timer};
use crate::operations::MachineUsage;

impl Agent {
    /// Every `--disk_watch_interval`; the shell measures the disk at the same time.
    pub(crate) fn disk_watch_due(&mut self, cx: &mut Context<'_>) {
        cx.arm_after(Timer::DiskWatch, self.config.disk_watch_interval);
        if self.master.is_registered() {
            cx.command(Command::Measure(Timer::DiskWatch));
        }
    }

    pub(crate) fn send_agent_health(&self, cx: &mut Context<'_>, usage: &MachineUsage) {
        let Some(master) = self.master.pid().cloned().filter(|_| self.master.is_registered()) else { return };
        let message = AgentHealth {
            agent_id: self.agent_id(),
            load: usage.load.map(|load| load.five_minutes),
            processors: usage.processors.map(f64::from),
            memory_available: usage.memory_available,
            disk_used: self.gc.usage(),
            cpu_waiting: usage.cpu_waiting,
        };
        cx.send(&master, message);
    }
}
