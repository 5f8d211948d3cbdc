//! What operators say of effects that did not go out, or of which nobody knows.
//!
//! An effect whose provider is being asked is still awaited: what is said of it is told to its enrollment by the next pass. Of
//! any other the enrollment has heard, and has gone on; it is not told again, and its `seq` stays. Sending again by hand is one
//! more attempt at the same effect, under the same key: policies, consent and address are looked at once more.

use std::collections::BTreeSet;

use tracing::info;
use waystation_store::records::{ByHand, Deliveries, EffectRow, Said, Saying};

use crate::engine::Engine;
use crate::error::EngineError;

/// Most effects that one request may settle.
pub const BY_HAND_MAX: i64 = 100_000;
/// Effects that are settled in one transaction.
const BATCH: usize = 500;

/// What came of settling many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SaidOfMany {
    /// Those that it applied to.
    pub settled: u64,
    /// Those of them that their enrollments were waiting for.
    pub awaited: u64,
    /// Those of them that may happen a second time.
    pub may_double: u64,
    /// Those that had changed meanwhile, or tell of a coupon that was taken back.
    pub passed_over: u64,
}

impl Engine {
    /// How many effects match of which this may be said; counted up to one more than [`BY_HAND_MAX`].
    ///
    /// # Errors
    /// What the database gives.
    pub async fn count_for(&self, filter: &Deliveries, what: ByHand) -> Result<u64, EngineError> {
        let keys = self.store().keys_for(filter, what, BY_HAND_MAX + 1).await?;
        Ok(keys.len() as u64)
    }

    /// Settles one effect as an operator says.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is none of this key, [`EngineError::Conflict`] if it stands so that this cannot be said
    /// of it; the text says why and what can.
    pub async fn settle_by_hand(&self, key: &str, saying: Saying) -> Result<Said, EngineError> {
        let what = saying.what;
        let said = self.store().settle_by_hand(vec![key.to_owned()], saying, self.now()).await?;
        if let Some(one) = said.into_iter().next() {
            info!(effect.key = one.key, said = what.word(), "an effect was settled by hand");
            self.core.wake.notify();
            self.core.links.wake(&one.connection);
            return Ok(one);
        }
        let found = self.store().effect(key).await?;
        let (row, _) = found.ok_or_else(|| EngineError::Missing(format!("delivery `{key}`")))?;
        Err(EngineError::Conflict(refusal(&row, what)))
    }

    /// Settles all effects that match, batch by batch. An effect that changes meanwhile is passed over; doing it again after an
    /// interruption goes on where it stopped, as what was settled matches no more.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] if more match than `most` (1 to [`BY_HAND_MAX`]); then nothing has changed.
    pub async fn settle_many_by_hand(
        &self,
        filter: &Deliveries,
        saying: Saying,
        most: i64,
    ) -> Result<SaidOfMany, EngineError> {
        let most = most.clamp(1, BY_HAND_MAX);
        let keys = self.store().keys_for(filter, saying.what, most + 1).await?;
        if keys.len() as i64 > most {
            return Err(EngineError::Conflict(format!(
                "more than {most} deliveries match; nothing was changed. Narrow the filter, or raise `most` (at most {BY_HAND_MAX})"
            )));
        }
        let mut of_many = SaidOfMany::default();
        let mut connections = BTreeSet::new();
        for batch in keys.chunks(BATCH) {
            let said =
                self.store().settle_by_hand(batch.to_vec(), saying.clone(), self.now()).await?;
            of_many.settled += said.len() as u64;
            of_many.awaited += said.iter().filter(|one| one.awaited).count() as u64;
            of_many.may_double += said.iter().filter(|one| one.may_double).count() as u64;
            of_many.passed_over += (batch.len() - said.len()) as u64;
            connections.extend(said.into_iter().map(|one| one.connection));
            self.core.wake.notify();
            for connection in &connections {
                self.core.links.wake(connection);
            }
        }
        info!(effects = of_many.settled, said = saying.what.word(), "effects were settled by hand");
        Ok(of_many)
    }
}

/// Why this cannot be said of an effect, and what can.
fn refusal(row: &EffectRow, what: ByHand) -> String {
    let outcome = row.outcome.as_deref().unwrap_or_default();
    let reason = match (row.phase.as_str(), row.kind.as_str(), what) {
        ("attempting", ..) => {
            "a call is under way; wait until it has ended".to_owned()
        }
        ("pending", ..) => "it is still to be sent; wait until it has ended, or let its customer leave".to_owned(),
        ("settled", ..) => "its journey is just being told how it ended; try again in a moment".to_owned(),
        (_, "revoke", ByHand::Accepted | ByHand::Refused) => {
            "taking a coupon back twice is safe, so it can only be sent again (`resend`)".to_owned()
        }
        (_, "issue", ByHand::Accepted) => {
            "only the provider knows the coupon's code; say `refused`, or `resend` while the journey waits".to_owned()
        }
        (_, "issue", ByHand::Resend) => {
            "its journey went on without the coupon, and nobody would be told of another; enroll the customer again".to_owned()
        }
        (_, _, ByHand::Accepted | ByHand::Refused) => {
            format!("it ended as {outcome}, which is certain; only what is unknown is settled by hand")
        }
        (_, _, ByHand::Resend) => match outcome {
            "accepted" => "it was accepted; sending it again would double it".to_owned(),
            "cancelled" => "it was called off when its customer left the journey; enroll the customer again".to_owned(),
            _ => "it tells of a coupon that was taken back since".to_owned(),
        },
    };
    format!("delivery `{}` cannot be settled as `{}`: {reason}", row.key, what.word())
}
