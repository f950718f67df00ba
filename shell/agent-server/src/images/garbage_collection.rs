//! Removes unused images when the file system of the store fills (`--image_gc_config`).

use std::sync::Arc;

use edge::Ended;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::images::{Images, PruneError};

impl Images {
    /// Measures the file system of the store at the configured interval, until the agent ends. Returns at once without
    /// a configuration.
    pub async fn collect_garbage(self: Arc<Self>, mut ended: watch::Receiver<Option<Ended>>) {
        let Some(interval) = self.options.gc.as_ref().map(|config| config.interval) else { return };
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ended.wait_for(Option::is_some) => return,
                _ = ticks.tick() => {}
            }
            let images = Arc::clone(&self);
            // The task fails only if the runtime ends.
            let _ = tokio::task::spawn_blocking(move || images.collect_garbage_once()).await;
        }
    }

    fn collect_garbage_once(&self) {
        let Some(config) = &self.options.gc else { return };
        // Before the first image there is no store.
        let Ok(stat) = rustix::fs::statvfs(&self.options.store) else { return };
        let used = 1.0 - stat.f_bavail as f64 / (stat.f_blocks as f64).max(1.0);
        if !config.is_exceeded(used) {
            return;
        }
        match self.prune_except(Default::default()) {
            // It is tried again after the interval.
            Err(PruneError::Store(provisioner::Error::Busy)) => {}
            Err(error) => tracing::warn!(%error, "cannot remove unused images"),
            Ok(report) if report.images.is_empty() && report.layers == 0 => tracing::warn!(
                used = format!("{:.0} %", used * 100.0),
                "the disk of the image store is nearly full, and all its images are in use or excluded"
            ),
            Ok(_) => {}
        }
    }
}
