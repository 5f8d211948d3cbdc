//! What is in use, read from the database: at the start, and again when another host has changed it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tracing::{error, info};
use waystation_store::records::ConnectionRow;

use crate::engine::{Core, Engine};
use crate::error::EngineError;
use crate::links::StoredTrial;
use crate::segments;

/// How long the other hosts may take to load a release before it is put into use.
const READY: Duration = Duration::from_secs(60);
/// Time between two looks at whether they have.
const LOOK: Duration = Duration::from_millis(200);

impl Core {
    /// Reads journeys, segments, decided splits and the policy. `number` is that of a configuration which was read before.
    pub(crate) async fn read_journeys(&self, number: i64) -> Result<(), EngineError> {
        let _reading = self.reading.lock().await;
        let store = &self.store;
        let segments = segments::load(store.segments().await?)?;
        self.policies.load(store).await?;
        let (journeys, versions) = (store.journeys().await?, store.journey_versions().await?);
        self.programs.load(segments, &journeys, versions, store.split_winners().await?)?;
        self.territory.journeys.fetch_max(number, Ordering::AcqRel);
        self.transfers.opened();
        self.links.wake_polls();
        self.tend.notify_one();
        self.tell.notify_one();
        Ok(())
    }
}

impl Engine {
    /// Puts into use what other hosts have changed, and makes ready what they are about to.
    pub(crate) async fn catch_up(&self) -> Result<(), EngineError> {
        let store = self.store();
        // Not in turn with changes: whoever changes something waits for this.
        for digest in store.wanted_releases().await? {
            match self.workshop.release(&digest).await {
                Ok(_) => store.report_ready(digest).await?,
                Err(error) => {
                    error!(plugin.digest = digest, %error, "a release that is about to be put into use cannot be loaded here");
                }
            }
        }
        let number = store.configuration().await?;
        if number <= self.core.territory.configuration.load(Ordering::Acquire) {
            return Ok(());
        }
        let turn = self.core.changing.lock().await;
        self.core.read_journeys(number).await?;
        for row in store.connections().await? {
            let known = {
                let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
                rows.get(&row.name).cloned()
            };
            if known.as_ref() == Some(&row) {
                continue;
            }
            match self.follow_connection(known.as_ref(), &row).await {
                Ok(()) => self.note(row),
                Err(error) => {
                    error!(connection = row.name, %error, "the connection was changed by another host and cannot be loaded here");
                }
            }
        }
        self.follow_restored().await?;
        self.core.territory.configuration.fetch_max(number, Ordering::AcqRel);
        drop(turn);
        info!(configuration = number, "what other hosts changed is in use");
        Ok(())
    }

    /// Puts a connection into use as it is stored now. What stands ready already is used as it is.
    async fn follow_connection(
        &self,
        known: Option<&ConnectionRow>,
        row: &ConnectionRow,
    ) -> Result<(), EngineError> {
        let in_use = self.core.links.line(&row.name).map(|line| line.in_use());
        let same = known.is_some_and(|known| settings(known) == settings(row));
        let in_use = in_use.filter(|_| same);
        let ready = |digest: &str| {
            let in_use = in_use.as_ref()?;
            let candidate = in_use.trial.as_ref().map(|trial| &trial.candidate);
            [Some(&in_use.current), candidate, in_use.previous.as_ref()]
                .into_iter()
                .flatten()
                .find(|link| link.connection.release().digest() == digest)
                .cloned()
        };
        let current = match ready(&row.digest) {
            Some(link) => link,
            None => Arc::new(self.open(row, &row.digest).await?),
        };
        let stored: Option<StoredTrial> =
            row.canary.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let trial = in_use.as_ref().and_then(|in_use| in_use.trial.clone());
        let trial = match (stored, trial) {
            (None, _) => None,
            (Some(stored), Some(trial)) if stored.id == trial.stored.id => Some(trial),
            (Some(_), _) => self.reopen_trial(row).await,
        };
        let previous = row.previous.as_deref().and_then(ready);
        self.put(current, previous, trial).await;
        Ok(())
    }

    /// Waits until every host has the release at hand, so that none refuses to work with it once it is in use.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] naming the hosts that do not get it ready within a minute.
    pub(crate) async fn ready_everywhere(&self, digest: &str) -> Result<(), EngineError> {
        let store = self.store();
        if !store.is_shared() {
            return Ok(());
        }
        store.want_release(digest.to_owned()).await?;
        let asked_at = Instant::now();
        loop {
            let missing = store.hosts_without(digest).await?;
            if missing.is_empty() {
                return Ok(());
            }
            if asked_at.elapsed() > READY {
                return Err(EngineError::Conflict(format!(
                    "release {digest} was not loaded within {} s by: {}; nothing was changed; their logs say why",
                    READY.as_secs(),
                    missing.join(", ")
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What a connection was set up with, whatever its release.
fn settings(row: &ConnectionRow) -> [&str; 5] {
    [&row.config, &row.permissions, &row.limits, &row.recording, &row.secrets]
}
