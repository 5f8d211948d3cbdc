//! What stands in the database, counted for operators from time to time: a scrape only reads the last figures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::warn;
use waystation_store::StoreError;

use crate::engine::Core;

/// Time between two counts.
const PERIOD: Duration = Duration::from_secs(5);
/// A count that takes long is followed by a pause this many times as long, so that counting takes a reader's twentieth at most.
const SHARE: u32 = 20;

/// Counts until `stop`.
pub(crate) async fn work(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let started = Instant::now();
        match core.show_gauges().await {
            Ok(()) => {}
            Err(StoreError::Closed) => return,
            Err(error) => {
                warn!(%error, "what is open cannot be counted; the metrics show the last figures")
            }
        }
        let pause = PERIOD.max(started.elapsed() * SHARE);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Core {
    async fn show_gauges(&self) -> Result<(), StoreError> {
        let counts = self.store.counts().await?;
        let unknowns = self.store.unknowns().await?;
        let due = self.store.next_due().await?;
        let oldest = self.store.oldest_kept().await?;
        self.metrics.show_oldest(oldest, self.clock.now());
        self.metrics.show(&counts, &unknowns, due, self.clock.now());
        Ok(())
    }
}
