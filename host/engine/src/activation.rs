//! Changing the release that a connection uses: activation, trials, going back. The database first, then the engine.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use fail::fail_point;
use tracing::{error, info, warn};
use waystation_store::StoreError;
use waystation_store::records::{ActivationRow, ConnectionRow, Releases};

use crate::canary::{CanaryPlan, Group, Judgement, Observed};
use crate::engine::{Core, Engine, new_id};
use crate::error::EngineError;
use crate::links::{Line, LineStatus, StoredTrial, Trial};
use crate::workshop::Link;

/// Who ends trials.
const JUDGE: &str = "canary";

impl Engine {
    /// Creates a connection or replaces it. `row` is what will be stored; a trial under way ends, because it was about other
    /// settings. Calls in flight end on the old release with the old settings.
    ///
    /// # Errors
    /// Everything that [`Workshop::connect`](crate::Workshop::connect) objects to; a database failure. Then nothing changed.
    pub async fn put_connection(
        &self,
        mut row: ConnectionRow,
        actor: &str,
    ) -> Result<(), EngineError> {
        let _turn = self.core.changing.lock().await;
        let link = Arc::new(self.open(&row, &row.digest).await?);
        self.ready_everywhere(&row.digest).await?;
        let former = self.core.store.connection(&row.name).await?;
        let change = match &former {
            Some(former) if former.digest == row.digest => {
                row.previous.clone_from(&former.previous);
                None
            }
            other => {
                row.previous = other.as_ref().map(|former| former.digest.clone());
                Some(self.change("activate", &row.digest, row.previous.clone(), actor, "applied"))
            }
        };
        row.canary = None;
        self.core.store.put_connection(row.clone(), change).await?;
        self.note(row);
        // Going back keeps to these settings, so the former release is set up anew when it is asked for.
        self.put(link, None, None).await;
        Ok(())
    }

    /// Gives a connection other secrets; everything else stays as it is, a trial under way included. Calls in flight end
    /// with the old ones. `sealed` makes the stored text from the present one.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such connection; everything that setting it up objects to. Then nothing
    /// changed.
    pub async fn rotate_secrets(
        &self,
        name: &str,
        sealed: impl FnOnce(&str) -> Result<String, EngineError>,
    ) -> Result<(), EngineError> {
        let _turn = self.core.changing.lock().await;
        let mut row = self.row(name).await?;
        row.secrets = sealed(&row.secrets)?;
        row.updated_at = self.now();
        let link = Arc::new(self.open(&row, &row.digest).await?);
        let trial = match self.core.links.line(name).and_then(|line| line.in_use().trial) {
            Some(trial) => {
                let candidate = Arc::new(self.open(&row, &trial.stored.release).await?);
                Some(Arc::new(trial.with(candidate)))
            }
            None => None,
        };
        self.core.store.put_connection(row.clone(), None).await?;
        self.note(row);
        self.put(link, None, trial).await;
        Ok(())
    }

    /// Puts a release into use, at once or, with a plan, on trial. What the release asks for beyond the permissions granted
    /// is for the caller to have shown. Answers when the change is durable and in force.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such connection, [`EngineError::Conflict`] if the release is in use already or
    /// the connection was changed meanwhile; everything that setting it up objects to. Then nothing changed.
    pub async fn activate(
        &self,
        name: &str,
        release: &str,
        plan: Option<CanaryPlan>,
        actor: &str,
    ) -> Result<(), EngineError> {
        let _turn = self.core.changing.lock().await;
        let row = self.row(name).await?;
        if row.digest == release {
            return Err(EngineError::Conflict(format!(
                "connection `{name}` uses this release already"
            )));
        }
        if let Some(plan) = &plan {
            plan.check().map_err(EngineError::Invalid)?;
        }
        // The release before stands ready, with the settings of now.
        let ready = self.core.links.line(name).and_then(|line| line.in_use().previous);
        let ready = ready.filter(|link| link.connection.release().digest() == release);
        let candidate = match ready {
            Some(link) => link,
            None => Arc::new(self.open(&row, release).await?),
        };
        self.ready_everywhere(release).await?;
        let from = releases(&row);
        let former = Some(row.digest.clone());
        let Some(plan) = plan else {
            let to =
                Releases { digest: release.to_owned(), previous: former.clone(), canary: None };
            let change = self.change("activate", release, former, actor, "at once");
            let line = self.core.links.line(name);
            let previous = line.map(|line| line.in_use().current);
            self.core.change(name, from, to, change).await?;
            self.put(candidate, previous, None).await;
            return Ok(());
        };
        let Some(line) = self.core.links.line(name) else {
            return Err(EngineError::Conflict(format!(
                "the release that connection `{name}` uses is not loaded, so there is nothing to compare a candidate with; activate the candidate at once, or mend the connection"
            )));
        };
        let stored = StoredTrial {
            id: new_id(self.now()),
            release: release.to_owned(),
            plan,
            started_at: self.now(),
        };
        let to = Releases {
            canary: Some(serde_json::to_string(&stored).unwrap_or_default()),
            ..from.clone()
        };
        let why = format!("for {}% of the customers", stored.plan.share * 100.0);
        let change = self.change("canary", release, former, actor, &why);
        self.core.change(name, from, to, change).await?;
        let in_use = line.in_use();
        let trial = Arc::new(Trial::new(stored, candidate));
        self.put(in_use.current, in_use.previous, Some(trial)).await;
        Ok(())
    }

    /// Ends a trial for the release in use, or goes back to the release used before. Answers with the digest of the release
    /// in use then.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such connection, [`EngineError::Conflict`] if there is nothing to go back to.
    pub async fn roll_back(
        &self,
        name: &str,
        actor: &str,
        reason: &str,
    ) -> Result<String, EngineError> {
        let _turn = self.core.changing.lock().await;
        let row = self.row(name).await?;
        let from = releases(&row);
        let line = self.core.links.line(name);
        let in_use = line.map(|line| line.in_use());
        if let Some(canary) = &row.canary {
            let stored: Option<StoredTrial> = serde_json::from_str(canary).ok();
            let candidate = stored.map(|stored| stored.release).unwrap_or_default();
            let to = Releases { canary: None, ..from.clone() };
            let change = self.change("roll_back", &row.digest, Some(candidate), actor, reason);
            self.core.change(name, from, to, change).await?;
            if let Some(in_use) = in_use {
                self.put(in_use.current, in_use.previous, None).await;
            }
            return Ok(row.digest);
        }
        let Some(previous) = row.previous.clone() else {
            return Err(EngineError::Conflict(format!(
                "connection `{name}` has used no other release; there is nothing to go back to"
            )));
        };
        let ready = in_use.as_ref().and_then(|in_use| in_use.previous.clone());
        let ready = ready.filter(|link| link.connection.release().digest() == previous);
        let link = match ready {
            Some(link) => link,
            None => Arc::new(self.open(&row, &previous).await?),
        };
        let to =
            Releases { digest: previous.clone(), previous: Some(row.digest.clone()), canary: None };
        let change = self.change("roll_back", &previous, Some(row.digest), actor, reason);
        self.core.change(name, from, to, change).await?;
        self.put(link, in_use.map(|in_use| in_use.current), None).await;
        Ok(previous)
    }

    /// Ends a trial for the candidate. Answers with the digest of the release in use then.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such connection, [`EngineError::Conflict`] if no trial is under way.
    pub async fn promote(&self, name: &str, actor: &str) -> Result<String, EngineError> {
        let _turn = self.core.changing.lock().await;
        self.row(name).await?;
        let line = self.core.links.line(name);
        let trial = line.as_ref().and_then(|line| line.in_use().trial);
        let (Some(line), Some(trial)) = (line, trial) else {
            return Err(EngineError::Conflict(format!(
                "no candidate is on trial on connection `{name}`"
            )));
        };
        self.core.end_trial(&line, &trial, Verdict::Promote, actor, "by hand").await?;
        Ok(trial.stored.release.clone())
    }

    /// What a connection does now; `None` if it is not loaded.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<LineStatus> {
        Some(self.core.links.line(name)?.status())
    }

    async fn row(&self, name: &str) -> Result<ConnectionRow, EngineError> {
        let found = self.core.store.connection(name).await?;
        found.ok_or_else(|| EngineError::Missing(format!("connection `{name}`")))
    }

    /// Sets a stored connection up with one of its releases.
    pub(crate) async fn open(
        &self,
        row: &ConnectionRow,
        release: &str,
    ) -> Result<Link, EngineError> {
        let (spec, secrets) = (self.unseal)(row)?;
        self.workshop.connect(&spec, release, secrets).await
    }

    fn change(
        &self,
        kind: &str,
        release: &str,
        former: Option<String>,
        actor: &str,
        reason: &str,
    ) -> ActivationRow {
        change(self.now(), kind, release, former, actor, reason)
    }
}

fn change(
    at: i64,
    kind: &str,
    release: &str,
    former: Option<String>,
    actor: &str,
    reason: &str,
) -> ActivationRow {
    ActivationRow {
        number: 0,
        at,
        kind: kind.to_owned(),
        release: release.to_owned(),
        former,
        actor: actor.to_owned(),
        reason: reason.to_owned(),
    }
}

fn releases(row: &ConnectionRow) -> Releases {
    Releases {
        digest: row.digest.clone(),
        previous: row.previous.clone(),
        canary: row.canary.clone(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Promote,
    RollBack,
}

impl Core {
    /// Counts a call for a trial, and ends the trial if that decides it.
    pub(crate) async fn observe(
        &self,
        line: &Arc<Line>,
        trial: &Arc<Trial>,
        group: Group,
        call: &Observed,
    ) {
        let judgement = {
            let mut tally = trial.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.observe(&trial.stored.plan, group, call, self.territory.hosts())
        };
        let (verdict, reason) = match judgement {
            Judgement::Go => return,
            Judgement::Promote(reason) => (Verdict::Promote, reason),
            Judgement::RollBack(reason) => (Verdict::RollBack, reason),
        };
        self.judge(line, trial, verdict, &reason).await;
    }

    /// Takes a candidate back that got too little to do for too long.
    pub(crate) async fn end_overdue_trial(&self, line: &Arc<Line>) {
        let Some(trial) = line.in_use().trial else { return };
        if self.clock.now() < trial.ends_at() {
            return;
        }
        let summary = trial.tally.lock().unwrap_or_else(PoisonError::into_inner).summary();
        let reason = format!("too few calls to tell in the time given; {summary}");
        self.judge(line, &trial, Verdict::RollBack, &reason).await;
    }

    async fn judge(&self, line: &Arc<Line>, trial: &Arc<Trial>, verdict: Verdict, reason: &str) {
        if trial.decided.load(Ordering::Acquire) {
            return;
        }
        let _turn = self.changing.lock().await;
        match self.end_trial(line, trial, verdict, JUDGE, reason).await {
            Ok(()) => {}
            // Somebody else ended it, or changed the connection.
            Err(EngineError::Conflict(_)) => {}
            Err(error) => {
                // The next look decides again.
                trial.decided.store(false, Ordering::Release);
                error!(connection = line.name, %error, "a trial cannot be ended; it goes on");
            }
        }
    }

    /// Ends a trial, of which `trial` may be an earlier state. The caller holds the turn to change connections.
    async fn end_trial(
        &self,
        line: &Arc<Line>,
        trial: &Arc<Trial>,
        verdict: Verdict,
        actor: &str,
        reason: &str,
    ) -> Result<(), EngineError> {
        let over = || EngineError::Conflict("the trial has ended already".to_owned());
        let in_use = line.in_use();
        // As it is now: the call that decides may have begun before the candidate was set up with other secrets.
        let now_on_trial = in_use.trial.filter(|now| now.stored.id == trial.stored.id);
        let trial = now_on_trial.ok_or_else(over)?;
        if trial.decided.swap(true, Ordering::AcqRel) {
            return Err(over());
        }
        let current = in_use.current.connection.release().digest().to_owned();
        let candidate = trial.stored.release.clone();
        let Some(row) = self.store.connection(&line.name).await? else { return Err(over()) };
        let from = Releases {
            digest: current.clone(),
            previous: None,
            canary: Some(serde_json::to_string(&trial.stored).unwrap_or_default()),
        };
        let now = self.clock.now();
        let (to, note) = match verdict {
            Verdict::Promote => (
                Releases {
                    digest: candidate.clone(),
                    previous: Some(current.clone()),
                    canary: None,
                },
                change(now, "promote", &candidate, Some(current), actor, reason),
            ),
            Verdict::RollBack => (
                Releases { digest: current.clone(), previous: row.previous, canary: None },
                change(now, "roll_back", &current, Some(candidate), actor, reason),
            ),
        };
        self.change(&line.name, from, to, note).await?;
        let put = match verdict {
            Verdict::Promote => (Arc::clone(&trial.candidate), Some(Arc::clone(&in_use.current))),
            Verdict::RollBack => (Arc::clone(&in_use.current), in_use.previous.clone()),
        };
        self.links.put(put.0, put.1, None, now);
        self.show_breaker(&line.name);
        match verdict {
            Verdict::Promote => info!(connection = line.name, reason, "the candidate is promoted"),
            Verdict::RollBack => {
                warn!(connection = line.name, reason, "the candidate is rolled back");
            }
        }
        Ok(())
    }

    async fn change(
        &self,
        name: &str,
        from: Releases,
        to: Releases,
        change: ActivationRow,
    ) -> Result<(), EngineError> {
        fail_point!("activate.flip");
        let changed: Result<bool, StoreError> =
            self.store.change_releases(name.to_owned(), from, to.clone(), change).await;
        fail_point!("activate.flipped");
        match changed {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // The database may have done it without saying so; then it must be in force here, too.
            Err(StoreError::Unreachable(_)) if self.is_changed(name, &to).await? => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        Err(EngineError::Conflict(format!(
            "connection `{name}` was changed meanwhile; look at it and try again"
        )))
    }

    /// Whether the connection uses these releases already.
    async fn is_changed(&self, name: &str, to: &Releases) -> Result<bool, StoreError> {
        let row = self.store.connection(name).await?;
        Ok(row.is_some_and(|row| row.digest == to.digest && row.canary == to.canary))
    }
}
