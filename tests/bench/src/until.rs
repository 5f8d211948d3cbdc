//! Waiting for the end of what is measured.

use std::time::{Duration, Instant};

use anyhow::ensure;

/// Shortest pause between two looks, far below what is measured.
const PAUSE: Duration = Duration::from_millis(5);
/// A look is followed by a pause this many times as long: what looks at much would else slow what it measures.
const SHARE: u32 = 10;

/// Looks again and again whether it is so; fails once that has taken longer than anybody should wait.
pub(crate) async fn until(
    patience: Duration,
    mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let looked_at = Instant::now();
        if is_so().await? {
            return Ok(());
        }
        ensure!(started.elapsed() < patience, "not done after {patience:?}");
        tokio::time::sleep(PAUSE.max(looked_at.elapsed() * SHARE)).await;
    }
}
