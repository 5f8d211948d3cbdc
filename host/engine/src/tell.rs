//! The host's own events that no other work gives rise to: time has to be looked at.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::error;
use waystation_journey::COUPON_EXPIRING;
use waystation_store::StoreError;

use crate::engine::Core;

/// Setting: how long before its end a coupon is told of, such as `24h`.
pub const COUPON_EXPIRING_BEFORE: &str = "coupon_expiring";
/// How long that is if nothing is set.
pub const COUPON_EXPIRING_DEFAULT: &str = "24h";

/// Setting: time between two looks at a segment that a journey is entered by, such as `10m`.
pub const SEGMENT_INTERVAL: &str = "segment_interval";
/// How long that is if nothing is set.
pub const SEGMENT_INTERVAL_DEFAULT: &str = "10m";

/// Time between two looks, in milliseconds.
const LOOK: i64 = 60_000;
/// Most coupons that are told of in one transaction.
const COUPONS: i64 = 1_000;
/// Customers that are looked through for one transaction.
const LOOKED_THROUGH: i64 = 10_000;
/// Pause after the database failed.
const RETRY: Duration = Duration::from_secs(1);

/// Tells until `stop`.
pub(crate) async fn work(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let pause = match core.tell().await {
            Ok(()) => None,
            Err(StoreError::Closed) => return,
            Err(error) => {
                error!(%error, "what is about to be over cannot be told; it is tried again");
                Some(RETRY)
            }
        };
        let next = core.clock.now().saturating_add(LOOK);
        let pause = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => core.clock.sleep_until(next).await,
            }
        };
        tokio::select! {
            () = pause => {}
            () = core.tell.notified() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Core {
    async fn tell(&self) -> Result<(), StoreError> {
        if !self.territory.leads() {
            return Ok(());
        }
        if self.programs.picture().tells(COUPON_EXPIRING) {
            self.tell_expiring().await?;
        }
        self.tell_newcomers().await
    }

    /// Looks at the watched segments whose time has come, a part of the customers at a time.
    async fn tell_newcomers(&self) -> Result<(), StoreError> {
        let wanted = self.programs.picture().watched_segments();
        let known = self.store.watched_segments().await?;
        if !wanted.iter().eq(known.iter().map(|(segment, _)| segment)) {
            self.store.watch_segments(wanted.into_iter().collect()).await?;
        }
        let interval = self.store.setting(SEGMENT_INTERVAL).await?;
        let interval =
            interval.as_deref().and_then(duration).or(duration(SEGMENT_INTERVAL_DEFAULT));
        for (segment, counted_at) in self.store.watched_segments().await? {
            let next = counted_at.map(|at| at.saturating_add(interval.unwrap_or_default()));
            if next.is_none_or(|next| next <= self.clock.now()) {
                self.look_at(&segment).await?;
            }
        }
        Ok(())
    }

    async fn look_at(&self, segment: &str) -> Result<(), StoreError> {
        let picture = self.programs.picture();
        let now = self.clock.now();
        // A segment that is not there, or asks for one that is not, has nobody in it.
        let known = picture.segments.get(segment);
        let condition = known.and_then(|one| one.audience().condition(&picture.segments, now).ok());
        let Some(condition) = condition else { return Ok(()) };
        let mut after = None;
        loop {
            let until = self.store.customer_after(after.as_deref(), LOOKED_THROUGH).await?;
            let members = self
                .store
                .audience_until(&condition, after.as_deref(), until.as_deref(), LOOKED_THROUGH)
                .await?;
            let range = (after, until.clone());
            let told = self.store.note_members(segment.to_owned(), range, members, now).await?;
            if told > 0 {
                self.wake.notify();
            }
            if until.is_none() {
                return Ok(());
            }
            after = until;
        }
    }

    async fn tell_expiring(&self) -> Result<(), StoreError> {
        let before = self.store.setting(COUPON_EXPIRING_BEFORE).await?;
        let before = before.as_deref().and_then(duration).or(duration(COUPON_EXPIRING_DEFAULT));
        loop {
            let now = self.clock.now();
            let until = now.saturating_add(before.unwrap_or_default());
            let told = self.store.tell_expiring(now, until, COUPONS).await?;
            if told > 0 {
                self.wake.notify();
            }
            if (told as i64) < COUPONS {
                return Ok(());
            }
        }
    }
}

/// `10m`, `24h` or `3d` in milliseconds.
#[must_use]
pub fn duration(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let number: u32 = text[..text.len() - 1].parse().ok()?;
    (number > 0).then(|| i64::from(number) * unit)
}
