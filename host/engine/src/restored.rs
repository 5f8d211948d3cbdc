//! A workspace that was restored from a backup.
//!
//! What happened after the backup was made is lost, messages that went out among it. So nothing goes on before an operator says
//! so: events are taken in, and that is all. What was open at the time of the backup is *unknown*: its provider is asked, or the
//! journey's policy decides. And so is, for as long again as was lost, whatever enrollments ask for that were there already: in
//! that time they come to where they had been, and the messages they ask for bear the keys that they bore before.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use waystation_store::records::{Doubt, RESTORED};
use waystation_store::{Store, StoreError};

use crate::engine::{Engine, first_id};
use crate::error::EngineError;

/// When a workspace was restored, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When the backup was made.
    pub backup_at: i64,
    /// When it was restored: what happened between is lost.
    pub restored_at: i64,
    /// When an operator let it go on.
    pub resumed_at: Option<i64>,
}

impl Restored {
    pub(crate) fn is_held(&self) -> bool {
        self.resumed_at.is_none()
    }

    /// Until when what enrollments ask for that were there already may have been done before.
    #[must_use]
    pub fn doubtful_until(&self) -> Option<i64> {
        let lost = self.restored_at.saturating_sub(self.backup_at).max(0);
        Some(self.resumed_at?.saturating_add(lost))
    }

    pub(crate) fn doubt(&self, now: i64) -> Option<Doubt> {
        let doubtful = self.doubtful_until().is_some_and(|until| now <= until);
        doubtful.then(|| Doubt {
            enrolled_before: first_id(self.backup_at.saturating_add(1)),
            since: self.backup_at,
        })
    }

    pub(crate) async fn load(store: &Store) -> Result<Option<Self>, EngineError> {
        let Some(text) = store.setting(RESTORED).await? else { return Ok(None) };
        let restored = serde_json::from_str(&text).map_err(|error| StoreError::Corrupt {
            what: format!("setting {RESTORED}"),
            detail: error.to_string(),
        })?;
        Ok(Some(restored))
    }

    async fn save(self, store: &Store, open_since: Option<i64>) -> Result<u64, StoreError> {
        // Three numbers: it cannot fail.
        let text = serde_json::to_string(&self).unwrap_or_default();
        store.set_restored(text, open_since, self.restored_at).await
    }
}

/// Says of a store that it was restored from a backup of this time. Answers with the number of effects that were open then, and
/// are unknown now.
///
/// # Errors
/// If the database fails.
pub async fn mark_restored(store: &Store, backup_at: i64, now: i64) -> Result<u64, StoreError> {
    let restored = Restored { backup_at, restored_at: now, resumed_at: None };
    restored.save(store, Some(backup_at)).await
}

impl Engine {
    /// Whether the workspace was restored from a backup, and how far it is.
    #[must_use]
    pub fn restored(&self) -> Option<Restored> {
        self.core.restored()
    }

    /// Lets a restored workspace go on.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] if nothing is held.
    pub async fn resume(self: &Arc<Self>, actor: &str) -> Result<Restored, EngineError> {
        let turn = self.core.changing.lock().await;
        let Some(mut restored) = self.core.restored().filter(Restored::is_held) else {
            return Err(EngineError::Conflict(
                "nothing is held: the workspace was not restored from a backup, or goes on already"
                    .to_owned(),
            ));
        };
        // Another host may have been told so already.
        if let Some(stored) = Restored::load(self.store()).await?.filter(|one| !one.is_held()) {
            restored = stored;
        } else {
            restored.resumed_at = Some(self.now());
            restored.save(self.store(), None).await?;
        }
        self.go_on(restored).await?;
        info!(actor, "the restored workspace goes on");
        drop(turn);
        Ok(restored)
    }

    /// Goes on once another host was told to. The caller holds the turn to change connections.
    pub(crate) async fn follow_restored(&self) -> Result<(), EngineError> {
        if !self.core.restored().is_some_and(|restored| restored.is_held()) {
            return Ok(());
        }
        if let Some(restored) = Restored::load(self.store()).await?.filter(|one| !one.is_held()) {
            self.go_on(restored).await?;
            info!("the restored workspace goes on, as another host was told");
        }
        Ok(())
    }

    /// Begins to work as the host of a workspace that goes on. If it fails, everything is held as before.
    async fn go_on(&self, restored: Restored) -> Result<(), EngineError> {
        if !self.store().is_shared() {
            self.core.settle_interrupted(&BTreeSet::new()).await?;
        }
        self.core.put_restored(restored);
        self.set_going(self.core.links.lines()).await;
        Ok(())
    }
}

/// What the log says at the start.
pub(crate) fn tell(restored: &Restored) {
    if restored.is_held() {
        warn!(
            backup.at = restored.backup_at,
            "this workspace was restored from a backup; events are taken in, and nothing goes on before `waystation resume`"
        );
    }
}
