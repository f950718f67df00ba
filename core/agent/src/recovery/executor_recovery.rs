//! Which executors of an earlier process of the agent have yet to come back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1;
use model::{ContainerId, Monotonic, Now, Upid};

/// How long executors that come back one after the other may keep the agent from its master.
const MAX_RECONNECTING: Duration = Duration::from_secs(60);

/// The recovery of executors, if it is under way: until those of an earlier process have come back or had their time.
#[derive(Debug, Default)]
pub(crate) struct ExecutorRecovery {
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    since: Monotonic,
    /// With the machine: nothing that ran has seen its end.
    rebooted: bool,
    /// When an executor came back last.
    progress: Monotonic,
    /// Executors that have neither come back nor ended.
    waiting: BTreeSet<ContainerId>,
    /// Where those that speak the driver protocol were reached last.
    drivers: BTreeMap<ContainerId, Upid>,
    /// The leading master, as found meanwhile.
    detected: Option<Option<Box<v1::MasterInfo>>>,
}

/// What is left of a recovery that is over.
#[derive(Debug)]
pub(super) struct FinishedRecovery {
    /// How long it took.
    pub took: Duration,
    /// The leading master as it was found meanwhile, if anything was said of one.
    pub detected: Option<Option<Box<v1::MasterInfo>>>,
}

impl ExecutorRecovery {
    /// Whether executors may still come back.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins it. `rebooted` says whether the machine has been restarted since the earlier process.
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

    /// Whether the machine has been restarted.
    pub(super) fn is_after_reboot(&self) -> bool {
        self.under_way.as_ref().is_some_and(|recovery| recovery.rebooted)
    }

    /// Waits for an executor. `driver` is where it was reached last, if it speaks the driver protocol.
    pub(super) fn wait_for(&mut self, container: ContainerId, driver: Option<Upid>) {
        if let Some(recovery) = &mut self.under_way {
            recovery.waiting.insert(container.clone());
            recovery.drivers.extend(driver.map(|driver| (container, driver)));
        }
    }

    /// Whether it waits for any executor.
    pub(super) fn has_waiting(&self) -> bool {
        self.under_way.as_ref().is_some_and(|recovery| !recovery.waiting.is_empty())
    }

    /// The executor that it waits for first.
    pub(super) fn first_waiting(&self) -> Option<&ContainerId> {
        self.under_way.as_ref()?.waiting.first()
    }

    /// Waits no longer for an executor.
    pub(super) fn stop_waiting_for(&mut self, container: &ContainerId) {
        if let Some(recovery) = &mut self.under_way {
            recovery.waiting.remove(container);
        }
    }

    /// Waits for no executor any more. Returns those that it waited for.
    pub(super) fn stop_waiting(&mut self) -> BTreeSet<ContainerId> {
        self.under_way.as_mut().map(|recovery| std::mem::take(&mut recovery.waiting)).unwrap_or_default()
    }

    /// An executor has come back at `now`.
    pub fn record_progress(&mut self, now: Monotonic) {
        if let Some(recovery) = &mut self.under_way {
            recovery.progress = now;
        }
    }

    /// Until when executors may come back, with `timeout` for each; `None` if it is not under way.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Monotonic> {
        let recovery = self.under_way.as_ref()?;
        let latest = recovery.since + MAX_RECONNECTING.max(timeout);
        Some((recovery.progress + timeout).min(latest))
    }

    /// Where the executors that speak the driver protocol were reached last.
    pub(super) fn drivers(&self) -> impl Iterator<Item = &Upid> {
        self.under_way.iter().flat_map(|recovery| recovery.drivers.values())
    }

    /// Those of [`ExecutorRecovery::drivers`] that it waits for.
    pub(super) fn silent_drivers(&self) -> impl Iterator<Item = &Upid> {
        let silent = |recovery: &UnderWay, container: &ContainerId| recovery.waiting.contains(container);
        self.under_way.iter().flat_map(move |recovery| {
            let drivers = recovery.drivers.iter().filter(move |(container, _)| silent(recovery, container));
            drivers.map(|(_, driver)| driver)
        })
    }

    /// Keeps the leading master until it is over: it is too early to register. Returns it if it is not under way.
    pub fn defer_master(&mut self, master: Option<Box<v1::MasterInfo>>) -> Option<Option<Box<v1::MasterInfo>>> {
        match &mut self.under_way {
            Some(recovery) => {
                recovery.detected = Some(master);
                None
            }
            None => Some(master),
        }
    }

    /// Ends it; `None` if it is not under way.
    pub(super) fn finish(&mut self, now: Monotonic) -> Option<FinishedRecovery> {
        let recovery = self.under_way.take()?;
        Some(FinishedRecovery { took: now.since(recovery.since), detected: recovery.detected })
    }
}
