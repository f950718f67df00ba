//! The executors of an earlier process of the agent that have not reconnected yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1;
use model::{ContainerId, Monotonic, Now, Upid};

/// The longest time for which executors that reconnect one after the other may delay the registration of the agent.
const MAX_RECONNECTING: Duration = Duration::from_secs(60);

/// The recovery of executors, if it is in progress. It ends when all executors of an earlier process have reconnected,
/// have ended, or have used up their time.
#[derive(Debug, Default)]
pub(crate) struct ExecutorRecovery {
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    since: Monotonic,
    /// Whether the machine has been restarted as well. The ends of all containers are then unobserved.
    rebooted: bool,
    /// The time at which an executor last reconnected.
    progress: Monotonic,
    /// The executors that have neither reconnected nor ended.
    waiting: BTreeSet<ContainerId>,
    /// The last known address of each executor that uses the driver protocol.
    drivers: BTreeMap<ContainerId, Upid>,
    /// The leading master that was detected during the recovery; the outer `None` means that no detection was reported.
    detected: Option<Option<Box<v1::MasterInfo>>>,
}

/// The result of a finished recovery.
#[derive(Debug)]
pub(super) struct FinishedRecovery {
    /// The duration of the recovery.
    pub took: Duration,
    /// The leading master that was detected during the recovery; the outer `None` means that no detection was reported.
    pub detected: Option<Option<Box<v1::MasterInfo>>>,
}

impl ExecutorRecovery {
    /// Returns whether executors may still reconnect.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins the recovery. `rebooted` says whether the machine has been restarted since the earlier process.
    pub(super) fn begin(&mut self, now: Now, rebooted: bool) {
        self.under_way = Some(UnderWay {
            since: now.monotonic,
            rebooted,
            progress: now.monotonic,
            waiting: BTreeSet::new(),
            drivers: BTreeMap::new(),
            detected: None,
        });
    }

    /// Returns whether the machine has been restarted since the earlier process.
    pub(super) fn is_after_reboot(&self) -> bool {
        self.under_way.as_ref().is_some_and(|recovery| recovery.rebooted)
    }

    /// Adds an executor to wait for. `driver` is its last known address if it uses the driver protocol.
    pub(super) fn wait_for(&mut self, container: ContainerId, driver: Option<Upid>) {
        if let Some(recovery) = &mut self.under_way {
            recovery.waiting.insert(container.clone());
            recovery.drivers.extend(driver.map(|driver| (container, driver)));
        }
    }

    /// Returns whether the recovery waits for any executor.
    pub(super) fn has_waiting(&self) -> bool {
        self.under_way.as_ref().is_some_and(|recovery| !recovery.waiting.is_empty())
    }

    /// Returns the first executor, by container id, that the recovery waits for.
    pub(super) fn first_waiting(&self) -> Option<&ContainerId> {
        self.under_way.as_ref()?.waiting.first()
    }

    /// Stops the wait for one executor.
    pub(super) fn stop_waiting_for(&mut self, container: &ContainerId) {
        if let Some(recovery) = &mut self.under_way {
            recovery.waiting.remove(container);
        }
    }

    /// Stops the wait for all executors, and returns the ids of their containers.
    pub(super) fn stop_waiting(&mut self) -> BTreeSet<ContainerId> {
        self.under_way.as_mut().map(|recovery| std::mem::take(&mut recovery.waiting)).unwrap_or_default()
    }

    /// Records that an executor has reconnected at `now`.
    pub fn record_progress(&mut self, now: Monotonic) {
        if let Some(recovery) = &mut self.under_way {
            recovery.progress = now;
        }
    }

    /// Returns the time until which executors may reconnect, with `timeout` for each; `None` if no recovery is in
    /// progress.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Monotonic> {
        let recovery = self.under_way.as_ref()?;
        let latest = recovery.since + MAX_RECONNECTING.max(timeout);
        Some((recovery.progress + timeout).min(latest))
    }

    /// Returns the last known addresses of the executors that use the driver protocol.
    pub(super) fn drivers(&self) -> impl Iterator<Item = &Upid> {
        self.under_way.iter().flat_map(|recovery| recovery.drivers.values())
    }

    /// Returns those addresses of [`ExecutorRecovery::drivers`] whose executors have not reconnected.
    pub(super) fn silent_drivers(&self) -> impl Iterator<Item = &Upid> {
        let silent = |recovery: &UnderWay, container: &ContainerId| recovery.waiting.contains(container);
        self.under_way.iter().flat_map(move |recovery| {
            let drivers = recovery.drivers.iter().filter(move |(container, _)| silent(recovery, container));
            drivers.map(|(_, driver)| driver)
        })
    }

    /// Keeps the leading master until the recovery is over, since the agent may not register before. Returns `master`
    /// if no recovery is in progress.
    pub fn defer_master(&mut self, master: Option<Box<v1::MasterInfo>>) -> Option<Option<Box<v1::MasterInfo>>> {
        match &mut self.under_way {
            Some(recovery) => {
                recovery.detected = Some(master);
                None
            }
            None => Some(master),
        }
    }

    /// Ends the recovery and returns its result; `None` if no recovery is in progress.
    pub(super) fn finish(&mut self, now: Monotonic) -> Option<FinishedRecovery> {
        let recovery = self.under_way.take()?;
        Some(FinishedRecovery { took: now.since(recovery.since), detected: recovery.detected })
    }
}
